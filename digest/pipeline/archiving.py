"""The archive: sent issues as readers may see them in a browser."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from datetime import date, datetime
from typing import TYPE_CHECKING

from sqlalchemy import Select, select

from digest.issues.drafts import load_draft
from digest.models import IssueRow, IssueStatus
from digest.pipeline.render import newest_rendition
from digest.rendering.archive import archive_html

if TYPE_CHECKING:
    from sqlalchemy.orm import Session

    from digest.settings import Settings

OPEN = (IssueStatus.SENDING, IssueStatus.PAUSED, IssueStatus.SENT)
PAGE = 50


@dataclass(frozen=True, slots=True)
class Entry:
    """One line of the archive."""

    edition: str
    date: date
    ordinal: int
    number: int | None
    subject: str
    preheader: str
    language: str

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


def archive_entries(session: Session, settings: Settings, *, before: date | None = None) -> list[Entry]:
    """The newest issues of public lists, at most ``PAGE``, older than ``before``."""
    wanted = _public(settings).order_by(IssueRow.date.desc(), IssueRow.id.desc()).limit(PAGE)
    if before is not None:
        wanted = wanted.where(IssueRow.date < before)
    return [_entry(row) for row in session.scalars(wanted)]


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
    html = archive_html(
        rendition[1],
        load_draft(session, settings, row.id),
        subscribe_url=settings.file.newsletter.url,
    )
    neighbours = _public(settings).where(IssueRow.edition == edition).limit(1)
    older = session.scalars(neighbours.where(IssueRow.date < day).order_by(IssueRow.date.desc())).first()
    newer = session.scalars(neighbours.where(IssueRow.date > day).order_by(IssueRow.date)).first()
    return ArchivedIssue(
        html=html,
        etag=hashlib.sha256(html.encode()).hexdigest()[:32],
        modified=row.sent_at or row.frozen_at or row.built_at,
        older=_entry(older) if older else None,
        newer=_entry(newer) if newer else None,
    )


def _public(settings: Settings) -> Select[IssueRow]:
    return select(IssueRow).where(
        IssueRow.status.in_(OPEN), IssueRow.list_name.not_in(settings.file.web.private_lists)
    )


def _entry(row: IssueRow) -> Entry:
    return Entry(row.edition, row.date, row.ordinal, row.number, row.subject, row.preheader, row.language)
