"""RSS 0.90–2.0, RDF and Atom, podcasts included, by feedparser; then dates, text and links of our own.

feedparser reads what the fast parsers lose, but is told everything by its caller: never a ``str`` or
``bytes`` (it tries those as a path or an address first), no sanitising (nh3 does that, 3.5 times faster),
and no address of the feed: it would join that with every element, half of its time. Addresses are
joined here, once, each with the base that stands in the feed (``xml:base``), else with the feed's own.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from datetime import datetime
from io import BytesIO
from typing import Any

from digest.errors import SourceUnparsable
from digest.sources.dates import read_date
from digest.sources.entry import Entry, article_from
from digest.sources.found import Found
from digest.sources.identity import link_url
from digest.sources.language import declared
from digest.sources.pictures import picture_candidates
from digest.sources.sanitise import MAX_TITLE, one_line, plain_text_line
from digest.values import Article, ArticleKind

MAX_ITEMS = 2_000
_DATES = ("published", "created", "date", "updated", "modified")
_END_OF_ITEM = re.compile(rb"</(?:\w+:)?(item|entry)\s*>", re.IGNORECASE)
_CATEGORY = rb"<category\b[^<>]*>[^<]*</category>\s*"
_MANY_CATEGORIES = re.compile(rb"((?:" + _CATEGORY + rb"){30})(?:" + _CATEGORY + rb")++")
_ROOT = re.compile(rb"<(?!\?|!)\s*([\w:]+)")
_CONTROL = bytes(number for number in range(32) if number not in (9, 10, 13))
_LOOKS_LIKE_FEED = re.compile(rb"<(?:\w+:)?(rss|rdf|feed|channel|entry)[\s>]", re.IGNORECASE)


def looks_like_feed(body: bytes) -> bool:
    """Whether the first bytes open an RSS, RDF or Atom document."""
    start = body[:4096].replace(b"\0", b"")
    html = re.search(rb"<(!doctype\s+html|html)[\s>]", start, re.IGNORECASE)
    feed = _LOOKS_LIKE_FEED.search(start)
    return feed is not None and (html is None or feed.start() < html.start())


def read_feed(body: bytes, *, url: str, headers: Mapping[str, str], source: str, now: datetime) -> Found:
    """All that a feed says. ``url`` is where it was found in the end, ``now`` limits its dates.

    Raises ``SourceUnparsable`` when it is no feed. Bozo feeds are read as far as they go.
    """
    import feedparser

    notes: list[str] = []
    plain = _without_control(body)
    if len(plain) < len(body):
        notes.append("control characters were taken out")
    body = _bounded(plain, notes)
    kind = headers.get("content-type")
    parsed = feedparser.parse(
        BytesIO(body),
        response_headers={"content-type": kind} if kind else {},
        sanitize_html=False,
        resolve_relative_uris=False,
    )
    if not parsed.get("version") and not parsed.get("entries"):
        raise SourceUnparsable(f"{url}: this is no feed", remedy="`digest try URL` finds the feeds of a site")
    feed, entries = parsed.feed, parsed.entries[:MAX_ITEMS]
    notes += _mended(parsed, entries, body)
    language = declared(feed.get("language"))
    title = _title(feed)
    articles: list[Article] = []
    undated = 0
    for raw in entries:
        article = article_from(_entry(raw, feed, url, language, now), source=source, now=now)
        if article is not None:
            articles.append(article)
            undated += article.published_at is None and any(dict.get(raw, key) for key in _DATES)
    if undated:
        notes.append(
            f"stories with a date that cannot be (they count from when they were first seen): {undated}"
        )
    if len(parsed.entries) > MAX_ITEMS:
        notes.append(f"only the first {MAX_ITEMS} items were read")
    if len(articles) < len(entries):
        notes.append(f"{len(entries) - len(articles)} items have neither title nor text")
    return Found(
        kind="feed",
        title=title,
        language=language,
        articles=tuple(articles),
        older=_older(feed.get("links", ()), url),
        generator=plain_text_line(str(feed.get("generator", "")), 80),
        notes=tuple(notes),
    )


def _mended(parsed: Any, entries: Sequence[Any], body: bytes) -> list[str]:
    """One line for each thing that was wrong with a feed and was read all the same."""
    from xml.sax import SAXException

    from feedparser import CharacterEncodingOverride

    notes: list[str] = []
    broken = parsed.get("bozo_exception")
    if isinstance(broken, SAXException):
        reason = plain_text_line(broken.getMessage(), 80)
        notes.append(f"not well-formed ({reason}): read as far as it goes")
    elif isinstance(broken, CharacterEncodingOverride):
        used = str(parsed.get("encoding") or "").lower()
        if used != "utf-8" and used.encode() not in body[:200].lower():
            notes.append(f"not in the encoding that it declares: read as {used}")
    long = sum(len(dict.get(raw, "title") or "") > MAX_TITLE for raw in entries)
    if long:
        notes.append(f"titles cut to {MAX_TITLE} characters: {long}")
    return notes


def _entry(raw: Any, feed: Any, base: str, language: str, now: datetime) -> Entry:
    links = [link for link in raw.get("links", ()) if link.get("href")]
    enclosures = [link for link in links if link.get("rel") == "enclosure"]
    media = [item for item in raw.get("media_content", ()) if isinstance(item, dict)]
    contents = [part for part in raw.get("content", ()) if _is_text(part)]
    content: Any = max(contents, key=lambda part: len(part.get("value") or ""), default={})
    summary = str(raw.get("summary", "") or raw.get("subtitle", "") or "")
    body = str(content.get("value") or "")
    markup_base = _base(content if body else dict.get(raw, "summary_detail") or {}, base)
    sound = next((item for item in [*enclosures, *media] if _type(item).startswith("audio/")), None)
    film = next(
        (
            item
            for item in [*enclosures, *media]
            if _type(item).startswith("video/") or item.get("medium") == "video"
        ),
        None,
    )
    played = sound or film
    published, updated = _dates(raw, now)
    return Entry(
        title=_title(raw),
        link=_link(raw, links, enclosures, base),
        guid=str(dict.get(raw, "id", "") or "").strip()[:1000],
        published_at=published,
        updated_at=updated,
        authors=_authors(raw),
        categories=tuple(
            str(tag.get("label") or tag.get("term") or "") for tag in raw.get("tags", ()) if tag
        ),
        summary=summary,
        body=body,
        base=base,
        markup_base=markup_base,
        language=declared(_entry_language(raw)) or language,
        kind=ArticleKind.AUDIO if sound else ArticleKind.VIDEO if film else None,
        duration=_duration(raw.get("itunes_duration") or _first(media, "duration")),
        media_url=link_url(str((played or {}).get("href") or (played or {}).get("url") or ""), base),
        pictures=picture_candidates(
            media=media,
            thumbnails=raw.get("media_thumbnail", ()),
            enclosures=enclosures,
            own=(raw.get("image") or {}).get("href", "") if isinstance(raw.get("image"), dict) else "",
            markup=body or summary,
            base=markup_base,
            credit=_credit(raw),
        ),
        read_by="feed",
    )


def _base(part: Any, feed: str) -> str:
    """What the links in a text go from: the ``xml:base`` around it, else the feed's own address."""
    given = str(part.get("base") or "")
    return (link_url(given, feed) if given else "") or feed


def _is_address(text: str) -> bool:
    """Whether a guid may be a link: a bare word or number is none, though a parser would join it."""
    return "/" in text or text.startswith("?")


def _title(raw: Any) -> str:
    detail = dict.get(raw, "title_detail") or {}
    text = str(dict.get(raw, "title", "") or "")
    if not text and raw.get("media_title"):
        text = str(raw.get("media_title"))
    # Atom says that its text is text; RSS says nothing, and publishers put HTML there.
    if detail.get("type") == "text/plain" and "&" not in text and not re.search(r"</?[a-zA-Z]+[^<>]*>", text):
        return plain_text_line(text)
    return one_line(text)


def _link(raw: Any, links: Sequence[Any], enclosures: Sequence[Any], base: str) -> str:
    alternates = [link["href"] for link in links if link.get("rel", "alternate") == "alternate"]
    own = str(dict.get(raw, "link", "") or "")
    guid = str(dict.get(raw, "id", "") or "")
    stands_in = bool(raw.get("guidislink"))  # there is no link beside the guid
    permalink = guid if stands_in or guid.startswith("http") else ""
    for candidate in (own, *alternates, permalink):
        if candidate == guid and stands_in and not _is_address(guid):
            continue
        found = link_url(candidate, base) if candidate else ""
        if found:
            return found
    return next((link_url(str(link["href"]), base) for link in enclosures), "")


def _dates(raw: Any, now: datetime) -> tuple[datetime | None, datetime | None]:
    # dict.get: the parser's own get answers "updated" with "published", under a warning.
    published, updated = (
        next((found for key in keys if (found := read_date(str(dict.get(raw, key) or ""), now=now))), None)
        for keys in (_DATES[:3], _DATES[3:])
    )
    return published or updated, updated


def _authors(raw: Any) -> tuple[str, ...]:
    names = [str(author.get("name") or "") for author in raw.get("authors", ()) if isinstance(author, dict)]
    if not any(names):
        names = [str(dict.get(raw, "author", "") or "")]
    return tuple(names)


def _credit(raw: Any) -> str:
    found = raw.get("media_credit") or ()
    return one_line(str(found[0].get("content", "")), 200) if found else ""


def _entry_language(raw: Any) -> str:
    detail = dict.get(raw, "title_detail") or {}
    return str(raw.get("language") or detail.get("language") or "")


def _is_text(part: Any) -> bool:
    kind = str(part.get("type", "text/html")).partition(";")[0]
    return kind in {"", "text/html", "text/plain", "application/xhtml+xml", "html", "xhtml", "text"}


def _type(item: Any) -> str:
    return str(item.get("type") or "").lower()


def _first(items: Sequence[Any], key: str) -> str:
    return next((str(item[key]) for item in items if item.get(key)), "")


def _duration(text: str | None) -> int | None:
    """Seconds of ``1:02:03``, ``62:03``, ``3723`` or ``3723.5``."""
    parts = str(text or "").strip().split(":")
    if not 1 <= len(parts) <= 3 or not all(re.fullmatch(r"\d{1,6}(\.\d+)?", part) for part in parts):
        return None
    seconds = 0.0
    for part in parts:
        seconds = seconds * 60 + float(part)
    return int(seconds) or None


def _older(links: Sequence[Any], base: str) -> str:
    """RFC 5005: the archive before this document, or the next page of a paged feed."""
    for relation in ("prev-archive", "next"):
        for link in links:
            if link.get("rel") == relation and (found := link_url(str(link.get("href", "")), base)):
                return found
    return ""


def _without_control(body: bytes) -> bytes:
    if body[:2] in (b"\xff\xfe", b"\xfe\xff") or b"\0" in body[:4]:
        return body  # UTF-16 and UTF-32 are full of NUL bytes
    return body.translate(None, _CONTROL)


def _bounded(body: bytes, notes: list[str]) -> bytes:
    """The body up to its ``MAX_ITEMS``-th item, closed again, so that the parser never sees the rest.

    Of a long run of categories the first thirty stay: the parser compares each with all before it.
    """
    if body.count(b"<category") > 2 * MAX_ITEMS:
        body, cuts = _MANY_CATEGORIES.subn(rb"\1", body)
        notes += ["categories beyond the thirtieth were left out"] if cuts else []
    if body.count(b"</item") + body.count(b"</entry") <= MAX_ITEMS:
        return body
    for number, match in enumerate(_END_OF_ITEM.finditer(body), 1):
        if number == MAX_ITEMS:
            notes.append(f"only the first {MAX_ITEMS} items were read")
            root = _ROOT.search(body)
            name = root[1] if root else b"rss"
            channel = b"</channel>" if name.lower() == b"rss" else b""
            return body[: match.end()] + channel + b"</" + name + b">"
    return body
