"""Joining, confirming, leaving: every change of a subscription, each written to the ledger."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any, Final

from sqlalchemy import func, select, update
from sqlalchemy.orm import Session

from subscribers.addresses import Address
from subscribers.database import insert_or_ignore
from subscribers.errors import InvalidField, Suppressed
from subscribers.membership.ledger import How, record, record_many
from subscribers.membership.people import obtain_person
from subscribers.models import (
    ConsentAction,
    ConsentEventRow,
    MailingListRow,
    OptIn,
    SubscriberRow,
    SubscriptionRow,
    SubscriptionStatus,
)
from subscribers.suppression import SuppressionKey, suppression_of

UNDO_WITHIN: Final = timedelta(minutes=10)
ONE_NOTICE_EVERY: Final = timedelta(days=1)
MOST_NOTICES: Final = 3
NOTICES_WITHIN: Final = timedelta(days=30)


class JoinOutcome(StrEnum):
    """What came of an attempt to join."""

    CONFIRMED = "confirmed"  # on the list from now on
    PENDING = "pending"  # waits for the click in a confirm notice
    ALREADY = "already"  # was on the list before


@dataclass(frozen=True, slots=True)
class Joined:
    """The result of ``subscribe``. ``is_new`` tells whether the person was unknown before."""

    outcome: JoinOutcome
    subscriber_id: int
    subscription_id: int
    list_id: int
    is_new: bool


class ConfirmOutcome(StrEnum):
    """What came of a confirmation."""

    CONFIRMED = "confirmed"
    ALREADY = "already"
    GONE = "gone"  # left since, suppressed, or erased: an old link brings nobody back


def subscribe(
    session: Session,
    address: Address,
    mailing_list: MailingListRow,
    key: SuppressionKey,
    *,
    now: datetime,
    how: How,
    confirmed: bool | None = None,
    name: str = "",
    language: str = "",
    timezone: str = "",
    attributes: dict[str, Any] | None = None,
    sections: Sequence[str] | None = None,
) -> Joined:
    """Put a person on a list, as a new one if the address is unknown.

    On a double opt-in list they are pending, and the caller sends a confirm notice if ``may_notify``.
    Somebody who left may come back, by the same way. Fields given fill in those of a known person.

    :param confirmed: overrules the list's opt-in (the desk vouches for the consent).
    :raises Suppressed: the address or its domain is never mailed.
    :raises InvalidField: a language, time zone or attribute cannot be stored.
    """
    standing = suppression_of(session, address, key)
    if standing is not None:
        raise Suppressed(
            f"{address.address} is suppressed ({standing.cause}"
            + (f": {standing.reason})" if standing.reason else ")"),
            remedy="digest subscribers unsuppress, with a reason",
        )
    person, is_new = obtain_person(
        session,
        address,
        key,
        now=now,
        name=name,
        language=language,
        timezone=timezone,
        attributes=attributes or {},
    )
    at_once = confirmed if confirmed is not None else mailing_list.optin is OptIn.SINGLE
    wanted = SubscriptionStatus.CONFIRMED if at_once else SubscriptionStatus.PENDING
    chosen = None if sections is None else check_sections(sections)
    inserted = session.scalar(
        insert_or_ignore(session, SubscriptionRow)
        .values(
            subscriber_id=person.id,
            list_id=mailing_list.id,
            status=wanted,
            sections=chosen,
            created_at=now,
            confirmed_at=now if at_once else None,
        )
        .returning(SubscriptionRow.id)
    )
    subscription = session.scalars(
        select(SubscriptionRow)
        .where(SubscriptionRow.subscriber_id == person.id, SubscriptionRow.list_id == mailing_list.id)
        .with_for_update()
    ).one()

    def joined(outcome: JoinOutcome) -> Joined:
        return Joined(outcome, person.id, subscription.id, mailing_list.id, is_new)

    if inserted is None:
        if subscription.status is SubscriptionStatus.CONFIRMED:
            return joined(JoinOutcome.ALREADY)
        subscription.status = wanted
        if at_once:
            subscription.confirmed_at = now
            subscription.unsubscribed_at = None
        if chosen is not None:
            subscription.sections = chosen
    record(
        session,
        ConsentAction.CONFIRMED if at_once else ConsentAction.REQUESTED,
        how,
        now=now,
        subscriber_id=person.id,
        list_id=mailing_list.id,
    )
    session.flush()
    return joined(JoinOutcome.CONFIRMED if at_once else JoinOutcome.PENDING)


def confirm(session: Session, subscription_id: int, *, now: datetime, how: How) -> ConfirmOutcome:
    """Confirm a pending subscription; once, since afterwards it is pending no more."""
    subscription = _locked(session, subscription_id)
    if subscription is None or subscription.status is SubscriptionStatus.UNSUBSCRIBED:
        return ConfirmOutcome.GONE
    if subscription.status is SubscriptionStatus.CONFIRMED:
        return ConfirmOutcome.ALREADY
    subscription.status = SubscriptionStatus.CONFIRMED
    subscription.confirmed_at = now
    subscription.unsubscribed_at = None
    _record(session, subscription, ConsentAction.CONFIRMED, how, now)
    return ConfirmOutcome.CONFIRMED


def unsubscribe(session: Session, subscription_id: int, *, now: datetime, how: How) -> bool:
    """Take somebody off a list; ``False`` if they were off it or gone already. Idempotent."""
    subscription = _locked(session, subscription_id)
    if subscription is None or subscription.status is SubscriptionStatus.UNSUBSCRIBED:
        return False
    subscription.status = SubscriptionStatus.UNSUBSCRIBED
    subscription.unsubscribed_at = now
    _record(session, subscription, ConsentAction.UNSUBSCRIBED, how, now)
    return True


def unsubscribe_many(session: Session, wanted: Mapping[int, How], *, now: datetime) -> list[tuple[int, int]]:
    """``unsubscribe`` for each subscription id with its evidence, in three statements for all of them.

    Returns (subscription id, subscriber id) of those who were on their list.
    """
    # In one order everywhere: two that come at once with the same people must not wait for each other.
    still = select(SubscriptionRow.id).where(
        SubscriptionRow.id.in_(wanted), SubscriptionRow.status != SubscriptionStatus.UNSUBSCRIBED
    )
    ids = session.scalars(still.order_by(SubscriptionRow.id).with_for_update()).all()
    if not ids:
        return []
    rows = session.execute(
        update(SubscriptionRow)
        .where(SubscriptionRow.id.in_(ids))
        .values(status=SubscriptionStatus.UNSUBSCRIBED, unsubscribed_at=now)
        .returning(SubscriptionRow.id, SubscriptionRow.subscriber_id, SubscriptionRow.list_id)
        .execution_options(synchronize_session=False)
    ).all()
    record_many(
        session,
        ConsentAction.UNSUBSCRIBED,
        [(subscriber_id, list_id, wanted[id_]) for id_, subscriber_id, list_id in rows],
        now=now,
    )
    return [(id_, subscriber_id) for id_, subscriber_id, _ in rows]


def unsubscribe_everywhere(session: Session, subscriber_id: int, *, now: datetime, how: How) -> int:
    """Take somebody off all lists; return how many they were on."""
    ids = session.scalars(
        select(SubscriptionRow.id)
        .where(SubscriptionRow.subscriber_id == subscriber_id)
        .order_by(SubscriptionRow.id)
    ).all()
    return sum(unsubscribe(session, subscription_id, now=now, how=how) for subscription_id in ids)


def undo_unsubscribe(session: Session, subscription_id: int, *, now: datetime, how: How) -> bool:
    """Bring back somebody who was confirmed and left within the last ten minutes."""
    subscription = _locked(session, subscription_id)
    if (
        subscription is None
        or subscription.status is not SubscriptionStatus.UNSUBSCRIBED
        or subscription.confirmed_at is None
        or subscription.unsubscribed_at is None
        or now - subscription.unsubscribed_at > UNDO_WITHIN
    ):
        return False
    subscription.status = SubscriptionStatus.CONFIRMED
    subscription.unsubscribed_at = None
    _record(session, subscription, ConsentAction.CONFIRMED, how, now)
    return True


def choose_sections(
    session: Session, subscription_id: int, sections: Sequence[str] | None, *, now: datetime, how: How
) -> bool:
    """Set which sections somebody gets (``None``: all); ``False`` if nothing changed or they are gone."""
    subscription = _locked(session, subscription_id)
    chosen = None if sections is None else check_sections(sections)
    if subscription is None or subscription.sections == chosen:
        return False
    subscription.sections = chosen
    _record(session, subscription, ConsentAction.SECTIONS, how, now)
    return True


def may_notify(session: Session, subscriber_id: int, *, now: datetime) -> bool:
    """Whether a confirm notice may go to this person: one a day, three in thirty days."""
    last, number = session.execute(
        select(func.max(ConsentEventRow.at), func.count()).where(
            ConsentEventRow.subscriber_id == subscriber_id,
            ConsentEventRow.action == ConsentAction.NOTIFIED,
            ConsentEventRow.at > now - NOTICES_WITHIN,
        )
    ).one()
    return last is None or (number < MOST_NOTICES and now - last >= ONE_NOTICE_EVERY)


def record_notice(session: Session, subscription_id: int, *, now: datetime, how: How) -> None:
    """Write down that a confirm or re-permission notice is on its way."""
    subscription = _locked(session, subscription_id)
    if subscription is not None:
        _record(session, subscription, ConsentAction.NOTIFIED, how, now)


def ask_again(session: Session, subscription_id: int, *, now: datetime, how: How) -> bool:
    """Make a confirmed subscription pending until it is confirmed anew (a re-permission notice asks)."""
    subscription = _locked(session, subscription_id)
    if subscription is None or subscription.status is not SubscriptionStatus.CONFIRMED:
        return False
    subscription.status = SubscriptionStatus.PENDING
    _record(session, subscription, ConsentAction.REQUESTED, how, now)
    return True


def check_sections(sections: Sequence[str]) -> list[str]:
    """Return section keys without doubles, in their order.

    :raises InvalidField: too many, or one that is no key.
    """
    chosen = list(dict.fromkeys(section.strip() for section in sections))
    if len(chosen) > 100 or any(not section or len(section) > 64 for section in chosen):
        raise InvalidField("sections are at most 100 keys of at most 64 characters")
    return chosen


def subscription_of(
    session: Session, person: SubscriberRow, mailing_list: MailingListRow
) -> SubscriptionRow | None:
    """Return how ``person`` stands on the list, if they ever joined it."""
    return session.scalars(
        select(SubscriptionRow).where(
            SubscriptionRow.subscriber_id == person.id, SubscriptionRow.list_id == mailing_list.id
        )
    ).one_or_none()


def _locked(session: Session, subscription_id: int) -> SubscriptionRow | None:
    return session.get(SubscriptionRow, subscription_id, with_for_update=True, populate_existing=True)


def _record(
    session: Session, subscription: SubscriptionRow, action: ConsentAction, how: How, now: datetime
) -> None:
    record(
        session,
        action,
        how,
        now=now,
        subscriber_id=subscription.subscriber_id,
        list_id=subscription.list_id,
    )
    session.flush()
