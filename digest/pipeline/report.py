"""What became of issues, and how the newsroom is doing: counts, never persons."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from typing import TYPE_CHECKING, Any

from sqlalchemy import func, select

from digest.issues.clicks import clicks_of
from digest.issues.items import load_items
from digest.models import (
    DeliveryRow,
    DeliveryStatus,
    IssueRow,
    IssueStatus,
    SourceStateRow,
)
from subscribers.models import BounceEventRow, ConsentAction, ConsentEventRow

if TYPE_CHECKING:
    from sqlalchemy.orm import Session

    from digest.settings import Settings


@dataclass(frozen=True)
class IssueFigures:
    """One issue in numbers; ``clicks`` are (headline, clicks, item) in print order."""

    id: int
    edition: str
    date: str
    number: int | None
    status: str
    subject: str
    recipients: int
    deliveries: dict[str, int]
    bounces: dict[str, int]
    unsubscribed: int
    clicks: tuple[tuple[str, int, int], ...] = ()

    def as_json(self) -> dict[str, Any]:
        """For ``--json``."""
        from dataclasses import asdict

        return {
            **asdict(self),
            "clicks": [
                {"headline": head, "clicks": count, "item": item} for head, count, item in self.clicks
            ],
        }


@dataclass(frozen=True)
class Figures:
    """How the newsroom is doing; ages in seconds."""

    editions: list[dict[str, Any]]
    deliveries: dict[str, int]
    queue_age: float | None
    failing_sources: list[dict[str, Any]]
    gaps: list[str]
    issues: list[IssueFigures] = field(default_factory=list)

    def as_json(self) -> dict[str, Any]:
        """For ``--json``."""
        return {
            "editions": self.editions,
            "deliveries": self.deliveries,
            "queue_age": self.queue_age,
            "failing_sources": self.failing_sources,
            "gaps": self.gaps,
            "issues": [issue.as_json() for issue in self.issues],
        }


def issue_figures(session: Session, row: IssueRow) -> IssueFigures:
    """One issue; deliveries that retention has compacted are in its stored counts."""
    counted: dict[str, int] = {
        str(status): count
        for status, count in session.execute(
            select(DeliveryRow.status, func.count())
            .where(DeliveryRow.issue_id == row.id)
            .group_by(DeliveryRow.status)
        )
    }
    for status, count in (row.counts or {}).items():
        if status in set(DeliveryStatus):
            counted[status] = counted.get(status, 0) + int(count)
    bounces = {
        str(kind): count
        for kind, count in session.execute(
            select(BounceEventRow.kind, func.count())
            .where(BounceEventRow.issue_id == row.id)
            .group_by(BounceEventRow.kind)
        )
    }
    counted_clicks = clicks_of(session, row.id)
    clicked = tuple(
        (item.headline, counted_clicks.get(item.id, 0), item.id)
        for item in load_items(session, row.id)
        if item.url
    )
    return IssueFigures(
        id=row.id,
        edition=row.edition,
        date=row.date.isoformat(),
        number=row.number,
        status=str(row.status),
        subject=row.subject,
        recipients=sum(counted.values()),
        deliveries=counted,
        bounces=bounces,
        unsubscribed=_left_after(session, row),
        clicks=clicked if counted_clicks else (),
    )


def _left_after(session: Session, row: IssueRow) -> int:
    """People who unsubscribed between this issue's first copy and the next issue's."""
    if row.frozen_at is None:
        return 0
    following = session.scalar(
        select(func.min(IssueRow.frozen_at)).where(
            IssueRow.list_name == row.list_name, IssueRow.frozen_at > row.frozen_at
        )
    )
    from subscribers.models import MailingListRow

    wanted = (
        select(func.count())
        .select_from(ConsentEventRow)
        .join(MailingListRow, MailingListRow.id == ConsentEventRow.list_id)
        .where(
            MailingListRow.name == row.list_name,
            ConsentEventRow.action == ConsentAction.UNSUBSCRIBED,
            ConsentEventRow.at >= row.frozen_at,
        )
    )
    if following is not None:
        wanted = wanted.where(ConsentEventRow.at < following)
    return session.scalar(wanted) or 0


def newsroom_figures(session: Session, settings: Settings, *, now: datetime, issues: int = 10) -> Figures:
    """All editions, what is queued, and the newest issues."""
    editions = []
    for name in settings.file.editions:
        last = session.scalars(
            select(IssueRow)
            .where(IssueRow.edition == name, IssueRow.status == IssueStatus.SENT)
            .order_by(IssueRow.date.desc(), IssueRow.ordinal.desc())
            .limit(1)
        ).first()
        editions.append(
            {
                "edition": name,
                "last_issue": None if last is None else last.id,
                "last_date": None if last is None else last.date.isoformat(),
                "age": None if last is None or last.sent_at is None else (now - last.sent_at).total_seconds(),
            }
        )
    waiting = (DeliveryStatus.QUEUED, DeliveryStatus.DEFERRED, DeliveryStatus.CLAIMED, DeliveryStatus.SENDING)
    oldest = session.scalar(
        select(func.min(IssueRow.enqueued_at)).where(
            IssueRow.id.in_(select(DeliveryRow.issue_id).where(DeliveryRow.status.in_(waiting)))
        )
    )
    states = session.scalars(select(SourceStateRow)).all()
    newest = session.scalars(
        select(IssueRow).order_by(IssueRow.date.desc(), IssueRow.id.desc()).limit(issues)
    ).all()
    return Figures(
        editions=editions,
        deliveries={
            str(status): count
            for status, count in session.execute(
                select(DeliveryRow.status, func.count()).group_by(DeliveryRow.status)
            )
        },
        queue_age=None if oldest is None else (now - oldest).total_seconds(),
        failing_sources=[
            {"name": state.name, "failures": state.failures, "error": state.error}
            for state in states
            if state.failures
        ],
        gaps=[state.name for state in states if state.gap],
        issues=[issue_figures(session, row) for row in newest],
    )
