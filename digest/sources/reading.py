"""One source, one visit: its kind is found out, its newest items are read, by http or from a folder."""

from __future__ import annotations

import hashlib
import re
from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path
from urllib.parse import urljoin, urlsplit

from digest.errors import SourceError, SourceForbidden, SourceUnavailable, SourceUnparsable
from digest.settings.model import Source
from digest.sources.found import Found
from digest.sources.guard import checked
from digest.sources.harvest import Before, Harvest
from digest.sources.http import Gone, Http, Request, Response
from digest.sources.parsing import Task
from digest.sources.workshop import Readers
from digest.values import Article

MAX_FILES = 5_000
MAX_FILE = 5 * 1024 * 1024
MAX_LOCAL_FEED = 20 * 1024 * 1024
_STORY_FILES = {".md", ".markdown", ".html", ".htm", ".txt"}
_COMMON_PATHS = ("/feed/", "/rss.xml", "/feed.xml", "/atom.xml", "/index.xml", "/rss", "/feed.json")
_COMMON_MAPS = ("/news-sitemap.xml", "/sitemap-news.xml", "/sitemap_news.xml")
_LOCAL = re.compile(r"(?![a-z][a-z0-9+.-]*:)", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Visitor:
    """Visits sources. ``folder`` is the newsletter's, from which local paths go; ``zone`` is its zone."""

    http: Http
    readers: Readers
    folder: Path
    zone: str
    now: datetime

    def visit(self, source: Source, before: Before) -> Harvest:
        """What the source has now. Raises ``SourceError``: one line that names the source and the cause."""
        if _LOCAL.match(source.url):
            return self._visit_path(source, before)
        scheme = urlsplit(source.url).scheme.lower()
        if scheme not in {"http", "https"}:
            raise SourceForbidden(
                f"{source.url}: {scheme}: addresses are not fetched",
                remedy="give an http(s) address or a path",
            )
        checked(source.url, allow_private=source.allow_private)
        before = before.of(source.url)
        kind = source.kind if source.kind != "auto" else before.kind or "auto"
        if kind == "article":
            return self._visit_article(source, before)
        if kind == "wordpress":
            return self._visit_wordpress(source, before)
        target = before.feed_url or source.url
        try:
            answer = self._get(source, target, before)
        except (Gone, SourceUnavailable) as error:
            if target == source.url or not _is_missing(error):
                raise
            # What was discovered once is there no more: look again.
            before, target, kind = Before(url=source.url), source.url, source.kind
            answer = self._get(source, target, before)
        if answer is None:
            return Harvest(source=source.name, unchanged=True, kind=kind, feed_url=before.feed_url)
        return self._harvest(source, before, answer, kind)

    def _harvest(self, source: Source, before: Before, answer: Response, kind: str) -> Harvest:
        digest = hashlib.sha256(answer.body).hexdigest()
        if digest == before.body_digest:
            return Harvest(
                source=source.name,
                unchanged=True,
                kind=kind,
                feed_url=before.feed_url,
                etag=answer.headers.get("etag", ""),
                last_modified=answer.headers.get("last-modified", ""),
                body_digest=digest,
                moved_to=answer.moved_to,
            )
        found = self._read(source, answer, kind if kind in {"feed", "sitemap"} else "auto")
        if found.kind == "site":
            return self._discover(source, answer, found)
        if found.maps and not found.articles:
            found = self._open_maps(source, found)
        return _harvest(source, answer, found, feed_url=answer.url if answer.url != source.url else "")

    def _discover(self, source: Source, page: Response, site: Found) -> Harvest:
        """From a site's page to its stories: WordPress, linked feeds, common paths, a news sitemap."""
        tried: list[str] = []
        if site.api and source.kind in {"auto", "site", "wordpress"}:
            try:
                return self._posts(source, site.api, Before(), page.url)
            except SourceError:
                tried.append(site.api)
        linked = [feed.url for feed in site.feeds]
        for address in (*linked[:4], *(urljoin(page.url, path) for path in _COMMON_PATHS)):
            try:
                answer = self.http.get(_request(source, address))
                if address not in linked and "html" in answer.content_type:
                    continue
                found = self._read(source, answer, "auto")
            except SourceError:
                tried.append(address)
                continue
            if found.kind == "feed" and found.articles:
                return _harvest(source, answer, found, feed_url=address)
        for address in self._maps(source, page.url):
            try:
                answer = self.http.get(_request(source, address))
                found = self._open_maps(source, self._read(source, answer, "sitemap"))
            except SourceError:
                continue
            if found.articles:
                return _harvest(source, answer, found, feed_url=address)
        raise SourceUnparsable(
            f"{source.url}: no feed found on this page, under the usual paths, or in a news sitemap",
            remedy='give the feed\'s own address, or kind = "article" for a single page',
        )

    def _maps(self, source: Source, page: str) -> list[str]:
        found: list[str] = []
        try:
            robots = self.http.get(_request(source, urljoin(page, "/robots.txt"), max_body=500_000))
            text = robots.body.decode("utf-8", "replace")
            found = re.findall(r"^\s*sitemap:\s*(\S+)", text, re.IGNORECASE | re.MULTILINE)[:20]
        except SourceError:
            found = []
        named = [address for address in found if "news" in address.lower()]
        return [
            *named[:3],
            *(urljoin(page, path) for path in _COMMON_MAPS),
            *(a for a in found if a not in named),
        ][:6]

    def _open_maps(self, source: Source, found: Found) -> Found:
        """A sitemap index opened: its newest maps, news ones first, at most four."""
        articles = list(found.articles)
        notes = list(found.notes)
        for address in found.maps[:4]:
            try:
                inner = self._read(source, self.http.get(_request(source, address)), "sitemap")
            except SourceError as error:
                notes.append(str(error))
                continue
            articles += inner.articles
            notes += inner.notes
            if len(articles) >= 200:
                break
        return replace(found, articles=tuple(articles), notes=tuple(notes))

    def _visit_wordpress(self, source: Source, before: Before) -> Harvest:
        api = before.feed_url if "/wp/v2/posts" in before.feed_url else ""
        if not api:
            root = source.url.partition("/wp-json")[0].partition("?")[0].rstrip("/")
            api = f"{root}/wp-json/wp/v2/posts"
        try:
            return self._posts(source, api, before, source.url)
        except SourceForbidden:
            raise
        except SourceError as error:
            # Many sites close the REST interface to strangers and keep the feed open.
            try:
                answer = self.http.get(_request(source, urljoin(source.url.rstrip("/") + "/", "feed/")))
                found = self._read(source, answer, "feed")
            except SourceError:
                raise error from None
            harvest = _harvest(source, answer, found, feed_url="")
            return replace(harvest, kind="wordpress", notes=(*harvest.notes, f"by its feed, because {error}"))

    def _posts(self, source: Source, api: str, before: Before, site: str) -> Harvest:
        api = api.partition("?")[0].rstrip("/")
        if not api.endswith("/posts"):
            api += "/wp/v2/posts" if not api.endswith("/wp/v2") else "/posts"
        query = "?_embed=1&per_page=50"
        answer = self._get(source, api + query, before)
        if answer is None:
            return Harvest(source=source.name, unchanged=True, kind="wordpress", feed_url=before.feed_url)
        digest = hashlib.sha256(answer.body).hexdigest()
        if digest == before.body_digest:
            return Harvest(
                source=source.name, unchanged=True, kind="wordpress", feed_url=api, body_digest=digest
            )
        found = self._read(source, answer, "wordpress")
        harvest = _harvest(source, answer, found, feed_url=api)
        pages = answer.headers.get("x-wp-totalpages", "")
        older = f"{api}{query}&page=2" if pages.isdigit() and int(pages) > 1 else ""
        return replace(harvest, kind="wordpress", older=older)

    def _visit_article(self, source: Source, before: Before) -> Harvest:
        answer = self._get(source, source.url, before)
        if answer is None:
            return Harvest(source=source.name, unchanged=True, kind="article")
        found = self._read(source, answer, "page")
        return replace(_harvest(source, answer, found, feed_url=""), kind="article")

    def older(
        self, source: Source, harvest: Harvest, since: datetime, *, pages: int = 5
    ) -> tuple[Found, ...]:
        """Pages before the newest one, until one reaches back to ``since`` or holds nothing new.

        By the feed's own link (RFC 5005), WordPress pages, else ``?paged=2`` for a WordPress feed.
        """
        base = harvest.feed_url or source.url
        paged = harvest.kind == "feed" and not harvest.older and "wordpress" in harvest.generator.lower()
        address = harvest.older or (_with_query(base, "paged=2") if paged else "")
        got: list[Found] = []
        seen = {article.identity_url for article in harvest.articles}
        for number in range(2, pages + 2):
            if not address:
                break
            try:
                found = self._read(source, self.http.get(_request(source, address)), "auto")
            except SourceError:
                break
            new = tuple(article for article in found.articles if article.identity_url not in seen)
            if not new:
                break
            got.append(replace(found, articles=new))
            seen.update(article.identity_url for article in new)
            dates = [article.published_at for article in new if article.published_at]
            if dates and min(dates) <= since:
                break
            if harvest.kind == "wordpress" and harvest.older:
                address = re.sub(r"page=\d+$", f"page={number + 1}", harvest.older)
            elif paged:
                address = _with_query(base, f"paged={number + 1}")
            else:
                address = found.older
        return tuple(got)

    def _visit_path(self, source: Source, before: Before) -> Harvest:
        path = (self.folder / source.url).expanduser()
        try:
            path = path.resolve(strict=True)
            if path.is_dir():
                return self._visit_folder(source, before.of(source.url), path)
            if path.stat().st_size > MAX_LOCAL_FEED:
                raise SourceUnparsable(f"{source.url}: larger than {MAX_LOCAL_FEED // 1024 // 1024} MB")
            body = path.read_bytes()
        except OSError as error:
            raise SourceUnavailable(
                f"{source.url}: {error.strerror}", remedy="paths go from the newsletter's folder"
            ) from error
        digest = hashlib.sha256(body).hexdigest()
        if digest == before.of(source.url).body_digest:
            return Harvest(source=source.name, unchanged=True, body_digest=digest)
        story = path.suffix.lower() in _STORY_FILES
        found = self.readers.read(
            Task(
                body=body,
                url=source.url,
                source=source.name,
                now=self.now,
                kind="story" if story else "feed",
                path=path.name,
                zone=self.zone,
            )
        )
        return Harvest(
            source=source.name,
            kind=found.kind,
            title=found.title,
            language=found.language,
            articles=found.articles,
            body_digest=digest,
            notes=found.notes,
        )

    def _visit_folder(self, source: Source, before: Before, folder: Path) -> Harvest:
        files = sorted(
            path
            for path in folder.rglob("*")
            if path.suffix.lower() in _STORY_FILES
            and path.is_file()
            and path.resolve().is_relative_to(folder)  # a link may not lead out of the folder
            and not any(part.startswith((".", "_")) for part in path.relative_to(folder).parts)
            and path.name.lower() not in {"readme.md", "readme.txt"}
        )
        notes = [f"only the first {MAX_FILES} files were read"] if len(files) > MAX_FILES else []
        state = "\n".join(
            f"{path.relative_to(folder)} {path.stat().st_mtime_ns} {path.stat().st_size}" for path in files
        )
        digest = hashlib.sha256(state.encode("utf-8", "replace")).hexdigest()
        if digest == before.body_digest:
            return Harvest(source=source.name, unchanged=True, kind="folder", body_digest=digest)
        articles: list[Article] = []
        for path in files[:MAX_FILES]:
            name = path.relative_to(folder).as_posix()
            if path.stat().st_size > MAX_FILE:
                notes.append(f"{name}: larger than {MAX_FILE // 1024 // 1024} MB")
                continue
            task = Task(
                body=path.read_bytes(),
                url="",
                source=source.name,
                now=self.now,
                kind="story",
                path=name,
                zone=self.zone,
            )
            try:
                found = self.readers.read(task)
            except SourceError as error:
                notes.append(f"{name}: {str(error).removeprefix(name + ': ').removeprefix(': ')}")
                continue
            articles += found.articles
            notes += found.notes
        return Harvest(
            source=source.name,
            kind="folder",
            articles=tuple(articles),
            body_digest=digest,
            notes=tuple(notes),
        )

    def _get(self, source: Source, url: str, before: Before) -> Response | None:
        """The answer, or None when the server says that nothing has changed."""
        answer = self.http.get(
            replace(_request(source, url), etag=before.etag, last_modified=before.last_modified)
        )
        return None if answer.unchanged else answer

    def _read(self, source: Source, answer: Response, kind: str) -> Found:
        return self.readers.read(
            Task(
                body=answer.body,
                url=answer.url,
                source=source.name,
                now=self.now,
                kind=kind,
                headers=dict(answer.headers),
                zone=self.zone,
            )
        )


def _request(source: Source, url: str, *, max_body: int | None = None) -> Request:
    request = Request(url, allow_private=source.allow_private)
    return request if max_body is None else replace(request, max_body=max_body)


def _harvest(source: Source, answer: Response, found: Found, *, feed_url: str) -> Harvest:
    return Harvest(
        source=source.name,
        kind="sitemap" if found.kind == "sitemap" else "wordpress" if found.kind == "wordpress" else "feed",
        title=found.title,
        language=found.language,
        feed_url=feed_url,
        articles=found.articles,
        etag=answer.headers.get("etag", "")[:1000],
        last_modified=answer.headers.get("last-modified", "")[:100],
        body_digest=hashlib.sha256(answer.body).hexdigest(),
        moved_to=answer.moved_to,
        older=found.older,
        generator=found.generator,
        notes=found.notes,
    )


def _with_query(url: str, query: str) -> str:
    return f"{url}{'&' if '?' in url else '?'}{query}"


def _is_missing(error: SourceError) -> bool:
    return isinstance(error, Gone) or " answers 404" in str(error)
