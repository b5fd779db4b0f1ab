"""The stories that are told now, held in memory for one run: what a new article is compared with."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import select
from sqlalchemy.orm import Session

from digest.models import ArticleRow, StoryRow
from digest.picking.likeness import WINDOW, TitleIndex, text_sketch, title_words

_SEPARATOR = "|"
_FEWEST_SHARED = 3  # hashes of a sketch of eight, before the texts themselves are compared


@dataclass(frozen=True, slots=True)
class Told:
    """A story's representative."""

    story_id: int
    article_id: int
    source: str


@dataclass(frozen=True, slots=True)
class Likely:
    """A story like a new article: by its title (``likeness`` is the cosine), or perhaps by its text."""

    told: Told
    likeness: float
    merges: bool
    by_text: bool = False


def likeness_key(title: str, text: str) -> str:
    """What is stored beside an article, so that 50,000 titles need not be taken apart again."""
    return " ".join(title_words(title)) + _SEPARATOR + " ".join(text_sketch(text))


class StoryStock:
    """The representatives of stories told within 72 hours of the new articles."""

    def __init__(self) -> None:
        self._titles: TitleIndex[int] = TitleIndex()
        self._told: dict[int, Told] = {}
        self._sketches: defaultdict[str, list[int]] = defaultdict(list)

    def __len__(self) -> int:
        return len(self._told)

    def load(self, session: Session, *, since: datetime) -> None:
        """Read the representatives told after ``since`` less 72 hours."""
        rows = session.execute(
            select(
                ArticleRow.story_id,
                ArticleRow.id,
                ArticleRow.source,
                ArticleRow.published_at,
                ArticleRow.likeness,
            )
            .join(StoryRow, StoryRow.representative_id == ArticleRow.id)
            .where(ArticleRow.published_at >= since - WINDOW)
        )
        for story_id, article_id, source, at, key in rows:
            self.add(Told(story_id, article_id, source), key, at)

    def add(self, told: Told, key: str, at: datetime) -> None:
        """Add a story's representative, or put another in its place."""
        words, _, sketch = key.partition(_SEPARATOR)
        self._told[told.story_id] = told
        self._titles.add(told.story_id, words.split(), at)
        for number in sketch.split():
            self._sketches[number].append(told.story_id)

    def like(self, key: str, at: datetime) -> list[Likely]:
        """Stories like an article with this ``likeness_key``, the likest first, each once."""
        words, _, sketch = key.partition(_SEPARATOR)
        found = {
            match.key: Likely(self._told[match.key], match.likeness, match.merges)
            for match in self._titles.matches(words.split(), at)
        }
        for story_id in self._by_sketch(sketch.split()):
            found.setdefault(story_id, Likely(self._told[story_id], 0.0, merges=False, by_text=True))
        return list(found.values())

    def _by_sketch(self, sketch: Iterable[str]) -> list[int]:
        shared: defaultdict[int, int] = defaultdict(int)
        for number in sketch:
            for story_id in self._sketches.get(number, ()):
                shared[story_id] += 1
        return [story_id for story_id, count in shared.items() if count >= _FEWEST_SHARED]
