"""The archive's pages: a list of issues, a search, and each issue at a stable address."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable
from datetime import date, datetime
from typing import TYPE_CHECKING
from urllib.parse import urlencode

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response

from digest.pipeline.archive_files import atom_feed, sitemap
from digest.pipeline.archiving import PAGE, archive_entries, archived_issue, search_archive
from digest.rendering.words import words_of
from digest.searchable import words_asked
from digest.web.pages import Field, Form, Link, Page, page_html, protection_for, show
from digest.web.shelf import Leaf, Shelf

if TYPE_CHECKING:
    from sqlalchemy.orm import Session, sessionmaker

    from digest.settings import Settings

_DAY = re.compile(r"(\d{4}-\d{2}-\d{2})(?:-(\d{1,3}))?", re.ASCII)
_BEFORE = re.compile(r"(\d{4}-\d{2}-\d{2})(?:-(\d{1,15}))?", re.ASCII)
LONGEST_QUESTION = 200
MOST_PAGES = 100


class ArchivePages:
    """What was sent, for everybody."""

    def __init__(self, settings: Settings, readers: sessionmaker[Session], shelf: Shelf) -> None:
        self._settings = settings
        self._readers = readers
        self._shelf = shelf
        self._words = words_of(settings.file.newsletter.language)
        self._protection = protection_for(settings.public_url)

    def index(self, request: Request) -> Response:
        """The newest issues; ``?before=DATE-ID`` for older ones."""
        before = request.query_params.get("before")
        found = _BEFORE.fullmatch(before) if before else None
        if before and found is None:
            raise HTTPException(404)
        than = (_civil(found[1]), int(found[2] or 0)) if found else None
        address = f"/archive?before={before}" if found else "/archive"
        return self._answer(request, address, lambda session: self._index(session, than))

    def of_edition(self, request: Request) -> Response:
        """The newest issues of one edition: where ``List-Archive`` of its mails leads (RFC 2369)."""
        edition = request.path_params["edition"]
        if edition not in self._settings.file.editions:
            raise HTTPException(404)
        return self._answer(
            request, f"/archive/{edition}", lambda session: self._index(session, None, edition)
        )

    def issue(self, request: Request) -> Response:
        """One issue, with ETag and Last-Modified."""
        found = _DAY.fullmatch(request.path_params["day"])
        if found is None:
            raise HTTPException(404)
        edition, day, ordinal = request.path_params["edition"], _civil(found[1]), int(found[2] or 0)

        def make(session: Session) -> Leaf | None:
            issue = archived_issue(session, self._settings, edition, day, ordinal)
            if issue is None:
                return None
            return Leaf(issue.html.encode(), "text/html; charset=utf-8", issue.etag, issue.modified)

        return self._answer(request, request.url.path, make)

    def search(self, request: Request) -> Response:
        """Issues that have all the words of ``?q=``, the newest first, a page at a time."""
        words = self._words
        question = request.query_params.get("q", "")[:LONGEST_QUESTION]
        page = _number(request.query_params.get("page", "1"))
        asked = words_asked(question)
        links: list[Link] = []
        if asked:
            with self._readers() as session:
                found, is_more = search_archive(session, self._settings, asked, page=page)
            base = self._settings.public_url
            links = [
                Link(
                    one.entry.subject,
                    base + one.entry.path,
                    words.date(one.entry.date, "medium"),
                    [line for line in one.headlines if line != one.entry.subject],
                )
                for one in found
            ]
            if is_more and page < MOST_PAGES:
                query = urlencode({"q": question, "page": page + 1})
                links.append(Link(words.text("Older issues"), f"{base}/archive/search?{query}"))
        said = () if links or not question.strip() else (words.text("No issue has these words."),)
        newsletter = self._settings.file.newsletter
        shown = Page(words.text("Search the archive"), said, [self._question(question)], links)
        return show(shown, words, name=newsletter.name, site=newsletter.url)

    def feed(self, request: Request) -> Response:
        """The newest issues as Atom."""

        def make(session: Session) -> Leaf:
            entries = archive_entries(session, self._settings)
            newest = max((entry.modified for entry in entries), default=None)
            return _leaf(atom_feed(self._settings, entries), "application/atom+xml", newest)

        return self._answer(request, "/archive/feed.xml", make)

    def sitemap(self, request: Request) -> Response:
        """All issues for search engines."""

        def make(session: Session) -> Leaf:
            entries = archive_entries(session, self._settings, most=49_999)
            return _leaf(sitemap(self._settings, entries), "application/xml")

        return self._answer(request, "/sitemap.xml", make)

    def _index(self, session: Session, than: tuple[date, int] | None, edition: str = "") -> Leaf:
        words, base = self._words, self._settings.public_url
        entries = archive_entries(session, self._settings, before=than, edition=edition)
        links = [
            Link(entry.subject, base + entry.path, words.date(entry.date, "medium")) for entry in entries
        ]
        if len(entries) == PAGE:
            last = entries[-1]
            links.append(Link(words.text("Older issues"), f"{base}/archive?before={last.date}-{last.id}"))
        newsletter = self._settings.file.newsletter
        said = () if links else (words.text("There is no issue yet."),)
        page = Page(words.text("All issues"), said, [self._question()] if links else [], links)
        return _leaf(
            page_html(
                page, words, name=newsletter.name, site=newsletter.url, feed=f"{base}/archive/feed.xml"
            ),
            "text/html; charset=utf-8",
        )

    def _question(self, question: str = "") -> Form:
        words = self._words
        field = Field("q", question, words.text("Words to look for"), "search")
        return Form(words.text("Search"), [field], "/archive/search", method="get")

    def _answer(self, request: Request, address: str, make: Callable[[Session], Leaf | None]) -> Response:
        leaf = self._shelf.get(address, make)
        if leaf is None:
            raise HTTPException(404)
        response = Response(leaf.body, media_type=leaf.media_type, headers=self._protection)
        asked = request.headers.get("if-none-match"), request.headers.get("if-modified-since")
        if leaf.is_at(*asked):
            response = Response(status_code=304, headers=self._protection)
        response.raw_headers.extend(leaf.headers())
        return response


def _leaf(text: str, media_type: str, modified: datetime | None = None) -> Leaf:
    body = text.encode()
    return Leaf(body, media_type, hashlib.sha256(body).hexdigest()[:32], modified)


def _civil(text: str) -> date:
    try:
        return date.fromisoformat(text)
    except ValueError:
        raise HTTPException(404) from None


def _number(text: str) -> int:
    if not text.isascii() or not text.isdecimal() or not 1 <= int(text[:6]) <= MOST_PAGES:
        raise HTTPException(404)
    return int(text[:6])
