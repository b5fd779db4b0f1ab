"""Rendering as a use case: a draft with what newsletter.toml says of looks, and the store of renditions."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import select
from sqlalchemy.orm import Session

from digest.errors import UnknownIssue
from digest.models import RenditionRow
from digest.pipeline.clicks import click_addresses
from digest.pipeline.templates import own_templates as own_templates
from digest.pipeline.templates import templates_of
from digest.rendering.fragments import fragments_from_json, fragments_to_json
from digest.rendering.issue import HouseStyle, render
from digest.settings import Settings
from digest.values import Draft, RenderedIssue


def render_issue(draft: Draft, settings: Settings) -> RenderedIssue:
    """Render an issue once for everybody.

    Raises ``RenderError`` (template and line) and ``ConfigError`` (an unreadable theme).
    """
    return render(draft, settings.file.theme, style=house_style(settings))


def house_style(settings: Settings) -> HouseStyle:
    """What newsletter.toml says of links, pictures and names."""
    file = settings.file
    return HouseStyle(
        append=file.links.append,
        own_domains=tuple(domain.lower() for domain in file.links.own_domains),
        images={source.name: source.images for source in file.sources},
        source_titles={source.name: source.title or source.name for source in file.sources},
        dont_miss_title=file.dont_miss.title,
        clicks=click_addresses(settings),
        templates=templates_of(settings),
    )


def store_rendition(session: Session, issue_id: int, rendered: RenderedIssue, *, now: datetime) -> int:
    """Store what was rendered as the issue's next version, and return the row's number.

    What is the same as the newest version is that version: rendering again stores nothing.
    """
    newest = session.scalar(
        select(RenditionRow)
        .where(RenditionRow.issue_id == issue_id)
        .order_by(RenditionRow.version.desc())
        .limit(1)
    )
    if newest is not None and _as_rendered(newest) == rendered:
        return newest.id
    row = RenditionRow(
        issue_id=issue_id,
        version=newest.version + 1 if newest is not None else 1,
        subject=rendered.subject,
        preheader=rendered.preheader,
        language=rendered.language,
        direction=rendered.direction,
        html=fragments_to_json(rendered.html),
        text=fragments_to_json(rendered.text),
        mjml=rendered.mjml,
        notes=list(rendered.notes),
        at=now,
    )
    session.add(row)
    session.flush()
    return row.id


def load_rendition(session: Session, rendition_id: int) -> RenderedIssue:
    """A stored rendition. Raises ``UnknownIssue`` when there is none of that number."""
    row = session.get(RenditionRow, rendition_id)
    if row is None:
        raise UnknownIssue(f"there is no rendition {rendition_id}")
    return _as_rendered(row)


def newest_rendition(session: Session, issue_id: int) -> tuple[int, RenderedIssue] | None:
    """The newest stored version of an issue with its number, or None."""
    row = session.scalar(
        select(RenditionRow)
        .where(RenditionRow.issue_id == issue_id)
        .order_by(RenditionRow.version.desc())
        .limit(1)
    )
    return (row.id, _as_rendered(row)) if row is not None else None


def _as_rendered(row: RenditionRow) -> RenderedIssue:
    return RenderedIssue(
        subject=row.subject,
        preheader=row.preheader,
        language=row.language,
        direction=row.direction,
        html=fragments_from_json(row.html),
        text=fragments_from_json(row.text),
        mjml=row.mjml,
        notes=tuple(row.notes),
    )
