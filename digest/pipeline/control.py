"""Stopping an issue, letting it go on, and taking it back, from any terminal and within two seconds."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import select, update
from sqlalchemy.orm import Session, sessionmaker

from digest.issues import lifecycle
from digest.models import DeliveryRow, DeliveryStatus, IssueStatus

WAITING = (DeliveryStatus.QUEUED, DeliveryStatus.CLAIMED, DeliveryStatus.DEFERRED)


def pause_issue(
    sessions: sessionmaker[Session], issue_id: int, *, now: datetime, actor: str = ""
) -> IssueStatus:
    """Stop sending; a copy that is on the wire comes to its end. Raises ``IssueLocked``, ``UnknownIssue``."""
    with sessions.begin() as session:
        return lifecycle.pause(session, issue_id, now=now, actor=actor).status


def hold_issue(
    sessions: sessionmaker[Session], issue_id: int, *, now: datetime, actor: str = ""
) -> IssueStatus:
    """Stop an issue wherever it stands: unsent it waits for an approval, whatever the policy; being sent it
    is paused. Raises ``IssueLocked``, ``UnknownIssue``."""
    with sessions.begin() as session:
        return lifecycle.hold(session, issue_id, now=now, actor=actor).status


def resume_issue(
    sessions: sessionmaker[Session], issue_id: int, *, now: datetime, actor: str = ""
) -> IssueStatus:
    """Let a paused issue go on. Raises ``IssueLocked``, ``UnknownIssue``."""
    with sessions.begin() as session:
        return lifecycle.resume(session, issue_id, now=now, actor=actor).status


def cancel_deliveries(session: Session, issue_id: int) -> int:
    """Call back the copies that wait; one whose dot may be out keeps its state. Returns how many."""
    # Locked in their order first: workers write the same rows in that order.
    waiting = (
        select(DeliveryRow.id)
        .where(DeliveryRow.issue_id == issue_id, DeliveryRow.status.in_(WAITING))
        .order_by(DeliveryRow.id)
        .with_for_update()
    )
    changed = session.execute(
        update(DeliveryRow)
        .where(DeliveryRow.id.in_(waiting))
        .values(status=DeliveryStatus.CANCELLED, next_attempt_at=None, lease_until=None)
        .execution_options(synchronize_session=False, preserve_rowcount=True)
    )
    return int(changed.rowcount)  # type: ignore[attr-defined]


def cancel_issue(sessions: sessionmaker[Session], issue_id: int, *, now: datetime, actor: str = "") -> int:
    """Take an issue back: its stories are free again, and the copies that wait are called back."""
    with sessions.begin() as session:
        lifecycle.cancel(session, issue_id, now=now, actor=actor)
        return cancel_deliveries(session, issue_id)
