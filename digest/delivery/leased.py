"""Rows that workers lease, copies and notices alike: renewed, taken over from the dead, and counted."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from typing import Any

from sqlalchemy import ColumnElement, Table, case, func, literal, literal_column, select, text, update
from sqlalchemy.engine import Engine
from sqlalchemy.orm import Session

from digest.clock import Clock
from digest.delivery.machine import OPEN, WAITING, Backlog, Claim, Intent, Policy, Verdict
from digest.delivery.presence import is_dead, worker_name
from digest.delivery.statements import LEASED, hot_statements
from digest.delivery.verdicts import unsent
from digest.delivery.writer import Writer
from digest.models import DeliveryStatus

LEFT_IN_DOUBT = "the sender ended between the final dot and the reply"


class TableOutbox:
    """What outboxes in the database have in common (``digest.delivery.machine.Outbox``).

    :param rows: the table. :param mine: which of its rows are the outbox's.
    :param writer: shared by all outboxes of a process.
    :param name: the worker's name; found by itself.
    """

    def __init__(
        self,
        engine: Engine,
        writer: Writer,
        clock: Clock,
        rows: Table,
        mine: ColumnElement[bool],
        *,
        policy: Policy,
        name: str = "",
    ) -> None:
        self.name = name or worker_name()
        self.policy = policy
        self._writer = writer
        self._clock = clock
        self._rows = rows
        self._mine = mine
        self._hot = hot_statements(rows.name, sqlite=engine.dialect.name == "sqlite")
        self._leased = text(f"{rows.name}.{LEASED}")

    # -- the hot path -------------------------------------------------------------------------

    def intend(self, claim: Claim, date: datetime) -> Intent:
        return self._writer.ask(self._hot, (claim.id, claim.fence, date))

    def record(self, claim: Claim, verdict: Verdict) -> None:
        self._writer.record(self._hot, (claim.id, claim.fence, verdict))

    def write(self) -> None:
        self._writer.write()

    def release(self, claims: Iterable[Claim]) -> None:
        for claim in claims:
            self.record(claim, unsent(claim))

    def settle(self) -> None:
        self._writer.flush()

    def _withhold(self, row: Any) -> None:
        """A claimed row whose reader no longer wants mail."""
        gone = Verdict(DeliveryStatus.SUPPRESSED, row.attempts)
        self._writer.record(self._hot, (row.id, row.fence, gone))

    # -- looking after ------------------------------------------------------------------------

    def _renew(self, session: Session, now: datetime) -> None:
        """Only a lease that still lasts is renewed: who slept through it is fenced off."""
        rows = self._rows
        session.execute(
            update(rows)
            .where(self._unlocked(self._leased, rows.c.lease_until > now, rows.c.worker == self.name))
            .values(lease_until=now + self.policy.lease)
        )

    def _take_over(self, session: Session, now: datetime, *, resend: bool) -> None:
        """Rows of workers whose lease is over, or who are dead for certain, are claimed by nobody.

        :param resend: whether what they left in doubt is sent once more by itself.
        """
        rows = self._rows
        holders = session.scalars(select(rows.c.worker).where(self._mine, self._leased).distinct()).all()
        dead = [holder for holder in holders if holder != self.name and is_dead(holder)]
        again = literal(now + self.policy.doubt if resend else None, rows.c.next_attempt_at.type)
        sending = rows.c.status == DeliveryStatus.SENDING
        session.execute(
            update(rows)
            .where(self._unlocked(self._leased, (rows.c.lease_until <= now) | rows.c.worker.in_(dead)))
            .values(
                status=case((sending, DeliveryStatus.UNCERTAIN.value), else_=DeliveryStatus.QUEUED.value),
                next_attempt_at=case((sending & (rows.c.resends == 0), again), else_=None),
                reply=case((sending, LEFT_IN_DOUBT), else_=rows.c.reply),
                lease_until=None,
            )
        )

    def _unlocked(self, *conditions: Any) -> ColumnElement[bool]:
        """Ours that meet ``conditions`` and that nobody is writing: what looks after many rows never waits
        for those who write few, so that no deadlock can come of it. What was left out is found next time."""
        ids = self._rows.c.id
        found = select(ids).where(self._mine, *conditions).with_for_update(skip_locked=True).cte("found")
        return ids.in_(select(found.c.id))

    def backlog(self) -> Backlog:
        now = self._clock.now()
        return self._writer.read(lambda session: self._backlog(session, now))

    def _backlog(self, session: Session, now: datetime) -> Backlog:
        """Count what is not at its end; the index makes the rest of a million rows cost nothing."""
        rows = self._rows
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
                state.label("state"),
                func.count().label("copies"),
                func.min(rows.c.next_attempt_at).label("next"),
            )
            .where(self._mine, rows.c.status.in_(OPEN))
            .group_by(literal_column("state"))
        ).all()
        counts = {row.state: row.copies for row in counted}
        moments = [row.next for row in counted if row.state in {"later", "doubtful"} and row.next is not None]
        return Backlog(**counts, next_at=min(moments, default=None))
