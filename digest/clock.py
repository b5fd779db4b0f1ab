"""What time it is, and waiting: the one place that asks the machine.

Use cases take ``now``; loops take a ``Clock``. ``OffsetClock`` is what the hidden ``--now`` starts.
"""

from __future__ import annotations

import threading
import time
from datetime import UTC, datetime, timedelta
from typing import Protocol

from digest.errors import ClockUnset

EARLIEST = datetime(2025, 1, 1, tzinfo=UTC)
"""Before this program was written: a clock that says so has not been set since the machine started."""


def require_sane_clock(now: datetime) -> None:
    """Raise ``ClockUnset`` rather than date issues 1970, and take every story for one of the future."""
    if now < EARLIEST:
        raise ClockUnset(
            f"the clock says {now:%Y-%m-%d}, which is before this program was written",
            remedy="set the machine's clock (timedatectl set-ntp true)",
        )


class Clock(Protocol):
    """Tells civil and monotonic time and waits."""

    def now(self) -> datetime:
        """The time in UTC, aware."""
        ...

    def monotonic(self) -> float:
        """Seconds that never go back, from an arbitrary start."""
        ...

    def wait(self, seconds: float, *, until: threading.Event | None = None) -> bool:
        """Wait ``seconds``, or less when ``until`` is set; tell whether it was set."""
        ...


class SystemClock:
    """The machine's clock."""

    monotonic = staticmethod(time.monotonic)  # asked many times a message: no call in between

    def now(self) -> datetime:
        return datetime.now(UTC)

    def wait(self, seconds: float, *, until: threading.Event | None = None) -> bool:
        if until is not None:
            return until.wait(max(0.0, seconds))
        time.sleep(max(0.0, seconds))
        return False


class OffsetClock(SystemClock):
    """A clock that was set to ``start`` when it was made, and goes on from there."""

    def __init__(self, start: datetime) -> None:
        if start.tzinfo is None:
            raise ValueError("the clock's start needs a zone")
        self._offset: timedelta = start.astimezone(UTC) - datetime.now(UTC)

    def now(self) -> datetime:
        return datetime.now(UTC) + self._offset


class StoppedClock:
    """A clock for tests: it stands still, and waiting moves it on."""

    def __init__(self, at: datetime) -> None:
        self._now = at.astimezone(UTC)
        self._monotonic = 0.0

    def now(self) -> datetime:
        return self._now

    def monotonic(self) -> float:
        return self._monotonic

    def wait(self, seconds: float, *, until: threading.Event | None = None) -> bool:
        if until is not None and until.is_set():
            return True
        self.advance(timedelta(seconds=seconds))
        return False

    def advance(self, by: timedelta) -> None:
        """Move the clock on by ``by``."""
        self._now += by
        self._monotonic += by.total_seconds()
