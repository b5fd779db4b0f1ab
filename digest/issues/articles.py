"""The stock as editors see it: each article with its section, its state, and what was decided of it."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from operator import itemgetter
from typing import Any

from sqlalchemy import select
from sqlalchemy.orm import Session

from digest.issues.decisions import Standing, article_row, standing_decisions
from digest.issues.listing import PAGE, as_candidate, in_section, ledger_states, newest
from digest.issues.view import stamp
from digest.models import (
    ArticleRevisionRow,
    ArticleRow,
    EditorialDecisionRow,
    IssueItemRow,
    LedgerState,
    StoryRow,
)
from digest.picking.matching import Matcher
from digest.picking.teasers import clean, cut, reading_minutes

STATES = ("unused", "reserved", "published", "hidden", "withdrawn")


@dataclass(frozen=True, slots=True, kw_only=True)
class ArticleView:
    """One article of the stock. ``pinned`` is the slot it is pinned to, or empty."""

    id: int
    story: int
    revision: int
    title: str
    url: str
    teaser: str
    section: str
    categories: tuple[str, ...]
    published_at: datetime
    source: str
    authors: tuple[str, ...]
    kind: str
    label: str
    image: str
    word_count: int
    reading_minutes: int
    also: tuple[str, ...]
    state: str
    pinned: str
    issues: tuple[int, ...] = ()
    history: tuple[tuple[str, str], ...] = ()

    def as_json(self, *, whole: bool = False) -> dict[str, Any]:
        """The object of the contract (CLI); ``whole`` adds what ``articles show`` knows beside it."""
        found: dict[str, Any] = {
            "id": self.id,
            "story": self.story,
            "title": self.title,
            "url": self.url,
            "teaser": self.teaser,
            "section": self.section or None,
            "published_at": stamp(self.published_at),
            "source": self.source,
            "kind": self.kind,
            "label": self.label,
            "image": self.image or None,
            "reading_minutes": self.reading_minutes,
            "state": self.state,
            "pinned": self.pinned or None,
        }
        if whole:
            found |= {
                "revision": self.revision,
                "categories": list(self.categories),
                "authors": list(self.authors),
                "word_count": self.word_count,
                "also": list(self.also),
                "issues": list(self.issues),
                "history": [{"at": at, "what": what} for at, what in self.history],
            }
        return found


def list_articles(
    session: Session,
    matcher: Matcher,
    *,
    now: datetime,
    limit: int = 50,
    section: str = "",
    since: datetime | None = None,
    source: str = "",
    state: str = "",
    teaser_length: int = 160,
) -> list[ArticleView]:
    """The newest articles first, filtered; ``section`` is a key."""
    standing = standing_decisions(session, at=now)
    query = newest(now=now, since=since, source=source, state=state)
    ids = (
        in_section(session, query, matcher, standing, section, limit)
        if section
        else session.scalars(query.with_only_columns(ArticleRow.id).limit(limit)).all()
    )
    return list(_views(session, ids, matcher, standing, teaser_length))


def show_article(
    session: Session, matcher: Matcher, article_id: int, *, now: datetime, teaser_length: int = 160
) -> ArticleView:
    """One article with its history. Raises ``UnknownArticle``."""
    row = article_row(session, article_id)
    also = session.get_one(StoryRow, row.story_id).also
    standing = standing_decisions(session, at=now)
    states = ledger_states(session, [row.story_id])
    view = _view(row, also, row.body, matcher, standing, states, teaser_length)
    issues = session.scalars(
        select(IssueItemRow.issue_id)
        .where(IssueItemRow.article_id == row.id, IssueItemRow.dropped.is_(False))
        .order_by(IssueItemRow.issue_id)
    )
    return ArticleView(
        **{name: getattr(view, name) for name in ArticleView.__slots__ if name not in {"issues", "history"}},
        issues=tuple(issues),
        history=tuple(sorted([*_revisions(session, row), *_history(session, row.id)], key=itemgetter(0))),
    )


def _views(
    session: Session,
    ids: Sequence[int],
    matcher: Matcher,
    standing: Mapping[int, Standing],
    teaser_length: int,
) -> Iterator[ArticleView]:
    for at in range(0, len(ids), PAGE):
        page = ids[at : at + PAGE]
        rows = {
            row.id: (row, also)
            for row, also in session.execute(
                select(ArticleRow, StoryRow.also)
                .join(StoryRow, StoryRow.id == ArticleRow.story_id)
                .where(ArticleRow.id.in_(page))
            )
        }
        states = ledger_states(session, {row.story_id for row, _ in rows.values()})
        for number in page:
            row, also = rows[number]
            yield _view(row, also, "", matcher, standing, states, teaser_length)
        session.expunge_all()


def _view(
    row: ArticleRow,
    also: Sequence[str],
    body: str,
    matcher: Matcher,
    standing: Mapping[int, Standing],
    states: Mapping[int, Collection[LedgerState]],
    teaser_length: int,
) -> ArticleView:
    decided = standing.get(row.id, Standing())
    title = decided.headline or row.title
    return ArticleView(
        id=row.id,
        story=row.story_id,
        revision=row.revision,
        title=title,
        url=row.link_url,
        teaser=decided.teaser
        or cut(clean(row.summary, title=row.title), teaser_length, row.language or "en"),
        section=matcher.section_of(as_candidate(row, decided)),
        categories=tuple(row.categories),
        published_at=row.published_at,
        source=row.source,
        authors=tuple(row.authors),
        kind=row.kind.value,
        label=decided.label if decided.label is not None else row.label,
        image=row.picture_url,
        word_count=row.word_count,
        reading_minutes=reading_minutes(body, word_count=row.word_count),
        also=tuple(name for name in also if name != row.source),
        state=_state(row, decided, states.get(row.story_id, ())),
        pinned=decided.pin_slot,
    )


def _state(row: ArticleRow, decided: Standing, states: Collection[LedgerState]) -> str:
    if row.withdrawn_at is not None:
        return "withdrawn"
    if decided.hidden:
        return "hidden"
    if LedgerState.PUBLISHED in states:
        return "published"
    return "reserved" if states else "unused"


def _revisions(session: Session, article: ArticleRow) -> Iterator[tuple[str, str]]:
    for row in session.scalars(
        select(ArticleRevisionRow)
        .where(ArticleRevisionRow.article_id == article.id)
        .order_by(ArticleRevisionRow.revision)
    ):
        what = (
            f"revision {row.revision}: it read {row.title!r} until then"
            if row.revision < article.revision
            else f"revision {row.revision}, since it was printed: {row.title!r}; pin --again prints it"
        )
        yield stamp(row.at) or "", what


def _history(session: Session, article_id: int) -> Iterator[tuple[str, str]]:
    rows = session.scalars(
        select(EditorialDecisionRow)
        .where(EditorialDecisionRow.article_id == article_id)
        .order_by(EditorialDecisionRow.id)
    )
    for row in rows:
        words = [row.decision.value, row.slot, "again" if row.again else ""]
        words += [
            f"{name}={getattr(row, name)!r}"
            for name in ("headline", "teaser", "section", "label")
            if getattr(row, name) is not None
        ]
        words += [row.reason, f"by {row.actor}" if row.actor else ""]
        words += [
            f"until {stamp(row.until)}" if row.until else "",
            f"ended {stamp(row.ended_at)}" if row.ended_at else "",
        ]
        yield stamp(row.at) or "", " ".join(word for word in words if word)
