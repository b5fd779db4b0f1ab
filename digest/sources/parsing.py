"""One body in, one ``Found`` out: which reader a body is for, found out or told. Runs in worker processes."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from zoneinfo import ZoneInfo

from digest.errors import SourceUnparsable
from digest.sources.found import Found

_WORDPRESS_POSTS = "/wp/v2/posts"


@dataclass(frozen=True, slots=True, kw_only=True)
class Task:
    """A body to be read. ``kind``: ``auto``, ``feed``, ``wordpress``, ``sitemap``, ``page`` (an article),
    ``site`` (links and feeds of a page), ``story`` (a local file; ``path`` is its name in its folder)."""

    body: bytes = field(repr=False)
    url: str
    source: str
    now: datetime
    kind: str = "auto"
    headers: Mapping[str, str] = field(default_factory=dict)
    path: str = ""
    zone: str = "UTC"


def parse(task: Task) -> Found:
    """What the body says. Raises ``SourceUnparsable``, one line that names the source and the reason."""
    if not task.body.strip(b"\0 \t\r\n"):
        raise SourceUnparsable(f"{task.url}: empty", remedy="it is tried again next time")
    match task.kind:
        case "story":
            return _story(task)
        case "page":
            return _page(task)
        case "site":
            return _site(task)
    return _by_look(task)


def _by_look(task: Task) -> Found:
    from digest.sources.feeds import looks_like_feed, read_feed

    start = task.body[:4096].lstrip(b"\xef\xbb\xbf \t\r\n")
    if start[:1] in (b"{", b"["):
        return _json(task)
    if _is_sitemap(start):
        from digest.sources.sitemaps import read_sitemap

        return read_sitemap(task.body, url=task.url, source=task.source, now=task.now)
    if looks_like_feed(task.body):
        return read_feed(task.body, url=task.url, headers=task.headers, source=task.source, now=task.now)
    if task.kind == "feed" or not _is_html(start, task.headers):
        return read_feed(task.body, url=task.url, headers=task.headers, source=task.source, now=task.now)
    return _site(task)


def _json(task: Task) -> Found:
    from digest.sources.jsonfeed import is_json_feed, parsed_json, read_json_feed

    document = parsed_json(task.body, task.url)
    if isinstance(document, list) and (_WORDPRESS_POSTS in task.url or task.kind == "wordpress"):
        from digest.sources.wordpress import read_posts

        return read_posts(document, url=task.url, source=task.source, now=task.now)
    if not is_json_feed(document):
        raise SourceUnparsable(f"{task.url}: JSON, but no JSON Feed")
    return read_json_feed(document, url=task.url, source=task.source, now=task.now)


def _site(task: Task) -> Found:
    from digest.sources.discovery import read_site

    return read_site(task.body, url=task.url, headers=task.headers)


def _page(task: Task) -> Found:
    from digest.sources.pages import read_page

    return read_page(task.body, url=task.url, headers=task.headers, source=task.source, now=task.now)


def _story(task: Task) -> Found:
    from digest.sources.stories import found_in, read_story

    name = task.path.lower()
    if name.endswith((".html", ".htm")) and b"<head" in task.body[:20_000].lower():
        return _page(task)
    text = task.body.decode("utf-8", "replace")
    if text.count("\ufffd") > 3:
        text = task.body.decode("cp1252", "replace")
    article = read_story(
        text, path=task.path, base=task.url, source=task.source, now=task.now, zone=ZoneInfo(task.zone)
    )
    return found_in(article, task.path)


def _is_sitemap(start: bytes) -> bool:
    return b"<urlset" in start or b"<sitemapindex" in start


def _is_html(start: bytes, headers: Mapping[str, str]) -> bool:
    lowered = start.lower()
    return (
        b"<html" in lowered
        or b"<!doctype html" in lowered
        or b"<head" in lowered
        or b"<body" in lowered
        or "html" in headers.get("content-type", "")
    )
