"""Rows of items and the values they are: a snapshot of what is printed, there and back."""

from __future__ import annotations

from dataclasses import asdict
from datetime import datetime

from sqlalchemy import select
from sqlalchemy.orm import Session

from digest.models import IssueItemRow
from digest.models.types import JsonObject
from digest.values import Item, Picture, Related

SLOT_ORDER = ("top", "sponsor", "corrections", "lead", "section", "dont_miss", "bottom")


def load_items(session: Session, issue_id: int, *, dropped: bool = False) -> list[Item]:
    """The printed items of an issue by slot, section and position; or those dropped by hand."""
    rows = session.scalars(
        select(IssueItemRow).where(IssueItemRow.issue_id == issue_id, IssueItemRow.dropped.is_(dropped))
    )
    return sorted((as_item(row) for row in rows), key=_place)


def as_item(row: IssueItemRow) -> Item:
    """The value of a row."""
    return Item(
        id=row.id,
        kind=row.kind,
        article_id=row.article_id,
        story_id=row.story_id,
        slot=row.slot,
        section=row.section,
        position=row.position,
        headline=row.headline,
        teaser=row.teaser,
        url=row.url or "",
        picture=Picture(**row.picture) if row.picture else None,
        label=row.label,
        article_kind=row.article_kind,
        access=row.access,
        byline=row.byline,
        source=row.source,
        published_at=row.published_at,
        word_count=row.word_count,
        reading_minutes=row.reading_minutes,
        duration_seconds=row.duration_seconds,
        language=row.language,
        also=tuple(row.also),
        related=tuple(Related(**entry) for entry in row.related),
        updated=row.updated,
        origin=row.origin,
        locked=row.locked,
        actor=row.actor,
    )


def as_row(item: Item, issue_id: int, *, edited_at: datetime | None = None) -> IssueItemRow:
    """A new row for a value; its number comes from the database."""
    return IssueItemRow(
        issue_id=issue_id,
        kind=item.kind,
        article_id=item.article_id,
        story_id=item.story_id,
        slot=item.slot,
        section=item.section,
        position=item.position,
        headline=item.headline,
        teaser=item.teaser,
        url=item.url or None,
        picture=picture_json(item.picture),
        label=item.label,
        article_kind=item.article_kind,
        access=item.access,
        byline=item.byline,
        source=item.source,
        published_at=item.published_at,
        word_count=item.word_count,
        reading_minutes=item.reading_minutes,
        duration_seconds=item.duration_seconds,
        language=item.language,
        also=list(item.also),
        related=[asdict(entry) for entry in item.related],
        updated=item.updated,
        origin=item.origin,
        locked=item.locked,
        actor=item.actor,
        edited_at=edited_at,
    )


def picture_json(picture: Picture | None) -> JsonObject | None:
    """A picture as it is stored."""
    return asdict(picture) if picture is not None else None


def _place(item: Item) -> tuple[int, str, int, int]:
    return (SLOT_ORDER.index(item.slot.value), item.section, item.position, item.id)
