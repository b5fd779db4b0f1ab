"""The archive: sent issues as readers may see them in a browser."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import TYPE_CHECKING

from sqlalchemy import Select, func, select

from digest.issues.corrections import marks, withdrawn_items
from digest.issues.drafts import load_draft
from digest.issues.searching import found_by
from digest.models import IssueEventRow, IssueItemRow, IssueRow, IssueStatus, RenditionRow
from digest.pipeline.archive_page import with_linked_data, with_main, with_neighbours, with_withdrawn
from digest.pipeline.clicks import without_clicks
from digest.pipeline.render import newest_rendition
from digest.rendering.archive import archive_html
from digest.searchable import contains

if TYPE_CHECKING:
    from sqlalchemy.orm import Session

    from digest.settings import Settings

OPEN = (IssueStatus.SENDING, IssueStatus.PAUSED, IssueStatus.SENT)
PAGE = 50
FOUND = 20  # issues on a page of a search
HEADLINES = 3  # of an issue that was found


@dataclass(frozen=True, slots=True)
class Entry:
    """One line of the archive."""

    id: int
    edition: str
    date: date
    ordinal: int
    number: int | None
    subject: str
    preheader: str
    language: str
    modified: datetime

    @property
    def path(self) -> str:
        """Its place below the public address."""
        return f"/archive/{self.edition}/{self.date.isoformat()}" + (
            f"-{self.ordinal}" if self.ordinal else ""
        )


@dataclass(frozen=True, slots=True)
class ArchivedIssue:
    """An issue's page: without anybody's own links. ``etag`` changes when the page does."""

    html: str
    etag: str
    modified: datetime
    older: Entry | None
    newer: Entry | None


@dataclass(frozen=True, slots=True)
class Found:
    """An issue that was looked for, and the headlines that have the words."""

    entry: Entry
    headlines: tuple[str, ...]


def archive_entries(
    session: Session,
    settings: Settings,
    *,
    before: tuple[date, int] | None = None,
    most: int = PAGE,
    edition: str = "",
) -> list[Entry]:
    """The newest issues of public lists (of one edition), at most ``most``, before the date and, on that day,
    the id."""
    wanted = _public(settings).order_by(IssueRow.date.desc(), IssueRow.id.desc()).limit(most)
    if edition:
        wanted = wanted.where(IssueRow.edition == edition)
    if before is not None:
        day, id_ = before
        wanted = wanted.where((IssueRow.date < day) | ((IssueRow.date == day) & (IssueRow.id < id_)))
    return [_entry(row) for row in session.scalars(wanted)]


def archive_version(session: Session) -> tuple[int, ...]:
    """Another one whenever the archive may look different: three look-ups at the ends of primary keys.

    Every change of an issue's status, and every withdrawal, writes an event.
    """
    newest = [select(func.max(row.id)).scalar_subquery() for row in (IssueRow, IssueEventRow, RenditionRow)]
    return tuple(int(number or 0) for number in session.execute(select(*newest)).one())


def search_archive(
    session: Session, settings: Settings, asked: Sequence[str], *, page: int = 1
) -> tuple[list[Found], bool]:
    """Public issues with all the words, the newest first; ``FOUND`` to a page, and whether there are more."""
    wanted = (
        _public(settings)
        .where(found_by(session, asked))
        .order_by(IssueRow.date.desc(), IssueRow.id.desc())
        .offset((page - 1) * FOUND)
        .limit(FOUND + 1)
    )
    rows = session.scalars(wanted).all()
    shown = rows[:FOUND]
    headlines: dict[int, list[str]] = {row.id: [] for row in shown}
    items = session.execute(
        select(IssueItemRow.issue_id, IssueItemRow.id, IssueItemRow.headline, IssueItemRow.teaser)
        .where(IssueItemRow.issue_id.in_(headlines), IssueItemRow.dropped.is_(False))
        .order_by(IssueItemRow.issue_id, IssueItemRow.id)
    )
    gone = withdrawn_items(session, headlines)
    for issue_id, item, headline, teaser in items:
        told = headlines[issue_id]
        if (
            headline
            and item not in gone
            and len(told) < HEADLINES
            and headline not in told
            and contains(headline + " " + teaser, asked)
        ):
            told.append(headline)
    return [Found(_entry(row), tuple(headlines[row.id])) for row in shown], len(rows) > FOUND


def archived_issue(
    session: Session, settings: Settings, edition: str, day: date, ordinal: int
) -> ArchivedIssue | None:
    """The page of one issue, or None when there is none that anybody may see."""
    row = session.scalars(
        _public(settings).where(
            IssueRow.edition == edition, IssueRow.date == day, IssueRow.ordinal == ordinal
        )
    ).one_or_none()
    rendition = None if row is None else newest_rendition(session, row.id)
    if row is None or rendition is None:
        return None
    draft = load_draft(session, settings, row.id)
    withdrawn = marks(session, row.id)
    older, newer = _neighbours(session, settings, row)
    base = settings.public_url
    html = archive_html(rendition[1], draft, subscribe_url=f"{base}/subscribe" if base else "")
    html = without_clicks(html, draft, settings)
    html = with_main(html)
    html = with_withdrawn(html, row.language, [mark.headline for mark in withdrawn])
    html = with_linked_data(
        html,
        draft,
        publisher=settings.file.newsletter.name,
        withdrawn=[mark.item for mark in withdrawn],
    )
    html = with_neighbours(
        html,
        row.language,
        older=(base + older.path, older.subject) if older else None,
        newer=(base + newer.path, newer.subject) if newer else None,
        all_url=f"{base}/archive",
    )
    return ArchivedIssue(
        html=html,
        etag=hashlib.sha256(html.encode()).hexdigest()[:32],
        # A neighbour that came later changes the page too.
        modified=max(
            [_modified(row), *(mark.at for mark in withdrawn), *([newer.modified] if newer else [])]
        ),
        older=older,
        newer=newer,
    )


def _neighbours(session: Session, settings: Settings, row: IssueRow) -> tuple[Entry | None, Entry | None]:
    of_edition = _public(settings).where(IssueRow.edition == row.edition).limit(1)
    same_day = IssueRow.date == row.date
    older = session.scalars(
        of_edition.where((IssueRow.date < row.date) | (same_day & (IssueRow.ordinal < row.ordinal))).order_by(
            IssueRow.date.desc(), IssueRow.ordinal.desc()
        )
    ).first()
    newer = session.scalars(
        of_edition.where((IssueRow.date > row.date) | (same_day & (IssueRow.ordinal > row.ordinal))).order_by(
            IssueRow.date, IssueRow.ordinal
        )
    ).first()
    return (_entry(older) if older else None, _entry(newer) if newer else None)


def _modified(row: IssueRow) -> datetime:
    return row.sent_at or row.frozen_at or row.built_at


def _public(settings: Settings) -> Select[IssueRow]:
    return select(IssueRow).where(
        IssueRow.status.in_(OPEN), IssueRow.list_name.not_in(settings.file.web.private_lists)
    )


def _entry(row: IssueRow) -> Entry:
    return Entry(
        id=row.id,
        edition=row.edition,
        date=row.date,
        ordinal=row.ordinal,
        number=row.number,
        subject=row.subject,
        preheader=row.preheader,
        language=row.language,
        modified=_modified(row),
    )
