"""What follows from a finding: suppress, unsubscribe, wait, or nothing; every step with its row.

hard: suppressed at once. soft: after so many deliveries in a row, over so many days, each answered by a
bounce that blames the mailbox; a delivery that stayed unanswered begins anew. complaint: suppressed.
unsubscribe: off that list. A refusal of the sender (``alarm``) and a report of delay count against nobody.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from sqlalchemy import select
from sqlalchemy.orm import Session

from digest.bounces.attribution import Finding, Mailed
from digest.mail.judgement import Judgement, Kind
from digest.models import DeliveryRow, DeliveryStatus
from subscribers.addresses import parse_address, redact
from subscribers.errors import InvalidAddress
from subscribers.membership.joining import unsubscribe, unsubscribe_everywhere
from subscribers.membership.ledger import How
from subscribers.models import BounceEventRow, BounceKind, ConsentMethod, SuppressionCause
from subscribers.suppression import Subject, SuppressionKey, suppress

EXCERPT_LIMIT: Final = 300  # characters of the diagnosis that are kept, redacted
DELAYED: Final = "delayed"  # the reason of a report that is no failure yet
HISTORY_LIMIT: Final = 60  # deliveries that are looked back on
_ARRIVED: Final = (DeliveryStatus.SENT, DeliveryStatus.UNCERTAIN)
_ENDED: Final = (*_ARRIVED, DeliveryStatus.REFUSED, DeliveryStatus.EXPIRED)


@dataclass(frozen=True, slots=True)
class Policy:
    """``[bounces]``: suppress after ``soft_after`` soft bounces in a row over at least ``soft_over``."""

    soft_after: int = 4
    soft_over: timedelta = timedelta(days=10)


@dataclass(frozen=True, slots=True)
class Consequence:
    """What was done: ``suppressed`` or ``unsubscribed`` are True only if something changed by it."""

    kind: Kind
    suppressed: bool = False
    unsubscribed: bool = False


def record_finding(
    session: Session, finding: Finding, *, digest: str, index: int, form: str, now: datetime
) -> Kind:
    """Add the event of one recipient of one report, and return what it counts as.

    The caller makes sure that (digest, index) is new, and flushes before ``follow_finding``.
    """
    kind = Kind.IGNORED if finding.person is None else finding.judgement.kind
    session.add(_event(finding, kind, digest=digest, index=index, form=form, now=now))
    return kind


def follow_finding(
    session: Session, finding: Finding, *, digest: str, policy: Policy, key: SuppressionKey, now: datetime
) -> Consequence:
    """Do what follows from a finding whose event is in the database, within the caller's transaction."""
    judgement, person = finding.judgement, finding.person
    if person is None:
        return Consequence(Kind.IGNORED)
    kind = judgement.kind
    note = f"{_sentence(judgement)} (report {digest[:12]}, by {finding.how})"
    match kind:
        case Kind.HARD:
            return Consequence(
                kind,
                _suppress(session, person, key, SuppressionCause.BOUNCE, ConsentMethod.BOUNCE, note, now),
            )
        case Kind.COMPLAINT:
            note = f"complaint (report {digest[:12]}, by {finding.how})"
            return Consequence(
                kind,
                _suppress(
                    session, person, key, SuppressionCause.COMPLAINT, ConsentMethod.COMPLAINT, note, now
                ),
            )
        case Kind.UNSUBSCRIBE:
            how = How(ConsentMethod.MAILTO, note=f"asked by mail (report {digest[:12]}, by {finding.how})")
            return Consequence(kind, unsubscribed=_unsubscribe(session, person, how, now))
        case Kind.SOFT if judgement.final and not judgement.alarm:
            run = soft_run(session, person.subscriber_id, limit=HISTORY_LIMIT)
            if len(run) >= policy.soft_after and run[0] - run[-1] >= policy.soft_over:
                note = f"{len(run)} soft bounces in a row since {run[-1]:%Y-%m-%d}, the last: {note}"
                return Consequence(
                    kind,
                    _suppress(session, person, key, SuppressionCause.BOUNCE, ConsentMethod.BOUNCE, note, now),
                )
    return Consequence(kind)


def soft_run(session: Session, subscriber_id: int, *, limit: int) -> list[datetime]:
    """When the latest copies in a row went out that were each answered by a soft bounce, newest first.

    Copies after the newest bounced one are still under way and do not end the run; the first older one
    without any bounce does. One that was refused for our own fault (a blocklisting) says nothing of the
    mailbox: it neither counts nor ends the run.
    """
    told: dict[int, tuple[bool, datetime]] = {}  # issue: (whether it counts, when it came back)
    for issue_id, counts, at in session.execute(
        select(BounceEventRow.issue_id, BounceEventRow.counts, BounceEventRow.at)
        .where(
            BounceEventRow.subscriber_id == subscriber_id,
            BounceEventRow.kind.in_((BounceKind.SOFT, BounceKind.HARD)),
            BounceEventRow.reason != DELAYED,
            BounceEventRow.issue_id.is_not(None),
        )
        .order_by(BounceEventRow.at.desc())
        .limit(4 * limit)
    ):
        if issue_id is not None:
            told[issue_id] = (counts or told.get(issue_id, (False, at))[0], at)
    rows = session.execute(
        select(DeliveryRow.issue_id, DeliveryRow.status, DeliveryRow.sent_at)
        .where(DeliveryRow.subscriber_id == subscriber_id, DeliveryRow.status.in_(_ENDED))
        .order_by(DeliveryRow.id.desc())
        .limit(limit)
    ).all()
    run: list[datetime] = []
    for issue_id, status, sent_at in rows:
        counts, came_back = told.get(issue_id, (False, None))
        if counts and came_back is not None:
            run.append(sent_at or came_back)
        elif run and came_back is None and status in _ARRIVED:
            break
    return run


def _suppress(
    session: Session,
    person: Mailed,
    key: SuppressionKey,
    cause: SuppressionCause,
    method: ConsentMethod,
    note: str,
    now: datetime,
) -> bool:
    try:
        address = parse_address(person.address)
    except InvalidAddress:
        return False
    return suppress(
        session, Subject(address, address.domain), key, cause=cause, reason=note, method=method, now=now
    )


def _unsubscribe(session: Session, person: Mailed, how: How, now: datetime) -> bool:
    if person.subscription_id is not None:
        return unsubscribe(session, person.subscription_id, now=now, how=how)
    return unsubscribe_everywhere(session, person.subscriber_id, now=now, how=how) > 0


def _sentence(judgement: Judgement) -> str:
    status = f" {judgement.status}" if judgement.status else ""
    return f"{judgement.kind} bounce: {judgement.reason}{status}"


def _reason(judgement: Judgement, told: bool, form: str) -> str:
    if not told:
        return form
    return judgement.reason.value if judgement.final else DELAYED


def _event(
    finding: Finding, kind: Kind, *, digest: str, index: int, form: str, now: datetime
) -> BounceEventRow:
    judgement, person = finding.judgement, finding.person
    told = kind in {Kind.HARD, Kind.SOFT}
    return BounceEventRow(
        report_digest=digest,
        recipient_index=index,
        at=now,
        kind=BounceKind(kind.value),
        code=judgement.status[:16] if told else "",
        reason=_reason(judgement, told, form)[:64],
        attribution=finding.how[:32],
        subscriber_id=person.subscriber_id if person else None,
        list_id=person.list_id if person else None,
        issue_id=person.issue_id if person else None,
        delivery_id=person.delivery_id if person else None,
        counts=told and judgement.final and not judgement.alarm,
        excerpt=redact(" ".join(finding.diagnosis.split())[: 2 * EXCERPT_LIMIT])[:EXCERPT_LIMIT],
    )
