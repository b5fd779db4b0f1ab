"""Figures for a monitor, in the text format of Prometheus (version 0.0.4): five short queries, no person."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING

from sqlalchemy import func, select

from digest.models import DeliveryRow, DeliveryStatus, IssueRow, IssueStatus, NoticeRow, SourceStateRow

if TYPE_CHECKING:
    from sqlalchemy.orm import Session

    from digest.settings import Settings

_WAITING = (DeliveryStatus.QUEUED, DeliveryStatus.DEFERRED, DeliveryStatus.CLAIMED)
_OPEN = (IssueStatus.SENDING, IssueStatus.PAUSED)


def metrics_text(session: Session, settings: Settings, *, now: datetime) -> str:
    """What ``/metrics`` answers. Ages in seconds; an edition without a sent issue has no age."""
    lines: list[str] = []

    def metric(name: str, told: str, kind: str, samples: list[tuple[str, float]]) -> None:
        lines.append(f"# HELP dontmiss_{name} {told}")
        lines.append(f"# TYPE dontmiss_{name} {kind}")
        lines.extend(f"dontmiss_{name}{labels} {value:g}" for labels, value in samples)

    last = session.execute(
        select(IssueRow.edition, func.max(IssueRow.sent_at))
        .where(IssueRow.status == IssueStatus.SENT)
        .group_by(IssueRow.edition)
    ).all()
    editions = settings.file.editions
    ages = [
        (_label("edition", edition), (now - at).total_seconds())
        for edition, at in last
        if at is not None and edition in editions
    ]
    metric("last_issue_age_seconds", "Since the edition's last issue was sent.", "gauge", ages)
    states = session.execute(
        select(DeliveryRow.status, func.count())
        .join(IssueRow, IssueRow.id == DeliveryRow.issue_id)
        .where(IssueRow.status.in_(_OPEN))
        .group_by(DeliveryRow.status)
    ).all()
    counts = {status.value: number for status, number in states}
    metric(
        "deliveries",
        "Copies of the issues that are being sent, by state.",
        "gauge",
        [(_label("state", state.value), counts.get(state.value, 0)) for state in DeliveryStatus],
    )
    begun = session.scalar(
        select(func.min(IssueRow.frozen_at)).where(
            IssueRow.status.in_(_OPEN),
            select(DeliveryRow.id)
            .where(DeliveryRow.issue_id == IssueRow.id, DeliveryRow.status.in_(_WAITING))
            .exists(),
        )
    )
    metric(
        "queue_age_seconds", "Of the oldest issue with copies that wait.", "gauge", [("", _age(begun, now))]
    )
    oldest, number = session.execute(
        select(func.min(NoticeRow.created_at), func.count()).where(NoticeRow.status.in_(_WAITING))
    ).one()
    metric("notices_waiting", "Notices that wait.", "gauge", [("", number)])
    metric("notice_age_seconds", "Of the oldest notice that waits.", "gauge", [("", _age(oldest, now))])
    failures = session.execute(
        select(SourceStateRow.name, SourceStateRow.failures).order_by(SourceStateRow.name)
    ).all()
    names = {source.name for source in settings.file.sources}
    metric(
        "source_failures",
        "Failed fetches in a row.",
        "gauge",
        [(_label("source", name), in_a_row) for name, in_a_row in failures if name in names],
    )
    return "\n".join([*lines, ""])


def _age(at: datetime | None, now: datetime) -> float:
    return 0.0 if at is None else max(0.0, (now - at).total_seconds())


def _label(name: str, value: str) -> str:
    escaped = value.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")
    return f'{{{name}="{escaped}"}}'
