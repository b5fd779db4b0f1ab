"""What a reader finds in one body: values that cross from a worker process to the run."""

from __future__ import annotations

from dataclasses import dataclass, field

from digest.values import Article


@dataclass(frozen=True, slots=True)
class Link:
    """A link to a feed, a further page or a story; ``count`` is free for its finder's use."""

    url: str
    title: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Found:
    """``kind`` is ``feed``, ``wordpress``, ``sitemap``, ``article``, ``site`` or ``story`` (a local file).

    ``older`` is the feed's own link to older items (RFC 5005), ``feeds`` what a page links to,
    ``api`` the WordPress REST address that a page names, ``maps`` the sitemaps that an index lists,
    ``links`` a page's links in their order, ``notes`` one line for each thing that was cut or left out.
    """

    kind: str
    title: str = ""
    language: str = ""
    articles: tuple[Article, ...] = ()
    older: str = ""
    generator: str = ""
    feeds: tuple[Link, ...] = ()
    api: str = ""
    maps: tuple[str, ...] = ()
    links: tuple[Link, ...] = ()
    notes: tuple[str, ...] = field(default=())
