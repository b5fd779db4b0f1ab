"""The socket of a session and what comes over it, without making its thread wait: waits are yielded."""

from __future__ import annotations

import contextlib
import select
import socket
import struct
from collections.abc import Generator
from typing import Final

from digest.delivery.smtp.replies import LOOK_SECONDS, Reply, SessionError, would_block
from digest.delivery.smtp.session import Session
from digest.values import Wait

_RESET_ON_CLOSE: Final = struct.pack("ii", 1, 0)


class Wire:
    """An open session, its socket and the replies that come over it."""

    def __init__(self, session: Session) -> None:
        assert session.sock is not None  # noqa: S101 - an opened session has one
        self._session = session
        self._server = session.server
        self._sock: socket.socket = session.sock
        self._replies = session.replies
        self._reply_wait = Wait(self._server.timeout, readable=True)
        self._room_wait = Wait(self._server.timeout, readable=True, writable=True)
        self._open = True

    def fileno(self) -> int:
        """The session's socket; -1 once it is closed."""
        return self._sock.fileno()

    def abort(self) -> None:
        """Close at once with a reset, so that the server cannot take what it has for a whole message."""
        with contextlib.suppress(OSError):  # closed already
            self._sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET_ON_CLOSE)
        self._drop()

    def _drop(self) -> None:
        self._open = False
        self._session.close()

    def _came(self, wait: Wait) -> bool:
        poll = select.poll()
        poll.register(self._sock, select.POLLIN | select.POLLOUT if wait.writable else select.POLLIN)
        deadline = self._session.monotonic() + wait.seconds
        while (left := deadline - self._session.monotonic()) > 0:
            if poll.poll(1000 * min(left, LOOK_SECONDS)):  # the clock is asked, not only the kernel
                return True
        return False

    def _read(self, wait: Wait) -> Generator[Wait, bool, Reply]:
        """The next reply, within ``wait.seconds`` in all. Raises ``SessionError``."""
        replies = self._replies
        if (reply := replies.take()) is not None:
            return reply
        if replies.hidden or (yield wait):
            replies.fill()
            if (reply := replies.take()) is not None:
                return reply
        else:
            raise SessionError("no reply in time", timed_out=True)
        monotonic = self._session.monotonic
        deadline = monotonic() + wait.seconds
        while True:
            left = deadline - monotonic()
            if not replies.hidden and (left <= 0 or not (yield Wait(left, readable=True))):
                raise SessionError("no reply in time", timed_out=True)
            replies.fill()
            if (reply := replies.take()) is not None:
                return reply

    def _send_some(self, data: bytes | memoryview) -> int:
        """Send what there is room for at once. Raises ``OSError``."""
        try:
            return self._sock.send(data)
        except OSError as error:
            if not would_block(error):
                raise
            return 0

    def _write(self, data: bytes | memoryview, sent: int = 0) -> Generator[Wait, bool, bool]:
        """Send all of it; False when the server spoke before it had taken everything. Raises ``OSError``."""
        while True:
            sent += self._send_some(data[sent:] if sent else data)
            if sent == len(data):
                return True
            if not (yield self._room_wait):
                raise TimeoutError("the server takes nothing any more")
            if self._replies.waiting():
                return False

    def _say(self, commands: bytes) -> Generator[Wait, bool, None]:
        if not (yield from self._write(commands)):
            raise SessionError("out of step: an answer before the question")

    def _ask(self, command: str) -> Generator[Wait, bool, Reply]:
        yield from self._say(f"{command}\r\n".encode())
        return (yield from self._read(self._reply_wait))
