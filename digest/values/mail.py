"""Values of delivery: a recipient, a copy for the wire, and what became of it."""

from __future__ import annotations

from collections.abc import Callable, Generator, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Protocol


@dataclass(frozen=True, slots=True, kw_only=True)
class Recipient:
    """A person as far as one copy needs to know: nothing else of them leaves the database.

    ``subscription_id`` is what link tokens are made of; ``sections`` is None for all of them.
    """

    subscriber_id: int
    subscription_id: int
    address: str
    name: str = ""
    language: str = ""
    attributes: Mapping[str, str] = field(default_factory=dict)
    sections: frozenset[str] | None = None


@dataclass(frozen=True, slots=True)
class Envelope:
    """One copy for the wire (RFC 5321): the message has CRLF line ends and no line that begins with
    a dot, so that it needs no pass before it is sent; it ends in CRLF.

    It is kept in ``parts``, most of which all copies share: the wire takes them as they are, and 60 KB a copy
    need not be put together first. ``size`` is in octets.
    """

    sender: str
    recipient: str
    parts: Sequence[bytes]
    smtputf8: bool = False
    size: int = field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "size", sum(map(len, self.parts)))

    @property
    def message(self) -> bytes:
        """The whole of it, put together."""
        return b"".join(self.parts)


@dataclass(frozen=True, slots=True)
class Accepted:
    """The server took responsibility (250 to the final dot)."""

    reply: str = ""
    queue_id: str = ""


class Blame(StrEnum):
    """At which step a reply came, hence whom it concerns (docs/sending.md)."""

    CONNECTION = "connection"
    SENDER = "sender"
    RECIPIENT = "recipient"
    MESSAGE = "message"


@dataclass(frozen=True, slots=True)
class Deferred:
    """Certainly not sent; may work later. ``code`` is 0 when the connection was lost before the dot."""

    code: int
    reply: str
    enhanced: str = ""
    blame: Blame = Blame.RECIPIENT


@dataclass(frozen=True, slots=True)
class Refused:
    """Certainly not sent, and this server will not take it: a 5xx."""

    code: int
    reply: str
    enhanced: str = ""
    blame: Blame = Blame.RECIPIENT


@dataclass(frozen=True, slots=True)
class Uncertain:
    """The connection ended between the final dot and its reply (RFC 1047): nobody can know."""

    reason: str


@dataclass(frozen=True, slots=True)
class Withheld:
    """The permit before the dot was refused (fenced off, paused, cancelled): certainly not sent."""


Outcome = Accepted | Deferred | Refused | Uncertain | Withheld


@dataclass(frozen=True, slots=True, eq=False)
class Wait:
    """What a delivery in steps waits for, at most ``seconds``: its socket, or else the permit."""

    seconds: float = 0.0
    readable: bool = False
    writable: bool = False


PERMIT = Wait()
"""May the final dot be sent? Asked before the body, which it goes with, and again if that took its time."""

Steps = Generator[Wait, bool, Outcome]
"""A delivery that yields what it waits for. It is answered with whether that came in time, and ``PERMIT``
with whether it is granted; it returns the outcome."""


Follow = Callable[[], Envelope | None]
"""Asked once when a copy is about to go: which the next on this connection will be, if that is known. Whoever
names one either delivers it next on the connection, or closes that."""


class Connection(Protocol):
    """One SMTP session, used by one thread at a time."""

    def send(self, envelope: Envelope, *, permit: Callable[[], bool]) -> Outcome:
        """Deliver one copy. ``permit`` is called before the message, and again before the final dot if that
        did not go with it at once; when it returns False the dot is never sent. A connection whose outcome
        is ``Uncertain``, ``Withheld`` or blames the connection is closed and must be opened anew."""
        ...

    @property
    def usable(self) -> bool:
        """Whether another message may be sent on it."""
        ...

    def close(self) -> None:
        """QUIT, or just close."""
        ...


class SteppedConnection(Connection, Protocol):
    """A connection that never makes its thread wait, so that one thread can serve many."""

    def steps(self, envelope: Envelope, follow: Follow | None = None) -> Steps:
        """``send``, as steps. The commands of the copy that will ``follow`` may go along with the dot."""
        ...

    def fileno(self) -> int:
        """The socket to wait for, or -1 when it never waits for one."""
        ...


class Transport(Protocol):
    """Opens connections to the configured mail server."""

    def open(self) -> Connection:
        """Connect, greet, secure, log in. Raises ``ServerUnavailable`` or ``AuthenticationFailed``."""
        ...
