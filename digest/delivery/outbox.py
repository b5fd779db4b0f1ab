"""The outbox of one issue in the database: who has which copy, until when, and what became of it.

Works the same on SQLite and PostgreSQL; several workers on several machines share one issue. What a
worker holds is worth nothing without the row's fence, which grows with every claim.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Any, cast

from sqlalchemy import ColumnElement, Table, bindparam, func, select, update
from sqlalchemy.engine import Engine
from sqlalchemy.orm import Session

from digest.clock import Clock
from digest.delivery.company import announce, withdraw
from digest.delivery.leased import TableOutbox
from digest.delivery.machine import WAITING, Claim, Policy, Standing, Tended
from digest.delivery.writer import Writer
from digest.models import DeliveryRow, DeliveryStatus, IssueRow, IssueStatus, RenditionRow
from digest.values import Recipient
from subscribers.audience import audience
from subscribers.models import SubscriberRow, SubscriptionRow

ROWS = cast(Table, DeliveryRow.__table__)
DUE_EVERY = timedelta(seconds=0.5)
LONG_AGO = datetime(1, 1, 1, tzinfo=UTC)


class SqlOutbox(TableOutbox):
    """The copies of ``issue_id``. ``list_id`` says whose consent is asked again at each claim."""

    def __init__(
        self,
        engine: Engine,
        writer: Writer,
        clock: Clock,
        *,
        issue_id: int,
        list_id: int,
        policy: Policy,
        name: str = "",
    ) -> None:
        super().__init__(engine, writer, clock, ROWS, ROWS.c.issue_id == issue_id, policy=policy, name=name)
        self._issue_id = issue_id
        self._looked_for_due = LONG_AGO
        now = bindparam("now", type_=ROWS.c.next_attempt_at.type)
        self._claim_due = self._claiming(ROWS.c.status.in_(WAITING), ROWS.c.next_attempt_at <= now)
        self._claim_fresh = self._claiming(
            ROWS.c.status == DeliveryStatus.QUEUED, ROWS.c.next_attempt_at.is_(None)
        )
        # Consent may have been withdrawn since the audience was chosen: asked again, in one query.
        self._still_wanted = (
            audience(list_id)
            .where(SubscriptionRow.subscriber_id.in_(bindparam("people", expanding=True)))
            .with_only_columns(
                SubscriberRow.id,
                SubscriptionRow.id,
                SubscriberRow.address,
                SubscriberRow.name,
                SubscriberRow.language,
                SubscriberRow.attributes,
                SubscriptionRow.sections,
                maintain_column_froms=True,
            )
        )

    # -- claims -------------------------------------------------------------------------------

    def claim(self, limit: int) -> Sequence[Claim]:
        now = self._clock.now()
        rows = self._writer.call(lambda session: self._take(session, limit, now))
        return self._with_readers(rows)

    def _take(self, session: Session, limit: int, now: datetime) -> list[Any]:
        given = {"worker": self.name, "lease": now + self.policy.lease, "now": now}
        taken: list[Any] = []
        # What waits for its time is looked for now and then, and whenever nothing fresh is left.
        if now - self._looked_for_due >= DUE_EVERY or now < self._looked_for_due:
            self._looked_for_due = now
            taken += session.execute(self._claim_due, {**given, "most": limit}).all()
        if len(taken) < limit:
            fresh = session.execute(self._claim_fresh, {**given, "most": limit - len(taken)}).all()
            self._looked_for_due = self._looked_for_due if fresh else LONG_AGO
            taken += fresh
        return taken

    def _claiming(self, *conditions: ColumnElement[bool]) -> Any:
        """The statement that claims rows, made once: making it costs more than running it."""
        picked = (
            select(ROWS.c.id)
            .where(
                self._mine,
                *conditions,
                select(IssueRow.id)
                .where(IssueRow.id == self._issue_id, IssueRow.status == IssueStatus.SENDING)
                .exists(),
            )
            .order_by(ROWS.c.next_attempt_at, ROWS.c.id)
            .limit(bindparam("most"))
            .with_for_update(skip_locked=True)
            .cte("picked")
        )
        newest = select(func.max(RenditionRow.id)).where(RenditionRow.issue_id == self._issue_id)
        moment = ROWS.c.lease_until.type
        return (
            update(ROWS)
            .where(ROWS.c.id.in_(select(picked.c.id)))
            .values(
                status=DeliveryStatus.CLAIMED,
                worker=bindparam("worker"),
                fence=ROWS.c.fence + 1,
                lease_until=bindparam("lease", type_=moment),
                # A copy that came back goes out with what stands by now, not with what was withdrawn since.
                rendition_id=func.coalesce(newest.scalar_subquery(), ROWS.c.rendition_id),
            )
            .returning(
                ROWS.c.id,
                ROWS.c.fence,
                ROWS.c.subscriber_id,
                ROWS.c.attempts,
                ROWS.c.resends,
                ROWS.c.first_sent_at,
                ROWS.c.rendition_id,
            )
        )

    def _with_readers(self, rows: Sequence[Any]) -> Sequence[Claim]:
        """Join the claimed rows with their readers; who no longer wants mail is taken out here."""
        readers = self._readers([person for _, _, person, *_ in rows if person is not None])
        claims = []
        for row in rows:
            number, fence, subscriber, attempts, resends, first_sent_at, rendition = row
            reader = readers.get(subscriber)
            if reader is None:
                self._withhold(row)
                continue
            date = first_sent_at if resends else None
            claims.append(Claim(number, fence, reader, attempts, resends, date, rendition))
        return claims

    def _readers(self, subscriber_ids: Sequence[int]) -> dict[int, Recipient]:
        if not subscriber_ids:
            return {}
        rows = self._writer.read(
            # Straight from the connection: rows that are no objects need not pass through the ORM.
            lambda session: session.connection().execute(self._still_wanted, {"people": subscriber_ids}).all()
        )
        return {
            person: Recipient(
                subscriber_id=person,
                subscription_id=subscription,
                address=address,
                name=name,
                language=language,
                attributes=attributes or {},
                sections=None if sections is None else frozenset(sections),
            )
            for person, subscription, address, name, language, attributes, sections in rows
        }

    # -- looking after ------------------------------------------------------------------------

    def tend(self) -> Tended:
        now = self._clock.now()
        return self._writer.call(lambda session: self._tend(session, now))

    def _tend(self, session: Session, now: datetime) -> Tended:
        announce(session, self._issue_id, self.name, until=now + self.policy.lease)
        self._renew(session, now)
        self._take_over(session, now, resend=self.policy.resend)
        if self.policy.expires_at is not None and now >= self.policy.expires_at:
            self._expire(session)
        blown = self._send_doubtful_again(session, now)
        status, reason = self._status(session)
        return Tended(standing=_standing(status), reason=reason, blown=blown)

    def _expire(self, session: Session) -> None:
        session.execute(
            update(ROWS)
            .where(self._unlocked(ROWS.c.status.in_(WAITING)))
            .values(status=DeliveryStatus.EXPIRED, next_attempt_at=None)
        )

    def _send_doubtful_again(self, session: Session, now: datetime) -> int:
        doubtful = session.scalar(
            select(func.count()).where(self._mine, ROWS.c.status == DeliveryStatus.UNCERTAIN)
        )
        if not doubtful:
            return 0
        waiting = (ROWS.c.status == DeliveryStatus.UNCERTAIN, ROWS.c.next_attempt_at.is_not(None))
        copies = session.scalar(select(func.count()).where(self._mine)) or 0
        if doubtful > self.policy.fuse(copies):
            session.execute(update(ROWS).where(self._unlocked(*waiting)).values(next_attempt_at=None))
            return doubtful
        if self.policy.resend:
            session.execute(
                update(ROWS)
                .where(self._unlocked(*waiting, ROWS.c.next_attempt_at <= now, ROWS.c.resends == 0))
                .values(status=DeliveryStatus.QUEUED, resends=ROWS.c.resends + 1)
            )
        return 0

    def standing(self) -> Tended:
        status, reason = self._writer.read(self._status)
        return Tended(standing=_standing(status), reason=reason)

    def _status(self, session: Session) -> tuple[IssueStatus | None, str]:
        row = session.execute(
            select(IssueRow.status, IssueRow.paused_reason).where(IssueRow.id == self._issue_id)
        ).one_or_none()
        return (None, "") if row is None else (row.status, row.paused_reason)

    def pause(self, reason: str) -> None:
        self._writer.call(
            lambda session: session.execute(
                update(IssueRow)
                .where(IssueRow.id == self._issue_id, IssueRow.status == IssueStatus.SENDING)
                .values(status=IssueStatus.PAUSED, paused_reason=reason)
            )
        )

    def leave(self) -> None:
        """Tell others that this worker no longer stands by the issue."""
        self._writer.call(lambda session: withdraw(session, self._issue_id, self.name))


def _standing(status: IssueStatus | None) -> Standing:
    match status:
        case IssueStatus.SENDING:
            return Standing.OPEN
        case IssueStatus.PAUSED:
            return Standing.PAUSED
        case _:
            return Standing.CLOSED
