"""The stories that are told now, held in memory for one run: what a new article is compared with."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import and_, select
from sqlalchemy.orm import Session

from digest.models import ArticleRow, StoryRow
from digest.picking.likeness import WINDOW, TitleIndex, text_sketch, title_words
from subscribers.garbage import nothing_is_garbage

_SEPARATOR = "|"
_INDEXED = 2  # hashes of a stored sketch under which its text is found; then the texts are compared


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
        self._sketches: defaultdict[str, list[int]] = defaultdict(list)

    def __len__(self) -> int:
        return len(self._titles)

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
            # By the story's number first: its index is there, and the others' times are not looked at.
            .join(
                StoryRow,
                and_(StoryRow.id == ArticleRow.story_id, StoryRow.representative_id == ArticleRow.id),
            )
            .where(ArticleRow.published_at >= since - WINDOW)
        )
        self.fill(rows)

    def fill(self, rows: Iterable[tuple[int, int, str, datetime, str]]) -> None:
        """Add many: story, article, source, time, ``likeness_key``."""
        with nothing_is_garbage():
            self._titles.fill(self._noted(rows))

    def _noted(
        self, rows: Iterable[tuple[int, int, str, datetime, str]]
    ) -> Iterator[tuple[int, str, datetime, int, str]]:
        """The titles of ``rows``, while the sketch of each is noted."""
        sketches = self._sketches
        for story_id, article_id, source, at, key in rows:
            words, _, sketch = key.partition(_SEPARATOR)
            if sketch:
                for number in sketch.split(" ", _INDEXED)[:_INDEXED]:
                    sketches[number].append(story_id)
            yield story_id, words, at, article_id, source

    def add(self, story_id: int, article_id: int, source: str, key: str, at: datetime) -> None:
        """Add a story's representative, or put another in its place."""
        self.fill([(story_id, article_id, source, at, key)])

    def like(self, key: str, at: datetime) -> list[Likely]:
        """Stories like an article with this ``likeness_key``, the likest first, each once."""
        words, _, sketch = key.partition(_SEPARATOR)
        found = {
            match.key: Likely(self._representative(match.key), match.likeness, match.merges)
            for match in self._titles.matches(words.split(), at)
        }
        for story_id in sorted(self._by_sketch(sketch.split())):
            if story_id not in found:
                found[story_id] = Likely(self._representative(story_id), 0.0, merges=False, by_text=True)
        return list(found.values())

    def _representative(self, story_id: int) -> Told:
        _, _, _, article_id, source = self._titles.held(story_id)
        return Told(story_id, article_id, source)

    def _by_sketch(self, sketch: Iterable[str]) -> Iterable[int]:
        return {story_id for number in sketch for story_id in self._sketches.get(number, ())}
