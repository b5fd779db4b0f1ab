"""Old deliveries become counts: who got which issue is not kept longer than ``[retention] deliveries``."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import delete, func, select
from sqlalchemy.orm import Session, sessionmaker

from digest.delivery.machine import ENDED
from digest.models import DeliveryRow, IssueRow, IssueStatus, NoticeRow
from digest.models.deliveries import DeliveryStatus

BATCH = 20_000  # rows deleted in one transaction, so that nobody waits long for a lock
ENDS = (*ENDED, DeliveryStatus.UNCERTAIN)


def compact(sessions: sessionmaker[Session], *, before: datetime) -> int:
    """Count and delete the deliveries of issues that were sent before ``before``; return how many rows went.

    The counts of each batch are stored in the transaction that deletes it: killed anywhere, nothing is
    counted twice. Notices of that age go too.
    """
    with sessions() as session:
        issues = session.scalars(
            select(IssueRow.id).where(
                IssueRow.status.in_((IssueStatus.SENT, IssueStatus.CANCELLED)),
                func.coalesce(IssueRow.sent_at, IssueRow.built_at) < before,
                select(DeliveryRow.id).where(DeliveryRow.issue_id == IssueRow.id).exists(),
            )
        ).all()
    gone = 0
    for issue_id in issues:
        while count := _compact_some(sessions, issue_id):
            gone += count
    with sessions() as session, session.begin():
        session.execute(
            delete(NoticeRow)
            .where(NoticeRow.created_at < before, NoticeRow.status.in_(ENDS))
            .execution_options(synchronize_session=False)
        )
    return gone


def _compact_some(sessions: sessionmaker[Session], issue_id: int) -> int:
    with sessions() as session, session.begin():
        issue = session.get_one(IssueRow, issue_id, with_for_update=True)
        some = (
            select(DeliveryRow.id)
            .where(DeliveryRow.issue_id == issue_id)
            .order_by(DeliveryRow.id)
            .limit(BATCH)
            .subquery()
        )
        chosen = DeliveryRow.id.in_(select(some.c.id))
        counted = session.execute(
            select(DeliveryRow.status, func.count()).where(chosen).group_by(DeliveryRow.status)
        ).all()
        totals = dict(issue.counts)
        for status, count in counted:
            totals[status.value] = totals.get(status.value, 0) + count
        issue.counts = totals
        session.execute(delete(DeliveryRow).where(chosen).execution_options(synchronize_session=False))
        return sum(count for _, count in counted)
