"""The worker: claims copies ahead, hands them to connections, and ends when nothing is left to do now."""

from __future__ import annotations

import contextlib
import logging
import random
import threading
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import StrEnum

from digest.clock import Clock
from digest.delivery.machine import Backlog, Claim, Composer, Outbox, Policy, Standing, Verdict
from digest.delivery.pace import NoLimit, Pace
from digest.delivery.senders import Senders
from digest.delivery.server import ServerHealth
from digest.errors import DatabaseUnusable, DigestError
from digest.models import DeliveryStatus
from digest.values import Progress, Silent, Transport
from subscribers.garbage import what_is_there_stays

log = logging.getLogger(__name__)
LOOK_SECONDS = 0.5  # how often pause, cancel and resume are looked for: they take effect within 2 s
TEND_SECONDS = 30.0
TASK = "send"


class End(StrEnum):
    """Why a worker ended."""

    DONE = "done"  # nothing is left that gets further by itself
    LATER = "later"  # the rest is due later
    PAUSED = "paused"
    CLOSED = "closed"  # cancelled
    STOPPED = "stopped"  # asked to
    FAILED = "failed"  # the server or the database; ``error`` says it


@dataclass(frozen=True, slots=True)
class Lane:
    """An outbox and how its copies are made; the first lane overtakes the others."""

    outbox: Outbox
    compose: Composer
    paced: bool = True


@dataclass(slots=True)
class Run:
    """What a worker did: counts by status, and why it ended."""

    counts: dict[DeliveryStatus, int] = field(default_factory=dict)
    end: End = End.DONE
    reason: str = ""
    error: DigestError | None = None
    backlog: Backlog = field(default_factory=Backlog)
    seconds: float = 0.0

    def of(self, status: DeliveryStatus) -> int:
        """How many copies came to ``status`` by this worker."""
        return self.counts.get(status, 0)


@dataclass(frozen=True, slots=True, kw_only=True)
class Habits:
    """How patient a worker is, in seconds; the tests are less so."""

    linger: float = 0.0  # wait for copies that are due within this time, rather than end
    company: float = 60.0  # wait so long for other workers' copies without any change
    wait_when_paused: bool = True
    idle: float = 30.0  # an unused connection is closed
    first_delay: float = 1.0
    tries: int = 3
    patience: float = 300.0


class Worker:
    """Delivers the lanes' copies through ``policy.connections`` connections.

    :param lanes: in order of precedence; the last one is the issue's.
    :param stop: set to end soon: what is on the wire is finished, the rest is given back.
    """

    def __init__(
        self,
        transport: Transport,
        lanes: Sequence[Lane],
        clock: Clock,
        policy: Policy,
        *,
        pace: Pace | None = None,
        domain_pace: Callable[[str], Pace] | None = None,
        chance: random.Random | None = None,
        progress: Progress | None = None,
        stop: threading.Event | None = None,
        habits: Habits | None = None,
        copies: int = 0,
    ) -> None:
        self._lanes = tuple(lanes)
        self._clock = clock
        self._policy = policy
        self._pace = pace or NoLimit(clock)
        self._domain_pace = domain_pace
        self._progress = progress or Silent()
        self._stop = stop or threading.Event()
        self._habits = habits or Habits()
        chance = chance or random.Random()  # noqa: S311 - jitter
        self._health = ServerHealth(
            policy.connections,
            clock,
            chance,
            first_delay=self._habits.first_delay,
            tries=self._habits.tries,
            patience=self._habits.patience,
        )
        self._senders = Senders(
            transport,
            self._health,
            clock,
            policy,
            chance=chance,
            idle=self._habits.idle,
            copies=copies,
        )
        self._conclusions = self._senders.conclusions
        self._pending: deque[tuple[Lane, Claim]] = deque()
        self._batch = min(512, max(32, 32 * policy.connections))
        self._run = Run()
        self._over = False

    def run(self) -> Run:
        """Deliver; return when nothing can be done now, or when it was stopped.

        The database and the server going away are told in the result, not raised: what was sent
        before is counted in it.
        """
        started = self._clock.monotonic()
        self._senders.start()
        try:
            with what_is_there_stays():
                self._deliver()
        except DatabaseUnusable as error:
            self._finish(End.FAILED, error=error)
        finally:
            self._wind_up()
            self._run.seconds = self._clock.monotonic() - started
        return self._run

    # -- the loop -----------------------------------------------------------------------------

    def _deliver(self) -> None:
        looked = tended = self._clock.monotonic() - TEND_SECONDS - LOOK_SECONDS
        tend_every = min(TEND_SECONDS, self._policy.lease.total_seconds() / 4)
        quiet_since: float | None = None
        elsewhere = -1
        while True:
            now = self._clock.monotonic()
            self._report()
            if self._conclusions.throttled:
                self._slow_down()
            if self._stop.is_set():
                return self._finish(End.STOPPED)
            if self._given_up():
                return None
            if now - tended >= tend_every:
                tended = looked = now
                if not self._tend():
                    return None
            elif now - looked >= LOOK_SECONDS or self._conclusions.denied.is_set():
                self._conclusions.denied.clear()
                looked = now
                if not self._look():
                    return None
            if not self._over and self._feed():
                quiet_since = None
                continue
            if self._over and self._senders.idle:
                return None
            if self._over or self._pending or not self._senders.idle:
                self._conclusions.hungry.wait(0.05)
                self._conclusions.hungry.clear()
                continue
            # Nothing to claim, nothing on the wire.
            self._settle_suspects()
            if not self._tend():
                return None
            backlog = self._lanes[-1].outbox.backlog()
            if quiet_since is None or backlog.elsewhere != elsewhere:
                quiet_since, elsewhere = now, backlog.elsewhere
            if not self._worth_waiting(backlog, now - quiet_since):
                return self._finish(End.LATER if backlog.unfinished else End.DONE)
            self._clock.wait(0.2 if backlog.due == 0 else 0.02, until=self._stop)

    def _worth_waiting(self, backlog: Backlog, quiet: float) -> bool:
        if backlog.due:
            return quiet < self._habits.company
        if backlog.elsewhere:
            return quiet < self._habits.company
        if backlog.next_at is not None:
            return backlog.next_at <= self._clock.now() + timedelta(seconds=self._habits.linger)
        return False

    def _feed(self) -> bool:
        """Claim and hand over what the connections can take; whether there was anything."""
        fed = False
        if len(self._pending) + self._senders.waiting < self._batch // 2:
            for lane in self._lanes:
                claims = lane.outbox.claim(self._batch)
                for claim in claims:
                    self._pending.append((lane, claim))
                if claims:
                    fed = True
                    break
        while self._pending and not self._stop.is_set():
            slots = self._pace.take(len(self._pending))
            if not slots.count:
                if slots.start - self._clock.now() > self._policy.lease / 2:
                    return self._give_up_for_quota(slots.start)
                self._clock.wait(LOOK_SECONDS / 4, until=self._stop)
                return True
            for number in range(slots.count):
                self._wait_until(slots.start + number * slots.spacing)
                self._hand_over(*self._pending.popleft())
            fed = True
            if slots.spacing:
                break  # look at the world between groups of slots
        return fed

    def _hand_over(self, lane: Lane, claim: Claim) -> None:
        if self._domain_pace is not None and lane.paced:
            if self._conclusions.throttled:
                self._slow_down()
            pace = self._domain_pace(claim.recipient.address)
            slots = pace.take(1)
            if not slots.count or slots.start > self._clock.now() + timedelta(seconds=2):
                # Their turn comes later; the row waits in the database, and no attempt is counted.
                due = slots.start + timedelta(seconds=5)
                lane.outbox.record(claim, Verdict(DeliveryStatus.QUEUED, claim.attempts, next_attempt_at=due))
                self._pace.give_back(1)
                return
        self._senders.put(lane.outbox, lane.compose, claim)

    def _slow_down(self) -> None:
        """Where recipients' own servers are talked to: who asked for less is let be, and the others go on."""
        asked = {self._conclusions.throttled.popleft() for _ in range(len(self._conclusions.throttled))}
        if self._domain_pace is None or not asked:
            return
        for pace in {id(pace): pace for pace in map(self._domain_pace, asked)}.values():
            until = pace.set_back()
            log.info("a server asks for less: its domains wait until %s", until)
        # What waits for a connection asks its domain once more.
        lanes = {id(lane.outbox): lane for lane in self._lanes}
        again = self._senders.drain()
        self._pending.extendleft((lanes[id(outbox)], claim) for outbox, claim in reversed(again))
        self._pace.give_back(len(again))

    def _wait_until(self, moment: datetime) -> None:
        seconds = (moment - self._clock.now()).total_seconds()
        if 0 < seconds < 5:
            self._clock.wait(seconds, until=self._stop)

    def _give_up_for_quota(self, until: datetime) -> bool:
        # What was handed over has its slot; the rest goes back.
        for lane, claim in self._pending:
            lane.outbox.release([claim])
        self._pending.clear()
        self._finish(End.LATER, f"the quota is used up until {until:%Y-%m-%d %H:%M} UTC")
        self._over = True
        return False

    # -- the world ----------------------------------------------------------------------------

    def _tend(self) -> bool:
        for lane in self._lanes[:-1]:
            lane.outbox.tend()
        tended = self._lanes[-1].outbox.tend()
        if tended.blown and tended.standing is Standing.OPEN:
            self._pause(
                f"{tended.blown} copies are in doubt: the server takes them and gives no answer;"
                " `digest send ID --uncertain resend` sends them once more, `drop` gives them up"
            )
            return False
        return self._obey(tended.standing, tended.reason)

    def _look(self) -> bool:
        looked = self._lanes[-1].outbox.standing()
        return self._obey(looked.standing, looked.reason)

    def _obey(self, standing: Standing, reason: str) -> bool:
        """Act on the issue's standing; False when the run is over."""
        if standing is Standing.OPEN:
            return True
        self._release()
        if standing is Standing.CLOSED:
            self._finish(End.CLOSED)
            return False
        if reason or not self._habits.wait_when_paused:
            self._finish(End.PAUSED, reason)
            return False
        self._progress.note("paused: `digest resume` goes on")
        tended = self._clock.monotonic()
        while not self._stop.is_set():
            self._clock.wait(LOOK_SECONDS, until=self._stop)
            self._report()
            if self._clock.monotonic() - tended >= TEND_SECONDS:
                tended = self._clock.monotonic()
                self._lanes[-1].outbox.tend()  # we still stand by
            standing = self._lanes[-1].outbox.standing().standing
            if standing is Standing.OPEN:
                return True
            if standing is Standing.CLOSED:
                self._finish(End.CLOSED)
                return False
        self._finish(End.STOPPED)
        return False

    def _given_up(self) -> bool:
        if self._senders.broken is not None:
            raise self._senders.broken
        if self._conclusions.pause_reason:
            self._pause(self._conclusions.pause_reason)
            return True
        error = self._conclusions.fatal or self._health.given_up
        if error is None:
            return False
        self._release()
        self._finish(End.FAILED, str(error), error=error)
        return True

    def _settle_suspects(self) -> None:
        """At the end: refusals that no acceptance followed or preceded blame the message, not readers."""
        held = self._conclusions.suspects()
        if not held:
            return
        if self._conclusions.accepted_any:
            for outbox, claim, verdict in held:
                outbox.record(claim, verdict)
                self._conclusions.outcomes.append(verdict.status)
            return
        for outbox, claim, _ in held:
            outbox.release([claim])
        self._pause(f"the server refuses every copy: {self._conclusions.suspect_reply}")

    def _pause(self, reason: str) -> None:
        self._release()
        for outbox, claim, _ in self._conclusions.suspects():
            outbox.release([claim])
        self._lanes[-1].outbox.pause(reason)
        self._finish(End.PAUSED, reason)

    # -- the end ------------------------------------------------------------------------------

    def _release(self) -> None:
        """Give back what is not on the wire."""
        for lane, claim in self._pending:
            lane.outbox.release([claim])
        self._pending.clear()
        unused = self._senders.drain()
        for outbox, claim in unused:
            outbox.release([claim])
        if unused:
            with contextlib.suppress(DatabaseUnusable):  # a quota counted too high harms less than an error
                self._pace.give_back(len(unused))

    def _finish(self, end: End, reason: str = "", *, error: DigestError | None = None) -> None:
        self._run.end, self._run.reason, self._run.error = end, reason, error

    def _wind_up(self) -> None:
        self._release()
        self._senders.finish()
        try:
            for outbox, claim, _ in self._conclusions.suspects():
                outbox.release([claim])
            for lane in self._lanes:
                lane.outbox.settle()
            self._run.backlog = self._lanes[-1].outbox.backlog()
            self._lanes[-1].outbox.leave()
        except DatabaseUnusable as error:
            self._finish(End.FAILED, str(error), error=error)
        self._report()

    def _report(self) -> None:
        outcomes = self._conclusions.outcomes
        fresh: dict[DeliveryStatus, int] = {}
        for _ in range(len(outcomes)):
            status = outcomes.popleft()
            fresh[status] = fresh.get(status, 0) + 1
        if not fresh:
            return
        counts = self._run.counts
        for status, count in fresh.items():
            counts[status] = counts.get(status, 0) + count
        done = sum(fresh.values())
        self._progress.advance(
            TASK, done, **{status.value: counts[status] for status in DeliveryStatus if status in counts}
        )
