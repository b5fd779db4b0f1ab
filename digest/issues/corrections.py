"""What was wrong in an issue that had begun to go out: withdrawn stories, and who got them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import select, update
from sqlalchemy.orm import Session

from digest.models import (
    DeliveryRow,
    DeliveryStatus,
    IssueEventRow,
    IssueItemRow,
    IssueRow,
    IssueStatus,
    RenditionRow,
)

WITHDRAWN = "withdrawn"
"""The event of an issue of which a story was withdrawn after its first copy."""

GOT = (DeliveryStatus.SENT, DeliveryStatus.UNCERTAIN, DeliveryStatus.SENDING)
_BEGUN = (DeliveryStatus.QUEUED, DeliveryStatus.CLAIMED, DeliveryStatus.DEFERRED)


@dataclass(frozen=True, slots=True)
class Mark:
    """A story that copies of an issue carried and that no longer stands; the archive says so.

    ``rendition_id`` is the last rendition that has it.
    """

    item: int
    headline: str
    at: datetime
    rendition_id: int | None


def marks(session: Session, issue_id: int) -> list[Mark]:
    """The withdrawn stories of an issue, the first one first."""
    rows = session.execute(
        select(IssueEventRow.at, IssueEventRow.detail)
        .where(IssueEventRow.issue_id == issue_id, IssueEventRow.action == WITHDRAWN)
        .order_by(IssueEventRow.id)
    )
    return [
        Mark(int(detail["item"]), str(detail["headline"]), at, detail.get("rendition")) for at, detail in rows
    ]


def printed_items(session: Session, article_id: int) -> Sequence[tuple[IssueRow, IssueItemRow]]:
    """The issues that print an article, cancelled ones left out, with the item; locked until the end of
    the transaction."""
    rows = session.execute(
        select(IssueRow, IssueItemRow)
        .join(IssueItemRow, IssueItemRow.issue_id == IssueRow.id)
        .where(
            IssueItemRow.article_id == article_id,
            IssueItemRow.dropped.is_(False),
            IssueRow.status != IssueStatus.CANCELLED,
        )
        .order_by(IssueRow.id)
        .with_for_update()
    )
    return [(issue, item) for issue, item in rows]


def newest_rendition_id(session: Session, issue_id: int) -> int | None:
    """The number of the issue's newest rendition, or None before the first."""
    return session.scalar(
        select(RenditionRow.id)
        .where(RenditionRow.issue_id == issue_id)
        .order_by(RenditionRow.version.desc())
        .limit(1)
    )


def give_waiting(session: Session, issue_id: int, rendition_id: int) -> int:
    """Give the copies that have not begun another rendition; tells how many.

    A copy that a worker has claimed is taken back from it by the fence: the worker asks for its permit
    before the final dot, is refused, and the copy goes out anew. One whose dot may be out stays as it is.
    """
    changed = session.execute(
        update(DeliveryRow)
        .where(DeliveryRow.issue_id == issue_id, DeliveryRow.status.in_(_BEGUN))
        .values(
            rendition_id=rendition_id,
            fence=DeliveryRow.fence + 1,
            status=DeliveryStatus.QUEUED,
            lease_until=None,
        )
        .execution_options(synchronize_session=False, preserve_rowcount=True)
    )
    return int(changed.rowcount)  # type: ignore[attr-defined]


def got_rendition(session: Session, issue_id: int, rendition_id: int | None) -> int:
    """How many people got the issue; with ``rendition_id`` that version of it."""
    query = select(DeliveryRow.id).where(DeliveryRow.issue_id == issue_id, DeliveryRow.status.in_(GOT))
    if rendition_id is not None:
        query = query.where(DeliveryRow.rendition_id == rendition_id)
    return len(session.scalars(query.limit(1)).all())
