"""What was done to an issue, by whom and when: append-only."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from sqlalchemy.orm import Session

from digest.models import IssueEventRow


def record(
    session: Session, issue_id: int, action: str, *, now: datetime, actor: str = "", **detail: Any
) -> None:
    """Write one line into the issue's history; ``detail`` is JSON-able."""
    session.add(IssueEventRow(issue_id=issue_id, at=now, action=action, actor=actor, detail=detail))
