"""What only the owner of a mailbox may do: take their data, be erased, have the mail come elsewhere.

A preferences link works as long as its key is kept, and mails are forwarded. So each of these acts
first mails a link of its own: good for a short time, and once.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from enum import StrEnum
from hashlib import blake2b
from typing import TYPE_CHECKING

from sqlalchemy import func, select

from digest.models import DeliveryStatus, NoticeKind, NoticeRow, RateLimitRow
from subscribers.addresses import Address, parse_address
from subscribers.database import insert_or_ignore
from subscribers.errors import InvalidAddress, NameTaken, Suppressed, TokenExpired
from subscribers.membership import How, look_up, update_person
from subscribers.models import SubscriberRow, SubscriptionRow
from subscribers.suppression import SuppressionKey, suppression_of

if TYPE_CHECKING:
    from sqlalchemy.orm import Session

    from digest.settings import Settings

AGAIN_AFTER = timedelta(hours=1)
MOST_A_DAY = 3  # mails of one kind to one person
_DAY = timedelta(days=1)


class Right(StrEnum):
    """What a mailed link allows; the value is the purpose that its token is signed for."""

    DATA = "own data"
    ERASE = "erase me"
    MOVE = "new address"  # the ids are the subscription and the address's fingerprint

    @property
    def good_for(self) -> timedelta:
        """How long after it was mailed."""
        return _DAY if self is Right.MOVE else timedelta(hours=1)

    @property
    def path(self) -> str:
        """Where its link leads, below the public address."""
        return {Right.DATA: "my/data", Right.ERASE: "my/erasure", Right.MOVE: "my/address"}[self]


def ask_for(
    session: Session, settings: Settings, subscription_id: int, what: Right, *, now: datetime
) -> bool:
    """Enqueue the mail with the link, unless one went out within the hour or three within a day.

    Returns False when there is nobody any more.
    """
    row = session.get(SubscriptionRow, subscription_id)
    if row is None:
        return False
    person = session.get_one(SubscriberRow, row.subscriber_id)
    _enqueue(session, settings, person, subscription_id, what, now=now)
    return True


def ask_to_move(
    session: Session, settings: Settings, subscription_id: int, address: Address, *, now: datetime
) -> bool:
    """Remember the new address and enqueue the mail to it; the same statements whoever has it.

    An address that is taken or never mailed is remembered, too, and gets nothing.
    """
    row = session.get(SubscriptionRow, subscription_id)
    if row is None:
        return False
    person = session.get_one(SubscriberRow, row.subscriber_id)
    key = SuppressionKey(settings.suppression_key)
    taken = look_up(session, address) is not None
    suppressed = suppression_of(session, address, key) is not None
    mailed = _enqueue(
        session,
        settings,
        person,
        subscription_id,
        Right.MOVE,
        now=now,
        is_mailed=not taken and not suppressed,
    )
    if mailed:
        person.new_address = address.address
    session.flush()
    return True


def move_to_new(
    session: Session, settings: Settings, subscription_id: int, fingerprint: int, *, now: datetime, how: How
) -> None:
    """The person's address is the new one from now on. Raises ``TokenExpired`` when it cannot be."""
    row = session.get(SubscriptionRow, subscription_id)
    person = None if row is None else session.get_one(SubscriberRow, row.subscriber_id)
    if person is None or person.new_address is None:
        raise TokenExpired("the link was used, or another address was asked for")
    address = parse_address(person.new_address)
    if fingerprint != fingerprint_of(settings, address.address):
        raise TokenExpired("another address was asked for since")
    key = SuppressionKey(settings.suppression_key)
    try:
        update_person(session, person, key, now=now, how=how, address=address)
    except (NameTaken, Suppressed):
        raise TokenExpired("the address cannot be used any more") from None
    person.new_address = None
    session.flush()


def fingerprint_of(settings: Settings, address: str) -> int:
    """48 bits that a link to ``address`` carries, so that no other address is confirmed by it."""
    try:
        normalized = parse_address(address).normalized
    except InvalidAddress:
        normalized = address
    return int.from_bytes(SuppressionKey(settings.suppression_key).hash(normalized)[:6], "big")


def use_up(session: Session, token: str, *, now: datetime) -> None:
    """Let a link work once. Raises ``TokenExpired`` the second time."""
    done = session.execute(
        insert_or_ignore(session, RateLimitRow)
        .values(key=_used(token), window_start=now, count=1)
        .execution_options(preserve_rowcount=True)
    )
    if done.rowcount != 1:  # type: ignore[attr-defined]
        raise TokenExpired("the link was used")


def refuse_used(session: Session, token: str) -> None:
    """Raise ``TokenExpired`` when the link was used; changes nothing."""
    if session.get(RateLimitRow, _used(token)) is not None:
        raise TokenExpired("the link was used")


def _used(token: str) -> str:
    letters = "".join(letter for letter in token if letter.isalnum() or letter in "-_")
    return f"used:{blake2b(letters.encode(), digest_size=16).hexdigest()}"


def _enqueue(
    session: Session,
    settings: Settings,
    person: SubscriberRow,
    subscription_id: int,
    what: Right,
    *,
    now: datetime,
    is_mailed: bool = True,
) -> bool:
    begun = f"{what.value}:{person.id}:"
    last, number = session.execute(
        select(func.max(NoticeRow.created_at), func.count()).where(
            NoticeRow.subscriber_id == person.id,
            NoticeRow.dedupe_key.startswith(begun, autoescape=True),
            NoticeRow.created_at > now - _DAY,
        )
    ).one()
    if last is not None and (number >= MOST_A_DAY or now - last < AGAIN_AFTER):
        return False
    session.add(
        NoticeRow(
            kind=NoticeKind.ADDRESS_CHANGE if what is Right.MOVE else NoticeKind.CONFIRM,
            subscriber_id=person.id,
            # Who has left may be erased, too: the subscription stands in the context, and is not asked about.
            subscription_id=None,
            dedupe_key=f"{begun}{now.isoformat()}",
            language=person.language,
            context={
                "ask": what.value,
                "subscription": subscription_id,
                "list": settings.file.newsletter.name,
                "valid_hours": int(what.good_for.total_seconds() // 3600),
            },
            status=DeliveryStatus.QUEUED if is_mailed else DeliveryStatus.SUPPRESSED,
            created_at=now,
            expires_at=now + _DAY,
        )
    )
    session.flush()
    return True
