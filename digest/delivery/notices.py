"""The outbox of notices: mails to one person that are no issue, and that overtake issues."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any, cast

from sqlalchemy import Table, or_, select, true, update
from sqlalchemy.engine import Engine
from sqlalchemy.orm import Session

from digest.clock import Clock
from digest.delivery.leased import TableOutbox
from digest.delivery.machine import WAITING, Claim, Notice, Policy, Tended
from digest.delivery.writer import Writer
from digest.models import DeliveryStatus, NoticeKind, NoticeRow
from digest.values import Recipient
from subscribers.models import SubscriberRow, SubscriptionRow, SubscriptionStatus
from subscribers.suppression import not_suppressed

ROWS = cast(Table, NoticeRow.__table__)
_CLAIMED = (
    "id", "fence", "kind", "subscriber_id", "subscription_id", "issue_id", "editor", "language", "context",
    "attempts", "resends", "created_at", "first_sent_at",
)  # fmt: skip


class NoticeOutbox(TableOutbox):
    """All notices that are due.

    A notice in doubt is sent once more, never a third time: a second confirm mail does less harm than none.

    :param editors: their addresses, in the order of ``[newsletter] editors``; no row stores one.
    """

    def __init__(
        self,
        engine: Engine,
        writer: Writer,
        clock: Clock,
        *,
        policy: Policy,
        editors: Sequence[str] = (),
        name: str = "",
    ) -> None:
        super().__init__(engine, writer, clock, ROWS, true(), policy=policy, name=name)
        self._editors = tuple(editors)

    def claim(self, limit: int) -> Sequence[Claim]:
        now = self._clock.now()
        if not self._anything(now):
            return []
        return self._with_readers(self._writer.call(lambda session: self._take(session, limit, now)))

    def _anything(self, now: datetime) -> bool:
        """Whether a claim is worth a transaction that writes: almost always not."""
        due = select(ROWS.c.id).where(_due(now)).limit(1)
        return self._writer.read(lambda session: session.scalar(due)) is not None

    def _take(self, session: Session, limit: int, now: datetime) -> Sequence[Any]:
        session.execute(
            update(ROWS)
            .where(self._unlocked(ROWS.c.status.in_(WAITING), ROWS.c.expires_at <= now))
            .values(status=DeliveryStatus.EXPIRED, next_attempt_at=None)
        )
        session.execute(
            update(ROWS)
            .where(self._unlocked(ROWS.c.status == DeliveryStatus.UNCERTAIN, _due(now)))
            .values(status=DeliveryStatus.QUEUED, resends=ROWS.c.resends + 1)
        )
        picked = (
            select(ROWS.c.id)
            .where(ROWS.c.status.in_(WAITING), _due(now))
            .order_by(ROWS.c.id)
            .limit(limit)
            .with_for_update(skip_locked=True)
            .cte("picked")
        )
        return session.execute(
            update(ROWS)
            .where(ROWS.c.id.in_(select(picked.c.id)))
            .values(
                status=DeliveryStatus.CLAIMED,
                worker=self.name,
                fence=ROWS.c.fence + 1,
                lease_until=now + self.policy.lease,
            )
            .returning(*(ROWS.c[name] for name in _CLAIMED))
        ).all()

    def _with_readers(self, rows: Sequence[Any]) -> list[Claim]:
        # No audience: who asks to join is not confirmed yet. The suppressed get no notice either, but who
        # moves is mailed at the new address, whatever became of the old one.
        everybody = [row.subscriber_id for row in rows if row.subscriber_id is not None]
        movers = [row.subscriber_id for row in rows if row.kind is NoticeKind.ADDRESS_CHANGE]
        readers = self._people(everybody, not_suppressed())
        moving = self._people(movers, SubscriberRow.new_address.is_not(None), moving=True)
        left = self._unsubscribed([row.subscription_id for row in rows if row.subscription_id is not None])
        claims = []
        for row in rows:
            theirs = moving if row.kind is NoticeKind.ADDRESS_CHANGE else readers
            recipient = self._editor(row) if row.editor is not None else theirs.get(row.subscriber_id)
            if recipient is None or row.subscription_id in left:
                self._withhold(row)
                continue
            claims.append(
                Claim(
                    id=row.id,
                    fence=row.fence,
                    recipient=Recipient(
                        subscriber_id=recipient.subscriber_id,
                        subscription_id=row.subscription_id or 0,
                        address=recipient.address,
                        name=recipient.name,
                        language=row.language or recipient.language,
                        attributes=recipient.attributes,
                    ),
                    attempts=row.attempts,
                    resends=row.resends,
                    date=row.first_sent_at if row.resends else None,
                    notice=Notice(
                        kind=row.kind.value,
                        language=row.language,
                        context=row.context,
                        issue_id=row.issue_id,
                        created_at=row.created_at,
                    ),
                )
            )
        return claims

    def _editor(self, row: Any) -> Recipient | None:
        if not 0 <= row.editor < len(self._editors):
            return None
        return Recipient(subscriber_id=0, subscription_id=0, address=self._editors[row.editor])

    def _people(
        self, subscriber_ids: Sequence[int], *conditions: Any, moving: bool = False
    ) -> dict[int, Recipient]:
        """Those who meet ``conditions``; ``moving``: by their new addresses."""
        if not subscriber_ids:
            return {}
        wanted = select(SubscriberRow).where(SubscriberRow.id.in_(subscriber_ids), *conditions)
        people = self._writer.read(lambda session: session.scalars(wanted).all())
        return {
            person.id: Recipient(
                subscriber_id=person.id,
                subscription_id=0,
                address=(person.new_address if moving else person.address) or "",
                name=person.name,
                language=person.language,
                attributes=person.attributes or {},
            )
            for person in people
        }

    def _unsubscribed(self, subscription_ids: Sequence[int]) -> set[int]:
        if not subscription_ids:
            return set()
        left = select(SubscriptionRow.id).where(
            SubscriptionRow.id.in_(subscription_ids),
            SubscriptionRow.status == SubscriptionStatus.UNSUBSCRIBED,
        )
        return self._writer.read(lambda session: set(session.scalars(left)))

    def tend(self) -> Tended:
        now = self._clock.now()
        self._writer.call(lambda session: self._tend(session, now))
        return Tended()

    def _tend(self, session: Session, now: datetime) -> None:
        self._renew(session, now)
        self._take_over(session, now, resend=True)

    def standing(self) -> Tended:
        return Tended()

    def leave(self) -> None:
        """Notices wait for any worker."""

    def pause(self, reason: str) -> None:
        """Notices are not paused: one refused by the server is deferred or refused by itself."""


def _due(now: datetime) -> Any:
    """Waiting and due, or in doubt for long enough and not sent again yet."""
    waiting = ROWS.c.status.in_(WAITING) & or_(
        ROWS.c.next_attempt_at.is_(None), ROWS.c.next_attempt_at <= now
    )
    doubtful = (
        (ROWS.c.status == DeliveryStatus.UNCERTAIN)
        & (ROWS.c.next_attempt_at <= now)
        & (ROWS.c.resends == 0)
        & or_(ROWS.c.expires_at.is_(None), ROWS.c.expires_at > now)
    )
    return waiting | doubtful
