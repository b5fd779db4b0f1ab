"""A story has to leave an issue: it is taken out, and if so wished the next best takes its place."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from digest.issues import editing
from digest.issues.items import as_row, load_items
from digest.issues.ledger import reserve_more
from digest.issues.places import Place
from digest.issues.stock import load_printables
from digest.models import IssueItemRow, IssueRow
from digest.picking.printing import print_items
from digest.pipeline.build import describe, pick_for
from digest.pipeline.edition_rules import rules_of
from digest.settings import Settings
from digest.values import Item, Slot


def take_out(
    session: Session,
    settings: Settings,
    row: IssueRow,
    item: IssueItemRow,
    *,
    now: datetime,
    actor: str,
    reason: str,
    swap: bool,
    release: bool = True,
) -> int | None:
    """Take the item out and, with ``swap``, fill its place by the rules; the new item's number, or None.

    When the lead leaves, the first story of the first section leads, which was on the page before, and
    its place is the one to fill. ``release`` frees the story that leaves.
    """
    place: Place | None = Place(item.slot, item.section, item.position)
    editing.drop(session, row, item, now=now, actor=actor, reason=reason, release=release)
    if item.slot is Slot.LEAD:
        place = editing.promote(session, row, now=now)
    number = _fill(session, settings, row, place, now=now, actor=actor) if swap and place else None
    session.flush()
    # The story may have stood in the subject or the preheader.
    describe(session, settings.edition(row.edition), row, load_items(session, row.id))
    return number


def _fill(
    session: Session, settings: Settings, row: IssueRow, place: Place, *, now: datetime, actor: str
) -> int | None:
    if place.slot not in {Slot.SECTION, Slot.DONT_MISS}:
        return None
    found = _next_best(session, settings, row, place, now=now)
    if found is None or found.story_id is None:
        return None
    stored = as_row(found, row.id)
    try:
        with session.begin_nested():
            reserve_more(session, row, set() if found.updated else {found.story_id}, now=now)
    except IntegrityError:
        return None  # another issue reserved it at this moment: the place stays empty
    editing.put_story(session, row, stored, place, now=now, actor=actor)
    return stored.id


def _next_best(
    session: Session, settings: Settings, row: IssueRow, place: Place, *, now: datetime
) -> Item | None:
    """What the rules would put there, everything else in the issue being held."""
    edition = settings.edition(row.edition)
    rules = rules_of(settings, edition)
    page, _ = pick_for(session, edition, rules, row, now=now, hold_all=True)
    picks = page.in_slot(place.slot, place.section if place.slot is Slot.SECTION else "")
    if not picks:
        return None
    texts = load_printables(session, [picks[0].candidate.id])
    sources = {source.name: source for source in settings.file.sources}
    return print_items(picks[:1], texts, rules.teasers, sources=sources)[0]
