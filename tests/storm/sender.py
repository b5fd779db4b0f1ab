"""One sender process of the storm: everything built anew, as after a crash."""

from __future__ import annotations

import signal
from dataclasses import dataclass
from datetime import datetime, timedelta

from digest.clock import SystemClock
from digest.delivery.machine import Claim, Policy
from digest.delivery.outbox import SqlOutbox
from digest.delivery.smtp import SmtpServer, SmtpTransport
from digest.delivery.worker import Habits, Lane, Worker
from digest.delivery.writer import Writer
from digest.values import Envelope
from subscribers.database import open_engine

LINE = b"Nothing in this paper is sent twice, and nothing in it is lost: that is the point of it.\r\n"
BODY = LINE * 20


@dataclass(frozen=True)
class Weather:
    """What all senders of a storm have in common."""

    url: str
    port: int
    connections: int
    resend: bool
    lease: float
    doubt: float
    copies: int


def compose(claim: Claim, date: datetime) -> Envelope:
    head = (
        f"Date: {date.isoformat()}\r\n"
        f"Message-ID: <{claim.recipient.subscriber_id}@storm.example>\r\n"
        f"To: {claim.recipient.address}\r\n\r\n"
    )
    return Envelope("daily@storm.example", claim.recipient.address, (head.encode(), BODY))


def send(weather: Weather) -> None:
    """Send until nothing is left, or until killed."""
    signal.signal(signal.SIGINT, signal.SIG_DFL)
    clock = SystemClock()
    engine = open_engine(weather.url)
    writer = Writer(engine, clock)
    policy = Policy(
        resend=weather.resend,
        lease=timedelta(seconds=weather.lease),
        doubt=timedelta(seconds=weather.doubt),
        connections=weather.connections,
        retries=[timedelta(seconds=0.3)],
        fuse_share=0.05,
    )
    server = SmtpServer(host="127.0.0.1", port=weather.port, tls="never", timeout=5.0, dot_timeout=5.0)
    outbox = SqlOutbox(engine, writer, clock, issue_id=1, list_id=1, policy=policy)
    habits = Habits(linger=60.0, company=60.0, first_delay=0.02, patience=60.0)
    run = Worker(
        SmtpTransport(server, clock), [Lane(outbox, compose)], clock, policy,
        habits=habits, copies=weather.copies,
    ).run()  # fmt: skip
    writer.close()
    if run.error is not None:
        raise run.error
