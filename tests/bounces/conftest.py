"""A newsletter with readers who got issues, and reports that come back about them."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import pytest
from sqlalchemy import Engine, select
from sqlalchemy.orm import Session, sessionmaker

from digest.bounces.mailbox import After, Mailbox
from digest.bounces.mailbox.files import MaildirMailbox
from digest.clock import StoppedClock
from digest.models import DeliveryRow, DeliveryStatus, IssueRow, IssueStatus
from digest.pipeline.bounce_batches import Counts, Rules, process_mailbox
from digest.values.progress import Silent
from subscribers.addresses import parse_address
from subscribers.database import Base, open_engine, session_factory
from subscribers.models import (
    BounceEventRow,
    MailingListRow,
    SubscriberRow,
    SubscriptionRow,
    SubscriptionStatus,
)
from subscribers.suppression import SuppressionKey, is_suppressed
from subscribers.tokens import TokenSigner

START = datetime(2026, 11, 2, 7, 0, tzinfo=UTC)
KEY = SuppressionKey(b"suppression key for tests")
SIGNER = TokenSigner([b"token key for tests, 1"])


@dataclass
class Newsletter:
    """One list, "daily", and what became of its issues."""

    engine: Engine
    folder: Path
    clock: StoppedClock = field(default_factory=lambda: StoppedClock(START))
    rules: Rules = field(default_factory=lambda: Rules(KEY, SIGNER, editors=1))

    @property
    def sessions(self) -> sessionmaker[Session]:
        return session_factory(self.engine)

    def reader(self, address: str) -> int:
        """A confirmed reader; returns the subscription's number (the subscriber's is the same)."""
        parsed = parse_address(address)
        with self.sessions.begin() as session:
            if session.get(MailingListRow, 1) is None:
                session.add(MailingListRow(id=1, name="daily", created_at=START))
                session.flush()
            row = SubscriberRow(
                address=address,
                normalized=parsed.normalized,
                domain=parsed.domain,
                suppression_hash=KEY.hash(parsed.normalized),
                created_at=START,
                updated_at=START,
            )
            session.add(row)
            session.flush()
            joined = SubscriptionRow(
                id=row.id,
                subscriber_id=row.id,
                list_id=1,
                status=SubscriptionStatus.CONFIRMED,
                created_at=START,
            )
            session.add(joined)
            return row.id

    def issue(
        self,
        number: int,
        *,
        to: list[int],
        status: IssueStatus = IssueStatus.SENT,
        days: int = 0,
        delivery: dict[str, object] | None = None,
    ) -> int:
        """Issue ``number``, sent ``days`` after the start to these subscribers."""
        at = START + timedelta(days=days)
        with self.sessions.begin() as session:
            session.add(
                IssueRow(
                    id=number,
                    edition="daily",
                    date=date(2026, 11, 2) + timedelta(days=number),
                    number=number,
                    status=status,
                    ledger="daily",
                    list_name="daily",
                    language="en",
                    timezone="UTC",
                    subject="s",
                    preheader="p",
                    built_at=at,
                )
            )
            session.flush()
            for one in to:
                values = {"status": DeliveryStatus.SENT, "sent_at": at, **(delivery or {})}
                session.add(DeliveryRow(issue_id=number, subscriber_id=one, subscription_id=one, **values))
        return number

    @property
    def maildir(self) -> Path:
        for name in ("new", "cur", "tmp"):
            (self.folder / "maildir" / name).mkdir(parents=True, exist_ok=True)
        return self.folder / "maildir"

    def arrives(self, *raws: bytes) -> None:
        """These messages lie in the mailbox."""
        for raw in raws:
            number = sum(1 for _ in (self.maildir / "new").iterdir())
            (self.maildir / "new" / f"{number:06}.{abs(hash(raw))}").write_bytes(raw)

    def poll(self, *raws: bytes, rules: Rules | None = None) -> Counts:
        """Read the Maildir once, after these arrived."""
        self.arrives(*raws)
        return self.read(MaildirMailbox(self.maildir, after=After.DELETE), rules=rules)

    def read(self, mailbox: Mailbox, *, rules: Rules | None = None) -> Counts:
        """Read ``mailbox`` once and let it go."""
        try:
            return process_mailbox(
                mailbox,
                self.sessions,
                rules or self.rules,
                clock=self.clock,
                kept=self.folder / "kept",
                progress=Silent(),
            )
        finally:
            mailbox.close()

    def is_suppressed(self, address: str) -> bool:
        with self.sessions() as session:
            return is_suppressed(session, parse_address(address), KEY)

    def status_of(self, subscription: int) -> SubscriptionStatus:
        with self.sessions() as session:
            row = session.get(SubscriptionRow, subscription)
            assert row is not None
            return row.status

    def events(self) -> list[BounceEventRow]:
        with self.sessions() as session:
            return list(session.scalars(select(BounceEventRow).order_by(BounceEventRow.id)))


@pytest.fixture
def newsletter(database_url: str, tmp_path: Path) -> Iterator[Newsletter]:
    engine = open_engine(database_url)
    Base.metadata.create_all(engine)
    yield Newsletter(engine, tmp_path)
    engine.dispose()


def bounce(
    address: str,
    diagnosis: str = "550 5.1.1 user unknown",
    *,
    token: str = "",
    message_id: str = "x@daily.example",
    action: str = "failed",
    serial: int = 0,
) -> bytes:
    """A report of RFC 3464 about one recipient, sent to a VERP address if there is a token."""
    status = next((word for word in diagnosis.split() if word.count(".") == 2), "")
    to = f"bounce+{token}@daily.example" if token else "bounce@daily.example"
    return (
        f"From: MAILER-DAEMON@mx.example\nTo: {to}\nSubject: Undelivered Mail Returned to Sender\n"
        f"Date: {serial}\n"
        f"Message-ID: <report-{serial}-{address}-{token}>\nMIME-Version: 1.0\n"
        'Content-Type: multipart/report; report-type=delivery-status; boundary="b1"\n\n'
        "--b1\nContent-Type: text/plain\n\nSorry.\n--b1\nContent-Type: message/delivery-status\n\n"
        "Reporting-MTA: dns; mx.example\n\n"
        f"Final-Recipient: rfc822; {address}\nAction: {action}\nStatus: {status}\nDiagnostic-Code: "
        f"smtp; {diagnosis}\n\n"
        f"--b1\nContent-Type: text/rfc822-headers\n\nMessage-ID: <{message_id}>\nTo: {address}\n\n--b1--\n"
    ).encode()


def complaint(message_id: str, *, serial: int = 0) -> bytes:
    """A provider's complaint that names nobody but a Message-ID."""
    return (
        f"From: fbl@mailbox.example\nTo: bounce@daily.example\nSubject: FW: news\nDate: {serial}\n"
        f"MIME-Version: 1.0\n"
        'Content-Type: multipart/report; report-type=feedback-report; boundary="b1"\n\n'
        "--b1\nContent-Type: message/feedback-report\n\nFeedback-Type: abuse\nVersion: 1\n\n"
        f"--b1\nContent-Type: text/rfc822-headers\n\nMessage-ID: <{message_id}>\n\n--b1--\n"
    ).encode()
