"""Who stands by an issue: workers announce themselves, so that ``resume`` knows whether one waits."""

from __future__ import annotations

from datetime import datetime, timedelta

from sqlalchemy import delete, select
from sqlalchemy.orm import Session

from digest.delivery.presence import is_dead
from digest.models import LeaseRow

FORGOTTEN_AFTER = timedelta(days=1)  # longer than any lease


def announce(session: Session, issue_id: int, worker: str, *, until: datetime) -> None:
    """Tell others that ``worker`` stands by the issue until then."""
    # What killed workers left says nothing any more.
    session.execute(
        delete(LeaseRow).where(LeaseRow.name.startswith("send/"), LeaseRow.until < until - FORGOTTEN_AFTER)
    )
    session.merge(LeaseRow(name=_name(issue_id, worker), holder=worker, until=until))


def withdraw(session: Session, issue_id: int, worker: str) -> None:
    """The worker leaves."""
    found = session.get(LeaseRow, _name(issue_id, worker))
    if found is not None:
        session.delete(found)


def somebody_sends(session: Session, issue_id: int, *, now: datetime) -> bool:
    """Whether a living worker stands by the issue."""
    holders = session.scalars(
        select(LeaseRow.holder).where(LeaseRow.name.startswith(_name(issue_id, "")), LeaseRow.until > now)
    ).all()
    return any(not is_dead(holder) for holder in holders)


def _name(issue_id: int, worker: str) -> str:
    return f"send/{issue_id}/{worker}"
