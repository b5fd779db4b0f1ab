"""From the server's outcome to the row's next state (pure): what is retried, when, and what is final."""

from __future__ import annotations

import random
import re
from datetime import datetime, timedelta

from digest.delivery.machine import Claim, Policy, Verdict
from digest.models import DeliveryStatus
from digest.values import Accepted, Blame, Deferred, Outcome, Refused, Uncertain, Withheld

LONGEST_REPLY = 500  # characters that are stored
IN_REPLY_TO_DOT = " (in reply to end of DATA)"  # as Postfix says it: whoever judges the reply reads the step

_ADDRESS = re.compile(r"<?[^\s<>()\[\]:;,\"]{1,128}@[^\s<>()\[\]:;,\"]{1,255}>?")
_CONTROLS = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029]+")


def redact(reply: str) -> str:
    """``reply`` on one line, without addresses, cut to what is worth keeping."""
    return _CONTROLS.sub(" ", _ADDRESS.sub("<…>", reply[: 4 * LONGEST_REPLY])).strip()[:LONGEST_REPLY]


def retry_delay(attempts: int, policy: Policy, chance: random.Random) -> timedelta:
    """How long to wait after the ``attempts``-th try, ± the jitter, so that nobody comes back in step."""
    steps = policy.retries
    step = steps[min(attempts, len(steps)) - 1]
    return step * chance.uniform(1 - policy.jitter, 1 + policy.jitter)


def judge(outcome: Outcome, claim: Claim, *, now: datetime, policy: Policy, chance: random.Random) -> Verdict:
    """What becomes of the row after ``outcome``.

    Only a recipient's or the message's own temporary failure counts as an attempt: a lost connection
    or a busy server is no fault of the copy. The issue's policy does not hold for notices that overtake it:
    they have an end of their own, and one in doubt is sent once more.
    """
    is_notice = claim.notice is not None
    match outcome:
        case Accepted(queue_id=queue_id):
            return Verdict(DeliveryStatus.SENT, claim.attempts + 1, sent_at=now, queue_id=queue_id[:128])
        case Uncertain(reason=reason):
            again = (policy.resend or is_notice) and claim.resends == 0
            return Verdict(
                DeliveryStatus.UNCERTAIN,
                claim.attempts,
                next_attempt_at=now + policy.doubt if again else None,
                reply=redact(reason),
            )
        case Refused(code=code, reply=reply, blame=blame):
            told = _told(code, reply) + (IN_REPLY_TO_DOT if blame is Blame.MESSAGE else "")
            return Verdict(DeliveryStatus.REFUSED, claim.attempts + 1, reply=told)
        case Deferred(code=code, reply=reply, blame=Blame.RECIPIENT | Blame.MESSAGE):
            attempts = claim.attempts + 1
            due = now + retry_delay(attempts, policy, chance)
            if policy.expires_at is not None and due >= policy.expires_at and not is_notice:
                return Verdict(DeliveryStatus.EXPIRED, attempts, reply=_told(code, reply))
            return Verdict(DeliveryStatus.DEFERRED, attempts, next_attempt_at=due, reply=_told(code, reply))
        case Deferred() | Withheld():
            return unsent(claim)


def unsent(claim: Claim) -> Verdict:
    """The verdict on a copy that was certainly not sent, through no fault of its own.

    A copy that had been in doubt stays due by its time, so that it keeps its Date.
    """
    return Verdict(DeliveryStatus.QUEUED, claim.attempts)


def _told(code: int, reply: str) -> str:
    text = redact(reply)
    return text if not code or text.startswith(str(code)) else f"{code} {text}"
