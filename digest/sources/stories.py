"""A story in a local file: Markdown, HTML or plain text, with or without front matter."""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import date, datetime, tzinfo
from typing import Any

from digest.errors import SourceUnparsable
from digest.sources.dates import read_date
from digest.sources.entry import Entry, article_from
from digest.sources.found import Found
from digest.sources.identity import link_url
from digest.sources.language import declared
from digest.sources.pictures import best, images_in, number
from digest.sources.sanitise import plain_text_line
from digest.sources.saved import read_saved_text
from digest.values import Access, Article, ArticleKind, Picture, Related

MAX_FRONT_MATTER = 64_000
_YAML = re.compile(r"\A---[ \t]*\n(.*?)\n(?:---|\.\.\.)[ \t]*(?:\n|\Z)", re.DOTALL)
_TOML = re.compile(r"\A\+\+\+[ \t]*\n(.*?)\n\+\+\+[ \t]*(?:\n|\Z)", re.DOTALL)
_HEADING = re.compile(r"\A\s*#\s+(.+?)\s*#*\s*\n|\A\s*(\S[^\n]*)\n=+\s*\n")


def read_story(
    text: str, *, path: str, base: str, source: str, now: datetime, zone: tzinfo
) -> Article | None:
    """The story in a file. ``path`` is its name within its folder, and its identity when it has no address.

    Times without a zone are in ``zone``. Raises ``SourceUnparsable`` for front matter that cannot be read.
    """
    text = text.removeprefix("\ufeff").replace("\r\n", "\n")
    front, body = _front_matter(text, path)
    suffix = path.rpartition(".")[2].lower()
    if not front and suffix == "txt":
        saved = read_saved_text(text, path=path, source=source, now=now, zone=zone)
        if saved is not None:
            return saved
    title = _word(front, "title", "headline")
    heading = _HEADING.match(body) if suffix in {"md", "markdown"} else None
    if heading and not title:
        title = heading[1] or heading[2]
    if heading and title == (heading[1] or heading[2]):
        body = body[heading.end() :]
    markup = _markup(body, suffix)
    language = declared(_word(front, "language", "lang"))
    entry = Entry(
        read_by="front-matter" if front else "file",
        title=title,
        link=_word(front, "url", "link", "permalink") or _word(front, "canonical", "canonical_url"),
        guid=_word(front, "id", "guid") or path,
        canonical=_word(front, "canonical", "canonical_url"),
        published_at=_time(front, ("date", "published", "published_at", "pubdate"), now, zone),
        updated_at=_time(front, ("updated", "updated_at", "modified", "lastmod"), now, zone),
        authors=_words(front, "author", "authors", "byline"),
        categories=(
            *_words(front, "section"),
            *_words(front, "category", "categories"),
            *_words(front, "tags", "keywords"),
        ),
        summary=_escaped(_word(front, "summary", "standfirst", "teaser", "description", "excerpt", "dek")),
        body=markup,
        base=base,
        language=language,
        kind=_one_of(ArticleKind, _word(front, "kind", "type")),
        label=_word(front, "label"),
        access=_one_of(Access, _word(front, "access")),
        duration=number(front.get("duration") or front.get("duration_seconds")),
        media_url=link_url(_word(front, "media", "audio", "video", "enclosure"), base),
        pictures=best([*_picture(front, base), *images_in(markup, base)]),
        sticky=front.get("sticky") is True,
        not_before=_future(front, ("embargo", "not_before"), zone),
        expires_at=_future(front, ("expires", "expires_at", "expiry"), zone),
        related=_related(front, base),
    )
    return article_from(entry, source=source, now=now)


def found_in(article: Article | None, path: str) -> Found:
    """One file's finding, with a note when there was nothing to read."""
    if article is None:
        return Found(kind="story", notes=(f"{path}: neither title nor text",))
    return Found(kind="story", articles=(article,))


def _front_matter(text: str, path: str) -> tuple[Mapping[str, Any], str]:
    for pattern, language in ((_YAML, "yaml"), (_TOML, "toml")):
        match = pattern.match(text[: MAX_FRONT_MATTER + 10])
        if match is None:
            continue
        try:
            values = _yaml(match[1]) if language == "yaml" else _toml(match[1])
        except ValueError as error:
            raise SourceUnparsable(
                f"{path}: its front matter cannot be read: {' '.join(str(error).split())[:160]}",
                remedy="put values with a colon in quotes",
            ) from error
        if isinstance(values, Mapping):
            return {str(key).lower().replace("-", "_"): value for key, value in values.items()}, text[
                match.end() :
            ]
    return {}, text


def _yaml(text: str) -> Any:
    import yaml

    try:
        return yaml.safe_load(text)
    except (yaml.YAMLError, RecursionError) as error:
        raise ValueError(str(error)) from error


def _toml(text: str) -> Any:
    import tomllib

    return tomllib.loads(text)


def _markup(body: str, suffix: str) -> str:
    if suffix in {"html", "htm"}:
        return body
    if suffix == "txt":
        return "".join(
            f"<p>{_escaped(part.strip())}</p>" for part in re.split(r"\n\s*\n", body) if part.strip()
        )
    from markdown_it import MarkdownIt

    return str(MarkdownIt("commonmark").enable("table").render(body))


def _word(front: Mapping[str, Any], *keys: str) -> str:
    for key in keys:
        value = front.get(key)
        if isinstance(value, list) and value:
            value = value[0]
        if isinstance(value, str | int | float) and not isinstance(value, bool):
            return plain_text_line(str(value), 4000)
    return ""


def _words(front: Mapping[str, Any], *keys: str) -> tuple[str, ...]:
    for key in keys:
        value = front.get(key)
        if isinstance(value, str):
            return tuple(part.strip() for part in value.split(",") if part.strip())
        if isinstance(value, list):
            return tuple(str(part) for part in value if isinstance(part, str | int))
    return ()


def _time(front: Mapping[str, Any], keys: tuple[str, ...], now: datetime, zone: tzinfo) -> datetime | None:
    for key in keys:
        if key in front and (found := read_date(_iso(front[key]), now=now, zone=zone)):
            return found
    return None


def _future(front: Mapping[str, Any], keys: tuple[str, ...], zone: tzinfo) -> datetime | None:
    """An embargo or an expiry may lie far ahead."""
    for key in keys:
        if key in front:
            far = datetime(9000, 1, 1, tzinfo=zone)
            return read_date(_iso(front[key]), now=far, zone=zone)
    return None


def _iso(value: object) -> str:
    return value.isoformat() if isinstance(value, date) else str(value)


def _picture(front: Mapping[str, Any], base: str) -> list[Picture]:
    value = next((front[key] for key in ("picture", "image", "cover", "thumbnail") if front.get(key)), None)
    details: Mapping[str, Any] = value if isinstance(value, Mapping) else {}
    address = value if isinstance(value, str) else str(details.get("url") or details.get("src") or "")
    if not address:
        return []
    return [
        Picture(
            link_url(address, base),
            alt=_word(details, "alt") or _word(front, "picture_alt", "image_alt", "alt"),
            credit=_word(details, "credit") or _word(front, "picture_credit", "image_credit", "credit"),
            width=number(details.get("width") or front.get("picture_width")),
            height=number(details.get("height") or front.get("picture_height")),
        )
    ]


def _related(front: Mapping[str, Any], base: str) -> tuple[Related, ...]:
    values = front.get("related")
    found = []
    for value in values if isinstance(values, list) else []:
        if isinstance(value, Mapping):
            title, url = _word(value, "title"), link_url(_word(value, "url", "link"), base)
            if title:
                found.append(Related(title, url))
    return tuple(found[:10])


def _one_of(words: type[Any], value: str) -> Any:
    return words(value.lower()) if value.lower() in {word.value for word in words} else None


def _escaped(text: str) -> str:
    import html

    return html.escape(text, quote=False)
