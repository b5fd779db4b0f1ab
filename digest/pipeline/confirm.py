"""Double opt-in: who is asked to confirm, who is welcomed, and asking a whole segment again.

The notices go into their outbox with the change that causes them, in one transaction; the web pages
and the command line share this.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from sqlalchemy import ColumnElement, select
from sqlalchemy.orm import Session, sessionmaker

from digest.errors import ConfigError
from digest.models import DeliveryStatus, NoticeKind, NoticeRow
from digest.settings import Settings
from digest.values import Progress
from subscribers.audience import audience, recipients
from subscribers.membership import (
    ConfirmOutcome,
    How,
    Joined,
    JoinOutcome,
    ask_again,
    confirm,
    may_notify,
    record_notice,
)
from subscribers.models import ConsentMethod, MailingListRow, SubscriberRow, SubscriptionRow
from subscribers.tokens import CONFIRM_MAX_AGE

TASK = "asking again"
_BATCH = 500


def after_joining(session: Session, settings: Settings, joined: Joined, *, now: datetime) -> bool:
    """Enqueue what follows an attempt to join: a confirm notice, a welcome, or nothing.

    :returns: whether a notice was enqueued; a second confirm notice within a day is not.
    :raises ConfigError: a confirm notice is due, and there is no public URL for its link.
    """
    if joined.outcome is JoinOutcome.PENDING:
        if not settings.public_url:
            raise ConfigError(
                "a confirm notice needs a link to confirm by",
                remedy="set DIGEST_PUBLIC_URL in .env, or give --confirmed if they have agreed",
            )
        return ask_to_confirm(session, settings, joined.subscription_id, now=now)
    if joined.outcome is JoinOutcome.CONFIRMED:
        return welcome(session, settings, joined.subscription_id, now=now)
    return False


def ask_to_confirm(
    session: Session,
    settings: Settings,
    subscription_id: int,
    *,
    now: datetime,
    kind: NoticeKind = NoticeKind.CONFIRM,
    also: Sequence[int] = (),
) -> bool:
    """Enqueue a confirm (or re-permission) notice unless one went to this person within a day or
    three within thirty.

    :param also: further subscriptions of the same person that the one click confirms.
    """
    found = _subscription(session, subscription_id)
    if found is None or not may_notify(session, found[0].subscriber_id, now=now):
        return False
    _enqueue(session, settings, kind, *found, now=now, also=also)
    record_notice(session, subscription_id, now=now, how=How(ConsentMethod.NOTICE, note=kind.value))
    return True


def welcome(session: Session, settings: Settings, subscription_id: int, *, now: datetime) -> bool:
    """Enqueue the welcome notice if the list's edition has one (``welcome = true``); once a subscription."""
    found = _subscription(session, subscription_id)
    edition = None if found is None else _edition_of(settings, found[2].name)
    if found is None or edition is None or not settings.edition(edition).own.welcome:
        return False
    return _enqueue(session, settings, NoticeKind.WELCOME, *found, now=now)


def confirm_by_link(
    session: Session, settings: Settings, subscription_id: int, *, how: How, now: datetime
) -> ConfirmOutcome:
    """What the button of the confirm page does, after its token was verified."""
    outcome = confirm(session, subscription_id, now=now, how=how)
    if outcome is ConfirmOutcome.CONFIRMED:
        welcome(session, settings, subscription_id, now=now)
    return outcome


def reconfirm(
    readers: sessionmaker[Session],
    sessions: sessionmaker[Session],
    settings: Settings,
    list_id: int,
    *,
    segment: ColumnElement[bool] | None,
    now: datetime,
    progress: Progress,
) -> int:
    """Ask everybody who is confirmed (in the segment) again; until they click they are not mailed.

    In batches, each a transaction; interrupted, it goes on with those who are still confirmed.

    :param readers: sessions that only read; on SQLite one that writes would block its own batches.
    :returns: how many were asked.
    """
    asked = 0
    how = How(ConsentMethod.COMMAND, note="re-permission")
    progress.start(TASK)
    with readers() as reader:
        for batch in recipients(reader, audience(list_id, segment=segment), batch=_BATCH):
            reader.rollback()  # nothing is held open while the batch is written
            with sessions.begin() as session:
                for person in batch:
                    allowed = may_notify(session, person.subscriber_id, now=now)
                    if allowed and ask_again(session, person.subscription_id, now=now, how=how):
                        asked += ask_to_confirm(
                            session, settings, person.subscription_id, now=now, kind=NoticeKind.RECONFIRM
                        )
            progress.advance(TASK, len(batch))
    progress.finish(TASK)
    return asked


Found = tuple[SubscriptionRow, SubscriberRow, MailingListRow]


def _subscription(session: Session, subscription_id: int) -> Found | None:
    row = session.execute(
        select(SubscriptionRow, SubscriberRow, MailingListRow)
        .join(SubscriberRow, SubscriberRow.id == SubscriptionRow.subscriber_id)
        .join(MailingListRow, MailingListRow.id == SubscriptionRow.list_id)
        .where(SubscriptionRow.id == subscription_id)
    ).one_or_none()
    return None if row is None else (row[0], row[1], row[2])


def _enqueue(
    session: Session,
    settings: Settings,
    kind: NoticeKind,
    subscription: SubscriptionRow,
    person: SubscriberRow,
    mailing_list: MailingListRow,
    *,
    now: datetime,
    also: Sequence[int] = (),
) -> bool:
    once = "" if kind is NoticeKind.WELCOME else f":{now:%Y-%m-%dT%H:%M}"
    key = f"{kind.value}:{subscription.id}{once}"
    if session.scalar(select(NoticeRow.id).where(NoticeRow.dedupe_key == key)) is not None:
        return False
    others = [other for other in (_subscription(session, one) for one in also) if other is not None]
    titles = [one.title or one.name for one in (mailing_list, *(other[2] for other in others))]
    context: dict[str, object] = {"list": ", ".join(titles)}
    if others:
        context["also"] = [other[0].id for other in others]
    edition = _edition_of(settings, mailing_list.name)
    if edition is not None:
        context["edition"] = edition
    if kind is not NoticeKind.WELCOME:
        context["valid_days"] = CONFIRM_MAX_AGE.days
    session.add(
        NoticeRow(
            kind=kind,
            subscriber_id=person.id,
            subscription_id=subscription.id,
            dedupe_key=key,
            language=person.language,
            context=context,
            status=DeliveryStatus.QUEUED,
            created_at=now,
            expires_at=now + CONFIRM_MAX_AGE,
        )
    )
    session.flush()
    return True


def _edition_of(settings: Settings, list_name: str) -> str | None:
    for name in settings.file.editions:
        if settings.edition(name).list_name == list_name:
            return name
    return None
