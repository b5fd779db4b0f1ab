"""The editor's hand in an unsent issue: words, new items, places, drops.

Every edit locks what it touches, so that a rebuild keeps it; carries its actor and time; makes the
issue's version grow; and takes an approval back, because what was approved is no longer what is there.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from sqlalchemy import delete, select
from sqlalchemy.orm import Session

from digest.errors import IssueError, StaleEdit
from digest.issues.events import record
from digest.issues.finding import issue_row
from digest.issues.lifecycle import must_be_unsent
from digest.issues.places import Place, name_of, with_heading
from digest.issues.wording import edited_address, edited_text
from digest.models import IssueEventRow, IssueItemRow, IssueRow, IssueStatus, LedgerEntryRow, LedgerState
from digest.values import ArticleKind, ItemKind, Origin, SectionHeading, Slot

INSERTABLE = (ItemKind.INTRO, ItemKind.NOTE, ItemKind.SPONSOR, ItemKind.EVENT, ItemKind.CORRECTION)


def edit_issue(
    session: Session,
    issue_id: int,
    *,
    now: datetime,
    actor: str = "",
    version: int | None = None,
    subject: str | None = None,
    preheader: str | None = None,
) -> IssueRow:
    """Change subject or preheader.

    Raises ``UnknownIssue``, ``IssueLocked``, ``StaleEdit``, ``IssueError``.
    """
    row = _open(session, issue_id, version)
    for name, text in (("subject", subject), ("preheader", preheader)):
        if text is None:
            continue
        line = edited_text(name, text)
        if not line:
            raise IssueError(
                f"the {name} of issue {row.id} cannot be empty",
                remedy=f"give it words, or leave --{name} out to keep what it says",
            )
        _change(
            session, row, "edited", now=now, actor=actor, field=name, before=getattr(row, name), after=line
        )
        setattr(row, name, line)
        row.locked = sorted({*row.locked, name})
    return row


def edit_item(
    session: Session,
    issue_id: int,
    item_id: int,
    *,
    now: datetime,
    actor: str = "",
    version: int | None = None,
    headline: str | None = None,
    teaser: str | None = None,
    url: str | None = None,
    label: str | None = None,
) -> IssueRow:
    """Change an item's words. Raises as :func:`edit_issue`, and ``IssueError`` for an unknown item."""
    row = _open(session, issue_id, version)
    item = _item(session, row, item_id)
    for name, text in (("headline", headline), ("teaser", teaser), ("url", url), ("label", label)):
        if text is None:
            continue
        line = edited_text(name, text)
        if name == "url":
            line = edited_address(line) if line else ""
        if name == "headline" and not line and item.kind is ItemKind.STORY:
            raise IssueError(
                f"the headline of item {item.id} cannot be empty",
                remedy=f"`digest issue drop {row.id} {item.id}` takes it out",
            )
        before = getattr(item, name) or ""
        setattr(item, name, line or None if name == "url" else line)
        _change(
            session, row, "edited", now=now, actor=actor, item=item.id, field=name, before=before, after=line
        )
    _lock(item, now=now, actor=actor)
    return row


def insert_item(
    session: Session,
    issue_id: int,
    *,
    kind: ItemKind,
    place: Place,
    heading: SectionHeading | None = None,
    now: datetime,
    actor: str = "",
    version: int | None = None,
    headline: str = "",
    text: str = "",
    url: str = "",
    image: str = "",
    label: str = "",
) -> int:
    """Put an item without an article into the issue; its number. Raises as :func:`edit_issue`."""
    row = _open(session, issue_id, version)
    if kind not in INSERTABLE:
        raise IssueError(
            f"an item of kind {kind} cannot be inserted", remedy=f"kinds: {', '.join(INSERTABLE)}"
        )
    if not headline.strip() and not text.strip():
        raise IssueError("an item needs a headline or a text", remedy="give --headline or --text")
    if place.slot in {Slot.LEAD, Slot.DONT_MISS} and kind is ItemKind.SPONSOR:
        raise IssueError(
            f"a sponsor's item cannot stand in {place.slot.value.replace('_', '-')}",
            remedy="put it to sponsor, top, bottom or into a section",
        )
    with_heading(row, heading)
    item = IssueItemRow(
        issue_id=row.id,
        kind=kind,
        slot=place.slot,
        section=place.section,
        headline=edited_text("headline", headline),
        teaser=edited_text("teaser", text),
        url=edited_address(url) if url else None,
        picture={"url": edited_address(image), **_PLAIN_PICTURE} if image else None,
        label=edited_text("label", label) or ("Sponsored" if kind is ItemKind.SPONSOR else ""),
        language=row.language,
        origin=Origin.HAND,
    )
    _lock(item, now=now, actor=actor)
    session.add(item)
    session.flush()
    _put(session, row, item, place, now=now, actor=actor)
    _change(session, row, "inserted", now=now, actor=actor, item=item.id, kind=kind.value, to=name_of(place))
    return item.id


def move_item(
    session: Session,
    issue_id: int,
    item_id: int,
    place: Place,
    *,
    heading: SectionHeading | None = None,
    now: datetime,
    actor: str = "",
    version: int | None = None,
) -> IssueRow:
    """Move an item to a place; the others make room. A story moved to the lead sends the old lead back to
    its section. Raises as :func:`edit_issue`."""
    row = _open(session, issue_id, version)
    item = _item(session, row, item_id)
    with_heading(row, heading)
    _lock(item, now=now, actor=actor)
    _put(session, row, item, place, now=now, actor=actor)
    _change(session, row, "moved", now=now, actor=actor, item=item.id, to=name_of(place))
    return row


def drop_item(
    session: Session,
    issue_id: int,
    item_id: int,
    *,
    now: datetime,
    actor: str = "",
    version: int | None = None,
    reason: str = "",
) -> IssueRow:
    """Take an item out: a rebuild leaves it out, and its story is free for other issues. When it was the
    lead, the first story of the first section leads."""
    row = _open(session, issue_id, version)
    item = _item(session, row, item_id)
    drop(session, row, item, now=now, actor=actor, reason=reason)
    if item.slot is Slot.LEAD:
        promote(session, row, now=now)
    return row


def drop(
    session: Session,
    row: IssueRow,
    item: IssueItemRow,
    *,
    now: datetime,
    actor: str = "",
    reason: str = "",
    release: bool = True,
) -> None:
    """Take the item out of the issue, whatever the issue's status is: the callers know why they may.

    ``release`` frees its story; it stays taken when copies that carry it are out.
    """
    item.dropped = True
    _lock(item, now=now, actor=actor)
    if item.story_id is not None and release:
        session.execute(
            delete(LedgerEntryRow)
            .where(
                LedgerEntryRow.issue_id == row.id,
                LedgerEntryRow.story_id == item.story_id,
                LedgerEntryRow.state == LedgerState.RESERVED,
            )
            .execution_options(synchronize_session=False)
        )
    session.flush()
    _renumber(_shelf(session, row, item.slot, item.section))
    _change(
        session, row, "dropped", now=now, actor=actor, item=item.id, headline=item.headline, reason=reason
    )


def edited_fields(session: Session, issue_id: int, item_id: int) -> set[str]:
    """Which words of an item a hand has written in this issue."""
    details = session.scalars(
        select(IssueEventRow.detail).where(
            IssueEventRow.issue_id == issue_id, IssueEventRow.action == "edited"
        )
    )
    return {str(detail["field"]) for detail in details if detail.get("item") == item_id}


def reword(
    session: Session,
    row: IssueRow,
    item: IssueItemRow,
    words: Mapping[str, str],
    *,
    now: datetime,
    actor: str,
) -> tuple[str, ...]:
    """Give an item of an unsent issue the words that its article was given; tells which changed. It is not
    locked by that: a rebuild prints the article with the same words."""
    changed = tuple(name for name, text in words.items() if getattr(item, name) != text)
    for name in changed:
        before = getattr(item, name)
        setattr(item, name, words[name])
        _change(
            session, row, "reworded",
            now=now, actor=actor, item=item.id, field=name, before=before, after=words[name],
        )  # fmt: skip
    return changed


def put_story(
    session: Session, row: IssueRow, item: IssueItemRow, place: Place, *, now: datetime, actor: str = ""
) -> None:
    """Put a story that the rules picked at a place; it is not locked."""
    session.add(item)
    item.issue_id = row.id
    session.flush()
    _put(session, row, item, place, now=now, actor=actor)
    _change(session, row, "swapped-in", now=now, actor=actor, item=item.id, headline=item.headline)


def promote(session: Session, row: IssueRow, *, now: datetime) -> Place | None:
    """Make the first story of the first section the lead of an issue that has none; the place that it
    left, or None when there is no such story."""
    order = [entry["key"] for entry in row.sections]
    stories = [
        item
        for key in order
        for item in _shelf(session, row, Slot.SECTION, key)
        if item.kind is ItemKind.STORY and item.article_kind is not ArticleKind.SPONSORED
    ]
    if not stories:
        return None
    heir = stories[0]
    left = Place(Slot.SECTION, heir.section, heir.position)
    heir.slot, heir.position = Slot.LEAD, 1
    session.flush()
    _renumber(_shelf(session, row, Slot.SECTION, left.section))
    _change(session, row, "promoted", now=now, actor="", item=heir.id, headline=heir.headline)
    return left


_PLAIN_PICTURE = {"alt": "", "credit": "", "width": None, "height": None, "weight": None}


def _open(session: Session, issue_id: int, version: int | None) -> IssueRow:
    row = issue_row(session, issue_id, lock=True)
    must_be_unsent(row)
    if version is not None and version != row.version:
        raise StaleEdit(
            f"issue {row.id} was changed meanwhile: it is at version {row.version}, you saw {version}",
            remedy="look at it again, then repeat the edit",
        )
    return row


def _change(
    session: Session, row: IssueRow, action: str, *, now: datetime, actor: str, **detail: Any
) -> None:
    row.version += 1
    if row.status is IssueStatus.APPROVED:
        row.status = IssueStatus.BUILT
        row.approved_at, row.approved_by = None, ""
        record(session, row.id, "approval-taken-back", now=now, actor=actor)
    record(session, row.id, action, now=now, actor=actor, **detail)


def _lock(item: IssueItemRow, *, now: datetime, actor: str) -> None:
    item.locked = True
    item.actor = actor
    item.edited_at = now


def _item(session: Session, row: IssueRow, item_id: int) -> IssueItemRow:
    item = session.get(IssueItemRow, item_id) if 0 < item_id < 2**63 else None
    if item is None or item.issue_id != row.id or item.dropped:
        raise IssueError(
            f"issue {row.id} has no item {item_id}", remedy=f"`digest issue show {row.id}` shows them"
        )
    return item


def _shelf(session: Session, row: IssueRow, slot: Slot, section: str) -> list[IssueItemRow]:
    """The items of a slot, of a section if it is one, in order."""
    query = select(IssueItemRow).where(
        IssueItemRow.issue_id == row.id, IssueItemRow.slot == slot, IssueItemRow.dropped.is_(False)
    )
    if slot is Slot.SECTION:
        query = query.where(IssueItemRow.section == section)
    return list(session.scalars(query.order_by(IssueItemRow.position, IssueItemRow.id)))


def _put(
    session: Session, row: IssueRow, item: IssueItemRow, place: Place, *, now: datetime, actor: str
) -> None:
    left = item.slot, item.section
    shelf = [other for other in _shelf(session, row, place.slot, place.section) if other.id != item.id]
    if place.slot is Slot.LEAD and item.kind is ItemKind.STORY:
        for old in [other for other in shelf if other.kind is ItemKind.STORY]:
            shelf.remove(old)
            _send_home(session, row, old, now=now, actor=actor)
    item.slot = place.slot
    if place.slot is Slot.SECTION:
        item.section = place.section
    at = place.position - 1 if place.position else len(shelf)
    shelf.insert(min(at, len(shelf)), item)
    _renumber(shelf)
    session.flush()
    if left != (item.slot, item.section):
        _renumber(_shelf(session, row, *left))


def _send_home(session: Session, row: IssueRow, old: IssueItemRow, *, now: datetime, actor: str) -> None:
    """The lead that has to go opens its own section, or the first one of the issue."""
    keys = [entry["key"] for entry in row.sections]
    old.section = old.section if old.section in keys else (keys[0] if keys else "")
    old.slot = Slot.SECTION
    _lock(old, now=now, actor=actor)
    _renumber([old, *(o for o in _shelf(session, row, Slot.SECTION, old.section) if o.id != old.id)])
    session.flush()


def _renumber(shelf: list[IssueItemRow]) -> None:
    for position, item in enumerate(shelf, start=1):
        item.position = position
