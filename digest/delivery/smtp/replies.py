"""Replies of a mail server, read with limits: a server that trickles, floods or babbles is let go."""

from __future__ import annotations

import re
import select
import socket
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

LONGEST_REPLY: Final = 65536  # octets of all lines together; RFC 5321 has 512 a line
MOST_LINES: Final = 200
KEPT_TEXT: Final = 1000  # characters
KNOWN_REPLIES: Final = 32
LOOK_SECONDS: Final = 0.25  # how long to wait for a socket without looking at the clock

_LINE = re.compile(rb"([2-5][0-9][0-9])(?:([ -])(.*))?", re.DOTALL)
_ENHANCED = re.compile(r"[245]\.[0-9]{1,3}\.[0-9]{1,3}(?=\s|$)")
_UNPRINTABLE = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029]+")
# By server: Postfix, Exim, Microsoft 365, Gmail, Sendmail, Amazon SES, qmail, and any Message-ID.
_QUEUE_IDS = tuple(
    re.compile(pattern, re.IGNORECASE)
    for pattern in (
        r"queued (?:mail )?as:? <?([\w.@+-]{4,128})",
        r"\bid=([\w.-]{6,128})",
        r"\[InternalId=(\d{1,32})",
        r"\bOK +\d{9,11} ([\w.-]{6,128}) - gsmtp",
        r"^(?:2\.\d\.\d )?([\w.]{8,64}) Message accepted for delivery",
        r"^(?:2\.\d\.\d )?ok:? ([0-9a-f][0-9a-f-]{15,127})\b",
        r"\bqp (\d{1,20})",
        r"<([^<>@\s]{3,90}@[^<>\s]{1,37})>",
    )
)


_SHORTEST_WITH_ID: Final = 9  # "2.0.0 Ok" tells nothing, and eight searches would find that out


class SessionError(Exception):
    """The session cannot go on. ``timed_out``: the server kept silent, rather than hung up or babbled."""

    def __init__(self, reason: str, *, timed_out: bool = False) -> None:
        super().__init__(reason)
        self.reason = reason
        self.timed_out = timed_out


@dataclass(frozen=True, slots=True)
class Reply:
    """A whole reply; ``text`` is one line without control characters, cut at 1,000 characters."""

    code: int
    text: str
    lines: tuple[bytes, ...] = ()

    @property
    def enhanced(self) -> str:
        """The RFC 3463 code that the text begins with, or empty."""
        found = _ENHANCED.match(self.text)
        return found[0] if found else ""

    @property
    def positive(self) -> bool:
        return 200 <= self.code < 300

    def __str__(self) -> str:
        return f"{self.code} {self.text}"


def queue_id_of(text: str) -> str:
    """The server's own name for a message, from its reply to the dot; empty when it tells none."""
    if len(text) < _SHORTEST_WITH_ID:
        return ""
    return next((found[1] for pattern in _QUEUE_IDS if (found := pattern.search(text))), "")


class ReplyReader:
    """Reads replies from a socket, whether that blocks or not; ``monotonic`` gives the total deadline."""

    def __init__(self, sock: socket.socket, monotonic: Callable[[], float]) -> None:
        self._socket = sock
        self._pending: Callable[[], int] | None = getattr(sock, "pending", None)  # of a TLS socket
        self._monotonic = monotonic
        self._buffer = b""
        self._lines: list[bytes] = []  # of a reply whose end has not come yet
        self._size = 0
        self._known: dict[bytes, Reply] = {}  # one line: servers say the same few things over and over
        self._received_at = 0.0
        self._poll = select.poll()
        self._poll.register(sock, select.POLLIN)

    def read(self, seconds: float) -> Reply:
        """The next reply, within ``seconds`` from now in all. Raises ``SessionError``."""
        deadline = 0.0
        while (reply := self.take()) is None:
            now = self._monotonic()
            deadline = deadline or now + seconds
            if now >= deadline:
                raise SessionError("no reply in time", timed_out=True)
            if self.hidden or self._poll.poll(1000 * min(deadline - now, LOOK_SECONDS)):
                self.fill()
        return reply

    def take(self) -> Reply | None:
        """The next reply of what has been received, or None. Raises ``SessionError``."""
        while True:
            line, newline, rest = self._buffer.partition(b"\n")
            if not newline:
                if self._size + len(line) > LONGEST_REPLY:
                    raise SessionError("the reply has no end")
                return None
            self._buffer = rest
            lines = self._lines
            if not lines and (known := self._known.get(line)) is not None:
                return known
            self._size += len(line)
            found = _LINE.fullmatch(line.rstrip(b"\r"))
            if found is None or (lines and found[1] != lines[0][:3]):
                raise SessionError(f"not a reply: {_printable(line)[:100]!r}")
            lines.append(found[0])
            if found[2] != b"-":
                return self._whole(int(found[1]), line)
            if len(lines) >= MOST_LINES or self._size > LONGEST_REPLY:
                raise SessionError("the reply has no end")

    def take_all(self, usual: bytes) -> bool:
        """Take all that has been received if it is to the byte what was understood before."""
        if not usual or self._buffer != usual or self._lines:
            return False
        self._buffer = b""
        return True

    def _whole(self, code: int, line: bytes) -> Reply:
        lines, self._lines, self._size = self._lines, [], 0
        reply = Reply(code, _text(lines), tuple(lines))
        if len(lines) == 1 and len(line) < KEPT_TEXT:
            if len(self._known) >= KNOWN_REPLIES:
                self._known.clear()
            self._known[line] = reply
        return reply

    def fill(self) -> None:
        """Receive what is there. Raises ``SessionError`` when the connection has ended."""
        try:
            received = self._socket.recv(8192)
        except TimeoutError:
            return
        except OSError as error:
            if would_block(error):
                return
            raise SessionError(error.strerror or str(error)) from error
        if not received:
            raise SessionError("the server closed the connection")
        self._buffer = self._buffer + received if self._buffer else received
        self._received_at = self._monotonic()

    @property
    def hidden(self) -> bool:
        """Whether TLS holds something that the socket no longer shows."""
        return self._pending is not None and self._pending() > 0

    @property
    def age(self) -> float:
        """Seconds since something was received."""
        return self._monotonic() - self._received_at

    @property
    def buffered(self) -> bool:
        """Whether something was read that nobody asked for."""
        return bool(self._buffer)

    def waiting(self) -> bool:
        """Whether something has arrived, or the connection has ended; does not wait."""
        if self._buffer:
            return True
        if not (self.hidden or self._poll.poll(0)):
            return False
        # Under TLS there may be a record that holds no data (a session ticket): look inside.
        timeout = self._socket.gettimeout()
        if timeout != 0:
            self._socket.settimeout(0)
        try:
            received = self._socket.recv(8192)
        except OSError as error:
            return not would_block(error)
        finally:
            if timeout != 0:
                self._socket.settimeout(timeout)
        self._buffer = received
        return True


def would_block(error: OSError) -> bool:
    """Whether a socket that does not wait has nothing to read, or no room to write."""
    from ssl import SSLWantReadError, SSLWantWriteError

    return isinstance(error, BlockingIOError | SSLWantReadError | SSLWantWriteError)


def _text(lines: list[bytes]) -> str:
    return _printable(b" ".join([line[4:] for line in lines]))[:KEPT_TEXT]


def _printable(raw: bytes) -> str:
    return _UNPRINTABLE.sub(" ", raw.decode("utf-8", "replace")).strip()
