"""Contracts of the delivery room: a claim on one copy, the verdict on it, and the outbox they belong to."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Protocol

from digest.models import DeliveryStatus
from digest.values import Envelope, Recipient

MINUTE = timedelta(minutes=1)
HOUR = timedelta(hours=1)
WAITING = (DeliveryStatus.QUEUED, DeliveryStatus.DEFERRED)
OPEN = (*WAITING, DeliveryStatus.CLAIMED, DeliveryStatus.SENDING, DeliveryStatus.UNCERTAIN)
ENDED = tuple(status for status in DeliveryStatus if status not in OPEN)
RETRY_STEPS = (5 * MINUTE, 15 * MINUTE, 30 * MINUTE, HOUR, 2 * HOUR, 4 * HOUR, 8 * HOUR)


@dataclass(frozen=True, slots=True)
class Notice:
    """What a mail to one person that is no issue is about; never an address."""

    kind: str
    language: str
    context: Mapping[str, object]
    issue_id: int | None = None
    created_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class Claim:
    """One copy that this worker alone may send, while ``fence`` is the row's and the lease lasts.

    ``date`` is the Date of the first transmission; it is set only for a copy in doubt that is sent
    again, with the very same bytes.
    """

    id: int
    fence: int
    recipient: Recipient
    attempts: int = 0
    resends: int = 0
    date: datetime | None = None
    rendition_id: int | None = None
    notice: Notice | None = None


@dataclass(frozen=True, slots=True)
class Verdict:
    """What becomes of a row. ``reply`` is redacted, ``attempts`` absolute: writing it twice is harmless."""

    status: DeliveryStatus
    attempts: int
    next_attempt_at: datetime | None = None
    sent_at: datetime | None = None
    reply: str = ""
    queue_id: str = ""


class Standing(StrEnum):
    """Whether copies may be sent at this moment."""

    OPEN = "open"
    PAUSED = "paused"
    CLOSED = "closed"  # cancelled, or already sent


@dataclass(frozen=True, slots=True)
class Backlog:
    """What is not at its end yet.

    ``due`` could be claimed now; ``later`` waits for its next attempt; ``elsewhere`` is claimed by
    other workers; ``doubtful`` is in doubt and will be sent again by itself; ``held`` is in doubt
    until somebody decides. ``next_at`` is when the first of ``later`` and ``doubtful`` is due.
    """

    due: int = 0
    later: int = 0
    elsewhere: int = 0
    doubtful: int = 0
    held: int = 0
    next_at: datetime | None = None

    @property
    def unfinished(self) -> int:
        """How many will get further by themselves."""
        return self.due + self.later + self.elsewhere + self.doubtful


@dataclass(frozen=True, slots=True, kw_only=True)
class Policy:
    """The numbers of the machine (docs/sending.md). The lease is longer than the wait for the dot's reply."""

    resend: bool = True
    lease: timedelta = 15 * MINUTE
    doubt: timedelta = 15 * MINUTE
    connections: int = 8
    expires_at: datetime | None = None
    retries: Sequence[timedelta] = RETRY_STEPS
    jitter: float = 0.2
    fuse_share: float = 0.005

    def fuse(self, copies: int) -> int:
        """How many of ``copies`` may be in doubt before sending again by itself is given up."""
        return max(2 * self.connections, int(self.fuse_share * copies))


@dataclass(frozen=True, slots=True)
class Tended:
    """What looking after the outbox did."""

    standing: Standing = Standing.OPEN
    reason: str = ""
    blown: int = 0  # copies in doubt when the fuse blew; 0: it did not


class Intent(Protocol):
    """That a final dot is about to be sent, to be put on disk first."""

    @property
    def decided(self) -> bool:
        """Whether ``wait`` would return at once."""
        ...

    def wait(self) -> bool:
        """Put it on disk with all else that has gathered; return when it is there, or cannot be.

        False: somebody else has the row, the lease is over, the issue is paused or cancelled, or the
        database is gone. The dot must not be sent then.
        """
        ...


class Outbox(Protocol):
    """Where copies wait; in the database, or in memory for test sends and dry runs.

    ``intend``, ``record``, ``write`` and ``release`` are called by several threads, the rest by one.
    """

    def claim(self, limit: int) -> Sequence[Claim]:
        """Take at most ``limit`` copies that are due and whose readers still want them."""
        ...

    def intend(self, claim: Claim, date: datetime) -> Intent:
        """Ask to record that the final dot will be sent; does not wait. Asking again is harmless."""
        ...

    def record(self, claim: Claim, verdict: Verdict) -> None:
        """Store what became of a copy, with the next ``write``; nothing later is stored before it."""
        ...

    def write(self) -> None:
        """Put on disk what has gathered. Raises nothing: while the database is away it waits a while."""
        ...

    def release(self, claims: Iterable[Claim]) -> None:
        """Give back copies that were certainly not sent."""
        ...

    def tend(self) -> Tended:
        """Renew our leases, take over what dead workers left, send again what was in doubt long enough."""
        ...

    def standing(self) -> Tended:
        """Whether copies may be sent now, by one cheap look."""
        ...

    def pause(self, reason: str) -> None:
        """Stop all workers of this outbox until somebody resumes it."""
        ...

    def backlog(self) -> Backlog:
        """What is left."""
        ...

    def leave(self) -> None:
        """Tell others that this worker no longer stands by."""
        ...

    def settle(self) -> None:
        """Return when everything recorded is safe on disk. Raises ``DatabaseUnusable``."""
        ...


Composer = Callable[[Claim, datetime], Envelope]
"""Makes the copy of a claim, dated; must give the same bytes for the same date."""
