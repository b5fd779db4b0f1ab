"""What a server may do to us, and how it is told: it refuses, falls silent, or drips a byte a minute."""

from __future__ import annotations

import contextlib
import socket
import ssl
import threading
from collections.abc import Iterator
from typing import Final

from digest.bounces.errors import MailboxUnavailable

_FAULTS: Final[tuple[type[Exception], ...]] = (OSError, EOFError, ValueError)


class Watchdog:
    """Hangs up when an exchange takes longer than ``seconds``; whoever is reading then reads an end.

    It holds the line by a descriptor of its own, so that TLS may be put over it meanwhile.
    """

    def __init__(self, seconds: float) -> None:
        self.seconds = seconds
        self.bit = False
        self._line: socket.socket | None = None

    def watch(self, line: socket.socket) -> socket.socket:
        """Mind this connection; returns it."""
        self.close()
        self._line = line.dup()
        return line

    @contextlib.contextmanager
    def exchange(self, name: str, *broken: type[Exception]) -> Iterator[None]:
        """What happens within comes to its end in time, or becomes ``MailboxUnavailable``.

        :param name: of the mailbox, for the line that is told.
        :param broken: what a library raises for an answer that it does not understand.
        """
        timer = threading.Timer(self.seconds, self._bite)
        timer.daemon = True
        timer.start()
        try:
            yield
        except MailboxUnavailable:
            raise
        except _FAULTS + broken as error:
            raise self._told(name, error) from error
        finally:
            timer.cancel()

    def _told(self, name: str, error: Exception) -> MailboxUnavailable:
        later = "the next poll goes on where this one stopped"
        if self.bit:
            return MailboxUnavailable(f"{name} is too slow: not done in {self.seconds:g} s", remedy=later)
        if isinstance(error, ssl.SSLError):
            remedy = "check the certificate and the host's name"
            return MailboxUnavailable(f"{name}: TLS failed: {error.reason or error}", remedy=remedy)
        if isinstance(error, TimeoutError):
            return MailboxUnavailable(f"{name} stalls", remedy=later)
        words = " ".join(str(error).split())[:200] or type(error).__name__
        remedy = "check [bounces] mailbox and DIGEST_MAILBOX_PASSWORD"
        return MailboxUnavailable(f"{name}: {words}", remedy=remedy)

    def _bite(self) -> None:
        self.bit = True
        if self._line is not None:
            with contextlib.suppress(OSError):
                self._line.shutdown(socket.SHUT_RDWR)

    def close(self) -> None:
        """Let go of the line."""
        if self._line is not None:
            self._line.close()
