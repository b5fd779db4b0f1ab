"""One thread that serves all connections: a copy at a time on each, intent before the dot, result after.

A delivery is a generator that yields what it waits for (``digest.values.Steps``); the thread goes on with
whichever can. A thread a connection would spend most of its time handing over the interpreter's lock.
"""

from __future__ import annotations

import contextlib
import random
import threading
from collections import deque
from collections.abc import Callable
from datetime import datetime
from functools import partial

from digest.clock import Clock
from digest.delivery.aside import Aside
from digest.delivery.conclusions import Conclusions
from digest.delivery.ears import READ, READ_OR_WRITE, Ears
from digest.delivery.gathering import OVERDUE_SECONDS, Gathering
from digest.delivery.machine import Claim, Composer, Outbox, Policy
from digest.delivery.permit import Permit
from digest.delivery.server import ServerHealth
from digest.delivery.slots import AHEAD_SECONDS, Following, Slot, Waiting, broken, made
from digest.errors import AuthenticationFailed, ServerUnavailable
from digest.values import (
    PERMIT,
    Connection,
    Envelope,
    Outcome,
    Refused,
    Transport,
)

TICK_SECONDS = 0.1  # how often time limits, delays and idle connections are looked at
GOODBYE_SECONDS = 2.0  # how long the end waits for the server's good-byes


class Senders:
    """``policy.connections`` places that take copies from one queue."""

    def __init__(
        self,
        transport: Transport,
        health: ServerHealth,
        clock: Clock,
        policy: Policy,
        *,
        chance: random.Random,
        idle: float,
        copies: int,
    ) -> None:
        self._transport = transport
        self._health = health
        self._clock = clock
        self._idle_seconds = idle
        self._ready: deque[Waiting] = deque()
        self._low = max(8, 4 * policy.connections)
        self._given = 0  # counted by the worker's thread alone
        self._taken_back = 0
        self._concluded = 0  # counted by ours alone
        self._ending = False
        self._slots = [Slot(index) for index in range(policy.connections)]
        for slot in self._slots:
            slot.follow = partial(self._follow, slot)
        self._free = self._slots[::-1]  # the last is taken first: it has a connection if any has
        self._benched: list[Slot] = []  # more than the server bears at the moment
        self._gathering = Gathering(clock)
        self._news: deque[Callable[[], None]] = deque()  # what other threads want done in ours
        self._aside = Aside(clock, policy.connections, name="delivery-aside")
        self._ears: Ears[Slot] = Ears()
        self._thread = threading.Thread(target=self._run, name="delivery-senders", daemon=True)
        self.conclusions = Conclusions(health, clock, policy, chance=chance, copies=copies)
        self.broken: BaseException | None = None

    def start(self) -> None:
        """Start the thread; connections are opened when there is something to send."""
        self._thread.start()

    def put(self, outbox: Outbox, compose: Composer, claim: Claim) -> None:
        """Hand over a copy."""
        self._given += 1
        self._ready.append((outbox, compose, claim))
        self._ears.ring()

    @property
    def waiting(self) -> int:
        """How many copies wait for a connection."""
        return len(self._ready)

    @property
    def idle(self) -> bool:
        """Whether nothing waits and nothing is on the wire."""
        return self._given - self._taken_back == self._concluded

    def drain(self) -> list[tuple[Outbox, Claim]]:
        """Take back what waits."""
        taken: list[tuple[Outbox, Claim]] = []
        with contextlib.suppress(IndexError):
            while True:
                outbox, _, claim = self._ready.popleft()
                taken.append((outbox, claim))
        self._taken_back += len(taken)
        return taken

    def finish(self) -> None:
        """Let what is on the wire come to its end, and close the connections."""
        self._ending = True
        self._ears.ring()
        self._thread.join()
        self._ears.close()

    # -- the loop -----------------------------------------------------------------------------

    def _run(self) -> None:
        try:
            ticked = self._clock.monotonic()
            while not (self._ending and not self._ready and self.idle):
                while self._news:
                    self._news.popleft()()
                self._go_on_with_permitted()
                self._feed()
                self._listen()
                now = self._clock.monotonic()
                if now - ticked >= TICK_SECONDS:
                    ticked = now
                    self._tick(now)
        except BaseException as error:  # noqa: BLE001 - raised again by the worker's own thread
            self.broken = error
            self.conclusions.hungry.set()
        finally:
            for slot in self._slots:
                self._let_go(slot)
            self._aside.finish(GOODBYE_SECONDS)

    def _tell(self, news: Callable[[], None]) -> None:
        """Called by any thread: let ours do something."""
        self._news.append(news)
        self._ears.ring()

    def _listen(self) -> None:
        """Wait until a socket, another thread or the time has something for us."""
        ears, gathering = self._ears, self._gathering
        pending, seconds, rest = gathering.any, TICK_SECONDS, 0.0
        if pending:
            seconds, rest = gathering.patience(len(self._slots) - len(self._free) - len(self._benched))
        if rest > 0 and not self._has_work():
            self._clock.wait(rest)
            seconds -= rest
        heard = ears.sleep(seconds, unless=self._has_work) if seconds > 0 else ears.look()
        idle = not heard and not (self._ready and self._free)
        if pending and (idle or seconds < -OVERDUE_SECONDS):
            gathering.write()
        for slot in heard:
            if slot.wait is not None and slot.wait.readable:
                self._resume(slot, answer=True)
            else:
                self._unexpected(slot)

    def _has_work(self) -> bool:
        """Whether something can be done at once."""
        return bool(self._news or (self._ready and self._free) or (self._ending and self.idle))

    def _go_on_with_permitted(self) -> None:
        for slot in self._gathering.permitted():
            if slot.permit is not None:
                self._resume(slot, answer=slot.permit())

    def _tick(self, now: float) -> None:
        for slot in self._slots:
            if slot.item is None:
                unused = now - slot.idle_since >= self._idle_seconds or slot.index >= self._health.allowed
                if slot.connection is not None and unused:
                    self._let_go(slot)
                continue
            if slot.following is not None and now >= slot.following.until:
                self._ready.appendleft(slot.following.item)
                slot.following, slot.withdrawn = None, True
            if slot.steps is not None:
                if slot.wait is not PERMIT and now >= slot.deadline:
                    self._resume(slot, answer=False)
            elif slot.opening:
                if self._ending:
                    self._give_back(slot)  # whoever stops does not wait for a server that does not answer
            elif slot.connection is None:
                self._open(slot)
        benched, self._benched = self._benched, []
        for slot in benched:
            self._take_back(slot)

    # -- copies -------------------------------------------------------------------------------

    def _feed(self) -> None:
        """Give what waits to free places."""
        while self._ready and self._free:
            slot = self._free.pop()
            if slot.index >= self._health.allowed and not self._ending:
                self._take_back(slot)
                continue
            try:
                slot.item = self._ready.popleft()
            except IndexError:  # taken back this moment
                self._free.append(slot)
                return
            self._ask_for_more()
            if slot.connection is None:
                self._open(slot)
            else:
                self._begin(slot, slot.connection)

    def _take_back(self, slot: Slot) -> None:
        """A place without a copy: free, or more than the server bears."""
        if slot.index >= self._health.allowed and not self._ending:
            self._let_go(slot)
            self._benched.append(slot)
        elif slot.connection is None:
            self._free.insert(0, slot)
        else:
            self._free.append(slot)

    def _begin(self, slot: Slot, connection: Connection) -> None:
        """Put a copy on the wire."""
        if slot.item is None:
            return None
        if self.conclusions.over:
            return self._give_back(slot)
        date = slot.item[2].date or self._clock.now().replace(microsecond=0)
        copy = made(slot.item, date)
        if copy is None:
            return self._give_back(slot)
        if isinstance(copy, Refused):
            return self._conclude(slot, copy)
        return self._start(slot, connection, copy, date)

    def _start(self, slot: Slot, connection: Connection, envelope: Envelope, date: datetime) -> None:
        outbox, _, claim = slot.item  # type: ignore[misc]  # it has one
        permit = slot.permit = Permit(outbox, claim, date, self._clock)
        steps = getattr(connection, "steps", None)
        if steps is None:
            return self._send_aside(slot, connection, envelope, permit)
        slot.steps = steps(envelope, slot.follow)
        return self._resume(slot, answer=None)

    def _follow(self, slot: Slot) -> Envelope | None:
        """The copy that goes next on the connection, while enough are left for the others."""
        ready = self._ready
        if len(ready) < len(self._slots) or slot.index >= self._health.allowed or self.conclusions.over:
            return None
        try:
            item = ready.popleft()
        except IndexError:  # taken back this moment
            return None
        _, compose, claim = item
        date = claim.date or self._clock.now().replace(microsecond=0)
        try:
            envelope = compose(claim, date)
        except Exception:  # noqa: BLE001 - whoever begins with it will find the same, and says so
            ready.appendleft(item)
            return None
        slot.following = Following(item, envelope, date, self._clock.monotonic() + AHEAD_SECONDS)
        self._ask_for_more()
        return envelope

    def _ask_for_more(self) -> None:
        if len(self._ready) < self._low and not self.conclusions.hungry.is_set():
            self.conclusions.hungry.set()

    def _resume(self, slot: Slot, *, answer: bool | None) -> None:
        """Go on with a delivery until it waits again, or has its outcome."""
        steps = slot.steps
        if steps is None or slot.permit is None:
            return
        try:
            while True:
                wait = steps.send(answer)  # type: ignore[arg-type]  # None begins it
                if wait is not PERMIT:
                    break
                if not slot.permit.ready():
                    slot.wait = wait
                    self._gathering.park(slot)
                    return
                answer = slot.permit()
        except StopIteration as ended:
            self._conclude(slot, ended.value)
            return
        except OSError as error:  # no connection of ours: another transport's
            self._conclude(slot, broken(slot, error))
            return
        events = READ_OR_WRITE if wait.writable else READ
        if slot.heard != events:
            self._hear(slot, events)
        slot.wait = wait
        slot.deadline = self._clock.monotonic() + wait.seconds

    def _hear(self, slot: Slot, events: int) -> None:
        slot.heard = events
        slot.fd = slot.connection.fileno()  # type: ignore[union-attr]  # it yielded: it is a stepped one
        self._ears.hear(slot.fd, events, slot)

    def _turn_deaf(self, slot: Slot) -> None:
        if slot.heard:
            slot.heard = 0
            self._ears.ignore(slot.fd)

    def _unexpected(self, slot: Slot) -> None:
        """The server says something that nobody waits for, or hangs up."""
        self._turn_deaf(slot)  # a delivery on its way will find it when it reads
        if slot.item is None:
            self._let_go(slot)  # nothing is lost with it

    def _send_aside(self, slot: Slot, connection: Connection, envelope: Envelope, permit: Permit) -> None:
        def done(outcome: object, error: BaseException | None) -> None:
            self._tell(partial(self._was_sent_aside, slot, outcome, error))

        self._aside.do(partial(connection.send, envelope, permit=permit), done)

    def _was_sent_aside(self, slot: Slot, outcome: object, error: BaseException | None) -> None:
        if isinstance(error, OSError):
            self._conclude(slot, broken(slot, error))
        elif error is not None:
            raise error
        else:
            self._conclude(slot, outcome)  # type: ignore[arg-type]

    def _conclude(self, slot: Slot, outcome: Outcome) -> None:
        if slot.item is None:
            return
        outbox, _, claim = slot.item
        self.conclusions.conclude(outbox, claim, outcome)
        self._gathering.concluded(outbox)
        if slot.connection is not None and (slot.withdrawn or not slot.connection.usable):
            self._let_go(slot)
        self._done(slot)

    def _give_back(self, slot: Slot) -> None:
        if slot.item is not None:
            slot.item[0].release([slot.item[2]])
            self._done(slot)

    def _done(self, slot: Slot) -> None:
        slot.item = slot.permit = slot.steps = slot.wait = None
        slot.idle_since = self._clock.monotonic()
        self._concluded += 1
        following, slot.following = slot.following, None
        if following is not None:
            if slot.connection is not None and not self.conclusions.over:
                slot.item = following.item
                return self._start(slot, slot.connection, following.envelope, following.date)
            self._ready.appendleft(following.item)
            self._let_go(slot)
        if not slot.opening:
            self._take_back(slot)
        return None

    # -- connections --------------------------------------------------------------------------

    def _open(self, slot: Slot) -> None:
        """Ask for a connection, unless the server's health asks for patience: the tick comes again."""

        def done(connection: object, error: BaseException | None) -> None:
            self._tell(partial(self._opened, slot, connection, error))

        if self.conclusions.over or self._ending:
            self._give_back(slot)
        elif self._health.delay() <= 0:
            slot.opening = True
            self._aside.do(self._transport.open, done)

    def _opened(self, slot: Slot, connection: object, error: BaseException | None) -> None:
        slot.opening = False
        if isinstance(error, AuthenticationFailed):
            self.conclusions.fail(error)
        elif isinstance(error, ServerUnavailable):
            self._health.trouble(str(error))
            self.conclusions.hungry.set()
        elif error is not None:
            raise error
        else:
            self._health.reached()
            slot.connection = connection  # type: ignore[assignment]
        if slot.item is None:
            self._take_back(slot)  # its copy was given back meanwhile
        elif slot.connection is None:
            self._open(slot)
        else:
            self._begin(slot, slot.connection)

    def _let_go(self, slot: Slot) -> None:
        """Close a place's connection, aside: a good-bye may have to wait for its answer."""
        connection, slot.connection = slot.connection, None
        slot.withdrawn = False
        self._turn_deaf(slot)
        if connection is not None:
            self._aside.do(connection.close)
