"""Sitemaps: those of news (title, date and name of each story), plain ones, and indexes of them."""

from __future__ import annotations

import io
import re
import zlib
from datetime import datetime
from typing import Any

from digest.errors import SourceUnparsable
from digest.sources.dates import read_date
from digest.sources.entry import Entry, article_from
from digest.sources.found import Found
from digest.sources.identity import link_url
from digest.sources.language import declared
from digest.sources.pictures import best
from digest.sources.sanitise import plain_text_line
from digest.values import Article, ArticleKind, Picture

MAX_ITEMS = 1_000
_MAX_XML = 20 * 1024 * 1024


def read_sitemap(body: bytes, *, url: str, source: str, now: datetime) -> Found:
    """Stories of a news sitemap; of an index the maps, news ones first, then the newest.

    Raises ``SourceUnparsable`` for anything with a DTD and for what is no sitemap.
    """
    from lxml import etree

    body = _unzipped(body, url)
    if re.search(rb"<!DOCTYPE|<!ENTITY", body[:100_000], re.IGNORECASE):
        raise SourceUnparsable(f"{url}: a sitemap with a document type is not read")
    parser = etree.iterparse(
        io.BytesIO(body.lstrip(b"\xef\xbb\xbf \t\r\n").replace(b"\0", b"")),
        events=("end",),
        no_network=True,
        resolve_entities=False,
        load_dtd=False,
        recover=True,
        remove_comments=True,
    )
    articles: list[Article] = []
    maps: list[tuple[str, datetime | None]] = []
    notes: list[str] = []
    try:
        for _, element in parser:
            name = _local(element)
            if name == "url" and len(articles) < MAX_ITEMS:
                article = _story(element, url, source, now)
                if article is not None:
                    articles.append(article)
                element.clear()
            elif name == "sitemap" and len(maps) < 2_000:
                address = link_url(_text(element, "loc"), url)
                if address:
                    maps.append((address, read_date(_text(element, "lastmod"), now=now)))
                element.clear()
    except etree.XMLSyntaxError as error:
        if not articles and not maps:
            raise SourceUnparsable(f"{url}: cannot be read as a sitemap ({str(error)[:80]})") from error
        notes.append("its end cannot be read")
    oldest = datetime.min.replace(tzinfo=now.tzinfo)
    maps.sort(key=lambda entry: entry[1] or oldest, reverse=True)
    maps.sort(key=lambda entry: "news" not in entry[0].lower())
    return Found(
        kind="sitemap",
        articles=tuple(articles),
        maps=tuple(address for address, _ in maps[:10]),
        notes=tuple(notes),
    )


def _story(element: Any, base: str, source: str, now: datetime) -> Article | None:
    """A story only when the map gives its title: a plain map lists every page of a site."""
    news = next((child for child in element if _local(child) == "news"), None)
    video = next((child for child in element if _local(child) == "video"), None)
    title = _text(news, "title") if news is not None else _text(video, "title") if video is not None else ""
    if not title:
        return None
    publication = (
        next((child for child in news if _local(child) == "publication"), None) if news is not None else None
    )
    keywords = _text(news, "keywords") if news is not None else ""
    genres = _text(news, "genres").lower() if news is not None else ""
    kind = ArticleKind.OPINION if "opinion" in genres or "oped" in genres else None
    link = _text(element, "loc")
    images = [Picture(link_url(_text(child, "loc"), base)) for child in element if _local(child) == "image"]
    published = _text(news, "publication_date") if news is not None else _text(video, "publication_date")
    return article_from(
        Entry(
            read_by="sitemap",
            title=plain_text_line(title),
            link=link,
            guid=link,
            published_at=read_date(published, now=now) or read_date(_text(element, "lastmod"), now=now),
            updated_at=read_date(_text(element, "lastmod"), now=now),
            categories=tuple(part for part in keywords.split(",")[:10]),
            base=base,
            language=declared(_text(publication, "language")) if publication is not None else "",
            kind=kind if news is not None else ArticleKind.VIDEO,
            summary=_text(video, "description") if video is not None else "",
            pictures=best(images),
        ),
        source=source,
        now=now,
    )


def _local(element: Any) -> str:
    tag = element.tag
    return tag.rpartition("}")[2].lower() if isinstance(tag, str) else ""


def _text(element: Any, name: str) -> str:
    if element is None:
        return ""
    for child in element:
        if _local(child) == name:
            return (child.text or "").strip()[:4000]
    return ""


def _unzipped(body: bytes, url: str) -> bytes:
    """The body, unzipped when it is a .gz file, up to 20 MB and never beyond."""
    if body[:2] != b"\x1f\x8b":
        return body
    inflate = zlib.decompressobj(31)
    try:
        text = inflate.decompress(body, _MAX_XML)
    except zlib.error as error:
        raise SourceUnparsable(f"{url}: damaged compression") from error
    if inflate.unconsumed_tail:
        raise SourceUnparsable(f"{url}: larger than {_MAX_XML // 1024 // 1024} MB")
    return text
