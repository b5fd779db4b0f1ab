"""The ledger: a story is printed once. Reserved at build, published when sent, released when cancelled."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime

from sqlalchemy import delete, insert, select, update
from sqlalchemy.orm import Session

from digest.models import IssueRow, LedgerEntryRow, LedgerState


def reserve(
    session: Session,
    issue: IssueRow,
    stories: Iterable[int],
    *,
    now: datetime,
    again: Iterable[int] = (),
) -> None:
    """Reserve ``stories`` for the issue, and release what it had reserved beside them.

    Those that are printed ``again`` (as "Updated") keep the entry of their first issue. Raises
    ``IntegrityError`` when somebody else has reserved one of the others since it was a candidate: the
    unique constraint decides, never a look beforehand.
    """
    wanted = set(stories)
    release(session, issue.id, keep=wanted)
    reserve_more(session, issue, wanted - set(again), now=now)


def reserve_more(session: Session, issue: IssueRow, stories: Iterable[int], *, now: datetime) -> None:
    """Reserve ``stories`` beside what the issue has reserved. Raises as :func:`reserve`."""
    own = set(session.scalars(select(LedgerEntryRow.story_id).where(LedgerEntryRow.issue_id == issue.id)))
    new = [
        {
            "ledger": issue.ledger,
            "story_id": story,
            "issue_id": issue.id,
            "state": LedgerState.RESERVED,
            "at": now,
        }
        for story in sorted(set(stories) - own)
    ]
    if new:
        session.execute(insert(LedgerEntryRow), new)


def release(session: Session, issue_id: int, *, keep: Iterable[int] = ()) -> int:
    """Give back what the issue reserved, but for the stories to ``keep``; tells how many."""
    result = session.execute(
        delete(LedgerEntryRow)
        .where(
            LedgerEntryRow.issue_id == issue_id,
            LedgerEntryRow.state == LedgerState.RESERVED,
            LedgerEntryRow.story_id.not_in(list(keep)),
        )
        .execution_options(synchronize_session=False)
    )
    return int(result.rowcount)  # type: ignore[attr-defined]


def publish_reserved(session: Session, issue_id: int, *, now: datetime) -> None:
    """What the issue reserved counts as printed from now on."""
    session.execute(
        update(LedgerEntryRow)
        .where(LedgerEntryRow.issue_id == issue_id, LedgerEntryRow.state == LedgerState.RESERVED)
        .values(state=LedgerState.PUBLISHED, at=now)
        .execution_options(synchronize_session=False)
    )
