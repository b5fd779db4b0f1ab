"""What was wrong in an issue that had begun to go out: withdrawn stories, and who got them."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import ColumnElement, Select, Text, and_, cast, func, or_, select, update
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
from digest.picking.folding import fold
from digest.picking.subject import SUBJECT_LENGTH, shorten
from digest.values import Slot
from subscribers.models import SubscriptionRow

WITHDRAWN = "withdrawn"
"""The event of an issue of which a story was withdrawn after its first copy."""
CORRECTED = "corrected"
"""The event of an issue that another one corrects: ``by`` its number, ``items`` what it speaks of."""

GOT = (DeliveryStatus.SENT, DeliveryStatus.UNCERTAIN, DeliveryStatus.SENDING)
_NOT_BEGUN = (DeliveryStatus.QUEUED, DeliveryStatus.CLAIMED, DeliveryStatus.DEFERRED)


@dataclass(frozen=True, slots=True)
class Mark:
    """A story that copies of an issue carried and that no longer stands; the archive says so.

    ``rendition_id`` is the last rendition that has it, ``corrected_by`` the newest correction that speaks
    of it, if there is one that is not cancelled.
    """

    item: int
    headline: str
    at: datetime
    rendition_id: int | None
    corrected_by: int | None = None


def marks(session: Session, issue_id: int) -> list[Mark]:
    """The withdrawn stories of an issue, the first one first."""
    rows = session.execute(
        select(IssueEventRow.at, IssueEventRow.detail)
        .where(IssueEventRow.issue_id == issue_id, IssueEventRow.action == WITHDRAWN)
        .order_by(IssueEventRow.id)
    )
    told = _corrected(session, issue_id)
    return [
        Mark(
            item := int(detail["item"]), str(detail["headline"]), at, detail.get("rendition"), told.get(item)
        )
        for at, detail in rows
    ]


def withdrawn_items(session: Session, issues: Iterable[int]) -> set[int]:
    """The items of these issues that were withdrawn after the first copy."""
    details = session.scalars(
        select(IssueEventRow.detail).where(
            IssueEventRow.issue_id.in_(list(issues)), IssueEventRow.action == WITHDRAWN
        )
    )
    return {int(detail["item"]) for detail in details}


def names_headline(line: str, headline: str) -> bool:
    """Whether a subject or preheader names a headline, be it cut."""
    begins = fold(shorten(headline, SUBJECT_LENGTH)).rstrip("…")
    return bool(begins) and begins in fold(line)


def _corrected(session: Session, issue_id: int) -> dict[int, int]:
    """By withdrawn item, the correction that speaks of it."""
    rows = session.scalars(
        select(IssueEventRow.detail)
        .where(IssueEventRow.issue_id == issue_id, IssueEventRow.action == CORRECTED)
        .order_by(IssueEventRow.id)
    )
    stands = set(
        session.scalars(
            select(IssueRow.id).where(
                IssueRow.corrects_id == issue_id, IssueRow.status != IssueStatus.CANCELLED
            )
        )
    )
    return {
        item: detail["by"] for detail in rows if detail["by"] in stands for item in detail.get("items", [])
    }


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
    before the final dot, is refused, and the copy goes out anew. One whose dot may be out stays as it is;
    should it come back after all, its next claim takes the newest rendition.
    """
    changed = session.execute(
        update(DeliveryRow)
        .where(DeliveryRow.issue_id == issue_id, DeliveryRow.status.in_(_NOT_BEGUN))
        .values(
            rendition_id=rendition_id,
            fence=DeliveryRow.fence + 1,
            status=DeliveryStatus.QUEUED,
            lease_until=None,
        )
        .execution_options(synchronize_session=False, preserve_rowcount=True)
    )
    return int(changed.rowcount)  # type: ignore[attr-defined]


def got_wrong(session: Session, issue_id: int, rendition_id: int | None) -> Select[tuple[int]]:
    """The subscribers whose copies of the issue were wrong: those of ``rendition_id`` and of every one
    before it; None: all copies.

    A copy that was in doubt and was sent once more may have been wrong the first time, so it counts.
    """
    got: list[ColumnElement[bool]] = [
        DeliveryRow.issue_id == issue_id,
        DeliveryRow.status.in_(GOT),
        DeliveryRow.subscriber_id.is_not(None),
    ]
    if rendition_id is not None:
        mended = (
            select(func.min(RenditionRow.at))
            .where(RenditionRow.issue_id == issue_id, RenditionRow.id > rendition_id)
            .scalar_subquery()
        )
        doubtful = and_(DeliveryRow.resends > 0, DeliveryRow.first_sent_at < mended)
        got.append(or_(DeliveryRow.rendition_id <= rendition_id, doubtful))
    return select(DeliveryRow.subscriber_id).where(*got)  # type: ignore[return-value]


def anybody_got_wrong(session: Session, issue_id: int, rendition_id: int | None) -> bool:
    """Whether there is anybody of :func:`got_wrong`."""
    return session.scalar(got_wrong(session, issue_id, rendition_id).limit(1)) is not None


def chose_sections_of(session: Session, items: Iterable[int]) -> ColumnElement[bool] | None:
    """A condition on subscriptions: who has left out the sections of all these items never saw them. None
    when some item was in every copy (Don't Miss), or in every subject (the lead)."""
    wanted = list(items)
    places = session.execute(
        select(IssueItemRow.slot, IssueItemRow.section).where(IssueItemRow.id.in_(wanted))
    ).all()
    keys = {section if slot in _OF_A_SECTION else "" for slot, section in places}
    if len(places) < len(wanted) or not keys or "" in keys:
        return None
    chosen = cast(SubscriptionRow.sections, Text)
    everything: list[ColumnElement[Any]] = [SubscriptionRow.sections.is_(None), chosen == "null"]
    return or_(*everything, *(chosen.contains(f'"{key}"', autoescape=True) for key in sorted(keys)))


_OF_A_SECTION = (Slot.SECTION, Slot.TOP, Slot.BOTTOM)
