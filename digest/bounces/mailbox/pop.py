"""POP3 (RFC 1939, STLS of RFC 2595): what was settled is deleted when the session ends in order."""

from __future__ import annotations

import contextlib
import poplib
import socket
import ssl
import threading
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Final

from digest.bounces.errors import MailboxUnavailable
from digest.bounces.mailbox.contract import EXCHANGE_SECONDS, After, Letter, grouped
from digest.bounces.mailbox.watchdog import Watchdog
from digest.bounces.reading import READ_LIMIT
from digest.errors import ConfigError

if TYPE_CHECKING:
    from digest.bounces.mailbox.opening import MailboxAddress

_LINES_OF_LARGE: Final = 100_000  # TOP gives so many lines of a message above READ_LIMIT
_PIECE: Final = 65_536  # bytes


class _Line(poplib.POP3):
    """The library's client, watched over, and with answers in pieces, since lines may be of any length."""

    def __init__(
        self, address: MailboxAddress, timeout: float, watchdog: Watchdog, context: ssl.SSLContext | None
    ) -> None:
        self._watchdog = watchdog
        self._context = context
        try:
            super().__init__(address.host, address.port, timeout)
        except BaseException:
            with contextlib.suppress(OSError, AttributeError):  # the library's own forgets to close it
                self.close()
            raise

    def _create_socket(self, timeout: float) -> socket.socket:
        line: socket.socket = self._watchdog.watch(super()._create_socket(timeout))  # type: ignore[misc]
        return self._context.wrap_socket(line, server_hostname=self.host) if self._context else line

    def pieces(self, command: str) -> Iterator[bytes]:
        """Ask, and yield the answer of many lines, without the dots that are stuffed in."""
        self._shortcmd(command)  # type: ignore[attr-defined]
        begins = True
        while piece := self.file.readline(_PIECE):
            if begins and piece in {b".\r\n", b".\n"}:
                return
            yield piece[1:] if begins and piece.startswith(b"..") else piece
            begins = piece.endswith(b"\n")
        raise poplib.error_proto("-ERR EOF")


class PopMailbox:
    """A POP3 maildrop (implements ``Mailbox``): it can delete, but neither move nor mark.

    :param timeout: seconds that the server may be silent.
    :param exchange: seconds that one batch may take in all.
    """

    def __init__(
        self,
        address: MailboxAddress,
        *,
        after: After,
        timeout: float,
        exchange: float = EXCHANGE_SECONDS,
        tls_context: ssl.SSLContext | None = None,
    ) -> None:
        if after is After.MOVE:
            raise ConfigError(
                '[bounces] after = "move" needs folders, which POP3 has not', remedy='write "delete"'
            )
        self._name = f"mailbox pop3://{address.host}:{address.port}"
        self._after = after
        self._watchdog = Watchdog(exchange)
        try:
            with self._explained():
                self._line = self._open(address, timeout, tls_context or ssl.create_default_context())
        except BaseException:
            self._watchdog.close()
            raise

    def _open(self, address: MailboxAddress, timeout: float, context: ssl.SSLContext) -> _Line:
        line = _Line(address, timeout, self._watchdog, context if address.tls else None)
        try:
            if not address.tls and not address.plain:
                line.stls(context)
            line.user(address.user)
            line.pass_(address.password)
        except BaseException:
            with contextlib.suppress(OSError):  # a failed handshake has closed it
                line.close()
            raise
        return line

    def batches(self) -> Iterator[list[Letter]]:
        with self._explained():
            sizes = [line.split()[:2] for line in self._line.list()[1]]
            listed = [(number.decode("ascii"), int(size)) for number, size in sizes]
        for group in grouped(listed, limit=READ_LIMIT):
            with self._explained():
                letters = [Letter(number, self._beginning(number, size), size) for number, size in group]
            yield letters

    def _beginning(self, number: str, size: int) -> bytes:
        asked = f"RETR {int(number)}"
        if size > READ_LIMIT:
            with contextlib.suppress(poplib.error_proto):  # TOP may be missing
                return _first(self._line.pieces(f"TOP {int(number)} {_LINES_OF_LARGE}"))
        return _first(self._line.pieces(asked))

    def pieces(self, letter: Letter) -> Iterator[bytes]:
        with self._explained():
            yield from self._line.pieces(f"RETR {int(letter.key)}")

    def settle(self, letters: Sequence[Letter]) -> None:
        if self._after is After.KEEP:
            return
        with self._explained():
            for letter in letters:
                self._line.dele(int(letter.key))

    def wait(self, seconds: float, stop: threading.Event) -> bool:
        return False

    def close(self) -> None:
        with contextlib.suppress(MailboxUnavailable), self._explained():
            self._line.quit()
        with contextlib.suppress(OSError):
            self._line.close()
        self._watchdog.close()

    @contextlib.contextmanager
    def _explained(self) -> Iterator[None]:
        with self._watchdog.exchange(self._name, poplib.error_proto):
            yield


def _first(pieces: Iterator[bytes]) -> bytes:
    """The first ``READ_LIMIT`` bytes; the rest is read away, since the answer must be heard to its end."""
    kept = bytearray()
    for piece in pieces:
        if len(kept) < READ_LIMIT:
            kept += piece
    return bytes(kept[:READ_LIMIT])
