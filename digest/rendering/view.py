"""What templates are given: a draft turned into values that only need to be printed (contract 1)."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace

from digest.rendering.cleaning import one_line, paragraphs
from digest.rendering.links import LinkAppender, host_of, usable_url
from digest.rendering.pictures import PicturePolicy, PictureView
from digest.rendering.scripts import direction_of, direction_of_text, script_of, typography_of
from digest.rendering.words import Words
from digest.values import Access, ArticleKind, Draft, Item, ItemKind, Slot

MORE = "more"  # the section for what is left over: it is no department that stories are "from"
LATEST = "latest"  # the one section of an edition that has none: nobody can choose it or leave it out


@dataclass(frozen=True, slots=True)
class LinkView:
    """A link with its words."""

    title: str
    url: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ItemView:
    """One printed item.

    ``section_key`` is set where a story outside the sections (the lead) belongs to one, so that who left
    that section out does not get it. ``foreign`` is True when it is in another script than the issue, so
    that ``language``, ``direction``, ``headline_font`` and ``text_font`` must be said.
    """

    id: int
    kind: str
    number: int
    headline: str
    teaser: str
    paragraphs: tuple[str, ...]
    url: str
    picture: PictureView | None
    labels: tuple[str, ...]
    section: str
    section_key: str
    byline: str
    source: str
    date: str
    reading: str
    also: tuple[str, ...]
    related: tuple[LinkView, ...]
    article_kind: str
    language: str
    direction: str
    foreign: bool
    headline_font: str
    text_font: str
    line: bool = False

    @property
    def meta(self) -> tuple[str, ...]:
        """What stands under a story: date and reading time."""
        return tuple(part for part in (self.date, self.reading) if part)


@dataclass(frozen=True, slots=True, kw_only=True)
class SectionView:
    """A section in print order; ``count`` is the number of its stories."""

    key: str
    name: str
    title: str
    layout: str
    items: tuple[ItemView, ...]
    count: int


@dataclass(frozen=True, slots=True, kw_only=True)
class IssueView:
    """The issue as templates see it; ``items`` are in the order in which they are printed."""

    name: str
    url: str
    date: str
    date_iso: str
    number: int | None
    subject: str
    preheader: str
    language: str
    direction: str
    view_url: str
    previous: LinkView | None
    postal_address: tuple[str, ...]
    list_title: str
    reply_to: str
    notices: tuple[str, ...]
    top: tuple[ItemView, ...]
    lead: ItemView | None
    more_leads: tuple[ItemView, ...]
    sections: tuple[SectionView, ...]
    dont_miss: tuple[ItemView, ...]
    dont_miss_title: str
    sponsors: tuple[ItemView, ...]
    corrections: tuple[ItemView, ...]
    bottom: tuple[ItemView, ...]
    stories: int
    whole_for_all: bool

    def all_items(self) -> list[ItemView]:
        """Every item in print order."""
        lead = [self.lead] if self.lead else []
        return [
            *self.top,
            *self.corrections,
            *lead,
            *self.more_leads,
            *self.sponsors,
            *(item for section in self.sections for item in section.items),
            *self.dont_miss,
            *self.bottom,
        ]


class ViewMaker:
    """Turns a draft into a view; ``notes`` collects what had to be left out."""

    def __init__(
        self,
        draft: Draft,
        words: Words,
        *,
        links: LinkAppender,
        pictures: PicturePolicy,
        source_titles: Mapping[str, str],
        dont_miss_title: str,
        clicks: Callable[[int, int], str] | None = None,
    ) -> None:
        self._draft = draft
        self._words = words
        self._links = links
        self._pictures = pictures
        self._sources = source_titles
        self._dont_miss_title = dont_miss_title
        self._clicks = clicks
        self._sections = {heading.key: one_line(heading.name) for heading in draft.sections}
        self._number = 0
        self.notes: list[str] = []

    def view(self) -> IssueView:
        """The view; the same draft gives the same view."""
        draft, words = self._draft, self._words
        top = self._items(Slot.TOP)
        corrections = self._items(Slot.CORRECTIONS)
        leads = self._items(Slot.LEAD)
        sponsors = self._items(Slot.SPONSOR)
        sections = tuple(self._section(heading.key) for heading in draft.sections)
        listed = {heading.key for heading in draft.sections}
        orphans = [i for i in draft.in_slot(Slot.SECTION) if i.section not in listed]
        dont_miss = self._items(Slot.DONT_MISS)
        bottom = (*(self._item(item) for item in orphans), *self._items(Slot.BOTTOM))
        sections = tuple(section for section in sections if section.items)
        previous = draft.previous
        masthead = draft.masthead
        return IssueView(
            name=one_line(masthead.name),
            url=usable_url(masthead.url),
            date=words.date(draft.date),
            date_iso=draft.date.isoformat(),
            number=draft.number,
            subject=one_line(draft.subject),
            preheader=one_line(draft.preheader),
            language=draft.language,
            direction=words.direction,
            view_url=usable_url(draft.archive_url),
            previous=LinkView(
                one_line(previous.title) or words.date(previous.date, "long"), usable_url(previous.url)
            )
            if previous and usable_url(previous.url)
            else None,
            postal_address=tuple(
                line for line in map(one_line, masthead.postal_address.splitlines()) if line
            ),
            list_title=one_line(masthead.list_title) or one_line(masthead.name),
            reply_to=one_line(masthead.reply_to),
            notices=tuple(one_line(notice) for notice in draft.notices if one_line(notice)),
            top=top,
            lead=leads[0] if leads else None,
            more_leads=leads[1:],
            sections=sections,
            dont_miss=dont_miss,
            dont_miss_title=one_line(self._dont_miss_title) or words.text("Don’t Miss"),
            sponsors=sponsors,
            corrections=corrections,
            bottom=bottom,
            stories=self._number,
            whole_for_all=LATEST in listed and listed <= {LATEST, MORE},
        )

    def _section(self, key: str) -> SectionView:
        heading = next(heading for heading in self._draft.sections if heading.key == key)
        name = self._sections[key]
        items = tuple(self._item(item) for item in self._draft.in_slot(Slot.SECTION, key))
        return SectionView(
            key=key,
            name=name,
            title=name if key == MORE else self._words.text("Latest from {name}", name=name),
            layout=heading.layout if heading.layout in {"cards", "list", "compact", "opinion"} else "cards",
            items=items,
            count=sum(item.number > 0 for item in items),
        )

    def _items(self, slot: Slot) -> tuple[ItemView, ...]:
        return tuple(self._item(item) for item in self._draft.in_slot(slot))

    def _item(self, item: Item) -> ItemView:
        draft, words = self._draft, self._words
        headline = one_line(item.headline)
        picture, fault = self._pictures.choose(item.picture, item.source, headline)
        if fault:
            self.notes.append(f"picture of {headline[:60]!r} left out: {fault}")
        url = usable_url(item.url)
        if item.url and not url:
            self.notes.append(f"link of {headline[:60]!r} left out: {item.url[:60]!r} is no web address")
        numbered = item.kind is ItemKind.STORY and bool(headline)
        if numbered:
            self._number += 1
        direction, foreign, language = self._setting(item, headline or item.teaser)
        kind = typography_of(language)
        return ItemView(
            id=item.id,
            kind=item.kind.value,
            number=self._number if numbered else 0,
            headline=headline,
            teaser=one_line(item.teaser),
            paragraphs=paragraphs(item.teaser),
            url=self._link(item, url),
            picture=picture,
            labels=self._labels(item),
            section=self._sections.get(item.section, ""),
            section_key=item.section if item.kind is ItemKind.STORY and item.slot in _OF_A_SECTION else "",
            byline=one_line(item.byline),
            source=one_line(self._sources.get(item.source, "")),
            date=words.moment(item.published_at, draft.timezone) if item.published_at and numbered else "",
            # Who watches or listens does not read: the label has the length.
            reading=""
            if item.reading_minutes <= 0 or (item.duration_seconds and item.article_kind in _PLAYED)
            else words.reading(item.reading_minutes),
            also=self._others(item),
            related=tuple(
                LinkView(one_line(link.title) or host_of(link.url), self._related_link(item, place))
                for place, link in enumerate(item.related, start=1)
                if usable_url(link.url)
            ),
            article_kind=item.article_kind.value,
            language=language,
            direction=direction,
            foreign=foreign,
            headline_font=kind.headline_font,
            text_font=kind.text_font,
        )

    def _link(self, item: Item, url: str) -> str:
        if url and self._clicks is not None and item.id > 0:
            return self._clicks(item.id, 0)  # parameters are appended where it leads
        return self._links(url, slot=item.section or item.slot.value.replace("_", "-"))

    def _others(self, item: Item) -> tuple[str, ...]:
        """Who else tells it, by title; issues built before names were stored hold titles, perhaps twice."""
        titles = dict.fromkeys(one_line(self._sources.get(name, name)) for name in item.also)
        titles.pop(one_line(self._sources.get(item.source, item.source)), None)
        return tuple(titles)

    def _related_link(self, item: Item, place: int) -> str:
        if self._clicks is not None and item.id > 0:
            return self._clicks(item.id, place)
        return usable_url(item.related[place - 1].url)

    def _setting(self, item: Item, text: str) -> tuple[str, bool, str]:
        issue = self._draft.language
        language = item.language or issue
        direction = direction_of_text(text, direction_of(language))
        if direction != direction_of(language):
            # The language is a source's claim; what is written decides.
            language = "ar" if direction == "rtl" else issue if direction_of(issue) == "ltr" else "en"
        return direction, script_of(language) != script_of(issue) or language[:2] != issue[:2], language

    def _labels(self, item: Item) -> tuple[str, ...]:
        words = self._words
        found: list[str] = []
        own = one_line(item.label)
        if item.kind is ItemKind.SPONSOR or item.article_kind is ArticleKind.SPONSORED:
            found.append(own or words.text("Sponsored"))
            own = ""
        if item.kind in _KIND_LABELS:
            found.append(words.text(_KIND_LABELS[item.kind]))
        if item.article_kind in _ARTICLE_LABELS:
            label = words.text(_ARTICLE_LABELS[item.article_kind])
            played = item.article_kind in _PLAYED and item.duration_seconds
            found.append(f"{label} {words.duration(item.duration_seconds or 0)}" if played else label)
        if own:
            found.append(_translated(own, words))
        if item.updated:
            found.append(words.text("Updated"))
        if item.access is Access.PAID:
            found.append(words.text("Subscribers only"))
        return tuple(dict.fromkeys(found))


# Don't Miss is for everybody, and so is what the editor, a sponsor or a correction says.
_OF_A_SECTION = {Slot.LEAD, Slot.SECTION, Slot.TOP, Slot.BOTTOM}
_KIND_LABELS = {ItemKind.CORRECTION: "Correction", ItemKind.EVENT: "Event"}
_ARTICLE_LABELS = {
    ArticleKind.OPINION: "Opinion",
    ArticleKind.LIVE: "Live",
    ArticleKind.VIDEO: "Video",
    ArticleKind.AUDIO: "Podcast",
}
_PLAYED = {ArticleKind.VIDEO, ArticleKind.AUDIO}
_KNOWN_LABELS = {
    label.casefold(): label
    for label in (
        "Sponsored",
        "Opinion",
        "Live",
        "Video",
        "Podcast",
        "Subscribers only",
        "Updated",
        "Correction",
    )
}


def _translated(label: str, words: Words) -> str:
    known = _KNOWN_LABELS.get(label.casefold())
    return words.text(known) if known else label


def as_lines(issue: IssueView, keep: int) -> IssueView:
    """The issue with all but its first ``keep`` stories as list lines: headline and link alone.

    Sponsored items and corrections are never shortened; nor is the lead.
    """
    order = [
        item.number
        for item in [*issue.more_leads, *(i for s in issue.sections for i in s.items), *issue.dont_miss]
        if _may_shrink(item)
    ]
    short = set(order[keep:])

    def shrink(items: tuple[ItemView, ...]) -> tuple[ItemView, ...]:
        return tuple(
            replace(item, line=True, picture=None, teaser="", paragraphs=(), also=(), related=())
            if item.number in short and item.number
            else item
            for item in items
        )

    return replace(
        issue,
        more_leads=shrink(issue.more_leads),
        sections=tuple(replace(section, items=shrink(section.items)) for section in issue.sections),
        dont_miss=shrink(issue.dont_miss),
    )


def shrinkable(issue: IssueView) -> int:
    """How many stories ``as_lines`` could turn into lines."""
    items = [*issue.more_leads, *(i for s in issue.sections for i in s.items), *issue.dont_miss]
    return sum(_may_shrink(item) for item in items)


def _may_shrink(item: ItemView) -> bool:
    return item.number > 0 and item.article_kind != ArticleKind.SPONSORED.value
