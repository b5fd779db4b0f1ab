"""The archive's pages: a list of issues, and each issue at a stable address."""

from __future__ import annotations

import re
from datetime import UTC, date, datetime
from email.utils import format_datetime, parsedate_to_datetime
from typing import TYPE_CHECKING

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import HTMLResponse, Response

from digest.pipeline.archive_files import atom_feed, sitemap
from digest.pipeline.archiving import PAGE, archive_entries, archived_issue
from digest.rendering.words import words_of
from digest.web.pages import PROTECTION, Link, Page, show

if TYPE_CHECKING:
    from sqlalchemy.orm import Session, sessionmaker

    from digest.settings import Settings

_DAY = re.compile(r"(\d{4}-\d{2}-\d{2})(?:-(\d{1,3}))?")


class ArchivePages:
    """What was sent, for everybody."""

    def __init__(self, settings: Settings, readers: sessionmaker[Session]) -> None:
        self._settings = settings
        self._readers = readers

    def index(self, request: Request) -> Response:
        """The newest issues; ``?before=DATE`` for older ones."""
        before = request.query_params.get("before")
        with self._readers() as session:
            entries = archive_entries(session, self._settings, before=_civil(before) if before else None)
        newsletter = self._settings.file.newsletter
        words = words_of(newsletter.language)
        base = self._settings.public_url
        links = [
            Link(entry.subject, base + entry.path, words.date(entry.date, "medium")) for entry in entries
        ]
        if len(entries) == PAGE:
            links.append(Link(words.text("Older issues"), f"{base}/archive?before={entries[-1].date}"))
        page = Page(
            words.text("All issues"), () if links else (words.text("There is no issue yet."),), links=links
        )
        return show(page, words, name=newsletter.name, site=newsletter.url)

    def issue(self, request: Request) -> Response:
        """One issue, with ETag and Last-Modified."""
        found = _DAY.fullmatch(request.path_params["day"])
        if found is None:
            raise HTTPException(404)
        with self._readers() as session:
            issue = archived_issue(
                session,
                self._settings,
                request.path_params["edition"],
                _civil(found[1]),
                int(found[2] or 0),
            )
        if issue is None:
            raise HTTPException(404)
        headers = {
            **PROTECTION,
            "ETag": f'"{issue.etag}"',
            "Last-Modified": format_datetime(issue.modified.astimezone(UTC), usegmt=True),
            "Cache-Control": "public, max-age=300",
        }
        if _has_it(request, issue.etag, issue.modified):
            return Response(status_code=304, headers=headers)
        return HTMLResponse(issue.html, headers=headers)

    def feed(self, _request: Request) -> Response:
        """The newest issues as Atom."""
        with self._readers() as session:
            entries = archive_entries(session, self._settings)
        return _file(atom_feed(self._settings, entries), "application/atom+xml")

    def sitemap(self, _request: Request) -> Response:
        """All issues for search engines."""
        with self._readers() as session:
            entries = archive_entries(session, self._settings, most=49_999)
        return _file(sitemap(self._settings, entries), "application/xml")


def _file(text: str, media_type: str) -> Response:
    headers = {**PROTECTION, "Cache-Control": "public, max-age=300"}
    return Response(text, media_type=media_type, headers=headers)


def _has_it(request: Request, etag: str, modified: datetime) -> bool:
    """Whether the reader's copy is this one: by ETag, else by date (RFC 9110, section 13.2.2)."""
    tags = request.headers.get("if-none-match")
    if tags is not None:
        return tags.strip() == "*" or f'"{etag}"' in tags
    try:
        since = parsedate_to_datetime(request.headers.get("if-modified-since", ""))
    except (TypeError, ValueError):
        return False
    return since.tzinfo is not None and modified.replace(microsecond=0) <= since


def _civil(text: str) -> date:
    try:
        return date.fromisoformat(text)
    except ValueError:
        raise HTTPException(404) from None
