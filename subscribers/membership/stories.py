"""Stories: everything that is known of a person, and many people as a list."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from sqlalchemy import ColumnElement, exists, func, not_, or_, select
from sqlalchemy.orm import Session

from subscribers.addresses import Address
from subscribers.models import (
    BounceEventRow,
    ConsentEventRow,
    ImportRunRow,
    MailingListRow,
    SubscriberRow,
    SubscriptionRow,
    SubscriptionStatus,
)
from subscribers.suppression import Suppression, SuppressionKey, not_suppressed, suppression_of

_PAGE = 500


@dataclass(frozen=True, slots=True)
class Standing:
    """How a person stands on one list; ``since`` is the last change of status."""

    list_name: str
    status: SubscriptionStatus
    since: datetime
    sections: list[str] | None
    subscription_id: int


@dataclass(frozen=True, slots=True)
class LedgerLine:
    """One line of a person's consent story."""

    at: datetime
    action: str
    method: str
    list_name: str | None
    source: str | None  # the imported file's name
    line: int | None
    wording: str | None
    ip: str | None
    note: str | None


@dataclass(frozen=True, slots=True)
class BounceLine:
    """One report about mail to a person."""

    at: datetime
    kind: str
    code: str
    reason: str
    issue_id: int | None


@dataclass(frozen=True, slots=True)
class Story:
    """Everything this package knows of a person."""

    subscriber_id: int
    address: str
    name: str
    language: str
    timezone: str
    attributes: dict[str, Any]
    created_at: datetime
    updated_at: datetime
    suppression: Suppression | None
    new_address: str | None = None  # asked for, and not confirmed from there
    lists: list[Standing] = field(default_factory=list)
    consent: list[LedgerLine] = field(default_factory=list)
    bounces: list[BounceLine] = field(default_factory=list)

    @property
    def status(self) -> str:
        """One word: suppressed, confirmed (on any list), pending, unsubscribed, or none."""
        return _status(self.lists) if self.suppression is None else "suppressed"


def story_of(session: Session, person: SubscriberRow, key: SuppressionKey) -> Story:
    """Return everything known of a person: four queries, each by an index."""
    address = Address(person.address, person.normalized, person.domain)
    events = session.execute(
        select(ConsentEventRow, MailingListRow.name, ImportRunRow.name)
        .outerjoin(MailingListRow, MailingListRow.id == ConsentEventRow.list_id)
        .outerjoin(ImportRunRow, ImportRunRow.id == ConsentEventRow.import_id)
        .where(
            or_(
                ConsentEventRow.subscriber_id == person.id,
                # said of the address before or after the person was here
                (ConsentEventRow.address_hash == person.suppression_hash)
                & ConsentEventRow.subscriber_id.is_(None),
            )
        )
        .order_by(ConsentEventRow.at, ConsentEventRow.id)
    )
    bounces = session.scalars(
        select(BounceEventRow)
        .where(BounceEventRow.subscriber_id == person.id)
        .order_by(BounceEventRow.at, BounceEventRow.id)
    )
    return Story(
        subscriber_id=person.id,
        address=person.address,
        name=person.name,
        language=person.language,
        timezone=person.timezone,
        attributes=person.attributes,
        created_at=person.created_at,
        updated_at=person.updated_at,
        suppression=suppression_of(session, address, key),
        new_address=person.new_address,
        lists=_standings(session, [person.id]).get(person.id, []),
        consent=[
            LedgerLine(
                row.at, row.action.value, row.method.value, list_name, source, row.line,
                row.wording, row.ip, row.note,
            )
            for row, list_name, source in events
        ],
        bounces=[
            BounceLine(row.at, row.kind.value, row.code, row.reason, row.issue_id) for row in bounces
        ],
    )  # fmt: skip


@dataclass(frozen=True, slots=True)
class Summary:
    """One person in a list of people."""

    address: str
    name: str
    language: str
    timezone: str
    status: str  # as Story.status
    lists: list[Standing]


def list_people(
    session: Session,
    *,
    list_id: int | None = None,
    status: str | None = None,
    search: str = "",
    condition: ColumnElement[bool] | None = None,
    limit: int | None = None,
) -> Iterator[Summary]:
    """Yield people in the order they came, in constant memory.

    :param status: confirmed, pending, unsubscribed (on ``list_id``, or on any list) or suppressed.
    :param search: a part of an address.
    """
    chosen = select(SubscriberRow, not_suppressed().label("mailable")).order_by(SubscriberRow.id)
    if search:
        chosen = chosen.where(SubscriberRow.normalized.contains(search.strip().lower(), autoescape=True))
    if condition is not None:
        chosen = chosen.where(condition)
    joined = exists().where(SubscriptionRow.subscriber_id == SubscriberRow.id).correlate(SubscriberRow)
    if list_id is not None:
        joined = joined.where(SubscriptionRow.list_id == list_id)
    if status == "suppressed":
        chosen = chosen.where(not_(not_suppressed()))
    elif status is not None:
        joined = joined.where(SubscriptionRow.status == SubscriptionStatus(status))
    if list_id is not None or status not in {None, "suppressed"}:
        chosen = chosen.where(joined)
    last, left = 0, limit
    while left is None or left > 0:
        size = _PAGE if left is None else min(_PAGE, left)
        rows = session.execute(chosen.where(SubscriberRow.id > last).limit(size)).all()
        standings = _standings(session, [person.id for person, _mailable in rows])
        for person, mailable in rows:
            lists = standings.get(person.id, [])
            yield Summary(
                person.address,
                person.name,
                person.language,
                person.timezone,
                _status(lists) if mailable else "suppressed",
                lists,
            )
        if len(rows) < size:
            return
        last = rows[-1][0].id
        left = None if left is None else left - size


def count_people(session: Session) -> int:
    """Return how many people there are, on any list or none."""
    return session.scalar(select(func.count()).select_from(SubscriberRow)) or 0


def _standings(session: Session, person_ids: Sequence[int]) -> dict[int, list[Standing]]:
    found: dict[int, list[Standing]] = {}
    for row, name in session.execute(
        select(SubscriptionRow, MailingListRow.name)
        .join(MailingListRow, MailingListRow.id == SubscriptionRow.list_id)
        .where(SubscriptionRow.subscriber_id.in_(person_ids))
        .order_by(MailingListRow.name)
    ):
        standing = Standing(name, row.status, _since(row), row.sections, row.id)
        found.setdefault(row.subscriber_id, []).append(standing)
    return found


def _status(lists: Sequence[Standing]) -> str:
    found = {standing.status for standing in lists}
    for status in (
        SubscriptionStatus.CONFIRMED,
        SubscriptionStatus.PENDING,
        SubscriptionStatus.UNSUBSCRIBED,
    ):
        if status in found:
            return status.value
    return "none"


def _since(row: SubscriptionRow) -> datetime:
    if row.status is SubscriptionStatus.UNSUBSCRIBED:
        return row.unsubscribed_at or row.created_at
    if row.status is SubscriptionStatus.CONFIRMED:
        return row.confirmed_at or row.created_at
    return row.created_at
