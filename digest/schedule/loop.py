"""The loop: jobs that come due, each in a thread of its own, while this process is the leader."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Protocol

from digest.clock import EARLIEST, Clock
from digest.errors import Explained

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

    @property
    def failed(self) -> bool:
        """Whether it failed when it was done last."""
        return self._failures > 0

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
            line = one_line(error)
            if not isinstance(error, Explained) and not hasattr(error, "orig"):
                line = f"{type(error).__name__}: {line}"
            if line != self._told:  # a disk that is full for ten minutes is told once
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
        self._leads: bool | None = None
        self._trouble = ""

    @property
    def failed(self) -> bool:
        """Whether any job failed when it was done last, or the database could not be used."""
        return bool(self._trouble) or any(job.failed for job in self._jobs)

    def run(self, stop: threading.Event, *, grace: float = 30.0, once: bool = False) -> bool:
        """Work until ``stop`` is set; then wait at most ``grace`` seconds for the jobs at work.

        Returns whether all of them ended. Deliveries that did not are taken over by their lease.

        :param once: begin each job that is due, go on while any is at work, and end when all are idle.
        """
        while not stop.is_set():
            self.look(stop)
            if once and self._idle():
                break
            self._clock.wait(min(self._tick, 0.2) if once else self._tick, until=stop)
        ended = self._wind_up(grace)
        if self._leads:
            self._hold(lambda: self._leadership.release(self._clock.now()))
        return ended

    def look(self, stop: threading.Event) -> None:
        """One look: renew the lease, begin what is due."""
        now = self._clock.now()
        if now < EARLIEST:
            self._say(f"the clock says {now:%Y-%m-%d}: nothing is done until it is set")
            return
        leads = self._hold(lambda: self._leadership.hold(now))
        if leads is None:
            return  # jobs at work go on as far as they can: what they write is fenced
        if leads != self._leads:
            logger.info("this process leads" if leads else "another process leads")
        self._leads = leads
        if leads:
            for job in self._jobs:
                if job.due(now):
                    job.begin(now, stop)

    def _idle(self) -> bool:
        return not any(job.running for job in self._jobs)

    def _wind_up(self, grace: float) -> bool:
        deadline = self._clock.monotonic() + grace
        ended = [job.wait(deadline - self._clock.monotonic()) for job in self._jobs]
        return all(ended)

    def _hold(self, action: Callable[[], bool | None]) -> bool | None:
        """Without a database nobody leads; that it is away is said once, whatever it says meanwhile."""
        try:
            result = action()
        except Exception as error:  # noqa: BLE001 - whatever it is, the next look may find it mended
            self._say(f"the database cannot be used: {one_line(error)}")
            return None
        if self._trouble:
            logger.info("works again")
            self._trouble = ""
        return result

    def _say(self, trouble: str) -> None:
        if not self._trouble:
            logger.error("%s", trouble)
        self._trouble = trouble


def one_line(error: BaseException) -> str:
    """What an error says, for a log: a database's own words without the statement that it refused."""
    cause = getattr(error, "orig", None) or error
    return " ".join(str(cause).split())[:300] or type(error).__name__
