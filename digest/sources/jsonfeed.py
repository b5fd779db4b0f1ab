"""JSON Feed 1.0 and 1.1, which feedparser lacks."""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import datetime
from typing import Any
from urllib.parse import urljoin

from digest.errors import SourceUnparsable
from digest.sources.dates import read_date
from digest.sources.entry import Entry, article_from
from digest.sources.found import Found
from digest.sources.identity import link_url
from digest.sources.language import declared
from digest.sources.pictures import best, images_in, number
from digest.sources.sanitise import one_line, plain_text_line
from digest.values import Article, ArticleKind, Picture

MAX_ITEMS = 2_000


def parsed_json(body: bytes, url: str) -> Any:
    """The document in ``body``. Raises ``SourceUnparsable``; depth is limited by Python's own parser."""
    try:
        return json.loads(body.decode("utf-8-sig", "replace"))
    except (ValueError, RecursionError) as error:
        raise SourceUnparsable(f"{url}: no JSON ({str(error)[:100]})") from error


def is_json_feed(document: object) -> bool:
    """Whether a JSON document says that it is a JSON Feed, or has the shape of one."""
    if not isinstance(document, Mapping):
        return False
    version = str(document.get("version", ""))
    return "jsonfeed.org/version" in version or (
        isinstance(document.get("items"), list) and "title" in document
    )


def read_json_feed(document: Mapping[str, Any], *, url: str, source: str, now: datetime) -> Found:
    """All that a JSON Feed says; items that are no objects are left out and counted in a note."""
    items = document.get("items")
    if not isinstance(items, list):
        raise SourceUnparsable(f"{url}: a JSON Feed without items")
    language = declared(_text(document.get("language")))
    authors = _authors(document)
    notes = [f"only the first {MAX_ITEMS} items were read"] if len(items) > MAX_ITEMS else []
    articles: list[Article] = []
    for item in items[:MAX_ITEMS]:
        if isinstance(item, Mapping):
            entry = _entry(item, url, language, authors, now)
            article = article_from(entry, source=source, now=now)
            if article is not None:
                articles.append(article)
    if len(articles) < len(items[:MAX_ITEMS]):
        notes.append(f"{len(items[:MAX_ITEMS]) - len(articles)} items have neither title nor text")
    return Found(
        kind="feed",
        title=plain_text_line(_text(document.get("title"))),
        language=language,
        articles=tuple(articles),
        older=link_url(_text(document.get("next_url")), url),
        notes=tuple(notes),
    )


def _entry(
    item: Mapping[str, Any], base: str, language: str, authors: tuple[str, ...], now: datetime
) -> Entry:
    html, text = _text(item.get("content_html")), _text(item.get("content_text"))
    attachments = [part for part in _list(item.get("attachments")) if isinstance(part, Mapping)]
    played = next(
        (part for part in attachments if _text(part.get("mime_type")).startswith(("audio/", "video/"))), None
    )
    kind = None
    if played is not None:
        sound = _text(played.get("mime_type")).startswith("audio/")
        kind = ArticleKind.AUDIO if sound else ArticleKind.VIDEO
    identifier = _text(item.get("id"))
    link = _text(item.get("url")) or _text(item.get("external_url"))
    if not link and identifier.startswith(("http://", "https://")):
        link = identifier
    published = read_date(_text(item.get("date_published")), now=now)
    updated = read_date(_text(item.get("date_modified")), now=now)
    pictures = [
        Picture(link_url(urljoin(base, address), base))
        for address in (_text(item.get("image")), _text(item.get("banner_image")))
        if address
    ]
    return Entry(
        read_by="json-feed",
        title=one_line(_text(item.get("title"))),
        link=link,
        guid=identifier,
        published_at=published or updated,
        updated_at=updated,
        authors=_authors(item) or authors,
        categories=tuple(_text(tag) for tag in _list(item.get("tags"))),
        summary=_escaped(_text(item.get("summary"))),
        body=html or _paragraphs(text),
        base=base,
        language=declared(_text(item.get("language"))) or language,
        kind=kind,
        duration=number((played or {}).get("duration_in_seconds")),
        media_url=link_url(_text((played or {}).get("url")), base),
        pictures=best([*pictures, *images_in(html, base)]),
    )


def _authors(owner: Mapping[str, Any]) -> tuple[str, ...]:
    people = [*_list(owner.get("authors")), owner.get("author")]
    return tuple(
        name for person in people if isinstance(person, Mapping) and (name := _text(person.get("name")))
    )


def _text(value: object) -> str:
    return str(value) if isinstance(value, str | int | float) and not isinstance(value, bool) else ""


def _list(value: object) -> list[Any]:
    return value if isinstance(value, list) else []


def _escaped(text: str) -> str:
    import html

    return html.escape(text, quote=False)


def _paragraphs(text: str) -> str:
    return "".join(f"<p>{_escaped(part.strip())}</p>" for part in text.split("\n\n") if part.strip())
