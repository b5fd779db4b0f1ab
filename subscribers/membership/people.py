"""People: found, made, changed and erased."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from sqlalchemy import delete, func, or_, select, text, update
from sqlalchemy.engine import Engine
from sqlalchemy.orm import Session

from subscribers.addresses import Address, parse_address
from subscribers.database import insert_or_ignore
from subscribers.errors import NameTaken, Suppressed, UnknownSubscriber
from subscribers.membership.fields import clean_attributes, clean_language, clean_name, clean_timezone
from subscribers.membership.ledger import How, record
from subscribers.models import (
    ConsentAction,
    ConsentEventRow,
    SubscriberRow,
    SuppressionCause,
    SuppressionKind,
    SuppressionRow,
)
from subscribers.suppression import SuppressionKey, suppression_of


def find_person(session: Session, email: str) -> SubscriberRow:
    """Return the person with this address, however it is written.

    :raises InvalidAddress: it is none. :raises UnknownSubscriber: nobody has it.
    """
    address = parse_address(email)
    person = look_up(session, address)
    if person is None:
        raise UnknownSubscriber(
            f"nobody has the address {address.address}",
            remedy="digest subscribers list --search PART looks for a part of an address",
        )
    return person


def look_up(session: Session, address: Address) -> SubscriberRow | None:
    """Return the person with this address, or ``None``."""
    return session.scalars(
        select(SubscriberRow).where(SubscriberRow.normalized == address.normalized)
    ).one_or_none()


def obtain_person(
    session: Session,
    address: Address,
    key: SuppressionKey,
    *,
    now: datetime,
    name: str,
    language: str,
    timezone: str,
    attributes: dict[str, Any],
) -> tuple[SubscriberRow, bool]:
    """Return the person with this address, made if need be, and whether they were.

    A known person's empty fields are filled in; what they have is kept.
    """
    name, language, timezone = clean_name(name), clean_language(language), clean_timezone(timezone)
    attributes = clean_attributes(attributes)
    inserted = session.scalar(
        insert_or_ignore(session, SubscriberRow)
        .values(
            address=address.address,
            normalized=address.normalized,
            domain=address.domain,
            suppression_hash=key.hash(address.normalized),
            name=name,
            language=language,
            timezone=timezone,
            attributes=attributes,
            created_at=now,
            updated_at=now,
        )
        .returning(SubscriberRow.id)
    )
    person = session.scalars(
        select(SubscriberRow).where(SubscriberRow.normalized == address.normalized)
    ).one()
    if inserted is None:
        before = (person.name, person.language, person.timezone, person.attributes)
        person.name = person.name or name
        person.language = person.language or language
        person.timezone = person.timezone or timezone
        if attributes.keys() - person.attributes.keys():
            person.attributes = clean_attributes({**attributes, **person.attributes})
        if before != (person.name, person.language, person.timezone, person.attributes):
            person.updated_at = now
    return person, inserted is not None


def update_person(
    session: Session,
    person: SubscriberRow,
    key: SuppressionKey,
    *,
    now: datetime,
    how: How,
    address: Address | None = None,
    name: str | None = None,
    language: str | None = None,
    timezone: str | None = None,
    attributes: Mapping[str, Any] | None = None,
) -> None:
    """Change what is given; an attribute set to ``None`` is removed. A new address keeps the lists.

    :raises NameTaken: somebody else has the new address. :raises Suppressed: it is never mailed.
    :raises InvalidField: a value cannot be stored.
    """
    if name is not None:
        person.name = clean_name(name)
    if language is not None:
        person.language = clean_language(language)
    if timezone is not None:
        person.timezone = clean_timezone(timezone)
    if attributes is not None:
        merged = {**person.attributes, **attributes}
        person.attributes = clean_attributes({k: v for k, v in merged.items() if v is not None})
    if address is not None and address.address != person.address:
        if address.normalized != person.normalized:
            if look_up(session, address) is not None:
                raise NameTaken(f"somebody else has the address {address.address}")
            if suppression_of(session, address, key) is not None:
                raise Suppressed(f"{address.address} is suppressed")
        person.address = address.address
        person.normalized = address.normalized
        person.domain = address.domain
        person.suppression_hash = key.hash(address.normalized)
        record(session, ConsentAction.ADDRESS, how, now=now, subscriber_id=person.id)
    person.updated_at = now
    session.flush()


def erase_person(session: Session, address: Address, key: SuppressionKey, *, now: datetime, how: How) -> bool:
    """Remove everything but the keyed hash, which keeps the address from ever being mailed again.

    Deliveries stay, without a person. On SQLite freed bytes are overwritten with zeroes;
    ``forget_traces`` afterwards empties what earlier writes left behind.

    :returns: whether anybody had this address (the hash is kept in either case).
    """
    if session.get_bind().dialect.name == "sqlite":
        session.execute(text("PRAGMA secure_delete = ON"))
    address_hash = key.hash(address.normalized)
    erased = session.scalars(
        delete(SubscriberRow)
        .where(SubscriberRow.normalized == address.normalized)
        .returning(SubscriberRow.id)
    ).all()
    # Somebody else may have asked for this address and never confirmed it from there.
    session.execute(
        update(SubscriberRow)
        .where(
            SubscriberRow.new_address.is_not(None),
            or_(
                SubscriberRow.new_address == address.address,
                func.lower(SubscriberRow.new_address) == address.normalized,
            ),
        )
        .values(new_address=None)
    )
    session.execute(delete(ConsentEventRow).where(ConsentEventRow.subscriber_id.in_(erased)))
    # Reasons are words about a person, too.
    session.execute(delete(ConsentEventRow).where(ConsentEventRow.address_hash == address_hash))
    known = session.scalar(select(SuppressionRow.id).where(SuppressionRow.address_hash == address_hash))
    if known is None:
        session.add(
            SuppressionRow(
                kind=SuppressionKind.ADDRESS,
                address_hash=address_hash,
                cause=SuppressionCause.ERASED,
                reason="",
                created_at=now,
            )
        )
    else:
        session.execute(
            update(SuppressionRow)
            .where(SuppressionRow.id == known)
            .values(cause=SuppressionCause.ERASED, reason="")
        )
    record(session, ConsentAction.ERASED, How(how.method), now=now, address_hash=address_hash)
    session.flush()
    return bool(erased)


def forget_traces(engine: Engine) -> None:
    """Rewrite the database so that nothing deleted can be found in its files or in its WAL.

    On SQLite needs the size of the database once more on disk, for seconds; on PostgreSQL plain
    ``VACUUM`` (its WAL segments go as they are recycled).
    """
    connection = engine.raw_connection()
    try:
        if engine.dialect.name == "sqlite":
            connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
            connection.execute("VACUUM")
            connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        else:
            driver: Any = connection.driver_connection
            driver.rollback()
            driver.autocommit = True
            for table in ("subscribers", "subscriptions", "consent_events", "suppressions"):
                driver.execute(f"VACUUM {table}")
            driver.autocommit = False
    finally:
        connection.close()
