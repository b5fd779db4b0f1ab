"""An issue as people and programs see it: the shape that ``issue build|show --json`` prints."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import date, datetime
from typing import Any

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from digest.issues.clicks import clicks_of
from digest.issues.finding import issue_row
from digest.issues.items import load_items
from digest.models import IssueItemRow, IssueRow
from digest.values import Item, SectionHeading, Slot


@dataclass(frozen=True, kw_only=True)
class IssueView:
    """An issue with its items. ``id`` is None for a dry run, whose items have numbers from 1."""

    id: int | None
    edition: str
    date: date
    ordinal: int
    number: int | None
    status: str
    subject: str
    preheader: str
    language: str
    timezone: str
    version: int
    sections: tuple[SectionHeading, ...]
    items: tuple[Item, ...]
    built_at: datetime
    sent_at: datetime | None = None
    corrects: int | None = None
    paused_reason: str = ""
    warnings: tuple[str, ...] = field(default=())
    clicks: Mapping[int, int] = field(default_factory=dict)  # by item; empty while none were counted

    def in_slot(self, slot: Slot, section: str = "") -> tuple[Item, ...]:
        """The items of a slot (and section) in print order."""
        found = [
            item for item in self.items if item.slot is slot and (not section or item.section == section)
        ]
        return tuple(sorted(found, key=lambda item: (item.position, item.id)))

    @property
    def lead(self) -> Item | None:
        return next(iter(self.in_slot(Slot.LEAD)), None)

    @property
    def stories(self) -> int:
        """How many stories are printed, Don't Miss counted."""
        return sum(item.story_id is not None for item in self.items)

    def as_json(self) -> dict[str, Any]:
        """The object of the contract (CLI); more keys may follow the fixed ones."""
        return {
            "id": self.id,
            "edition": self.edition,
            "date": self.date.isoformat(),
            "number": self.number,
            "subject": self.subject,
            "preheader": self.preheader,
            "status": self.status,
            "lead": item_json(self.lead) if self.lead else None,
            "sections": [
                {
                    "key": heading.key,
                    "name": heading.name,
                    "items": [item_json(item) for item in self.in_slot(Slot.SECTION, heading.key)],
                }
                for heading in self.sections
                if self.in_slot(Slot.SECTION, heading.key)
            ],
            **{
                slot.value: [item_json(item) for item in self.in_slot(slot)]
                for slot in (Slot.DONT_MISS, Slot.TOP, Slot.SPONSOR, Slot.CORRECTIONS, Slot.BOTTOM)
            },
            "ordinal": self.ordinal,
            "version": self.version,
            "language": self.language,
            "built_at": stamp(self.built_at),
            "sent_at": stamp(self.sent_at),
            "corrects": self.corrects,
            "warnings": list(self.warnings),
            "clicks": [
                {"item": item.id, "headline": item.headline, "clicks": self.clicks.get(item.id, 0)}
                for item in self.items
                if self.clicks and item.url
            ],
        }


def item_json(item: Item) -> dict[str, Any]:
    """One item as programs see it."""
    return {
        "item": item.id,
        "article": item.article_id,
        "kind": item.kind.value,
        "headline": item.headline,
        "teaser": item.teaser,
        "url": item.url or None,
        "image": item.picture.url if item.picture else None,
        "label": item.label,
        "published_at": stamp(item.published_at),
        "reading_minutes": item.reading_minutes,
        "also": list(item.also),
        "section": item.section,
        "article_kind": item.article_kind.value,
        "source": item.source,
        "updated": item.updated,
        "origin": item.origin.value,
        "locked": item.locked,
        "actor": item.actor,
    }


def stamp(moment: datetime | None) -> str | None:
    """A UTC time as ISO 8601 with a Z, or None."""
    return moment.isoformat(timespec="seconds").replace("+00:00", "Z") if moment else None


def issue_view(session: Session, issue_id: int, *, warnings: tuple[str, ...] = ()) -> IssueView:
    """The stored issue. Raises ``UnknownIssue``."""
    row = issue_row(session, issue_id)
    view = view_of(row, load_items(session, row.id), warnings=warnings)
    return replace(view, clicks=clicks_of(session, row.id))


@dataclass(frozen=True, slots=True)
class IssueSummary:
    """One line of ``issue list``."""

    id: int
    edition: str
    date: date
    ordinal: int
    number: int | None
    status: str
    subject: str
    stories: int
    built_at: datetime
    sent_at: datetime | None

    def as_json(self) -> dict[str, Any]:
        """The summary as programs see it."""
        return {
            "id": self.id,
            "edition": self.edition,
            "date": self.date.isoformat(),
            "ordinal": self.ordinal,
            "number": self.number,
            "status": self.status,
            "subject": self.subject,
            "stories": self.stories,
            "built_at": stamp(self.built_at),
            "sent_at": stamp(self.sent_at),
        }


def issue_summaries(session: Session, *, edition: str = "", limit: int = 50) -> list[IssueSummary]:
    """The newest issues first."""
    stories = (
        select(func.count())
        .where(
            IssueItemRow.issue_id == IssueRow.id,
            IssueItemRow.story_id.is_not(None),
            IssueItemRow.dropped.is_(False),
        )
        .scalar_subquery()
    )
    query = select(IssueRow, stories).order_by(IssueRow.date.desc(), IssueRow.id.desc()).limit(limit)
    if edition:
        query = query.where(IssueRow.edition == edition)
    return [
        IssueSummary(
            id=row.id,
            edition=row.edition,
            date=row.date,
            ordinal=row.ordinal,
            number=row.number,
            status=row.status.value,
            subject=row.subject,
            stories=count,
            built_at=row.built_at,
            sent_at=row.sent_at,
        )
        for row, count in session.execute(query)
    ]


def view_of(row: IssueRow, items: list[Item], *, warnings: tuple[str, ...] = ()) -> IssueView:
    """The view of a row, stored or not."""
    return IssueView(
        id=row.id,
        edition=row.edition,
        date=row.date,
        ordinal=row.ordinal,
        number=row.number,
        status=row.status.value,
        subject=row.subject,
        preheader=row.preheader,
        language=row.language,
        timezone=row.timezone,
        version=row.version,
        sections=headings_of(row),
        items=tuple(items),
        built_at=row.built_at,
        sent_at=row.sent_at,
        corrects=row.corrects_id,
        paused_reason=row.paused_reason,
        warnings=warnings,
    )


def headings_of(row: IssueRow) -> tuple[SectionHeading, ...]:
    """The sections of the issue in print order, as they were called when it was built."""
    return tuple(SectionHeading(entry["key"], entry["name"], entry["layout"]) for entry in row.sections)
