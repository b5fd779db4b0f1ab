"""The outbox of one issue in the database: who has which copy, until when, and what became of it.

Works the same on SQLite and PostgreSQL; several workers on several machines share one issue. What a
worker holds is worth nothing without the row's fence, which grows with every claim.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any, cast

from sqlalchemy import (
    ColumnElement,
    Table,
    bindparam,
    case,
    func,
    literal,
    literal_column,
    select,
    text,
    update,
)
from sqlalchemy.engine import Engine
from sqlalchemy.orm import Session

from digest.clock import Clock
from digest.delivery.company import announce, withdraw
from digest.delivery.machine import Backlog, Claim, Intent, Policy, Standing, Tended, Verdict
from digest.delivery.presence import is_dead, worker_name
from digest.delivery.statements import LEASED, hot_statements
from digest.delivery.verdicts import unsent
from digest.delivery.writer import Writer
from digest.models import DeliveryRow, DeliveryStatus, IssueRow, IssueStatus, RenditionRow
from digest.values import Recipient
from subscribers.audience import audience
from subscribers.models import SubscriptionRow

ROWS = cast(Table, DeliveryRow.__table__)
WAITING = (DeliveryStatus.QUEUED, DeliveryStatus.DEFERRED)
DUE_EVERY = timedelta(seconds=0.5)
LONG_AGO = datetime(1, 1, 1, tzinfo=UTC)
LEFT_IN_DOUBT = "the sender ended between the final dot and the reply"
_leased = text(f"{ROWS.name}.{LEASED}")


class SqlOutbox:
    """The copies of ``issue_id``. ``list_id`` says whose consent is asked again at each claim.

    :param writer: shared by all outboxes of a process.
    :param name: the worker's name; found by itself.
    """

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
        self.name = name or worker_name()
        self.policy = policy
        self._writer = writer
        self._clock = clock
        self._issue_id = issue_id
        self._hot = hot_statements("deliveries", sqlite=engine.dialect.name == "sqlite")
        self._of_issue: ColumnElement[bool] = ROWS.c.issue_id == issue_id
        self._looked_for_due = LONG_AGO
        now = bindparam("now", type_=ROWS.c.next_attempt_at.type)
        self._claim_due = self._claiming(ROWS.c.status.in_(WAITING), ROWS.c.next_attempt_at <= now)
        self._claim_fresh = self._claiming(
            ROWS.c.status == DeliveryStatus.QUEUED, ROWS.c.next_attempt_at.is_(None)
        )
        # Consent may have been withdrawn since the audience was chosen: asked again, in one query.
        self._still_wanted = audience(list_id).where(
            SubscriptionRow.subscriber_id.in_(bindparam("people", expanding=True))
        )

    # -- the hot path -------------------------------------------------------------------------

    def intend(self, claim: Claim, date: datetime, told: Callable[[], None] | None = None) -> Intent:
        return self._writer.ask(self._hot, (claim.id, claim.fence, date), told)

    def record(self, claim: Claim, verdict: Verdict) -> None:
        self._writer.record(self._hot, (claim.id, claim.fence, verdict))

    def release(self, claims: Iterable[Claim]) -> None:
        for claim in claims:
            self.record(claim, unsent(claim))

    def settle(self) -> None:
        self._writer.flush()

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
                self._of_issue,
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
        readers = self._readers([row.subscriber_id for row in rows if row.subscriber_id is not None])
        claims = []
        for row in rows:
            reader = readers.get(row.subscriber_id)
            if reader is None:
                gone = Verdict(DeliveryStatus.SUPPRESSED, row.attempts)
                self._writer.record(self._hot, (row.id, row.fence, gone))
                continue
            claims.append(
                Claim(
                    id=row.id,
                    fence=row.fence,
                    recipient=reader,
                    attempts=row.attempts,
                    resends=row.resends,
                    date=row.first_sent_at if row.resends else None,
                    rendition_id=row.rendition_id,
                )
            )
        return claims

    def _readers(self, subscriber_ids: Sequence[int]) -> dict[int, Recipient]:
        if not subscriber_ids:
            return {}
        rows = self._writer.read(
            lambda session: session.execute(self._still_wanted, {"people": subscriber_ids}).all()
        )
        return {
            row.subscriber_id: Recipient(
                subscriber_id=row.subscriber_id,
                subscription_id=row.subscription_id,
                address=row.address,
                name=row.name,
                language=row.language,
                attributes=row.attributes or {},
                sections=None if row.sections is None else frozenset(row.sections),
            )
            for row in rows
        }

    # -- looking after ------------------------------------------------------------------------

    def tend(self) -> Tended:
        now = self._clock.now()
        return self._writer.call(lambda session: self._tend(session, now))

    def _tend(self, session: Session, now: datetime) -> Tended:
        announce(session, self._issue_id, self.name, until=now + self.policy.lease)
        # Only a lease that still lasts is renewed: who slept through it is fenced off.
        session.execute(
            update(ROWS)
            .where(
                unlocked(ROWS, self._of_issue, _leased, ROWS.c.lease_until > now, ROWS.c.worker == self.name)
            )
            .values(lease_until=now + self.policy.lease)
        )
        self._take_over(session, now)
        if self.policy.expires_at is not None and now >= self.policy.expires_at:
            self._expire(session)
        blown = self._send_doubtful_again(session, now)
        status, reason = self._status(session)
        return Tended(standing=_standing(status), reason=reason, blown=blown)

    def _take_over(self, session: Session, now: datetime) -> None:
        """Rows of workers whose lease is over, or who are dead for certain, are claimed by nobody."""
        holders = session.scalars(select(ROWS.c.worker).where(self._of_issue, _leased).distinct()).all()
        dead = [holder for holder in holders if holder != self.name and is_dead(holder)]
        again = literal(now + self.policy.doubt if self.policy.resend else None, ROWS.c.next_attempt_at.type)
        sending = ROWS.c.status == DeliveryStatus.SENDING
        session.execute(
            update(ROWS)
            .where(
                unlocked(ROWS, self._of_issue, _leased, (ROWS.c.lease_until <= now) | ROWS.c.worker.in_(dead))
            )
            .values(
                status=case((sending, DeliveryStatus.UNCERTAIN.value), else_=DeliveryStatus.QUEUED.value),
                next_attempt_at=case((sending & (ROWS.c.resends == 0), again), else_=None),
                reply=case((sending, LEFT_IN_DOUBT), else_=ROWS.c.reply),
                lease_until=None,
            )
        )

    def _expire(self, session: Session) -> None:
        session.execute(
            update(ROWS)
            .where(unlocked(ROWS, self._of_issue, ROWS.c.status.in_(WAITING)))
            .values(status=DeliveryStatus.EXPIRED, next_attempt_at=None)
        )

    def _send_doubtful_again(self, session: Session, now: datetime) -> int:
        doubtful = session.scalar(
            select(func.count()).where(self._of_issue, ROWS.c.status == DeliveryStatus.UNCERTAIN)
        )
        if not doubtful:
            return 0
        waiting = (
            self._of_issue,
            ROWS.c.status == DeliveryStatus.UNCERTAIN,
            ROWS.c.next_attempt_at.is_not(None),
        )
        copies = session.scalar(select(func.count()).where(self._of_issue)) or 0
        if doubtful > self.policy.fuse(copies):
            session.execute(update(ROWS).where(unlocked(ROWS, *waiting)).values(next_attempt_at=None))
            return doubtful
        if self.policy.resend:
            session.execute(
                update(ROWS)
                .where(unlocked(ROWS, *waiting, ROWS.c.next_attempt_at <= now, ROWS.c.resends == 0))
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

    def backlog(self) -> Backlog:
        return self._writer.read(lambda session: backlog_of(session, ROWS, self._of_issue, self._clock.now()))


def unlocked(rows: Table, *conditions: Any) -> ColumnElement[bool]:
    """The rows that meet ``conditions`` and that nobody is writing: what looks after many rows never waits
    for those who write few, so that no deadlock can come of it. What was left out is found the next time."""
    found = select(rows.c.id).where(*conditions).with_for_update(skip_locked=True).cte("found")
    return rows.c.id.in_(select(found.c.id))


def backlog_of(session: Session, rows: Any, condition: ColumnElement[bool], now: datetime) -> Backlog:
    """Count what is not at its end; the index makes the rest of a million rows cost nothing."""
    open_states = (*WAITING, DeliveryStatus.CLAIMED, DeliveryStatus.SENDING, DeliveryStatus.UNCERTAIN)
    later = rows.c.next_attempt_at > now
    state = case(
        (rows.c.status.in_((DeliveryStatus.CLAIMED, DeliveryStatus.SENDING)), "elsewhere"),
        (rows.c.status.in_(WAITING) & later, "later"),
        (rows.c.status.in_(WAITING), "due"),
        (rows.c.next_attempt_at.is_not(None), "doubtful"),
        else_="held",
    )
    counted = session.execute(
        select(
            state.label("state"), func.count().label("copies"), func.min(rows.c.next_attempt_at).label("next")
        )
        .where(condition, rows.c.status.in_(open_states))
        .group_by(literal_column("state"))
    ).all()
    counts = {row.state: row.copies for row in counted}
    moments = [row.next for row in counted if row.state in {"later", "doubtful"} and row.next is not None]
    return Backlog(**counts, next_at=min(moments, default=None))


def _standing(status: IssueStatus | None) -> Standing:
    match status:
        case IssueStatus.SENDING:
            return Standing.OPEN
        case IssueStatus.PAUSED:
            return Standing.PAUSED
        case _:
            return Standing.CLOSED
