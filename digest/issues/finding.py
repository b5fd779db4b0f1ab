"""Which issue is meant: a number, ``EDITION@DATE`` or ``EDITION@latest``."""

from __future__ import annotations

from datetime import date

from sqlalchemy import select
from sqlalchemy.orm import Session

from digest.errors import UnknownIssue, UsageError
from digest.models import IssueRow, IssueStatus

LARGEST_ID = 2**63 - 1


def resolve_issue_id(session: Session, text: str) -> int:
    """The number of the issue that ``text`` names.

    ``EDITION@DATE`` is the scheduled issue of that day, or the latest extra one when there is no
    scheduled one; cancelled issues are found by their number only. Raises ``UnknownIssue``;
    ``UsageError`` for a text that could name none.
    """
    text = text.strip()
    edition, at, when = text.rpartition("@")
    query = select(IssueRow.id)
    if not at:
        if not (text.isascii() and text.isdigit()) or not int(text):
            raise UsageError(
                f"{text!r} names no issue", remedy="give its number, EDITION@DATE or EDITION@latest"
            )
        if int(text) > LARGEST_ID:
            raise UnknownIssue(f"there is no issue {text[:40]}", remedy="`digest issue list` shows them")
        query = query.where(IssueRow.id == int(text))
    else:
        query = query.where(IssueRow.edition == edition, IssueRow.status != IssueStatus.CANCELLED)
        if when == "latest":
            query = query.order_by(IssueRow.date.desc(), IssueRow.ordinal.desc())
        else:
            query = query.where(IssueRow.date == _day(text, when)).order_by(
                IssueRow.ordinal != 0, IssueRow.ordinal.desc()
            )
    found = session.scalar(query.limit(1))
    if found is None:
        raise UnknownIssue(f"there is no issue {text}", remedy="`digest issue list` shows them")
    return found


def issue_row(session: Session, issue_id: int, *, lock: bool = False) -> IssueRow:
    """The issue of that number; with ``lock`` nobody else changes it until the transaction ends.
    Raises ``UnknownIssue``."""
    query = select(IssueRow).where(IssueRow.id == issue_id)
    row = session.scalar(query.with_for_update() if lock else query)
    if row is None:
        raise UnknownIssue(f"there is no issue {issue_id}", remedy="`digest issue list` shows them")
    return row


def _day(text: str, when: str) -> date:
    try:
        return date.fromisoformat(when)
    except ValueError:
        raise UsageError(
            f"{text!r} names no issue: {when!r} is no date",
            remedy="write EDITION@2026-11-23 or EDITION@latest",
        ) from None
