"""Test sends and dry runs: the same worker and the same bytes, with an outbox that lives in memory."""

from __future__ import annotations

import threading
from collections.abc import Iterable, Iterator, Sequence
from datetime import datetime
from typing import TYPE_CHECKING

from sqlalchemy import select
from sqlalchemy.orm import Session, sessionmaker

from digest.clock import Clock
from digest.delivery.machine import Claim, Policy
from digest.delivery.memory import MemoryOutbox
from digest.delivery.worker import TASK, End, Habits, Lane, Worker
from digest.errors import TransportError
from digest.issues.drafts import load_draft
from digest.issues.finding import issue_row
from digest.models import DeliveryStatus
from digest.pipeline.composing import template_of
from digest.pipeline.deliver import audience_of
from digest.pipeline.delivered import Summary
from digest.pipeline.render import newest_rendition, render_issue
from digest.values import Envelope, Progress, Recipient, Silent
from subscribers.addresses import parse_address
from subscribers.audience import recipients as audience_batches
from subscribers.models import MailingListRow, SubscriberRow, SubscriptionRow
from subscribers.tokens import TokenSigner

if TYPE_CHECKING:
    from digest.settings import Settings
    from digest.values import Transport

MOST_CONNECTIONS = 4


def send_test(
    readers: sessionmaker[Session],
    settings: Settings,
    issue_id: int,
    addresses: Sequence[str],
    *,
    transport: Transport,
    signer: TokenSigner,
    clock: Clock,
    progress: Progress | None = None,
) -> Summary:
    """Send the issue as it is to ``addresses`` only. No row is touched; whoever is known is greeted by name.

    :raises InvalidAddress: one of them is none. :raises TransportError: the server cannot be used.
    """
    parsed = [parse_address(text).address for text in addresses]
    with readers() as session:
        people = [recipient_for(session, issue_row(session, issue_id).list_name, a) for a in parsed]
    return _rehearse(
        readers, settings, issue_id, people,
        transport=transport, signer=signer, clock=clock, progress=progress or Silent(), total=len(people),
    )  # fmt: skip


def dry_run(
    readers: sessionmaker[Session],
    settings: Settings,
    issue_id: int,
    *,
    transport: Transport,
    signer: TokenSigner,
    clock: Clock,
    progress: Progress | None = None,
    stop: threading.Event | None = None,
) -> Summary:
    """Make every copy of the issue and give it to ``transport``, which writes files; no row is touched."""
    return _rehearse(
        readers, settings, issue_id, _everybody(readers, settings, issue_id),
        transport=transport, signer=signer, clock=clock, progress=progress or Silent(), stop=stop,
    )  # fmt: skip


def _everybody(readers: sessionmaker[Session], settings: Settings, issue_id: int) -> Iterator[Recipient]:
    with readers() as session:
        row = issue_row(session, issue_id)
        chosen = audience_of(session, row, settings.edition(row.edition))
        for batch in audience_batches(session, chosen):
            for person in batch:
                yield Recipient(
                    subscriber_id=person.subscriber_id,
                    subscription_id=person.subscription_id,
                    address=person.address,
                    name=person.name,
                    language=person.language,
                    attributes=person.attributes or {},
                    sections=None if person.sections is None else frozenset(person.sections),
                )


def recipient_for(session: Session, list_name: str, address: str) -> Recipient:
    """The subscriber of the list with that address, or a stranger with the address alone."""
    row = session.execute(
        select(SubscriberRow, SubscriptionRow)
        .join(SubscriptionRow, SubscriptionRow.subscriber_id == SubscriberRow.id)
        .join(MailingListRow, MailingListRow.id == SubscriptionRow.list_id)
        .where(SubscriberRow.address == address, MailingListRow.name == list_name)
    ).first()
    if row is None:
        return Recipient(subscriber_id=0, subscription_id=0, address=address)
    person, subscription = row
    return Recipient(
        subscriber_id=person.id,
        subscription_id=subscription.id,
        address=address,
        name=person.name,
        language=person.language,
        attributes=person.attributes or {},
        sections=None if subscription.sections is None else frozenset(subscription.sections),
    )


def _rehearse(
    readers: sessionmaker[Session],
    settings: Settings,
    issue_id: int,
    people: Iterable[Recipient],
    *,
    transport: Transport,
    signer: TokenSigner,
    clock: Clock,
    progress: Progress,
    total: int | None = None,
    stop: threading.Event | None = None,
) -> Summary:
    with readers() as session:
        row = issue_row(session, issue_id)
        stored = newest_rendition(session, issue_id) if row.enqueued_at else None
        rendered = stored[1] if stored else render_issue(load_draft(session, settings, issue_id), settings)
        template = template_of(session, settings, issue_id, rendered, signer)

    def compose(claim: Claim, date: datetime) -> Envelope:
        return template.envelope(claim.recipient, date=date)

    outbox = MemoryOutbox(people, clock)
    policy = Policy(resend=False, connections=min(MOST_CONNECTIONS, total or MOST_CONNECTIONS))
    progress.start(TASK, total)
    run = Worker(
        transport, [Lane(outbox, compose)], clock, policy,
        progress=progress, stop=stop, habits=Habits(wait_when_paused=False, tries=1),
    ).run()  # fmt: skip
    progress.finish(TASK)
    if run.error is not None:
        raise run.error
    if run.end is End.PAUSED:
        raise TransportError(run.reason)
    counts = outbox.counts
    return Summary(
        issue=issue_id,
        recipients=sum(counts.values()),
        sent=counts.get(DeliveryStatus.SENT, 0),
        deferred=counts.get(DeliveryStatus.DEFERRED, 0),
        refused=counts.get(DeliveryStatus.REFUSED, 0),
        uncertain=counts.get(DeliveryStatus.UNCERTAIN, 0),
        held=counts.get(DeliveryStatus.UNCERTAIN, 0),
        delivered=run.of(DeliveryStatus.SENT),
        seconds=run.seconds,
        end=run.end,
        replies=tuple((reply, 1) for reply in outbox.replies),
    )
