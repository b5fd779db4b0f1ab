"""Who was mailed, for one batch of reports: four queries, then answers from memory."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Any, Final

from sqlalchemy import Select, func, select
from sqlalchemy.orm import Session

from digest.bounces.attribution import Mailed
from digest.bounces.report import Report
from digest.mail.return_path import token_in_message_id
from digest.models import DeliveryRow, DeliveryStatus
from subscribers.addresses import parse_address
from subscribers.errors import InvalidAddress, TokenForged
from subscribers.models import SubscriberRow, SubscriptionRow
from subscribers.tokens import TokenSigner

# An uncertain copy may well have arrived, and a refused one was at least meant for the address.
_MAILED: Final = (
    DeliveryStatus.SENT,
    DeliveryStatus.UNCERTAIN,
    DeliveryStatus.SENDING,
    DeliveryStatus.REFUSED,
)
_IN_LIMIT: Final = 500  # values in one IN (…): every database takes as many

ReadMessageId = Callable[[str], tuple[int, int] | None]
"""Takes a Message-ID apart: (subscription id, issue id), or ``None`` if it is not ours."""


class BatchDirectory:
    """Answers for one batch, read at its beginning (implements ``attribution.Directory``).

    :param read_message_id: for Message-IDs that carry no token; those with one need none.
    """

    def __init__(
        self,
        session: Session,
        reports: Sequence[Report],
        signer: TokenSigner | None,
        *,
        read_message_id: ReadMessageId | None = None,
    ) -> None:
        self._signer = signer
        self._read_message_id = read_message_id
        self._pairs: dict[str, tuple[int, int] | None] = {}
        pairs = {pair for report in reports for pair in self._pairs_of(report)}
        self._subscriptions = _subscriptions(session, {pair[0] for pair in pairs})
        self._deliveries = _deliveries(session, self._subscriptions, pairs)
        names = {name for report in reports for name in _addresses_of(report)}
        self._normalized = {name: key for name in names if (key := _normalized(name))}
        self._people = _people(session, set(self._normalized.values()))

    def by_token(self, token: str) -> Mailed | None:
        return self._mailed(self._verified(token))

    def is_genuine(self, token: str) -> bool:
        return self._verified(token) is not None

    def by_message_id(self, message_id: str) -> Mailed | None:
        return self._mailed(self._read(message_id))

    def by_address(self, address: str) -> Mailed | None:
        return self._people.get(self._normalized.get(address, ""))

    def _pairs_of(self, report: Report) -> Iterable[tuple[int, int]]:
        for token in (*report.verp_tokens, *report.unsubscribe_tokens):
            if pair := self._verified(token):
                yield pair
        for message_id in report.message_ids:
            if pair := self._read(message_id):
                yield pair

    def _verified(self, token: str) -> tuple[int, int] | None:
        if token not in self._pairs:
            try:
                self._pairs[token] = self._signer.verify_verp(token) if self._signer and token else None
            except TokenForged:
                self._pairs[token] = None
        return self._pairs[token]

    def _read(self, message_id: str) -> tuple[int, int] | None:
        token = token_in_message_id(message_id)
        if token:
            return self._verified(token)
        return self._read_message_id(message_id) if self._read_message_id else None

    def _mailed(self, pair: tuple[int, int] | None) -> Mailed | None:
        if pair is None:
            return None
        subscription_id, issue_id = pair
        found = self._subscriptions.get(subscription_id)
        if found is None:
            return None
        subscriber_id, address, list_id = found
        return Mailed(
            subscriber_id=subscriber_id,
            address=address,
            subscription_id=subscription_id,
            list_id=list_id,
            issue_id=issue_id or None,
            delivery_id=self._deliveries.get((subscriber_id, issue_id)),
        )


def _chunks(values: Iterable[Any]) -> Iterable[list[Any]]:
    ordered = sorted(values)
    for begin in range(0, len(ordered), _IN_LIMIT):
        yield ordered[begin : begin + _IN_LIMIT]


def _subscriptions(session: Session, ids: set[int]) -> dict[int, tuple[int, str, int]]:
    found: dict[int, tuple[int, str, int]] = {}
    for chunk in _chunks(ids):
        rows = session.execute(
            select(SubscriptionRow.id, SubscriberRow.id, SubscriberRow.address, SubscriptionRow.list_id)
            .join(SubscriberRow, SubscriberRow.id == SubscriptionRow.subscriber_id)
            .where(SubscriptionRow.id.in_(chunk))
        )
        found.update({row[0]: (row[1], row[2], row[3]) for row in rows})
    return found


def _deliveries(
    session: Session, subscriptions: dict[int, tuple[int, str, int]], pairs: set[tuple[int, int]]
) -> dict[tuple[int, int], int]:
    people = {subscriptions[one][0] for one, _ in pairs if one in subscriptions}
    issues = {issue for _, issue in pairs if issue}
    found: dict[tuple[int, int], int] = {}
    if not issues:
        return found
    for chunk in _chunks(people):
        rows = session.execute(
            select(DeliveryRow.subscriber_id, DeliveryRow.issue_id, DeliveryRow.id).where(
                DeliveryRow.subscriber_id.in_(chunk), DeliveryRow.issue_id.in_(sorted(issues)[:_IN_LIMIT])
            )
        )
        found.update({(row[0], row[1]): row[2] for row in rows if row[0] is not None})
    return found


def _people(session: Session, normalized: set[str]) -> dict[str, Mailed]:
    """The latest mail to each of these addresses; who was never mailed is not among them."""
    found: dict[str, Mailed] = {}
    for chunk in _chunks(normalized):
        for row in session.execute(_latest(chunk)):
            found[row[0]] = Mailed(
                subscriber_id=row[1],
                address=row[2],
                subscription_id=row[3],
                issue_id=row[4],
                delivery_id=row[5],
                list_id=row[6],
            )
    return found


def _latest(normalized: list[str]) -> Select[*tuple[Any, ...]]:
    latest = (
        select(func.max(DeliveryRow.id))
        .where(DeliveryRow.subscriber_id == SubscriberRow.id, DeliveryRow.status.in_(_MAILED))
        .correlate(SubscriberRow)
        .scalar_subquery()
    )
    return (
        select(
            SubscriberRow.normalized,
            SubscriberRow.id,
            SubscriberRow.address,
            DeliveryRow.subscription_id,
            DeliveryRow.issue_id,
            DeliveryRow.id,
            SubscriptionRow.list_id,
        )
        .join(DeliveryRow, DeliveryRow.id == latest)
        .outerjoin(SubscriptionRow, SubscriptionRow.id == DeliveryRow.subscription_id)
        .where(SubscriberRow.normalized.in_(normalized))
    )


def _addresses_of(report: Report) -> Iterable[str]:
    for failure in report.failures:
        yield from failure.addresses


def _normalized(address: str) -> str:
    try:
        return parse_address(address).normalized
    except InvalidAddress:
        return ""
