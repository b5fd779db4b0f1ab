"""The stock from which an issue is picked: lean candidates by the tens of thousands, and the whole
article for the few that are chosen."""

from __future__ import annotations

import json
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from sqlalchemy import String, and_, false, func, or_, select, true, type_coerce
from sqlalchemy.orm import Session

from digest.issues.decisions import Standing, standing_decisions
from digest.models import (
    ArticleRow,
    EditorialDecisionRow,
    IssueItemRow,
    IssueRow,
    IssueStatus,
    LedgerEntryRow,
    StoryLinkRow,
    StoryRow,
)
from digest.values import Access, ArticleKind, Candidate, Picture, Related

PAGE = 2000
_KINDS: tuple[type[ArticleRow | LedgerEntryRow | EditorialDecisionRow], ...] = (
    ArticleRow,
    LedgerEntryRow,
    EditorialDecisionRow,
)
_KIND = {kind.value: kind for kind in ArticleKind}
_FINISHED = (IssueStatus.SENT, IssueStatus.CANCELLED)


@dataclass(frozen=True, slots=True)
class Horizon:
    """How far the database went when an issue was built: the newest row of each kind, by number, because
    the clocks of two commands need not agree."""

    article: int
    ledger: int
    decision: int


def horizon(session: Session) -> Horizon:
    """How far the database goes now."""
    newest = (session.scalar(select(func.max(row.id))) or 0 for row in _KINDS)
    return Horizon(*newest)


def load_candidates(
    session: Session,
    *,
    ledger: str,
    since: datetime,
    now: datetime,
    own_issue: int | None = None,
    as_of: Horizon | None = None,
) -> list[Candidate]:
    """Every article published after ``since`` or pinned, as the rules see it at ``now``.

    Withdrawn articles are none. What the ledger says of ``own_issue`` does not count, so that an
    issue can be picked anew or explained. ``as_of`` leaves out what came in, was decided and was printed
    after it (only to explain: a build never overlooks the ledger). Without summary, picture, authors and
    body: 50,000 of these must be read in under two seconds.
    """
    standing = standing_decisions(session, at=now, newest=as_of.decision if as_of else None)
    pinned = [article for article, decision in standing.items() if decision.pin_slot]
    # On SQLite times and texts come as they are stored, so that each is decoded once and by the quickest
    # way; PostgreSQL's driver has decoded them already.
    raw = session.get_bind().dialect.name == "sqlite"

    def plain(column: Any) -> Any:
        return type_coerce(column, String) if raw else column

    # By number, whichever index found it: ordered by number, SQLite would rather read the whole table.
    wanted = select(ArticleRow.id).where(ArticleRow.published_at > since)
    if pinned:
        wanted = wanted.union(select(ArticleRow.id).where(ArticleRow.id.in_(pinned)))  # type: ignore[assignment]
    links = _links(session, since)
    again = _again_underway(session, ledger, own_issue, [a for a, d in standing.items() if d.again])
    session.flush()
    rows = session.connection().execute(
        select(
            ArticleRow.id,
            ArticleRow.story_id,
            ArticleRow.title,
            ArticleRow.link_url,
            ArticleRow.source,
            plain(ArticleRow.published_at),
            plain(ArticleRow.categories),
            type_coerce(ArticleRow.kind, String),
            ArticleRow.label,
            ArticleRow.sticky,
            ArticleRow.front_page_rank,
            plain(ArticleRow.not_before),
            plain(ArticleRow.expires_at),
            StoryRow.sources,
            StoryRow.representative_id,
            LedgerEntryRow.issue_id,
        )
        .join(StoryRow, StoryRow.id == ArticleRow.story_id)
        .outerjoin(
            LedgerEntryRow,
            and_(
                LedgerEntryRow.ledger == ledger,
                LedgerEntryRow.story_id == ArticleRow.story_id,
                LedgerEntryRow.issue_id != (own_issue or 0),
                LedgerEntryRow.id <= as_of.ledger if as_of else true(),
            ),
        )
        .where(
            ArticleRow.id.in_(wanted),
            or_(ArticleRow.withdrawn_at.is_(None), ArticleRow.withdrawn_at > now if as_of else false()),
            ArticleRow.id <= as_of.article if as_of else true(),
        )
        .order_by(ArticleRow.id),
        execution_options={"yield_per": PAGE},
    )
    decode = json.JSONDecoder().raw_decode
    decoded: dict[str, tuple[str, ...]] = {}
    nothing = Standing()
    candidates = []
    for row in rows:
        (
            article,
            story,
            title,
            url,
            source,
            published,
            texts,
            kind,
            label,
            sticky,
            rank,
            not_before,
            expires,
            sources,
            representative,
            issue,
        ) = row
        if raw:
            names = decoded.get(texts)
            if names is None:
                names = decoded[texts] = tuple(decode(texts)[0])
            published = _utc(published)
            not_before = not_before and _utc(not_before)
            expires = expires and _utc(expires)
        else:
            names = tuple(texts)
        decision = standing.get(article, nothing)
        candidates.append(
            Candidate(
                id=article,
                story_id=story,
                title=title,
                url=url,
                source=source,
                published_at=published,
                categories=names,
                kind=_KIND[kind],
                label=decision.label if decision.label is not None else label,
                sticky=sticky,
                front_page_rank=rank,
                not_before=not_before,
                expires_at=expires,
                sources=sources,
                representative=representative is None or representative == article,
                linked=links.get(story, ()),
                printed=issue is not None,
                printed_issue=issue,
                pin_slot=decision.pin_slot,
                pin_order=decision.pin_order,
                pin_again=decision.again and article not in again,
                hidden=decision.hidden,
                section=decision.section or "",
                headline=decision.headline or "",
                teaser=decision.teaser or "",
            )
        )
    return candidates


def _utc(text: str) -> datetime:
    return datetime.fromisoformat(text + "+00:00")


def _links(session: Session, since: datetime) -> dict[int, tuple[int, ...]]:
    """Near-duplicates by story, of every story that may have an article in the window: stories are
    numbered as they come in, so the oldest one of the window is where to begin."""
    # Plus nothing: the lowest number would else be looked for from the beginning, through the whole stock.
    lowest = func.min(ArticleRow.story_id + 0)
    oldest = select(lowest).where(ArticleRow.published_at > since).scalar_subquery()
    found: dict[int, list[int]] = {}
    for low, high in session.execute(
        select(StoryLinkRow.low_id, StoryLinkRow.high_id)
        .where(StoryLinkRow.high_id >= oldest)
        .order_by(StoryLinkRow.low_id, StoryLinkRow.high_id)
    ):
        found.setdefault(low, []).append(high)
        found.setdefault(high, []).append(low)
    return {story: tuple(others) for story, others in found.items()}


def _again_underway(
    session: Session, ledger: str, own_issue: int | None, articles: Sequence[int]
) -> frozenset[int]:
    """Of the articles that are to be printed again, those that an unsent issue prints already."""
    if not articles:
        return frozenset()
    return frozenset(
        session.scalars(
            select(IssueItemRow.article_id)
            .join(IssueRow, IssueRow.id == IssueItemRow.issue_id)
            .where(
                IssueRow.ledger == ledger,
                IssueRow.id != (own_issue or 0),
                IssueRow.status.not_in(_FINISHED),
                IssueItemRow.article_id.in_(articles),
                IssueItemRow.dropped.is_(False),
            )
        )
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Printable:
    """What is printed of an article, and what its teaser is made from."""

    id: int
    story_id: int
    title: str
    url: str
    source: str
    published_at: datetime
    summary: str
    body: str
    origins: Mapping[str, Any]
    picture: Picture | None
    label: str
    kind: ArticleKind
    access: Access
    authors: tuple[str, ...]
    language: str
    word_count: int
    duration_seconds: int | None
    also: tuple[str, ...]
    related: tuple[Related, ...]


def load_printables(session: Session, articles: Collection[int]) -> dict[int, Printable]:
    """The whole of the chosen articles, bodies included, by their numbers."""
    rows = session.execute(
        select(ArticleRow, ArticleRow.body, StoryRow.also)
        .join(StoryRow, StoryRow.id == ArticleRow.story_id)
        .where(ArticleRow.id.in_(list(articles)))
    )
    return {row.id: _printable(row, body, also) for row, body, also in rows}


def _printable(row: ArticleRow, body: str, also: Iterable[str]) -> Printable:
    picture = None
    if row.picture_url:
        picture = Picture(
            url=row.picture_url,
            alt=row.picture_alt,
            credit=row.picture_credit,
            width=row.picture_width,
            height=row.picture_height,
            weight=row.picture_bytes,
        )
    return Printable(
        id=row.id,
        story_id=row.story_id,
        title=row.title,
        url=row.link_url,
        source=row.source,
        published_at=row.published_at,
        summary=row.summary,
        body=body,
        origins=row.origins,
        picture=picture,
        label=row.label,
        kind=row.kind,
        access=row.access,
        authors=tuple(row.authors),
        language=row.language,
        word_count=row.word_count,
        duration_seconds=row.duration_seconds,
        also=tuple(name for name in also if name != row.source),
        related=tuple(Related(entry.get("title", ""), entry.get("url", "")) for entry in row.related),
    )


def oldest_article(session: Session) -> datetime | None:
    """When the first article of all came in: how long this newsletter has been at work."""
    found = session.scalar(select(StoryRow.first_seen_at).order_by(StoryRow.first_seen_at).limit(1))
    return found.astimezone(UTC) if found else None
