"""A list with readers, an issue that is being sent, and a mail server that never leaves memory."""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy import Engine, insert, select, update
from sqlalchemy.orm import Session

import digest.models
from digest.clock import Clock, SystemClock
from digest.delivery.enqueue import enqueue
from digest.delivery.machine import Claim, Policy
from digest.delivery.outbox import SqlOutbox
from digest.delivery.worker import Habits, Lane, Worker
from digest.delivery.writer import Writer
from digest.models import DeliveryRow, IssueRow, IssueStatus
from digest.values import Accepted, Envelope, Outcome, Uncertain, Withheld
from subscribers.audience import audience
from subscribers.database import Base, open_engine
from subscribers.models import (
    MailingListRow,
    OptIn,
    SubscriberRow,
    SubscriptionRow,
    SubscriptionStatus,
)

START = datetime(2026, 3, 1, 7, 0, tzinfo=UTC)
assert digest.models  # all tables are known


@dataclass
class Newsroom:
    """A database with one list and one issue."""

    engine: Engine
    issue_id: int = 1
    list_id: int = 1

    def readers(self, count: int) -> None:
        """``count`` confirmed readers."""
        with Session(self.engine) as session, session.begin():
            session.execute(
                insert(SubscriberRow),
                [
                    {
                        "id": n, "address": f"reader{n}@example.org", "normalized": f"reader{n}@example.org",
                        "domain": "example.org", "suppression_hash": n.to_bytes(16, "big"),
                        "name": f"Reader {n}", "created_at": START, "updated_at": START,
                    }
                    for n in range(1, count + 1)
                ],
            )  # fmt: skip
            session.execute(
                insert(SubscriptionRow),
                [
                    {
                        "id": n + 1000000, "subscriber_id": n, "list_id": self.list_id,
                        "status": SubscriptionStatus.CONFIRMED, "created_at": START,
                    }
                    for n in range(1, count + 1)
                ],
            )  # fmt: skip

    def enqueue(self) -> int:
        with Session(self.engine) as session, session.begin():
            return enqueue(session, self.issue_id, audience(self.list_id))

    def statuses(self) -> dict[str, int]:
        with Session(self.engine) as session:
            return dict(Counter(status.value for status in session.scalars(select(DeliveryRow.status))))

    def row(self, subscriber_id: int) -> DeliveryRow:
        with Session(self.engine, expire_on_commit=False) as session:
            return session.scalars(
                select(DeliveryRow).where(DeliveryRow.subscriber_id == subscriber_id)
            ).one()

    def issue(self) -> IssueRow:
        with Session(self.engine, expire_on_commit=False) as session:
            return session.get_one(IssueRow, self.issue_id)

    def set_issue(self, status: IssueStatus) -> None:
        with Session(self.engine) as session, session.begin():
            session.execute(update(IssueRow).where(IssueRow.id == self.issue_id).values(status=status))


@pytest.fixture
def newsroom(database_url: str) -> Iterator[Newsroom]:
    engine = open_engine(database_url)
    yield prepared_newsroom(engine)
    engine.dispose()


def prepared_newsroom(engine: Engine) -> Newsroom:
    """The tables, a list and an issue that is being sent."""
    Base.metadata.create_all(engine)
    with Session(engine) as session, session.begin():
        session.add(MailingListRow(id=1, name="daily", optin=OptIn.SINGLE, created_at=START))
        session.add(
            IssueRow(
                id=1, edition="daily", date=START.date(), status=IssueStatus.SENDING, ledger="daily",
                list_name="daily", language="en", timezone="UTC", subject="Subject", preheader="",
                built_at=START,
            )
        )  # fmt: skip
    return Newsroom(engine)


Answer = Callable[[Envelope, int], Outcome]


@dataclass
class MailServer:
    """A transport that keeps what it accepts.

    ``answer(envelope, times)`` says what it does with a copy that it sees for the ``times``-th time; what
    it accepts or loses the answer to went through the dot, hence needs the permit.
    """

    answer: Answer = field(default=lambda envelope, times: Accepted(queue_id="Q"))
    accepted: list[Envelope] = field(default_factory=list)
    seen: Counter[str] = field(default_factory=Counter)
    opened: int = 0
    lock: threading.Lock = field(default_factory=threading.Lock)
    before_dot: Callable[[Envelope], None] = field(default=lambda envelope: None)

    def open(self) -> MailSession:
        with self.lock:
            self.opened += 1
        return MailSession(self)

    @property
    def copies(self) -> Counter[str]:
        return Counter(envelope.recipient for envelope in self.accepted)


class MailSession:
    """One connection to ``MailServer``."""

    usable = True

    def __init__(self, server: MailServer) -> None:
        self._server = server

    def send(self, envelope: Envelope, *, permit: Callable[[], bool]) -> Outcome:
        server = self._server
        with server.lock:
            server.seen[envelope.recipient] += 1
            times = server.seen[envelope.recipient]
        outcome = server.answer(envelope, times)
        if isinstance(outcome, Accepted | Uncertain):
            server.before_dot(envelope)
            if not permit():
                self.usable = False
                return Withheld()
            with server.lock:
                server.accepted.append(envelope)
        if isinstance(outcome, Uncertain):
            self.usable = False
        return outcome

    def close(self) -> None:
        self.usable = False


def compose(claim: Claim, date: datetime) -> Envelope:
    message = f"Date: {date.isoformat()}\r\nMessage-ID: <{claim.recipient.subscriber_id}@x>\r\n\r\nHello\r\n"
    return Envelope("daily@example.org", claim.recipient.address, (message.encode(),))


QUICK = Habits(company=5.0, first_delay=0.01, patience=2.0)


@dataclass
class Desk:
    """Makes outboxes and workers for a newsroom."""

    newsroom: Newsroom
    clock: SystemClock = field(default_factory=SystemClock)
    writers: list[Writer] = field(default_factory=list)

    def writer(self, clock: Clock | None = None) -> Writer:
        writer = Writer(self.newsroom.engine, clock or self.clock, patience=3.0)
        self.writers.append(writer)
        return writer

    def outbox(
        self, policy: Policy | None = None, *, name: str = "", clock: Clock | None = None
    ) -> SqlOutbox:
        return SqlOutbox(
            self.newsroom.engine,
            self.writer(clock),
            clock or self.clock,
            issue_id=self.newsroom.issue_id,
            list_id=self.newsroom.list_id,
            policy=policy or Policy(connections=4),
            name=name,
        )

    def worker(
        self, server: MailServer, policy: Policy | None = None, habits: Habits = QUICK, **more: object
    ) -> Worker:
        policy = policy or Policy(connections=4)
        lane = Lane(self.outbox(policy), compose)
        copies = sum(self.newsroom.statuses().values())
        return Worker(server, [lane], self.clock, policy, habits=habits, copies=copies, **more)  # type: ignore[arg-type]


@pytest.fixture
def desk(newsroom: Newsroom) -> Iterator[Desk]:
    desk = Desk(newsroom)
    yield desk
    for writer in desk.writers:
        writer.close()


__all__ = ["Desk", "MailServer", "Newsroom", "compose", "timedelta"]
