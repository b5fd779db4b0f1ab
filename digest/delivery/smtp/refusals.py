"""What a refusal before the dot, or in answer to it, means for the copy."""

from __future__ import annotations

from typing import Final

from digest.delivery.smtp.replies import Reply, SessionError
from digest.values import Blame, Deferred, Outcome, Refused

OUT_OF_STEP: Final = frozenset({500, 502, 503})  # what a server says that lost commands sent ahead


def first_refusal(mail: Reply, rcpt: Reply | None, data: Reply | None) -> Outcome:
    """The first refusal counts; what follows it only repeats it (RFC 2920, section 3.1)."""
    if not mail.positive:
        return judged(mail, Blame.SENDER)
    if rcpt is not None and not rcpt.positive:
        return judged(rcpt, Blame.RECIPIENT)
    if data is None:
        raise SessionError("out of step: no answer to DATA")
    return judged(data, Blame.MESSAGE)


def lost_commands(rcpt: Reply | None, data: Reply | None) -> bool:
    """Whether a server that offered PIPELINING took no notice of what was sent ahead."""
    if rcpt is None or data is None:
        return False
    # After a refused RCPT, DATA is out of step by right, and that says nothing.
    return rcpt.code in OUT_OF_STEP or (rcpt.positive and data.code in OUT_OF_STEP)


def judged(reply: Reply, blame: Blame) -> Deferred | Refused:
    """Temporary or final, by the first digit. Raises ``SessionError`` for what is no refusal."""
    if 400 <= reply.code < 500:
        return Deferred(reply.code, str(reply), reply.enhanced, blame)
    if reply.code >= 500:
        return Refused(reply.code, str(reply), reply.enhanced, blame)
    raise SessionError(f"out of step: {reply}")
