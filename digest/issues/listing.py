"""Which articles a list shows: the newest first, their state decided by the database.

A state is a condition that an index answers; only a section is decided in Python, because its rules may
be expressions, and then over columns as lean as can be, read until there are enough.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Mapping
from datetime import datetime
from typing import Any

from sqlalchemy import Row, Select, and_, exists, or_, select, true
from sqlalchemy.orm import Session

from digest.issues.decisions import Standing
from digest.models import ArticleRow, Decision, EditorialDecisionRow, LedgerEntryRow, LedgerState
from digest.picking.matching import Matcher
from digest.values import Candidate

PAGE = 500
_NOTHING = Standing()


def newest(*, now: datetime, since: datetime | None, source: str, state: str) -> Select[Any]:
    """The wanted articles in their order; empty texts want everything."""
    query = select(ArticleRow).where(_is_in(state, now))
    if since is not None:
        query = query.where(ArticleRow.published_at >= since)
    if source:
        query = query.where(ArticleRow.source == source)
    return query.order_by(ArticleRow.published_at.desc(), ArticleRow.id.desc())


def in_section(
    session: Session,
    query: Select[Any],
    matcher: Matcher,
    standing: Mapping[int, Standing],
    section: str,
    limit: int,
) -> list[int]:
    """The ids of the first ``limit`` articles of ``query`` that stand in ``section`` (its key)."""
    lean = query.with_only_columns(
        ArticleRow.id,
        ArticleRow.story_id,
        ArticleRow.title,
        ArticleRow.link_url,
        ArticleRow.source,
        ArticleRow.published_at,
        ArticleRow.categories,
    )
    found: list[int] = []
    with session.execute(lean, execution_options={"yield_per": PAGE}) as rows:
        for row in rows:
            if matcher.section_of(as_candidate(row, standing.get(row.id, _NOTHING))) == section:
                found.append(row.id)
                if len(found) == limit:
                    break
    return found


def as_candidate(row: ArticleRow | Row[*tuple[Any, ...]], decided: Standing) -> Candidate:
    """What the rules for sections look at; the row has at least the columns of ``in_section``."""
    return Candidate(
        id=row.id,
        story_id=row.story_id,
        title=row.title,
        url=row.link_url,
        source=row.source,
        published_at=row.published_at,
        categories=tuple(row.categories),
        section=decided.section or "",
    )


def ledger_states(session: Session, stories: Collection[int]) -> dict[int, set[LedgerState]]:
    """What the ledgers say of these stories."""
    found: defaultdict[int, set[LedgerState]] = defaultdict(set)
    for story, state in session.execute(
        select(LedgerEntryRow.story_id, LedgerEntryRow.state).where(LedgerEntryRow.story_id.in_(stories))
    ):
        found[story].add(state)
    return found


def _is_in(state: str, now: datetime) -> Any:
    """The condition of a state. Few articles are hidden, withdrawn or in a ledger: those are looked up from
    there; most are unused: of those, the newest are asked one by one whether they are anything else."""
    of_ledger = select(LedgerEntryRow.story_id)
    published = of_ledger.where(LedgerEntryRow.state == LedgerState.PUBLISHED)
    hide = EditorialDecisionRow
    hidden = (
        select(hide.article_id)
        .where(hide.decision == Decision.HIDE, hide.ended_at.is_(None))
        .where(or_(hide.until.is_(None), hide.until > now))
    )
    is_hidden = exists(hidden.where(hide.article_id == ArticleRow.id).correlate(ArticleRow))
    is_published = exists(
        published.where(LedgerEntryRow.story_id == ArticleRow.story_id).correlate(ArticleRow)
    )
    is_printed = exists(of_ledger.where(LedgerEntryRow.story_id == ArticleRow.story_id).correlate(ArticleRow))
    standing = and_(ArticleRow.withdrawn_at.is_(None), ~is_hidden)
    match state:
        case "withdrawn":
            return ArticleRow.withdrawn_at.is_not(None)
        case "hidden":
            return and_(ArticleRow.withdrawn_at.is_(None), ArticleRow.id.in_(hidden))
        case "published":
            return and_(standing, ArticleRow.story_id.in_(published))
        case "reserved":
            return and_(standing, ArticleRow.story_id.in_(of_ledger), ~is_published)
        case "unused":
            return and_(standing, ~is_printed)
        case _:
            return true()
