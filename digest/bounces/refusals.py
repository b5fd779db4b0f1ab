"""Refusals at SMTP time go through the same judgement as reports that come later.

The delivery worker marks a row refused, or expired when a server said "later" until it was too late, and
stores the redacted reply; this sweep judges each such row once, so that neither room knows the other and a
crash in between loses nothing.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from sqlalchemy import exists, func, or_, select
from sqlalchemy.orm import Session

from digest.bounces.attribution import Finding, Mailed
from digest.bounces.policy import Consequence, Policy, follow_finding, record_finding
from digest.mail.judgement import judge_reply
from digest.models import DeliveryRow, DeliveryStatus, IssueRow, IssueStatus
from subscribers.models import BounceEventRow, SubscriberRow, SubscriptionRow
from subscribers.suppression import SuppressionKey

BATCH: Final = 500
LOOK_BACK: Final = timedelta(days=14)  # issues that ended longer ago were swept long since
FORM: Final = "refusal"
_CODE = re.compile(r"^\s*([45]\d\d)\b")


@dataclass(frozen=True, slots=True)
class JudgedRefusal:
    """One refused delivery, judged."""

    delivery_id: int
    finding: Finding
    consequence: Consequence


def judge_refusals(
    session: Session,
    *,
    policy: Policy,
    key: SuppressionKey,
    now: datetime,
    issue_id: int | None = None,
    after: int = 0,
    limit: int = BATCH,
) -> list[JudgedRefusal]:
    """Judge refused deliveries that were not judged yet, at most ``limit``; call again until none is left.

    :param issue_id: only of this issue; else of all that are under way or ended within ``LOOK_BACK``.
    :param after: the last delivery that the call before this one judged.
    """
    waiting = (
        select(DeliveryRow, SubscriberRow.address, SubscriptionRow.list_id)
        .join(SubscriberRow, SubscriberRow.id == DeliveryRow.subscriber_id)
        .outerjoin(SubscriptionRow, SubscriptionRow.id == DeliveryRow.subscription_id)
        .where(
            DeliveryRow.status.in_((DeliveryStatus.REFUSED, DeliveryStatus.EXPIRED)),
            or_(DeliveryRow.status == DeliveryStatus.REFUSED, DeliveryRow.reply.like("4%")),
            DeliveryRow.id > after,
            ~exists().where(
                BounceEventRow.delivery_id == DeliveryRow.id, BounceEventRow.attribution == "smtp"
            ),
        )
        .order_by(DeliveryRow.id)
        .limit(limit)
    )
    if issue_id is not None:
        waiting = waiting.where(DeliveryRow.issue_id == issue_id)
    else:
        waiting = waiting.where(DeliveryRow.issue_id.in_(_recent_issues(session, now)))
    found = [(row[0].id, _finding(*row), f"smtp-{row[0].id}") for row in session.execute(waiting).all()]
    for _, finding, digest in found:
        record_finding(session, finding, digest=digest, index=0, form=FORM, now=now)
    session.flush()
    return [
        JudgedRefusal(
            delivery_id,
            finding,
            follow_finding(session, finding, digest=digest, policy=policy, key=key, now=now),
        )
        for delivery_id, finding, digest in found
    ]


def _recent_issues(session: Session, now: datetime) -> list[int]:
    underway = IssueRow.status.in_((IssueStatus.SENDING, IssueStatus.PAUSED))
    ended = func.coalesce(IssueRow.sent_at, IssueRow.built_at) > now - LOOK_BACK
    return list(session.scalars(select(IssueRow.id).where(or_(underway, ended))))


def _finding(delivery: DeliveryRow, address: str, list_id: int | None) -> Finding:
    code = _CODE.match(delivery.reply)
    person = Mailed(
        subscriber_id=delivery.subscriber_id or 0,
        address=address,
        subscription_id=delivery.subscription_id,
        list_id=list_id,
        issue_id=delivery.issue_id,
        delivery_id=delivery.id,
    )
    return Finding(
        judge_reply(int(code[1]) if code else 0, "", delivery.reply), "smtp", person, delivery.reply
    )
