"""The loop: jobs that come due, each in a thread of its own, while this process is the leader."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Protocol

from digest.clock import Clock

logger = logging.getLogger("digest.schedule")

TICK = 5.0
"""Seconds between looks at what is due."""


class Leadership(Protocol):
    """Whether this process may act; see ``digest.pipeline.leadership.Lease``."""

    def hold(self, now: datetime) -> bool: ...

    def release(self, now: datetime) -> None: ...


@dataclass
class Job:
    """Something that is done again and again, never twice at the same time.

    :param work: is given an event that is set when the process should end.
    :param every: the least time between two beginnings.
    :param backoff: the least time after a failure, doubled by each further one up to an hour.
    """

    name: str
    work: Callable[[threading.Event], None]
    every: timedelta
    backoff: timedelta = timedelta(seconds=30)
    _next: datetime | None = field(default=None, init=False)
    _thread: threading.Thread | None = field(default=None, init=False)
    _failures: int = field(default=0, init=False)
    _told: str = field(default="", init=False)

    @property
    def running(self) -> bool:
        """Whether its thread is at work."""
        return self._thread is not None and self._thread.is_alive()

    def due(self, now: datetime) -> bool:
        """Whether it should begin now. A clock that was set back delays nothing by more than ``every``."""
        if self.running:
            return False
        if self._next is not None and self._next - now > max(self.every, timedelta(hours=1)):
            self._next = now
        return self._next is None or now >= self._next

    def begin(self, now: datetime, stop: threading.Event) -> None:
        """Start its thread."""
        self._next = now + self.every
        self._thread = threading.Thread(target=self._run, args=(stop, now), name=self.name, daemon=True)
        self._thread.start()

    def wait(self, seconds: float) -> bool:
        """Wait for its thread; tell whether it has ended."""
        if self._thread is not None:
            self._thread.join(max(0.0, seconds))
        return not self.running

    def _run(self, stop: threading.Event, now: datetime) -> None:
        try:
            self.work(stop)
        except Exception as error:  # noqa: BLE001 - the crash of one job leaves the others
            self._failures += 1
            delay = min(self.backoff * 2 ** min(self._failures - 1, 10), timedelta(hours=1))
            self._next = max(self._next or now, now + delay)
            line = f"{type(error).__name__}: {error}"
            if line != self._told:  # a database that is away for ten minutes is told once
                logger.error("%s: %s (next try in %s)", self.name, line, delay)
                self._told = line
        else:
            if self._told:
                logger.info("%s: works again", self.name)
            self._failures, self._told = 0, ""


class Office:
    """Runs jobs until it is told to stop."""

    def __init__(
        self, jobs: Sequence[Job], leadership: Leadership, clock: Clock, *, tick: float = TICK
    ) -> None:
        self._jobs = jobs
        self._leadership = leadership
        self._clock = clock
        self._tick = tick
        self._leads = False
        self._told = ""

    def run(self, stop: threading.Event, *, grace: float = 30.0) -> bool:
        """Work until ``stop`` is set; then wait at most ``grace`` seconds for the jobs at work.

        Returns whether all of them ended. Deliveries that did not are taken over by their lease.
        """
        while not stop.is_set():
            self.look(stop)
            self._clock.wait(self._tick, until=stop)
        ended = self._wind_up(grace)
        if self._leads:
            self._try(lambda: self._leadership.release(self._clock.now()))
        return ended

    def look(self, stop: threading.Event) -> None:
        """One look: renew the lease, begin what is due."""
        now = self._clock.now()
        leads = bool(self._try(lambda: self._leadership.hold(now)))
        if leads != self._leads:
            logger.info("this process leads" if leads else "another process leads")
        self._leads = leads
        if not leads:
            return
        for job in self._jobs:
            if job.due(now):
                job.begin(now, stop)

    def _wind_up(self, grace: float) -> bool:
        deadline = self._clock.monotonic() + grace
        ended = [job.wait(deadline - self._clock.monotonic()) for job in self._jobs]
        return all(ended)

    def _try(self, action: Callable[[], bool | None]) -> bool | None:
        try:
            result = action()
        except Exception as error:  # noqa: BLE001 - without a database nobody leads; it is told once
            line = f"{type(error).__name__}: {error}"
            if line != self._told:
                logger.error("the database cannot be reached: %s", line)
                self._told = line
            return None
        if self._told:
            logger.info("the database can be reached again")
            self._told = ""
        return result
