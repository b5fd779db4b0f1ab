"""What one source gave in one visit, and what we knew of it before."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime

from digest.values import Article


@dataclass(frozen=True, slots=True, kw_only=True)
class Before:
    """What earlier visits found out (a ``SourceStateRow`` as a value); all empty on the first."""

    url: str = ""
    kind: str = ""
    feed_url: str = ""
    etag: str = ""
    last_modified: str = ""
    body_digest: str = ""
    newest_at: datetime | None = None
    succeeded_at: datetime | None = None
    failures: int = 0
    not_before: datetime | None = None

    def of(self, url: str) -> Before:
        """Itself when it is about ``url``; nothing when the source's address was changed since."""
        return self if self.url == url else Before(failures=self.failures)


@dataclass(frozen=True, slots=True, kw_only=True)
class Harvest:
    """One visit's result. ``unchanged``: the source says, or its bytes show, that nothing is new.

    ``older`` is where older items are (RFC 5005 or a WordPress page), for gaps.
    """

    source: str
    unchanged: bool = False
    kind: str = ""
    title: str = ""
    language: str = ""
    feed_url: str = ""
    articles: tuple[Article, ...] = ()
    etag: str = ""
    last_modified: str = ""
    body_digest: str = ""
    moved_to: str = ""
    older: str = ""
    generator: str = ""
    notes: tuple[str, ...] = field(default=())
