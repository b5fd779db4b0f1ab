"""Values of one issue: its items, its draft, and what was rendered of it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, datetime
from enum import StrEnum

from digest.values.stories import Access, ArticleKind, Picture, Related, Slot


class ItemKind(StrEnum):
    """What an item of an issue is."""

    STORY = "story"
    INTRO = "intro"
    SPONSOR = "sponsor"
    CORRECTION = "correction"
    NOTE = "note"
    EVENT = "event"


class Origin(StrEnum):
    """How an item came into the issue."""

    RULE = "rule"
    PIN = "pin"
    HAND = "hand"


@dataclass(frozen=True, slots=True, kw_only=True)
class Item:
    """One printed item with its own snapshot of what is printed. ``id`` is 0 until stored."""

    id: int = 0
    kind: ItemKind = ItemKind.STORY
    article_id: int | None = None
    story_id: int | None = None
    slot: Slot = Slot.SECTION
    section: str = ""
    position: int = 0
    headline: str = ""
    teaser: str = ""
    url: str = ""
    picture: Picture | None = None
    label: str = ""
    article_kind: ArticleKind = ArticleKind.ARTICLE
    access: Access = Access.FREE
    byline: str = ""
    source: str = ""
    published_at: datetime | None = None
    word_count: int = 0
    reading_minutes: int = 0
    duration_seconds: int | None = None
    language: str = ""
    also: tuple[str, ...] = ()
    related: tuple[Related, ...] = ()
    updated: bool = False
    origin: Origin = Origin.RULE
    locked: bool = False
    actor: str = ""


@dataclass(frozen=True, slots=True)
class SectionHeading:
    """A section of this issue in print order; ``layout`` is cards, list, compact or opinion."""

    key: str
    name: str
    layout: str = "cards"


@dataclass(frozen=True, slots=True)
class PreviousIssue:
    """The issue before this one, for the link at the foot."""

    title: str
    date: date
    url: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Masthead:
    """Who publishes: what the head and foot of the issue print."""

    name: str
    url: str
    postal_address: str
    list_title: str
    reply_to: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Draft:
    """All that is needed to render an issue; values only, nothing is looked up later.

    ``archive_url`` is where the issue can be seen in a browser (no person's data in it), or empty.
    """

    issue_id: int
    edition: str
    date: date
    number: int | None
    ordinal: int
    subject: str
    preheader: str
    language: str
    timezone: str
    template: str
    masthead: Masthead
    sections: tuple[SectionHeading, ...]
    items: tuple[Item, ...]
    archive_url: str = ""
    previous: PreviousIssue | None = None
    notices: tuple[str, ...] = ()

    def in_slot(self, slot: Slot, section: str = "") -> tuple[Item, ...]:
        """The items of a slot (and section) in print order."""
        found = [i for i in self.items if i.slot == slot and (not section or i.section == section)]
        return tuple(sorted(found, key=lambda item: item.position))


class Context(StrEnum):
    """Where a merged value stands, hence how it is escaped."""

    HTML = "html"
    ATTRIBUTE = "attribute"
    URL = "url"
    TEXT = "text"
    HEADER = "header"


@dataclass(frozen=True, slots=True)
class Literal:
    """Text that is the same for every subscriber; ``section`` is set where it belongs to a section
    that a subscriber may have left out."""

    text: str
    section: str = ""


@dataclass(frozen=True, slots=True)
class Merge:
    """A place where a subscriber's value is put.

    ``name`` is ``unsubscribe_url``, ``preferences_url``, ``view_url``, ``address``, ``name``,
    ``first_name`` or an attribute's name; ``fallback`` stands in when there is no value.
    """

    name: str
    context: Context
    fallback: str = ""
    section: str = ""


Fragment = Literal | Merge


@dataclass(frozen=True, slots=True, kw_only=True)
class RenderedIssue:
    """An issue rendered once for everybody: fragments that mail joins per subscriber.

    ``subject`` may hold no merge fields (one subject for all). ``mjml`` is kept for ``issue render``.
    ``notes`` say what was degraded (a picture left out, cards turned into lines).
    """

    subject: str
    preheader: str
    language: str
    direction: str
    html: tuple[Fragment, ...]
    text: tuple[Fragment, ...]
    mjml: str = ""
    notes: tuple[str, ...] = ()

    def html_for(self, values: Mapping[str, str], sections: frozenset[str] | None = None) -> str:
        """The HTML with ``values`` merged, unescaped values being escaped; for preview and checks."""
        return _join(self.html, values, sections)

    def text_for(self, values: Mapping[str, str], sections: frozenset[str] | None = None) -> str:
        """The text part with ``values`` merged."""
        return _join(self.text, values, sections)


def _join(fragments: tuple[Fragment, ...], values: Mapping[str, str], sections: frozenset[str] | None) -> str:
    parts = []
    for fragment in fragments:
        if sections is not None and fragment.section and fragment.section not in sections:
            continue
        if isinstance(fragment, Literal):
            parts.append(fragment.text)
        else:
            parts.append(escape_merged(values.get(fragment.name) or fragment.fallback, fragment.context))
    return "".join(parts)


def escape_merged(value: str, context: Context) -> str:
    """Escape a subscriber's value for where it stands; control characters become spaces everywhere."""
    from html import escape
    from urllib.parse import quote

    value = "".join(" " if ch < " " or "\x7f" <= ch <= "\x9f" or ch in "\u2028\u2029" else ch for ch in value)
    value = value.encode("utf-8", "replace").decode("utf-8")
    match context:
        case Context.HTML | Context.ATTRIBUTE:
            return escape(value, quote=True)
        case Context.URL:
            # A whole address is kept as it is but for what would end it; anything else is one component.
            safe = ":/?#[]@!$&()*+,;=%~-._" if value.startswith(("https://", "http://", "mailto:")) else ""
            return escape(quote(value, safe=safe), quote=True)
        case Context.HEADER:
            return value.replace("=?", "= ?")
        case Context.TEXT:
            return value
