"""Storing an issue: its row, its items, and which issue of an edition and a day there is."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import date, datetime

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from digest.issues.items import as_row
from digest.models import IssueItemRow, IssueRow, IssueStatus
from digest.values import Item, ItemKind


def live_issue(session: Session, edition: str, day: date, *, ordinal: int = 0) -> IssueRow | None:
    """The issue of that edition, day and ordinal which is not cancelled, or None."""
    return session.scalar(
        select(IssueRow).where(
            IssueRow.edition == edition,
            IssueRow.date == day,
            IssueRow.ordinal == ordinal,
            IssueRow.status != IssueStatus.CANCELLED,
        )
    )


def next_ordinal(session: Session, edition: str, day: date) -> int:
    """The ordinal of a further issue of that day; at least 1."""
    largest = session.scalar(
        select(func.max(IssueRow.ordinal)).where(IssueRow.edition == edition, IssueRow.date == day)
    )
    return (largest or 0) + 1


def last_built_at(session: Session, edition: str, *, before: datetime) -> datetime | None:
    """When the last issue of the edition that was sent had been made; corrections do not count."""
    return session.scalar(
        select(func.max(IssueRow.built_at)).where(
            IssueRow.edition == edition,
            IssueRow.status == IssueStatus.SENT,
            IssueRow.corrects_id.is_(None),
            IssueRow.built_at < before,
        )
    )


def replace_items(session: Session, issue_id: int, items: Sequence[Item], *, now: datetime) -> None:
    """Put ``items`` into the issue. Stored ones (with a number) keep their row, so that a rebuild leaves
    their number and history; unlocked rows that are not among them go; dropped ones stay."""
    rows = {
        row.id: row for row in session.scalars(select(IssueItemRow).where(IssueItemRow.issue_id == issue_id))
    }
    kept = {item.id for item in items if item.id}
    for row in rows.values():
        if row.id not in kept and not row.dropped:
            session.delete(row)
    session.flush()
    new = [as_row(item, issue_id) for item in items if item.id not in rows]
    for row in new:
        session.add(row)
        session.flush()  # one at a time: the numbers then follow the print order on every database
    for item in items:
        if item.id in rows:
            row = rows[item.id]
            row.slot, row.section, row.position = item.slot, item.section, item.position


def stories_of(items: Iterable[Item]) -> set[int]:
    """The stories that the ledger must know of."""
    return {item.story_id for item in items if item.kind is ItemKind.STORY and item.story_id is not None}
