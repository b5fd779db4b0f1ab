"""Who is mailed: one ``Select``, and nobody else in either package answers that question.

It walks the covering index (list, status, person) in the order of people, so that its first rows
come at once whatever the size of the list.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

from sqlalchemy import ColumnElement, Select, and_, distinct, func, select
from sqlalchemy.orm import Session, aliased

from subscribers.models import SubscriberRow, SubscriptionRow, SubscriptionStatus
from subscribers.suppression import not_suppressed, suppressed_by_sets


class Recipient(NamedTuple):
    """One row of the audience: the columns of ``audience()``, in its order."""

    subscriber_id: int
    subscription_id: int
    list_id: int
    address: str
    name: str
    language: str
    timezone: str
    attributes: dict[str, Any]
    sections: list[str] | None


def audience(
    list_ids: int | Sequence[int],
    *,
    segment: ColumnElement[bool] | None = None,
    only: Select[Any] | None = None,
    except_: Select[Any] | None = None,
) -> Select[tuple[int, int, int, str, str, str, str, dict[str, Any], list[str] | None]]:
    """Return the one ``Select`` of those to be mailed: confirmed, in the segment, not suppressed.

    One row per person, hence per normalised address, although they be on several of the lists
    (then with their oldest subscription). Ordered by person. The columns are those of
    ``Recipient``; ``with_only_columns`` narrows it for ``INSERT … SELECT``.

    :param segment: a condition of ``subscribers.segments``.
    :param only: ids of subscribers, such as "those who got issue N".
    :param except_: ids of subscribers to leave out, such as "those who did not" turned round.
    """
    if not isinstance(list_ids, int) and len(list_ids) == 1:
        list_ids = list_ids[0]
    chosen = (
        select(
            SubscriberRow.id.label("subscriber_id"),
            SubscriptionRow.id.label("subscription_id"),
            SubscriptionRow.list_id,
            SubscriberRow.address,
            SubscriberRow.name,
            SubscriberRow.language,
            SubscriberRow.timezone,
            SubscriberRow.attributes,
            SubscriptionRow.sections,
        )
        .join(SubscriberRow, SubscriberRow.id == SubscriptionRow.subscriber_id)
        .where(_confirmed_on(list_ids), not_suppressed())
        .order_by(SubscriptionRow.subscriber_id)
    )
    if not isinstance(list_ids, int):
        # One copy per person: of several subscriptions, the oldest.
        other = aliased(SubscriptionRow)
        chosen = chosen.where(
            SubscriptionRow.id
            == select(func.min(other.id))
            .where(
                other.subscriber_id == SubscriptionRow.subscriber_id,
                other.list_id.in_(list_ids),
                other.status == SubscriptionStatus.CONFIRMED,
            )
            .scalar_subquery()
        )
    if segment is not None:
        chosen = chosen.where(segment)
    if only is not None:
        chosen = chosen.where(SubscriberRow.id.in_(only))
    if except_ is not None:
        # Deliveries of the erased have no person, and NOT IN a list with a null is never true.
        left_out = except_.subquery()
        chosen = chosen.where(
            ~select(left_out).where(left_out.c[0] == SubscriberRow.id).exists(),
        )
    return chosen


def recipients(session: Session, chosen: Select[Any], *, batch: int = 1000) -> Iterator[Sequence[Recipient]]:
    """Yield the audience in batches, each by one short query that goes on after the last person.

    Constant memory, and no cursor is held open while the batch is worked on.
    """
    last = 0
    while True:
        rows = session.execute(chosen.where(SubscriptionRow.subscriber_id > last).limit(batch)).all()
        if not rows:
            return
        yield [Recipient(*row) for row in rows]
        last = rows[-1].subscriber_id


def count_audience(session: Session, chosen: Select[Any]) -> int:
    """Return how many would be mailed."""
    counted = chosen.with_only_columns(SubscriberRow.id, maintain_column_froms=True).order_by(None).subquery()
    return session.scalar(select(func.count()).select_from(counted)) or 0


def count_mailable(session: Session, list_ids: int | Sequence[int], *, confirmed: int | None = None) -> int:
    """Return what ``count_audience(audience(list_ids))`` does, several times as fast at a million people.

    Suppressions are few: people confirmed (the covering index is enough), without the suppressed among them.

    :param confirmed: of one list, where that was counted already.
    """
    people = select(func.count(distinct(SubscriptionRow.subscriber_id))).where(_confirmed_on(list_ids))
    never = select(SubscriberRow.id).where(suppressed_by_sets())
    left_out = session.scalar(people.where(SubscriptionRow.subscriber_id.in_(never))) or 0
    return (session.scalar(people) or 0 if confirmed is None else confirmed) - left_out


def _confirmed_on(list_ids: int | Sequence[int]) -> ColumnElement[bool]:
    on_list = (
        SubscriptionRow.list_id == list_ids
        if isinstance(list_ids, int)
        else SubscriptionRow.list_id.in_(list_ids)
    )
    return and_(on_list, SubscriptionRow.status == SubscriptionStatus.CONFIRMED)
