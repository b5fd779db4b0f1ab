"""Values of what comes in and what is picked: ``Article → Candidate → Pick``."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import NamedTuple


class ArticleKind(StrEnum):
    """What sort of text an article is."""

    ARTICLE = "article"
    OPINION = "opinion"
    LIVE = "live"
    VIDEO = "video"
    AUDIO = "audio"
    SPONSORED = "sponsored"


class Access(StrEnum):
    """Who may read the article behind its link."""

    FREE = "free"
    METERED = "metered"
    PAID = "paid"


@dataclass(frozen=True, slots=True)
class Picture:
    """A picture with what is known of it; width and height in pixels, ``weight`` in bytes."""

    url: str
    alt: str = ""
    credit: str = ""
    width: int | None = None
    height: int | None = None
    weight: int | None = None


@dataclass(frozen=True, slots=True)
class Related:
    """A link to another story that the article itself names ("ALSO READ")."""

    title: str
    url: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Article:
    """One text from one source, as it came in: cleaned, sanitised, its links absolute.

    ``identity_url`` is stripped of tracking and tells articles apart; ``link_url`` is what readers
    click (gift tokens kept); ``canonical_url`` only when the page's own site vouches for it.
    ``title`` and ``summary`` are plain text, ``body`` is sanitised HTML. ``categories`` are section
    candidates in order of trust. ``origins`` tells for each field where it came from
    (``{"title": "json-ld"}``). A missing ``published_at`` means that the source gave none.
    """

    source: str
    title: str
    identity_url: str
    link_url: str
    canonical_url: str = ""
    guid: str = ""
    published_at: datetime | None = None
    updated_at: datetime | None = None
    authors: tuple[str, ...] = ()
    categories: tuple[str, ...] = ()
    kind: ArticleKind = ArticleKind.ARTICLE
    label: str = ""
    access: Access = Access.FREE
    summary: str = ""
    body: str = ""
    picture: Picture | None = None
    language: str = ""
    word_count: int = 0
    duration_seconds: int | None = None
    media_url: str = ""
    sticky: bool = False
    front_page_rank: int | None = None
    not_before: datetime | None = None
    expires_at: datetime | None = None
    related: tuple[Related, ...] = ()
    origins: Mapping[str, str] = field(default_factory=dict)


class Candidate(NamedTuple):
    """A stored article as the picking rules see it: lean, because there may be 50,000 in one build, and
    a named tuple, because a frozen dataclass takes four times as long to make.

    ``published_at`` is never missing here: it is the first sight when the source gave none.
    ``sources`` counts the independent sources that tell the story; ``also`` names the others.
    ``pin_slot`` is ``""`` or a slot that an editor pinned it to (``lead``, ``dont-miss``, a section
    key, or ``any``); ``pin_order`` orders the pins. ``printed`` says that the ledger has the story.
    ``representative`` is False for an article that its story is not printed with.
    """

    id: int
    story_id: int
    title: str
    url: str
    source: str
    published_at: datetime
    categories: tuple[str, ...] = ()
    kind: ArticleKind = ArticleKind.ARTICLE
    label: str = ""
    sticky: bool = False
    front_page_rank: int | None = None
    not_before: datetime | None = None
    expires_at: datetime | None = None
    sources: int = 1
    also: tuple[str, ...] = ()
    linked: tuple[int, ...] = ()
    printed: bool = False
    printed_issue: int | None = None
    pin_slot: str = ""
    pin_order: int = 0
    pin_again: bool = False
    hidden: bool = False
    representative: bool = True
    section: str = ""
    headline: str = ""
    teaser: str = ""


class Slot(StrEnum):
    """The place of an item in the issue."""

    TOP = "top"
    LEAD = "lead"
    SECTION = "section"
    DONT_MISS = "dont_miss"
    SPONSOR = "sponsor"
    CORRECTIONS = "corrections"
    BOTTOM = "bottom"


@dataclass(frozen=True, slots=True, kw_only=True)
class Pick:
    """A candidate that was chosen: where it stands and why (``factors`` multiply to ``score``)."""

    candidate: Candidate
    slot: Slot
    section: str = ""
    position: int = 0
    reason: str = ""
    score: float = 0.0
    factors: Mapping[str, float] = field(default_factory=dict)
    pinned: bool = False
