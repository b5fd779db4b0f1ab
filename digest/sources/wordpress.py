"""Posts from a WordPress site's REST interface: sections, pictures in all sizes, and stickiness.

``date_gmt`` is UTC without a zone, titles are HTML with entities, sections stand in
``_embedded["wp:term"]``.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from digest.errors import SourceUnparsable
from digest.sources.dates import read_date
from digest.sources.entry import Entry, article_from
from digest.sources.found import Found
from digest.sources.identity import link_url
from digest.sources.pictures import images_in, is_usable, number, sizes_nearest
from digest.sources.sanitise import one_line
from digest.values import Access, Article, ArticleKind, Picture

_FORMATS = {"video": ArticleKind.VIDEO, "audio": ArticleKind.AUDIO}


def read_posts(document: Sequence[Any], *, url: str, source: str, now: datetime) -> Found:
    """The posts of an answer of ``/wp/v2/posts?_embed=1``; unpublished and protected ones are left out."""
    articles: list[Article] = []
    for post in document[:200]:
        if not isinstance(post, Mapping) or post.get("status", "publish") != "publish":
            continue
        article = article_from(_entry(post, url, now), source=source, now=now)
        if article is not None:
            articles.append(article)
    if document and not articles:
        raise SourceUnparsable(f"{url}: a list, but not of posts")
    return Found(kind="wordpress", articles=tuple(articles), generator="WordPress")


def _entry(post: Mapping[str, Any], base: str, now: datetime) -> Entry:
    embedded = post.get("_embedded") if isinstance(post.get("_embedded"), Mapping) else {}
    assert isinstance(embedded, Mapping)  # noqa: S101 - by the line above
    content = post.get("content")
    protected = isinstance(content, Mapping) and content.get("protected") is True
    markup = "" if protected else _rendered(content)
    names = {"category": list[str](), "post_tag": list[str]()}
    for group in _list(embedded.get("wp:term")):
        for term in _list(group):
            if isinstance(term, Mapping) and term.get("taxonomy") in names:
                names[str(term["taxonomy"])].append(one_line(str(term.get("name", "")), 80))
    authors = [
        one_line(str(who.get("name", "")), 80)
        for who in _list(embedded.get("author"))
        if isinstance(who, Mapping)
    ]
    picture = _picture(embedded, base)
    inside = [found for found in images_in(markup, base) if found.url and is_usable(found)]
    return Entry(
        read_by="wordpress",
        title=one_line(_rendered(post.get("title"))),
        link=str(post.get("link") or ""),
        guid=_rendered(post.get("guid")),
        published_at=_time(post, "date", now),
        updated_at=_time(post, "modified", now),
        authors=tuple(authors),
        categories=(*names["category"], *names["post_tag"]),
        summary="" if protected else _rendered(post.get("excerpt")),
        body=markup,
        base=base,
        kind=_FORMATS.get(str(post.get("format", ""))),
        access=Access.PAID if protected else None,
        pictures=(picture,) if picture else tuple(inside[:1]),
        sticky=post.get("sticky") is True,
    )


def _picture(embedded: Mapping[str, Any], base: str) -> Picture | None:
    """The featured image in the size nearest 1200 px."""
    for media in _list(embedded.get("wp:featuredmedia")):
        if not isinstance(media, Mapping) or not str(media.get("mime_type", "image/")).startswith("image/"):
            continue
        details = media.get("media_details")
        details = details if isinstance(details, Mapping) else {}
        alt = one_line(str(media.get("alt_text") or ""), 300)
        credit = one_line(_rendered(media.get("caption")), 200)
        sizes = details.get("sizes")
        shapes = [(media, details), *((size, size) for size in _values(sizes))]
        found = [
            Picture(
                link_url(str(where.get("source_url") or ""), base),
                alt,
                credit,
                number(size.get("width")),
                number(size.get("height")),
                number(size.get("filesize")),
            )
            for where, size in shapes
        ]
        chosen = sizes_nearest([picture for picture in found if is_usable(picture)])
        if chosen is not None:
            return chosen
    return None


def _values(sizes: object) -> list[Mapping[str, Any]]:
    if not isinstance(sizes, Mapping):
        return []
    # "thumbnail" is cropped to a square.
    return [size for name, size in sizes.items() if isinstance(size, Mapping) and name != "thumbnail"]


def _time(post: Mapping[str, Any], name: str, now: datetime) -> datetime | None:
    return read_date(str(post.get(f"{name}_gmt") or ""), now=now) or read_date(
        str(post.get(name) or ""), now=now
    )


def _rendered(value: object) -> str:
    if isinstance(value, Mapping):
        value = value.get("rendered")
    return value if isinstance(value, str) else ""


def _list(value: object) -> list[Any]:
    return value if isinstance(value, list) else []
