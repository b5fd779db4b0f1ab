"""An outbox in memory, for test sends and dry runs: the database is not touched."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Iterable, Sequence
from datetime import datetime
from itertools import islice

from digest.clock import Clock
from digest.delivery.machine import Backlog, Claim, Intent, Standing, Tended, Verdict
from digest.models import DeliveryStatus
from digest.values import Recipient


class MemoryOutbox:
    """Gives each of ``recipients`` out once; ``verdicts`` say what became of them, by the claim's number.

    Nothing is tried twice: whoever looks at a test send wants the server's first answer. Recipients
    may be an iterator that is as long as the audience.
    """

    def __init__(self, recipients: Iterable[Recipient], clock: Clock) -> None:
        self._clock = clock
        self._waiting = iter(recipients)
        self._next_id = 1
        self._released: deque[Claim] = deque()
        self._lock = threading.Lock()
        self._out: set[int] = set()
        self._reason = ""
        self._standing = Standing.OPEN
        self.counts: dict[DeliveryStatus, int] = {}
        self.replies: list[str] = []

    def claim(self, limit: int) -> Sequence[Claim]:
        claims: list[Claim] = []
        with self._lock:
            while self._released and len(claims) < limit:
                claims.append(self._released.popleft())
            for recipient in islice(self._waiting, limit - len(claims)):
                claims.append(Claim(self._next_id, 1, recipient))
                self._next_id += 1
            self._out.update(claim.id for claim in claims)
        return claims

    decided = True

    def intend(self, claim: Claim, date: datetime) -> Intent:
        return self

    def write(self) -> None:
        """There is no disk."""

    def wait(self) -> bool:
        """Every intent holds while the outbox is open."""
        return self._standing is Standing.OPEN

    def record(self, claim: Claim, verdict: Verdict) -> None:
        with self._lock:
            self._out.discard(claim.id)
            if verdict.status is DeliveryStatus.QUEUED:
                self._released.append(claim)
                return
            self.counts[verdict.status] = self.counts.get(verdict.status, 0) + 1
            if verdict.reply and len(self.replies) < 20:
                self.replies.append(verdict.reply)

    def release(self, claims: Iterable[Claim]) -> None:
        with self._lock:
            for claim in claims:
                self._out.discard(claim.id)
                self._released.append(claim)

    def tend(self) -> Tended:
        return self.standing()

    def standing(self) -> Tended:
        return Tended(standing=self._standing, reason=self._reason)

    def pause(self, reason: str) -> None:
        self._standing, self._reason = Standing.PAUSED, reason

    def backlog(self) -> Backlog:
        with self._lock:
            return Backlog(due=len(self._released), elsewhere=len(self._out))

    def leave(self) -> None: ...

    def settle(self) -> None: ...
