"""Old articles are pruned, never those that an issue printed, an editor pinned, or a ledger holds."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import delete, exists, select
from sqlalchemy.orm import Session

from digest.models import (
    ArticleRow,
    Decision,
    EditorialDecisionRow,
    IssueItemRow,
    LedgerEntryRow,
    StoryRow,
)

_AT_ONCE = 5_000


def prune(session: Session, *, before: datetime) -> int:
    """Delete articles that were published and last seen before ``before``, and stories left without one.

    At most 5,000 a call, so that no run waits long; the next one goes on. Returns how many went.
    """
    old = session.scalars(
        select(ArticleRow.id)
        .where(
            ArticleRow.published_at < before,
            ArticleRow.last_seen_at < before,
            ~exists().where(IssueItemRow.article_id == ArticleRow.id),
            ~exists().where(LedgerEntryRow.story_id == ArticleRow.story_id),
            ~exists().where(
                EditorialDecisionRow.article_id == ArticleRow.id,
                EditorialDecisionRow.decision == Decision.PIN,
                EditorialDecisionRow.ended_at.is_(None),
            ),
        )
        .order_by(ArticleRow.published_at)
        .limit(_AT_ONCE)
    ).all()
    if not old:
        return 0
    stories = set(session.scalars(select(ArticleRow.story_id).where(ArticleRow.id.in_(old))))
    session.execute(delete(ArticleRow).where(ArticleRow.id.in_(old)))
    session.execute(
        delete(StoryRow).where(
            StoryRow.id.in_(stories),
            ~exists().where(ArticleRow.story_id == StoryRow.id),
            ~exists().where(LedgerEntryRow.story_id == StoryRow.id),
        )
    )
    _repair_representatives(session, stories)
    return len(old)


def _repair_representatives(session: Session, stories: set[int]) -> None:
    from sqlalchemy import func, update

    first = select(func.min(ArticleRow.id)).where(ArticleRow.story_id == StoryRow.id).scalar_subquery()
    session.execute(
        update(StoryRow)
        .where(
            StoryRow.id.in_(stories),
            ~exists().where(ArticleRow.id == StoryRow.representative_id, ArticleRow.story_id == StoryRow.id),
        )
        .values(representative_id=first)
        .execution_options(synchronize_session=False)
    )
