"""The editor's hand in an issue, as use cases: what the command line and the preview's desk call.

The edits themselves are in ``digest.issues.editing``, what they take in ``digest.issues.edits``. Every
function is one transaction, checks ``version`` when it is given (two editors do not overwrite each other
silently), and returns the issue as it is then.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from typing import Unpack

from sqlalchemy.orm import Session, sessionmaker

from digest.errors import UsageError
from digest.issues import editing, lifecycle
from digest.issues.edits import Content, Hand, Lines, Words
from digest.issues.finding import issue_row
from digest.issues.items import load_items
from digest.issues.places import Place, known_headings, place_from
from digest.issues.view import IssueView, issue_view
from digest.models import IssueRow
from digest.picking.rules import MORE
from digest.pipeline import control
from digest.pipeline.build import describe
from digest.settings import Settings
from digest.values import ItemKind, SectionHeading, Slot


def edit_issue(
    sessions: sessionmaker[Session],
    issue_id: int,
    **lines: Unpack[Lines],
) -> IssueView:
    """Change subject or preheader.

    Raises ``UnknownIssue``, ``IssueLocked``, ``StaleEdit``, ``IssueError``.
    """
    with sessions.begin() as session:
        editing.edit_issue(session, issue_id, **lines)
        return issue_view(session, issue_id)


def edit_item(
    sessions: sessionmaker[Session],
    issue_id: int,
    item_id: int,
    *,
    settings: Settings | None = None,
    **words: Unpack[Words],
) -> IssueView:
    """Change an item's words; None leaves a field as it is. With ``settings`` the subject and preheader
    follow, unless a hand wrote them. Raises as :func:`edit_issue`."""
    with sessions.begin() as session:
        editing.edit_item(session, issue_id, item_id, **words)
        _retell(session, settings, issue_id)
        return issue_view(session, issue_id)


def insert_item(
    sessions: sessionmaker[Session],
    settings: Settings,
    issue_id: int,
    *,
    kind: str,
    to: str,
    **content: Unpack[Content],
) -> tuple[int, IssueView]:
    """Put an intro, note, sponsor, event or correction at ``SLOT/POS``; its number and the issue."""
    with sessions.begin() as session:
        place, heading = _place(session, settings, issue_id, to)
        item = editing.insert_item(
            session, issue_id, kind=_kind(kind), place=place, heading=heading, **content
        )
        return item, issue_view(session, issue_id)


def move_item(
    sessions: sessionmaker[Session],
    settings: Settings,
    issue_id: int,
    item_id: int,
    *,
    to: str,
    **hand: Unpack[Hand],
) -> IssueView:
    """Move an item to ``SLOT/POS``. Raises as :func:`edit_issue`."""
    with sessions.begin() as session:
        place, heading = _place(session, settings, issue_id, to)
        editing.move_item(session, issue_id, item_id, place, heading=heading, **hand)
        _retell(session, settings, issue_id)
        return issue_view(session, issue_id)


def drop_item(
    sessions: sessionmaker[Session],
    issue_id: int,
    item_id: int,
    *,
    settings: Settings | None = None,
    **hand: Unpack[Hand],
) -> IssueView:
    """Take an item out; its story is free for other issues. With ``settings`` the subject and preheader
    follow, unless a hand wrote them. Raises as :func:`edit_issue`."""
    with sessions.begin() as session:
        editing.drop_item(session, issue_id, item_id, **hand)
        _retell(session, settings, issue_id)
        return issue_view(session, issue_id)


def approve_issue(
    sessions: sessionmaker[Session], issue_id: int, *, now: datetime, actor: str = ""
) -> IssueView:
    """Let the issue go out. Raises ``UnknownIssue``, ``IssueLocked``."""
    return _changed(sessions, issue_id, lambda s: lifecycle.approve(s, issue_id, now=now, actor=actor))


def cancel_issue(
    sessions: sessionmaker[Session], issue_id: int, *, now: datetime, actor: str = ""
) -> IssueView:
    """Take the issue back: its stories are free again, and the copies that wait are called back. Raises
    ``UnknownIssue``, ``IssueLocked``."""
    control.cancel_issue(sessions, issue_id, now=now, actor=actor)
    with sessions() as session:
        return issue_view(session, issue_id)


def _changed(
    sessions: sessionmaker[Session], issue_id: int, change: Callable[[Session], IssueRow]
) -> IssueView:
    with sessions.begin() as session:
        change(session)
        session.flush()
        return issue_view(session, issue_id)


def _retell(session: Session, settings: Settings | None, issue_id: int) -> None:
    """Let subject and preheader follow what the issue prints now."""
    if settings is None:
        return
    session.flush()
    row = issue_row(session, issue_id)
    if row.corrects_id is None:
        describe(session, settings.edition(row.edition), row, load_items(session, row.id))


def _kind(word: str) -> ItemKind:
    try:
        return ItemKind(word)
    except ValueError:
        raise UsageError(
            f"{word!r} is no kind of item", remedy=f"kinds: {', '.join(editing.INSERTABLE)}"
        ) from None


def _place(
    session: Session, settings: Settings, issue_id: int, to: str
) -> tuple[Place, SectionHeading | None]:
    """The place that ``to`` names, and its section's heading if it is one."""
    row = issue_row(session, issue_id)
    edition = settings.edition(row.edition)
    sections = [SectionHeading(one.key, one.name, one.layout) for one in edition.sections]
    headings = known_headings(row, sections)
    place = place_from(to, headings)
    if place.slot is not Slot.SECTION or place.section == MORE:
        return place, None
    return place, next(heading for heading in headings if heading.key == place.section)
