"""The permit before a final dot: an intent that is on disk, and not answered long ago."""

from __future__ import annotations

from datetime import datetime

from digest.clock import Clock
from digest.delivery.machine import Claim, Outbox

FRESH_SECONDS = 0.5  # how old the answer to an intent may be when the dot is sent


class Permit:
    """Asks for the intent when the envelope is about to go, so that intents of many connections gather;
    called before the dot, it puts them on disk. Remembers the answer, should the connection break its
    contract.
    """

    __slots__ = ("_again", "_asked", "_claim", "_clock", "_date", "_intent", "_outbox", "granted")

    def __init__(self, outbox: Outbox, claim: Claim, date: datetime, clock: Clock) -> None:
        self._outbox = outbox
        self._claim = claim
        self._date = date
        self._clock = clock
        self._asked = clock.monotonic()
        self._again = False
        self._intent = outbox.intend(claim, date)
        self.granted = False

    def ready(self) -> bool:
        """Whether the answer is there; if not, calling writes what has gathered."""
        return self._intent.decided and (not self._stale() or self._intent.decided)

    def __call__(self) -> bool:
        self._stale()
        self.granted = self._intent.wait()
        return self.granted

    def _stale(self) -> bool:
        """Ask about lease, fence and pause once more when a slow server, or a stop of ours, took long."""
        if self._again or self._clock.monotonic() - self._asked <= FRESH_SECONDS:
            return False
        self._again = True
        self._intent = self._outbox.intend(self._claim, self._date)
        return True
