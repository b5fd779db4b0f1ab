"""Who is never mailed: addresses (kept as a keyed hash) and whole domains, however they come back.

The hash is keyed BLAKE2b (RFC 7693) of the normalised address, 128 bits, under a key of its own
that never rotates: rotating the token keys forgets nobody, and a stolen table names nobody.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from hashlib import blake2b, sha256
from typing import Final

from sqlalchemy import ColumnElement, and_, delete, exists, or_, select
from sqlalchemy.orm import Session

from subscribers.addresses import Address, parse_address, parse_domain
from subscribers.models import (
    ConsentAction,
    ConsentEventRow,
    ConsentMethod,
    SubscriberRow,
    SuppressionCause,
    SuppressionKind,
    SuppressionRow,
)

HASH_BYTES: Final = 16
MINIMUM_KEY_BYTES: Final = 16


class SuppressionKey:
    """Hashes addresses, 0.7 µs each.

    :param key: at least 16 bytes, the same for ever.
    :raises ValueError: the key is too short.
    """

    def __init__(self, key: bytes) -> None:
        if len(key) < MINIMUM_KEY_BYTES:
            raise ValueError(f"the suppression key has fewer than {MINIMUM_KEY_BYTES} bytes")
        self._begun = blake2b(key=sha256(key).digest(), digest_size=HASH_BYTES, person=b"suppression")

    def hash(self, normalized: str) -> bytes:
        """Return the 16 bytes that stand for a normalised address."""
        hashing = self._begun.copy()
        hashing.update(normalized.encode())
        return hashing.digest()


@dataclass(frozen=True, slots=True)
class Suppression:
    """What stands against an address: by itself or by its domain."""

    kind: SuppressionKind
    cause: SuppressionCause
    reason: str
    since: datetime


@dataclass(frozen=True, slots=True)
class Subject:
    """What a suppression names: one address, or a domain without its people."""

    address: Address | None
    domain: str

    @classmethod
    def parse(cls, text: str) -> Subject:
        """Read ``ann@example.org`` or ``@example.org`` (the domain itself, not its subdomains).

        :raises InvalidAddress: it is neither.
        """
        if text.strip().startswith("@"):
            return cls(None, parse_domain(text))
        address = parse_address(text)
        return cls(address, address.domain)


def not_suppressed() -> ColumnElement[bool]:
    """Return the condition on ``SubscriberRow`` that neither the address nor its domain is suppressed."""
    return and_(
        ~exists().where(SuppressionRow.address_hash == SubscriberRow.suppression_hash),
        ~exists().where(SuppressionRow.domain == SubscriberRow.domain),
    )


def suppressed_by_sets() -> ColumnElement[bool]:
    """Return the contrary of ``not_suppressed`` for questions about everybody: the sets are read once."""
    hashes = select(SuppressionRow.address_hash).where(SuppressionRow.kind == SuppressionKind.ADDRESS)
    domains = select(SuppressionRow.domain).where(SuppressionRow.kind == SuppressionKind.DOMAIN)
    return or_(SubscriberRow.suppression_hash.in_(hashes), SubscriberRow.domain.in_(domains))


def suppression_of(session: Session, address: Address, key: SuppressionKey) -> Suppression | None:
    """Return what keeps ``address`` from being mailed (its own entry before its domain's), or ``None``."""
    found = session.scalars(
        select(SuppressionRow)
        .where(
            or_(
                SuppressionRow.address_hash == key.hash(address.normalized),
                SuppressionRow.domain == address.domain,
            )
        )
        .order_by(SuppressionRow.kind)
    ).first()
    return None if found is None else Suppression(found.kind, found.cause, found.reason, found.created_at)


def is_suppressed(session: Session, address: Address, key: SuppressionKey) -> bool:
    """Whether ``address`` or its domain is suppressed."""
    return suppression_of(session, address, key) is not None


def suppress(
    session: Session,
    subject: Subject,
    key: SuppressionKey,
    *,
    cause: SuppressionCause,
    reason: str,
    method: ConsentMethod,
    now: datetime,
) -> bool:
    """Suppress an address or a domain; return ``False`` if it was so already (then nothing changes).

    :param reason: a sentence for people; addresses in it are the caller's to take out.
    """
    condition = _same(subject, key)
    if session.scalar(select(SuppressionRow.id).where(condition)) is not None:
        return False
    address_hash = None if subject.address is None else key.hash(subject.address.normalized)
    session.add(
        SuppressionRow(
            kind=SuppressionKind.DOMAIN if address_hash is None else SuppressionKind.ADDRESS,
            address_hash=address_hash,
            domain=subject.domain if address_hash is None else None,
            cause=cause,
            reason=reason,
            created_at=now,
        )
    )
    _record(session, subject, address_hash, ConsentAction.SUPPRESSED, method, reason, now)
    session.flush()
    return True


def unsuppress(
    session: Session,
    subject: Subject,
    key: SuppressionKey,
    *,
    reason: str,
    method: ConsentMethod,
    now: datetime,
) -> bool:
    """Lift a suppression; return ``False`` if there was none. The ledger keeps who said why.

    :raises ValueError: no reason is given.
    """
    if not reason.strip():
        raise ValueError("lifting a suppression needs a reason")
    lifted = session.scalars(delete(SuppressionRow).where(_same(subject, key)).returning(SuppressionRow.id))
    if lifted.first() is None:
        return False
    address_hash = None if subject.address is None else key.hash(subject.address.normalized)
    _record(session, subject, address_hash, ConsentAction.UNSUPPRESSED, method, reason, now)
    session.flush()
    return True


def _same(subject: Subject, key: SuppressionKey) -> ColumnElement[bool]:
    if subject.address is None:
        return SuppressionRow.domain == subject.domain
    return SuppressionRow.address_hash == key.hash(subject.address.normalized)


def _record(
    session: Session,
    subject: Subject,
    address_hash: bytes | None,
    action: ConsentAction,
    method: ConsentMethod,
    reason: str,
    now: datetime,
) -> None:
    subscriber_id = None
    if subject.address is not None:
        subscriber_id = session.scalar(
            select(SubscriberRow.id).where(SubscriberRow.normalized == subject.address.normalized)
        )
    session.add(
        ConsentEventRow(
            subscriber_id=subscriber_id,
            address_hash=address_hash,
            domain=None if address_hash else subject.domain,
            action=action,
            method=method,
            note=reason,
            at=now,
        )
    )
