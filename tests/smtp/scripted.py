"""A mail server of the tests' own that does as it is told: right, slow or lying; it records what it took.

``ScriptedServer(decide)`` asks ``decide(stage, transaction)`` before each answer; None is the right answer.
``tests.smtp.faults`` has one for storms.
"""

from __future__ import annotations

import contextlib
import hashlib
import re
import socket
import ssl
import struct
import threading
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Literal

Stage = Literal["connect", "ehlo", "starttls", "auth", "mail", "rcpt", "data", "body", "dot", "rset", "quit"]
EXTENSIONS = ("PIPELINING", "SIZE 20000000", "8BITMIME", "SMTPUTF8", "DSN", "ENHANCEDSTATUSCODES")

_MESSAGE_ID = re.compile(rb"^message-id:\s*<?([^>\r\n]*)>?", re.IGNORECASE | re.MULTILINE)
_DATE = re.compile(rb"^date:\s*([^\r\n]*)", re.IGNORECASE | re.MULTILINE)
_PATH = re.compile(r"<([^>]*)>")


@dataclass(frozen=True)
class Say:
    """Answer with this text (CRLF is added to each line)."""

    text: str


@dataclass(frozen=True)
class Raw:
    """Send these bytes as they are, and go on."""

    octets: bytes


@dataclass(frozen=True)
class Wait:
    """Wait, then do the right thing, or ``then``."""

    seconds: float
    then: object = None


@dataclass(frozen=True)
class Drop:
    """Close the connection without a word; ``taken`` at the dot: the message is kept all the same."""

    taken: bool = False
    reset: bool = False


@dataclass(frozen=True)
class HalfClose:
    """Say nothing more, but go on reading."""

    taken: bool = False


@dataclass(frozen=True)
class Silence:
    """Never answer; ``taken`` at the dot: the message is kept all the same."""

    taken: bool = False


@dataclass(frozen=True)
class Trickle:
    """Send one byte every ``seconds``, and never a whole line."""

    seconds: float


@dataclass(frozen=True)
class Forget:
    """Throw away what was sent ahead, then do the right thing."""


Action = Forget | Say | Raw | Wait | Drop | HalfClose | Silence | Trickle


@dataclass
class Transaction:
    """What is known of one message so far. ``visit`` counts how often this recipient was named."""

    connection: int = 0
    command: str = ""
    sender: str = ""
    recipient: str = ""
    visit: int = 0
    octets: int = 0


@dataclass(frozen=True)
class Taken:
    """A message that the server took responsibility for."""

    recipient: str
    sender: str
    message_id: str
    date: str
    sha256: str
    connection: int
    at: float
    message: bytes = b""


Decide = Callable[[Stage, Transaction], Action | None]


class _GoneError(Exception):
    pass


@dataclass
class ScriptedServer:
    """``with ScriptedServer(decide) as server: … server.port … server.taken``.

    :param keep: keep the messages themselves, not only their digests.
    :param context: offer STARTTLS with it; ``implicit``: TLS from the start.
    """

    decide: Decide | None = None
    extensions: tuple[str, ...] = EXTENSIONS
    context: ssl.SSLContext | None = None
    implicit: bool = False
    keep: bool = False
    taken: list[Taken] = field(default_factory=list)
    commands: list[str] = field(default_factory=list)  # with ``keep``
    packets: list[bytes] = field(default_factory=list)  # with ``keep``: what each read returned
    answered: Counter[str] = field(default_factory=Counter)
    dropped_after: int = 0
    connections: int = 0

    def __post_init__(self) -> None:
        self._visits: Counter[str] = Counter()
        self._lock = threading.Lock()
        self._open: set[socket.socket] = set()
        self._listener = socket.create_server(("127.0.0.1", 0), backlog=256)
        self.port: int = self._listener.getsockname()[1]
        self._stopped = False

    def __enter__(self) -> ScriptedServer:
        self._thread = threading.Thread(target=self._listen, daemon=True)
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stopped = True
        with contextlib.suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        with self._lock:
            for sock in self._open:
                with contextlib.suppress(OSError):
                    sock.shutdown(socket.SHUT_RDWR)
        self._thread.join(5)

    @property
    def recipients(self) -> Counter[str]:
        """How often each recipient's message was taken."""
        with self._lock:
            return Counter(taken.recipient for taken in self.taken)

    def _listen(self) -> None:
        while not self._stopped:
            try:
                sock, _peer = self._listener.accept()
            except OSError:
                return
            with self._lock:
                self.connections += 1
                number = self.connections
                self._open.add(sock)
            threading.Thread(target=self._serve, args=(sock, number), daemon=True).start()

    def _serve(self, sock: socket.socket, number: int) -> None:
        raw = sock
        peer = None
        try:
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            if self.implicit and self.context:
                sock = self.context.wrap_socket(sock, server_side=True)
            peer = _Peer(self, sock, number)
            peer.serve()
        except (_GoneError, OSError):
            pass
        finally:
            with self._lock:
                self._open.discard(raw)
            (peer.sock if peer else sock).close()

    def visited(self, recipient: str) -> int:
        with self._lock:
            self._visits[recipient] += 1
            return self._visits[recipient]

    def take(self, transaction: Transaction, message: bytes) -> None:
        found, date = _MESSAGE_ID.search(message), _DATE.search(message)
        taken = Taken(
            transaction.recipient,
            transaction.sender,
            found[1].decode("ascii", "replace") if found else "",
            date[1].decode("ascii", "replace") if date else "",
            hashlib.sha256(message).hexdigest(),
            transaction.connection,
            time.monotonic(),
            message if self.keep else b"",
        )
        with self._lock:
            self.taken.append(taken)


class _Peer:
    """One session, on a thread of its own."""

    def __init__(self, server: ScriptedServer, sock: socket.socket, number: int) -> None:
        self.server = server
        self.sock = sock
        self.buffer = b""
        self.transaction = Transaction(connection=number)
        self.has_sender = self.has_recipient = False

    def serve(self) -> None:
        self.answer("connect", "220 scripted.test ESMTP")
        while True:
            line = self.line()
            if self.server.keep:
                self.server.commands.append(line)
            self.transaction.command = line
            verb, _space, rest = line.partition(" ")
            match verb.upper():
                case "EHLO":
                    self.ehlo()
                case "HELO":
                    self.answer("ehlo", "250 scripted.test")
                case "STARTTLS" if self.server.context:
                    self.starttls(self.server.context)
                case "AUTH":
                    self.answer("auth", "235 2.7.0 welcome")
                case "MAIL" if self.has_sender:
                    self.say("503 5.5.1 nested MAIL")
                case "MAIL":
                    self.transaction = Transaction(self.transaction.connection, line, self.path(rest))
                    self.has_sender = self.answer("mail", "250 2.1.0 sender ok")
                case "RCPT":
                    self.transaction.recipient = self.path(rest)
                    self.transaction.visit = self.server.visited(self.transaction.recipient)
                    right = "250 2.1.5 recipient ok" if self.has_sender else "503 5.5.1 MAIL first"
                    self.has_recipient = self.answer("rcpt", right)
                case "DATA":
                    self.data()
                case "RSET":
                    self.forget()
                    self.answer("rset", "250 2.0.0 flushed")
                case "QUIT":
                    self.answer("quit", "221 2.0.0 bye")
                    return
                case _:
                    self.say("500 5.5.2 what?")

    def ehlo(self) -> None:
        extensions = self.server.extensions
        if self.server.context and not isinstance(self.sock, ssl.SSLSocket):
            extensions = (*extensions, "STARTTLS")
        lines = ["scripted.test", *extensions]
        text = "\n".join(
            f"250{'-' if number < len(lines) else ' '}{line}" for number, line in enumerate(lines, 1)
        )
        self.answer("ehlo", text)

    def starttls(self, context: ssl.SSLContext) -> None:
        if self.answer("starttls", "220 2.0.0 go ahead"):
            self.buffer = b""
            self.sock = context.wrap_socket(self.sock, server_side=True)

    def data(self) -> None:
        right = "354 go on" if self.has_recipient else "554 5.5.1 no valid recipients"
        if not self.answer("data", right):
            return
        self.perform(self.decision("body"), "")
        message = self.body()
        if not self.has_recipient:
            self.say("554 5.5.1 no valid recipients")
            return
        self.transaction.octets = len(message)
        action = self.decision("dot")
        if getattr(action, "taken", False):
            with self.server._lock:
                self.server.dropped_after += 1
            self.server.take(self.transaction, message)
        elif action is None or isinstance(action, Forget) or (isinstance(action, Wait) and not action.then):
            # Before the answer: who is killed while we answer has had its message taken.
            self.server.take(self.transaction, message)
        self.perform(
            action, "250 2.0.0 Ok: queued as " + hashlib.sha256(message[:2000]).hexdigest()[:11].upper()
        )
        self.forget()

    def forget(self) -> None:
        self.transaction = Transaction(self.transaction.connection)
        self.has_sender = self.has_recipient = False

    def answer(self, stage: Stage, right: str) -> bool:
        """Answer; tell whether that was yes."""
        text = self.perform(self.decision(stage), right)
        return text[:1] in {"2", "3"}

    def decision(self, stage: Stage) -> Action | None:
        return self.server.decide(stage, self.transaction) if self.server.decide else None

    def perform(self, action: object, right: str) -> str:
        match action:
            case None:
                self.say(right)
                return right
            case Say(text):
                self.say(text)
                return text
            case Forget():
                self.sock.settimeout(0.1)
                with contextlib.suppress(TimeoutError):
                    self.sock.recv(65536)
                self.sock.settimeout(None)
                self.buffer = b""
                return self.perform(None, right)
            case Raw(octets):
                self.sock.sendall(octets)
                return octets.decode("latin-1")
            case Wait(seconds, then):
                time.sleep(seconds)
                return self.perform(then, right)
            case Drop(reset=reset):
                if reset:
                    self.sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
                raise _GoneError
            case HalfClose():
                self.sock.shutdown(socket.SHUT_WR)
                self.drain()
            case Silence():
                self.drain()
            case Trickle(seconds):
                while True:
                    self.sock.sendall(b"2")
                    time.sleep(seconds)
        raise AssertionError(action)

    def say(self, text: str) -> None:
        if text:
            self.server.answered[text[:3]] += 1
            self.sock.sendall("".join(f"{line}\r\n" for line in text.split("\n")).encode())

    def drain(self) -> None:
        while self.sock.recv(65536):
            pass
        raise _GoneError

    def line(self) -> str:
        while b"\n" not in self.buffer:
            self.more()
        line, _newline, self.buffer = self.buffer.partition(b"\n")
        return line.rstrip(b"\r").decode("utf-8", "replace")

    def body(self) -> bytes:
        while not self.buffer.startswith(b".\r\n") and b"\r\n.\r\n" not in self.buffer[-200_000:]:
            self.more()
        if self.buffer.startswith(b".\r\n"):
            self.buffer = self.buffer[3:]
            return b""
        message, _dot, self.buffer = self.buffer.partition(b"\r\n.\r\n")
        return message + b"\r\n"

    def more(self) -> None:
        received = self.sock.recv(1 << 18)
        if not received:
            raise _GoneError
        self.buffer += received
        if self.server.keep:
            self.server.packets.append(received)

    @staticmethod
    def path(rest: str) -> str:
        found = _PATH.search(rest)
        return found[1] if found else ""
