"""When what the connections have gathered, intents and results, is put on disk together."""

from __future__ import annotations

from typing import Final

from digest.clock import Clock
from digest.delivery.machine import Outbox
from digest.delivery.slots import Slot

ENOUGH: Final = 0.75  # of the connections that are busy
GATHER_SECONDS: Final = 0.001  # commits are this far apart, unless enough connections wait for one
PATIENT_SECONDS: Final = 0.004  # and so far if by then they will, at the pace at which they come
OVERDUE_SECONDS: Final = 0.02  # then it is time, whatever else there is to do
LINGER_SECONDS: Final = 0.01  # how long a result lies that nobody waits for
# While many are missing nobody listens, for this part of the time in which they will come: fewer looks, and
# more to see at each (137 became about 120 µs a copy).
REST: Final = 0.9
MANY: Final = 4


class Gathering:
    """The connections whose server waits for the message, which goes when its intent is on disk.

    A commit costs as much as the writes of twenty copies. A quarter of the connections still sends while the
    others wait for it: more would make the server wait, too.
    """

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._parked: list[Slot] = []
        self._unwritten: Outbox | None = None  # of results that are not known to be on disk
        self._wrote = 0.0
        self._pace = 1.0  # seconds from one that asks for its intent to the next

    def park(self, slot: Slot) -> None:
        """``slot`` waits for its permit."""
        self._parked.append(slot)

    def concluded(self, outbox: Outbox) -> None:
        """A result was recorded there."""
        self._unwritten = outbox

    @property
    def any(self) -> bool:
        """Whether there is something to write."""
        return bool(self._parked) or self._unwritten is not None

    def permitted(self) -> list[Slot]:
        """Take those whose intent is decided."""
        parked = self._parked
        # They are decided in their order: the others need not be asked while the first is not.
        if not parked or parked[0].permit is None or not parked[0].permit.ready():
            return []
        decided: list[Slot] = []
        self._parked = []
        for slot in parked:
            ready = slot.permit is not None and slot.permit.ready()
            (decided if ready else self._parked).append(slot)
        return decided

    def patience(self, busy: int) -> tuple[float, float]:
        """For how many seconds more may gather, and for how many of them nobody need listen.

        :param busy: how many connections carry a copy.
        """
        parked = len(self._parked)
        if not parked:
            return LINGER_SECONDS, 0.0
        missing = ENOUGH * busy - parked
        passed = self._clock.monotonic() - self._wrote
        if missing <= 0:
            return min(0.0, PATIENT_SECONDS - passed), 0.0
        if ENOUGH * busy * self._pace > PATIENT_SECONDS:
            return GATHER_SECONDS - passed, 0.0
        left = PATIENT_SECONDS - passed
        if missing < MANY:
            return left, 0.0
        return left, min(REST * missing * self._pace, left / 2)

    def write(self) -> None:
        """Put on disk what has gathered."""
        if self._parked:
            permit = self._parked[0].permit
            if permit is not None:
                permit()
        elif self._unwritten is not None:
            self._unwritten.write()
        self._unwritten = None
        now = self._clock.monotonic()
        self._pace, self._wrote = (now - self._wrote) / max(1, len(self._parked)), now
