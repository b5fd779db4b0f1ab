"""What follows from an outcome: for the row, for the server's health, and for the whole run."""

from __future__ import annotations

import logging
import random
import threading
from collections import deque

from digest.clock import Clock
from digest.delivery.machine import Claim, Outbox, Policy, Verdict
from digest.delivery.server import ServerHealth
from digest.delivery.suspicion import Suspect, Suspicion
from digest.delivery.verdicts import judge, unsent
from digest.errors import AuthenticationFailed, TransportError
from digest.mail.judgement import Stage, asks_for_less, judge_reply
from digest.models import DeliveryStatus
from digest.values import Accepted, Blame, Deferred, Outcome, Refused, Uncertain, Withheld

log = logging.getLogger(__name__)
NOT_SENT = "not sent"  # how replies begin that no server gave: our own refusals say so
LOGIN_NEEDED = frozenset({530, 534, 535, 538})  # RFC 4954, section 6


class Conclusions:
    """Draws them in the senders' thread; ``hungry`` wakes the worker that reads what is public here.

    :param copies: how many the issue has, for the fuse.
    """

    def __init__(
        self, health: ServerHealth, clock: Clock, policy: Policy, *, chance: random.Random, copies: int
    ) -> None:
        self._health = health
        self._clock = clock
        self._policy = policy
        self._chance = chance
        self._suspicion = Suspicion(doubt_limit=policy.fuse(copies))
        self.outcomes: deque[DeliveryStatus] = deque()
        self.hungry = threading.Event()
        self.denied = threading.Event()
        self.throttled: deque[str] = deque(maxlen=1000)  # addresses whose servers asked for less
        self.accepted_any = False
        self.pause_reason = ""
        self.fatal: TransportError | None = None

    @property
    def over(self) -> bool:
        """Whether nothing more should be sent, whatever waits."""
        return bool(self.fatal or self.pause_reason or self._health.given_up)

    @property
    def suspect_reply(self) -> str:
        """The last refusal that blames sender or message."""
        return self._suspicion.reply

    def suspects(self) -> list[Suspect]:
        """Take the refusals for which nobody was blamed yet."""
        return self._suspicion.clear()

    def fail(self, error: TransportError) -> None:
        """Nothing more can be sent at all."""
        self.fatal = error
        self.hungry.set()

    def conclude(self, outbox: Outbox, claim: Claim, outcome: Outcome) -> None:
        """Record what became of a copy, and draw what follows from it."""
        now = self._clock.now()
        verdict = judge(outcome, claim, now=now, policy=self._policy, chance=self._chance)
        match outcome:
            case Accepted():
                self.accepted_any = True
                self._health.well()
                for home, suspect, refusal in self._suspicion.accepted():
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
        if self._suspicion.refused(outbox, claim, verdict):
            self._halt(f"the server refuses every copy: {verdict.reply}")

    def _halt(self, reason: str) -> None:
        self.pause_reason = self.pause_reason or reason
        self.hungry.set()
