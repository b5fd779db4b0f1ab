"""From picks to items: the snapshot of headline, teaser, picture and label that is printed."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Protocol

from digest.picking.teasers import reading_minutes, teaser_from
from digest.settings.model import Source, Teasers
from digest.values import Access, ArticleKind, Item, ItemKind, Origin, Pick, Picture, Related, Slot


class Text(Protocol):
    """The whole of a chosen article, as ``digest.issues.stock`` loads it."""

    @property
    def title(self) -> str: ...
    @property
    def url(self) -> str: ...
    @property
    def source(self) -> str: ...
    @property
    def summary(self) -> str: ...
    @property
    def body(self) -> str: ...
    @property
    def origins(self) -> Mapping[str, object]: ...
    @property
    def picture(self) -> Picture | None: ...
    @property
    def kind(self) -> ArticleKind: ...
    @property
    def access(self) -> Access: ...
    @property
    def authors(self) -> tuple[str, ...]: ...
    @property
    def language(self) -> str: ...
    @property
    def word_count(self) -> int: ...
    @property
    def duration_seconds(self) -> int | None: ...
    @property
    def also(self) -> tuple[str, ...]: ...
    @property
    def related(self) -> tuple[Related, ...]: ...


def print_items(
    picks: Sequence[Pick],
    texts: Mapping[int, Text],
    lengths: Teasers,
    *,
    sources: Mapping[str, Source],
) -> list[Item]:
    """One item for each pick, in the same order; ``texts`` are by article, ``sources`` by name."""
    first = {pick.section: pick.position for pick in reversed(picks) if pick.slot is Slot.SECTION}
    return [
        _item(
            pick, texts[pick.candidate.id], _limit(pick, first, lengths), sources.get(pick.candidate.source)
        )
        for pick in picks
    ]


def reprint(
    item: Item,
    text: Text,
    lengths: Teasers,
    source: Source | None,
    *,
    headline: str,
    teaser: str,
    label: str,
) -> Item:
    """A printed item with the words that its article has now; empty ones are those of the rules."""
    limit = _room(item.slot, lengths, first=item.position == 1)
    headline = headline or _title(text)
    return replace(
        item,
        headline=headline,
        teaser=teaser or _teaser(headline, text, limit),
        label=_label(label, text, source),
    )


def _limit(pick: Pick, first: Mapping[str, int], lengths: Teasers) -> int:
    return _room(pick.slot, lengths, first=first.get(pick.section) == pick.position)


def _room(slot: Slot, lengths: Teasers, *, first: bool) -> int:
    if slot is Slot.LEAD:
        return lengths.lead
    if slot is Slot.DONT_MISS:
        return lengths.dont_miss
    return lengths.first if first else lengths.story


def _title(text: Text) -> str:
    return " ".join(text.title.split())


def _teaser(headline: str, text: Text, limit: int) -> str:
    return teaser_from(
        headline=headline, summary=text.summary, body=text.body, language=text.language, limit=limit
    )


def _label(label: str, text: Text, source: Source | None) -> str:
    label = label or (source.label if source else "")
    if text.kind is ArticleKind.SPONSORED and not label:
        return "Sponsored"  # always labelled; rendering says it in the language
    return label


def _item(pick: Pick, text: Text, limit: int, source: Source | None) -> Item:
    candidate = pick.candidate
    headline = candidate.headline or _title(text)
    return Item(
        kind=ItemKind.STORY,
        article_id=candidate.id,
        story_id=candidate.story_id,
        slot=pick.slot,
        section=pick.section,
        position=pick.position,
        headline=headline,
        teaser=candidate.teaser or _teaser(headline, text, limit),
        url=text.url,
        picture=None if source and source.images == "none" else text.picture,
        label=_label(candidate.label, text, source),
        article_kind=text.kind,
        access=text.access,
        byline=", ".join(text.authors),
        source=text.source,
        published_at=candidate.published_at,
        word_count=text.word_count,
        reading_minutes=reading_minutes(text.body, word_count=text.word_count),
        duration_seconds=text.duration_seconds,
        language=text.language,
        also=tuple(dict.fromkeys(name for name in (*text.also, *candidate.also) if name != text.source)),
        related=text.related,
        updated=candidate.printed,
        origin=Origin.PIN if pick.pinned else Origin.RULE,
    )
