"""What was done to an issue, by whom and when: append-only."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from sqlalchemy import select
from sqlalchemy.orm import Session

from digest.models import IssueEventRow


def record(
    session: Session, issue_id: int, action: str, *, now: datetime, actor: str = "", **detail: Any
) -> None:
    """Write one line into the issue's history; ``detail`` is JSON-able."""
    session.add(IssueEventRow(issue_id=issue_id, at=now, action=action, actor=actor, detail=detail))


def warnings_of(session: Session, issue_id: int) -> tuple[str, ...]:
    """What the last build of the issue warned of."""
    return tuple(last_build(session, issue_id).get("warnings", ()))


def last_build(session: Session, issue_id: int) -> dict[str, Any]:
    """What was noted when the issue was picked last; empty for one that no rule picked."""
    detail = session.scalar(
        select(IssueEventRow.detail)
        .where(IssueEventRow.issue_id == issue_id, IssueEventRow.action.in_(("built", "rebuilt")))
        .order_by(IssueEventRow.id.desc())
        .limit(1)
    )
    return detail or {}
