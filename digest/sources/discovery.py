"""What a site's page offers: linked feeds, a WordPress interface, and its links in their order."""

from __future__ import annotations

import re
from collections.abc import Mapping
from urllib.parse import urljoin, urlsplit

from digest.sources.document import open_document
from digest.sources.found import Found, Link
from digest.sources.identity import link_url, same_site
from digest.sources.language import declared
from digest.sources.sanitise import one_line

MAX_LINKS = 400
_FEED_TYPES = (
    "application/rss+xml",
    "application/atom+xml",
    "application/feed+json",
    "application/rdf+xml",
    "application/json",
    "text/xml",
    "application/xml",
)
_COMMENTS = re.compile(r"comment|kommentar|commentaire|comentario", re.IGNORECASE)
_FEED_LINK = re.compile(
    r"(/feed/?|/rss/?|\.rss|\.atom|/atom/?|rss\.xml|feed\.xml|atom\.xml|feed\.json)(\?.*)?$", re.IGNORECASE
)


def read_site(body: bytes, *, url: str, headers: Mapping[str, str]) -> Found:
    """Feeds (declared ones first, those of comments last), the WordPress address, and the page's links."""
    page = open_document(body, url=url, headers=headers)
    base = page.root.xpath("string(//base/@href)")
    base = urljoin(url, base) if base else url
    feeds: dict[str, Link] = {}
    api = ""
    for link in page.links():
        relation = (link.get("rel") or "").lower()
        address = link_url(link.get("href") or "", base)
        if not address:
            continue
        if "alternate" in relation.split() and _is_feed(link):
            feeds.setdefault(address, Link(address, one_line(link.get("title") or "", 120)))
        elif "api.w.org" in relation and same_site(address, url):
            api = address
    links: dict[str, Link] = {}
    for anchor in page.root.iter("a"):
        address = link_url(anchor.get("href") or "", base)
        if not address:
            continue
        text = one_line("".join(anchor.itertext())[:400].replace("<", "&lt;"), 200)
        if _FEED_LINK.search(address) and same_site(address, url):
            feeds.setdefault(address, Link(address, text))
        elif len(links) < MAX_LINKS:
            links.setdefault(address, Link(address, text))
    return Found(
        kind="site",
        title=page.meta("og:site_name") or one_line(page.text("//title"), 120),
        language=declared(page.language()),
        generator=page.meta("generator")[:80],
        feeds=tuple(sorted(list(feeds.values())[:30], key=lambda feed: _is_comments(feed, url))),
        api=api,
        links=tuple(links.values()),
    )


def _is_feed(link: object) -> bool:
    kind = (link.get("type") or "").lower().partition(";")[0].strip()  # type: ignore[attr-defined]
    address = str(link.get("href") or "")  # type: ignore[attr-defined]
    if "oembed" in address or "/wp-json/" in address:
        return False
    return kind in _FEED_TYPES[:4] or (
        kind in _FEED_TYPES and _FEED_LINK.search(urlsplit(address).path) is not None
    )


def _is_comments(feed: Link, url: str) -> bool:
    return bool(_COMMENTS.search(feed.title) or _COMMENTS.search(feed.url))
