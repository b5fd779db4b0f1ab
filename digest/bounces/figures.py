"""What came back, for people to read: the latest events, and counts by reason and by domain."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import ColumnElement, func, select
from sqlalchemy.orm import Session

from subscribers.models import BounceEventRow, BounceKind, MailingListRow, SubscriberRow


@dataclass(frozen=True, slots=True)
class BounceEvent:
    """One recipient of one report; ``email`` is empty when it concerned nobody, or the person was erased."""

    id: int
    at: datetime
    kind: str
    code: str
    reason: str
    email: str
    list_name: str
    issue: int | None
    how: str
    excerpt: str
    report: str


@dataclass(frozen=True, slots=True)
class BounceFigures:
    """Counts of reports, each (name, number), largest first."""

    by_kind: Sequence[tuple[str, int]]
    by_reason: Sequence[tuple[str, int]]
    by_domain: Sequence[tuple[str, int]]


def list_events(
    session: Session, *, limit: int, kinds: Sequence[str] = (), issue_id: int | None = None
) -> list[BounceEvent]:
    """The latest events, newest first.

    :param kinds: only these ("hard", "soft", …); all if empty.
    """
    chosen = (
        select(BounceEventRow, SubscriberRow.address, MailingListRow.name)
        .outerjoin(SubscriberRow, SubscriberRow.id == BounceEventRow.subscriber_id)
        .outerjoin(MailingListRow, MailingListRow.id == BounceEventRow.list_id)
        .order_by(BounceEventRow.id.desc())
        .limit(limit)
    )
    if kinds:
        chosen = chosen.where(BounceEventRow.kind.in_([BounceKind(kind) for kind in kinds]))
    if issue_id is not None:
        chosen = chosen.where(BounceEventRow.issue_id == issue_id)
    return [
        BounceEvent(
            id=row.id,
            at=row.at,
            kind=row.kind.value,
            code=row.code,
            reason=row.reason,
            email=address or "",
            list_name=list_name or "",
            issue=row.issue_id,
            how=row.attribution,
            excerpt=row.excerpt,
            report=row.report_digest[:12],
        )
        for row, address, list_name in session.execute(chosen)
    ]


def bounce_figures(
    session: Session, *, issue_id: int | None = None, since: datetime | None = None, domains: int = 20
) -> BounceFigures:
    """Count hard and soft bounces, complaints and opt-outs by mail.

    :param domains: the largest so many recipient domains.
    """
    kinds = (BounceKind.HARD, BounceKind.SOFT, BounceKind.COMPLAINT, BounceKind.UNSUBSCRIBE)
    conditions: list[ColumnElement[bool]] = [BounceEventRow.kind.in_(kinds)]
    if issue_id is not None:
        conditions.append(BounceEventRow.issue_id == issue_id)
    if since is not None:
        conditions.append(BounceEventRow.at >= since)
    number = func.count()
    by_kind = (
        select(BounceEventRow.kind, number)
        .where(*conditions)
        .group_by(BounceEventRow.kind)
        .order_by(number.desc())
    )
    failed = [*conditions, BounceEventRow.kind.in_((BounceKind.HARD, BounceKind.SOFT))]
    by_reason = (
        select(BounceEventRow.reason, number)
        .where(*failed)
        .group_by(BounceEventRow.reason)
        .order_by(number.desc())
    )
    by_domain = (
        select(SubscriberRow.domain, number)
        .join(BounceEventRow, BounceEventRow.subscriber_id == SubscriberRow.id)
        .where(*failed)
        .group_by(SubscriberRow.domain)
        .order_by(number.desc(), SubscriberRow.domain)
        .limit(domains)
    )
    return BounceFigures(
        by_kind=[(kind.value, count) for kind, count in session.execute(by_kind)],
        by_reason=[(reason, count) for reason, count in session.execute(by_reason)],
        by_domain=[(domain, count) for domain, count in session.execute(by_domain)],
    )
