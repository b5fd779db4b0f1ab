"""The threads that hold the connections: one copy at a time each, intent before the dot, result after."""

from __future__ import annotations

import logging
import queue
import random
import threading
from collections import deque
from datetime import datetime

from sqlalchemy.exc import DBAPIError

from digest.clock import Clock
from digest.delivery.machine import Claim, Composer, Outbox, Policy, Verdict
from digest.delivery.server import ServerHealth
from digest.delivery.suspicion import Suspicion
from digest.delivery.verdicts import judge, unsent
from digest.errors import AuthenticationFailed, ServerUnavailable, TransportError
from digest.mail.judgement import Stage, asks_for_less, judge_reply
from digest.models import DeliveryStatus
from digest.values import (
    Accepted,
    Blame,
    Connection,
    Deferred,
    Outcome,
    Refused,
    Transport,
    Uncertain,
    Withheld,
)
from subscribers.errors import InvalidAddress

log = logging.getLogger(__name__)
FRESH_SECONDS = 0.5  # how old the answer to an intent may be when the dot is sent
NOT_SENT = "not sent"  # how replies begin that no server gave: our own refusals say so
LOGIN_NEEDED = frozenset({530, 534, 535, 538})  # RFC 4954, section 6

Waiting = tuple[Outbox, Composer, Claim]
Suspect = tuple[Outbox, Claim, Verdict]


class Permit:
    """Asks for the intent when the envelope is about to go, so that its commit and the message travel at
    the same time; called before the dot, it waits for the answer. Remembers it, should the connection break
    its contract."""

    __slots__ = ("_asked", "_claim", "_clock", "_date", "_intent", "_outbox", "granted")

    def __init__(self, outbox: Outbox, claim: Claim, date: datetime, clock: Clock) -> None:
        self._outbox = outbox
        self._claim = claim
        self._date = date
        self._clock = clock
        self._asked = clock.monotonic()
        self._intent = outbox.intend(claim, date)
        self.granted = False

    def __call__(self) -> bool:
        if self._clock.monotonic() - self._asked > FRESH_SECONDS:
            # A slow server, or we were stopped: lease, fence and pause are asked about once more.
            self._intent = self._outbox.intend(self._claim, self._date)
        self.granted = self._intent.wait()
        return self.granted


class Senders:
    """``policy.connections`` threads that take copies from one queue."""

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
        self._policy = policy
        self._chance = chance
        self._idle_seconds = idle
        self._ready: queue.SimpleQueue[Waiting | None] = queue.SimpleQueue()
        self._low = max(8, 4 * policy.connections)
        self._busy = 0
        self._busy_lock = threading.Lock()
        self._ending = threading.Event()
        self._suspicion = Suspicion(doubt_limit=policy.fuse(copies))
        self._suspect_outbox: dict[int, Outbox] = {}
        self._threads = [
            threading.Thread(target=self._work, args=(index,), name=f"delivery-{index}", daemon=True)
            for index in range(policy.connections)
        ]
        self.outcomes: deque[DeliveryStatus] = deque()
        self.hungry = threading.Event()
        self.denied = threading.Event()
        self.throttled: deque[str] = deque(maxlen=1000)  # addresses whose servers asked for less
        self.accepted_any = False
        self.pause_reason = ""
        self.fatal: TransportError | None = None
        self.broken: BaseException | None = None

    def start(self) -> None:
        """Start the threads; connections are opened when there is something to send."""
        for thread in self._threads:
            thread.start()

    def put(self, outbox: Outbox, compose: Composer, claim: Claim) -> None:
        """Hand over a copy."""
        with self._busy_lock:
            self._busy += 1
        self._ready.put((outbox, compose, claim))

    @property
    def waiting(self) -> int:
        """How many copies wait for a connection."""
        return self._ready.qsize()

    @property
    def idle(self) -> bool:
        """Whether nothing waits and nothing is on the wire."""
        return self._busy == 0

    @property
    def over(self) -> bool:
        """Whether nothing more should be sent, whatever waits."""
        return bool(self.fatal or self.pause_reason or self._health.given_up)

    @property
    def suspect_reply(self) -> str:
        """The last refusal that blames sender or message."""
        return self._suspicion.reply

    def drain(self) -> list[tuple[Outbox, Claim]]:
        """Take back what waits."""
        taken: list[tuple[Outbox, Claim]] = []
        while True:
            try:
                item = self._ready.get_nowait()
            except queue.Empty:
                break
            if item is not None:
                taken.append((item[0], item[2]))
        with self._busy_lock:
            self._busy -= len(taken)
        return taken

    def suspects(self) -> list[Suspect]:
        """Take the refusals for which nobody was blamed yet."""
        return [
            (self._suspect_outbox.pop(claim.id), claim, verdict) for claim, verdict in self._suspicion.clear()
        ]

    def finish(self) -> None:
        """Let what is on the wire come to its end, and close the connections."""
        self._ending.set()
        for _ in self._threads:
            self._ready.put(None)
        for thread in self._threads:
            thread.join()

    # -- a thread -----------------------------------------------------------------------------

    def _work(self, index: int) -> None:
        connection: Connection | None = None
        try:
            while True:
                if index >= self._health.allowed and not self._ending.is_set():
                    connection = _closed(connection)
                    self._clock.wait(0.1, until=self._ending)
                    continue
                try:
                    item = self._ready.get(timeout=self._idle_seconds)
                except queue.Empty:
                    connection = _closed(connection)
                    continue
                if item is None:
                    return
                if self._ready.qsize() < self._low and not self.hungry.is_set():
                    self.hungry.set()
                try:
                    connection = self._deliver(connection, *item)
                finally:
                    with self._busy_lock:
                        self._busy -= 1
        except BaseException as error:  # noqa: BLE001 - raised again by the worker's own thread
            self.broken = error
            self.hungry.set()
        finally:
            _closed(connection)

    def _deliver(
        self, connection: Connection | None, outbox: Outbox, compose: Composer, claim: Claim
    ) -> Connection | None:
        if self.over:
            outbox.release([claim])
            return connection
        if connection is None or not connection.usable:
            _closed(connection)
            connection = self._open()
            if connection is None:
                outbox.release([claim])
                return None
        date = claim.date or self._clock.now().replace(microsecond=0)
        permit = Permit(outbox, claim, date, self._clock)
        outcome: Outcome
        try:
            envelope = compose(claim, date)
        except InvalidAddress as error:
            outcome = Refused(553, f"{NOT_SENT}: {error.reason}", "5.1.3", Blame.RECIPIENT)
        except DBAPIError:
            outbox.release([claim])  # what it is made of cannot be read now: no fault of the copy
            return connection
        except Exception as error:
            log.exception("a copy cannot be composed")
            outcome = Refused(0, f"the copy cannot be composed: {error}", blame=Blame.MESSAGE)
        else:
            try:
                outcome = connection.send(envelope, permit=permit)
            except OSError as error:
                connection = _closed(connection)
                broken = f"the connection broke: {error}"
                outcome = Uncertain(broken) if permit.granted else Deferred(0, broken, blame=Blame.CONNECTION)
        self._conclude(outbox, claim, outcome)
        return connection

    def _open(self) -> Connection | None:
        """A new connection, after the wait that the server's health asks for; None when it is all over."""
        while True:
            if self.over or self._ending.is_set():
                return None
            delay = self._health.delay()
            if delay > 0:
                self._clock.wait(min(delay, 1.0), until=self._ending)
                continue
            try:
                connection = self._transport.open()
            except AuthenticationFailed as error:
                self.fatal = error
                self.hungry.set()
            except ServerUnavailable as error:
                self._health.trouble(str(error))
                self.hungry.set()
            else:
                self._health.reached()
                return connection

    # -- outcomes -----------------------------------------------------------------------------

    def _conclude(self, outbox: Outbox, claim: Claim, outcome: Outcome) -> None:
        now = self._clock.now()
        verdict = judge(outcome, claim, now=now, policy=self._policy, chance=self._chance)
        match outcome:
            case Accepted():
                self.accepted_any = True
                self._health.well()
                for suspect, refusal in self._suspicion.accepted():
                    home = self._suspect_outbox.pop(suspect.id)
                    home.record(suspect, refusal)
                    self.outcomes.append(refusal.status)
            case Refused(blame=Blame.RECIPIENT, code=code, enhanced=enhanced, reply=reply):
                said_by_server = not reply.startswith(NOT_SENT)
                if said_by_server and judge_reply(code, enhanced, reply, stage=Stage.RCPT).alarm:
                    return self._suspect(outbox, claim, verdict)
            case Refused(blame=Blame.MESSAGE):
                if claim.notice is None:
                    return self._suspect(outbox, claim, verdict)
            case Refused(code=code) if code in LOGIN_NEEDED:
                self.fatal = AuthenticationFailed(
                    f"the mail server wants a log-in: {verdict.reply}", remedy="set DIGEST_SMTP_URL"
                )
                self.hungry.set()
                verdict = unsent(claim)
            case Refused(blame=Blame.SENDER):
                self._halt(f"the server refuses our sender: {verdict.reply}")
                verdict = unsent(claim)
            case Refused():
                self._health.trouble(verdict.reply)
                verdict = unsent(claim)
            case Deferred(code=code, enhanced=enhanced, reply=reply, blame=blame):
                if asks_for_less(code, enhanced, reply):
                    self.throttled.append(claim.recipient.address)
                    self.hungry.set()
                if blame in {Blame.CONNECTION, Blame.SENDER}:
                    self._health.trouble(f"{code} {reply}" if code else reply)
            case Uncertain():
                self._health.trouble(verdict.reply)
                if self._suspicion.doubtful():
                    self._halt(
                        "the server takes copies and gives no answer to the final dot, many times in a row;"
                        " those copies are in doubt (`digest send ID --uncertain resend|drop`)"
                    )
            case Withheld():
                self.denied.set()
        outbox.record(claim, verdict)
        if verdict.status is not DeliveryStatus.QUEUED:
            self.outcomes.append(verdict.status)
        if verdict.status is not DeliveryStatus.SENT and log.isEnabledFor(logging.INFO):
            self._tell(claim, verdict, outcome)
        return None

    def _tell(self, claim: Claim, verdict: Verdict, outcome: Outcome) -> None:
        """One line a copy that was not accepted; with ``-v`` the address too."""
        reader = claim.recipient
        log.info(
            "delivery=%d subscriber=%d status=%s outcome=%s reply=%r",
            claim.id, reader.subscriber_id, verdict.status.value, type(outcome).__name__, verdict.reply,
        )  # fmt: skip
        log.debug("delivery=%d address=%s", claim.id, reader.address)

    def _suspect(self, outbox: Outbox, claim: Claim, verdict: Verdict) -> None:
        self._suspect_outbox[claim.id] = outbox
        if self._suspicion.refused(claim, verdict):
            self._halt(f"the server refuses every copy: {verdict.reply}")

    def _halt(self, reason: str) -> None:
        self.pause_reason = self.pause_reason or reason
        self.hungry.set()


def _closed(connection: Connection | None) -> Connection | None:
    """Close what is open; return what the variable that held it holds now: nothing."""
    if connection is not None:
        connection.close()
    return None
