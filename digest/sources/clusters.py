"""New articles among the stories that are told already: merged when near-certain, linked when alike."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import func, insert, or_, select, update
from sqlalchemy.orm import Session

from digest.models import ArticleRow, StoryLinkRow, StoryRow
from digest.picking.likeness import SAME_TEXT, text_likeness
from digest.sources.likeness_stock import Likely, StoryStock, Told
from digest.sources.sanitise import text_of

_SURELY_SAME_TEXT = 0.8
_ROOM_FOR_LINKS = 8  # a story's strongest ones


class Clusters:
    """Stores new rows of ``articles`` (dicts of its columns) with their stories and links."""

    def __init__(
        self,
        session: Session,
        stock: StoryStock,
        weights: Mapping[str, float],
        now: datetime,
    ) -> None:
        self._session = session
        self._stock = stock
        self._weights = weights
        self._now = now
        self._links: dict[tuple[int, int], float] = {}
        self._touched: set[int] = set()
        self._promoted: dict[int, int] = {}
        self._arriving: dict[int, dict[str, Any]] = {}

    def add(self, rows: Sequence[dict[str, Any]]) -> list[int]:
        """Insert ``rows`` in their order; returns their ids. Stories, links and counts are kept right.

        Ids are taken beforehand, so that each row finds its story before anything is written.
        """
        ids = _fresh_ids(self._session, ArticleRow, len(rows))
        own_stories = _fresh_ids(self._session, StoryRow, len(rows))
        stories = []
        for row, article_id, own_story in zip(rows, ids, own_stories, strict=True):
            row["id"] = article_id
            self._arriving[article_id] = row
            row["story_id"] = self._place(row, article_id, own_story)
            if row["story_id"] == own_story:
                stories.append(
                    {
                        "id": own_story,
                        "representative_id": article_id,
                        "first_seen_at": self._now,
                        "also": [],
                        "sources": 1,
                    }
                )
        if stories:
            self._session.execute(insert(StoryRow.__table__), stories)  # type: ignore[arg-type]
        self._session.execute(insert(ArticleRow.__table__), list(rows))  # type: ignore[arg-type]
        self._finish()
        return ids

    def _place(self, row: dict[str, Any], article_id: int, own_story: int) -> int:
        """The story that this article tells: another's when they are near-certainly one, else its own."""
        home = own_story
        for likely in self._stock.like(row["likeness"], row["published_at"]):
            likeness, merges = self._judged(row, likely)
            if not likeness:
                continue
            if merges and home == own_story:
                home = likely.told.story_id
                self._merge(row, article_id, likely.told)
            elif likely.told.story_id != home:
                self._link(home, likely.told.story_id, likeness)
        if home == own_story:
            self._stock.add(own_story, article_id, row["source"], row["likeness"], row["published_at"])
        else:
            # Links that were found before the home was known belong to the home.
            for pair in [pair for pair in self._links if own_story in pair]:
                other = pair[0] if pair[1] == own_story else pair[1]
                self._link(home, other, self._links.pop(pair))
        return home

    def _judged(self, row: dict[str, Any], likely: Likely) -> tuple[float, bool]:
        same_source = likely.told.source == row["source"]
        if not likely.by_text and not (likely.merges and same_source):
            return likely.likeness, likely.merges
        # The same text under a new headline, or one source's headline again ("Morning briefing"):
        # only the texts themselves can tell.
        other = self._text_of(likely.told.article_id)
        if other is None:
            return 0.0, False
        mine = text_of(row["body"]) or row["summary"]
        share = 1.0 if mine == other and not likely.by_text else text_likeness(mine, other)
        if likely.by_text:
            return (
                (share, share >= _SURELY_SAME_TEXT and not same_source)
                if share >= SAME_TEXT
                else (0.0, False)
            )
        return likely.likeness, share >= SAME_TEXT

    def _text_of(self, article_id: int) -> str | None:
        """The text of an article that is stored, or about to be."""
        arriving = self._arriving.get(article_id)
        if arriving is not None:
            return text_of(arriving["body"]) or str(arriving["summary"])
        stored = self._session.execute(
            select(ArticleRow.body, ArticleRow.summary).where(ArticleRow.id == article_id)
        ).one_or_none()
        return None if stored is None else text_of(stored.body) or str(stored.summary)

    def _merge(self, row: dict[str, Any], article_id: int, told: Told) -> None:
        self._touched.add(told.story_id)
        if self._weights.get(row["source"], 1.0) > self._weights.get(told.source, 1.0):
            self._promoted[told.story_id] = article_id
            self._stock.add(told.story_id, article_id, row["source"], row["likeness"], row["published_at"])

    def _link(self, one: int, other: int, likeness: float) -> None:
        if one == other:
            return
        pair = (min(one, other), max(one, other))
        self._links[pair] = max(likeness, self._links.get(pair, 0.0))

    def _finish(self) -> None:
        for story_id, article_id in self._promoted.items():
            self._session.execute(
                update(StoryRow)
                .where(StoryRow.id == story_id)
                .values(representative_id=article_id)
                .execution_options(synchronize_session=False)
            )
        self._store_links()
        if self._touched:
            count_sources(self._session, self._touched)

    def _store_links(self) -> None:
        if not self._links:
            return
        per_story: defaultdict[int, int] = defaultdict(int)
        wanted: dict[tuple[int, int], float] = {}
        for pair, likeness in sorted(self._links.items(), key=lambda item: -item[1]):
            if max(per_story[pair[0]], per_story[pair[1]]) < _ROOM_FOR_LINKS:
                wanted[pair] = likeness
                per_story[pair[0]] += 1
                per_story[pair[1]] += 1
        known = {
            (row.low_id, row.high_id)
            for row in self._session.execute(
                select(StoryLinkRow.low_id, StoryLinkRow.high_id).where(
                    StoryLinkRow.low_id.in_({low for low, _ in wanted})
                )
            )
        }
        new = [
            {"low_id": low, "high_id": high, "likeness": round(likeness, 4)}
            for (low, high), likeness in wanted.items()
            if (low, high) not in known
        ]
        if new:
            self._session.execute(insert(StoryLinkRow), new)
        self._touched.update(number for row in new for number in (int(row["low_id"]), int(row["high_id"])))


def _fresh_ids(session: Session, table: type[ArticleRow | StoryRow], number: int) -> list[int]:
    """``number`` ids that no row of ``table`` has, in rising order."""
    if session.get_bind().dialect.name == "sqlite":
        # The transaction holds the write lock, so nobody else takes them.
        start = (session.scalar(select(func.max(table.id))) or 0) + 1
        return list(range(start, start + number))
    sequence = func.pg_get_serial_sequence(table.__tablename__, "id")
    series = func.generate_series(1, number).table_valued("number")
    return sorted(session.scalars(select(func.nextval(sequence)).select_from(series)))


def count_sources(session: Session, story_ids: set[int]) -> None:
    """Count each story's independent sources, those of linked stories included, and name the others."""
    links = session.execute(
        select(StoryLinkRow.low_id, StoryLinkRow.high_id).where(
            or_(StoryLinkRow.low_id.in_(story_ids), StoryLinkRow.high_id.in_(story_ids))
        )
    ).all()
    near: defaultdict[int, set[int]] = defaultdict(set)
    for low, high in links:
        near[low].add(high)
        near[high].add(low)
    wanted = set(story_ids) | {other for story_id in story_ids for other in near[story_id]}
    told_by: defaultdict[int, list[str]] = defaultdict(list)
    for story_id, source in session.execute(
        select(ArticleRow.story_id, ArticleRow.source)
        .where(ArticleRow.story_id.in_(wanted))
        .order_by(ArticleRow.published_at, ArticleRow.id)
    ):
        told_by[story_id].append(source)
    first: dict[int, str] = {
        row.id: row.source
        for row in session.execute(
            select(StoryRow.id, ArticleRow.source)
            .join(ArticleRow, ArticleRow.id == StoryRow.representative_id)
            .where(StoryRow.id.in_(story_ids))
        )
    }
    rows = []
    for story_id in story_ids:
        names = dict.fromkeys(
            source for told in (story_id, *sorted(near[story_id])) for source in told_by.get(told, ())
        )
        others = [name for name in names if name != first.get(story_id)]
        rows.append({"id": story_id, "sources": max(1, len(names)), "also": others})
    session.execute(update(StoryRow), rows)
