"""Bounces: CPU of reading and judging one message, and 10,000 messages over IMAP from a real Dovecot.

    python benchmarks/bounces.py [MESSAGES]

The poll over IMAP is killed (SIGKILL) in the middle and run again. Needs root for Dovecot, which gives its
privileges away itself. DONTMISS_TEST_DATA may name labelled mails for the first figure; else our own samples.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

from sqlalchemy import func, insert, select  # noqa: E402

from digest.bounces.parsing import parse_report  # noqa: E402
from digest.models import DeliveryRow, DeliveryStatus, IssueRow, IssueStatus  # noqa: E402
from subscribers.database import Base, open_engine, session_factory  # noqa: E402
from subscribers.models import (  # noqa: E402
    BounceEventRow,
    MailingListRow,
    SubscriberRow,
    SubscriptionRow,
    SubscriptionStatus,
    SuppressionRow,
)
from tests.bounces.conftest import KEY, SIGNER, START, bounce  # noqa: E402


def cpu_per_message() -> None:
    named = os.environ.get("DONTMISS_TEST_DATA", str(ROOT.parent / "shared" / "data"))
    folder = Path(named) / "bounces" / "bounces"
    files = sorted(path for path in folder.rglob("*") if path.suffix in {".eml", ".txt"})
    files = files or sorted((ROOT / "tests" / "bounces" / "samples").glob("*.eml"))
    raws = [path.read_bytes() for path in files]
    first = time.process_time()
    for raw in raws:
        parse_report(raw)
    cold = (time.process_time() - first) / len(raws)
    best = min(_once(raws) for _ in range(5))
    print(
        f"reading and judging {len(raws)} messages: {1000 * cold:.2f} ms CPU each at first, "
        f"{1000 * best:.2f} ms in the best of 5 rounds"
    )


def _once(raws: list[bytes]) -> float:
    begin = time.process_time()
    for raw in raws:
        parse_report(raw)
    return (time.process_time() - begin) / len(raws)


def fill(folder: Path, messages: int) -> list[bytes]:
    """A list of ``messages`` readers who all got issue 1; returns a report about each of them."""
    engine = open_engine(f"sqlite:///{folder}/digest.sqlite3")
    Base.metadata.create_all(engine)
    numbers = range(1, messages + 1)
    people = [
        {
            "id": n,
            "address": f"r{n}@example.org",
            "normalized": f"r{n}@example.org",
            "domain": "example.org",
            "suppression_hash": KEY.hash(f"r{n}@example.org"),
            "created_at": START,
            "updated_at": START,
        }
        for n in numbers
    ]
    with session_factory(engine).begin() as session:
        session.add(MailingListRow(id=1, name="daily", created_at=START))
        session.flush()
        session.execute(insert(SubscriberRow), people)
        session.execute(
            insert(SubscriptionRow),
            [
                {
                    "id": n,
                    "subscriber_id": n,
                    "list_id": 1,
                    "status": SubscriptionStatus.CONFIRMED,
                    "created_at": START,
                }
                for n in numbers
            ],
        )
        session.add(
            IssueRow(
                id=1,
                edition="daily",
                date=START.date(),
                status=IssueStatus.SENT,
                ledger="daily",
                list_name="daily",
                language="en",
                timezone="UTC",
                subject="s",
                preheader="p",
                built_at=START,
            )
        )
        session.flush()
        session.execute(
            insert(DeliveryRow),
            [
                {
                    "issue_id": 1,
                    "subscriber_id": n,
                    "subscription_id": n,
                    "status": DeliveryStatus.SENT,
                    "sent_at": START,
                }
                for n in numbers
            ],
        )
    engine.dispose()
    reasons = ("550 5.1.1 user unknown", "552 5.2.2 mailbox full", "554 5.7.1 blocked using zen.spamhaus.org")
    padding = b"X-Padding: " + b"x" * 60 + b"\n"
    return [
        bounce(f"r{n}@example.org", reasons[n % 3], token=SIGNER.sign_verp(n, 1), serial=n) + padding * 20
        for n in numbers
    ]


def over_imap(messages: int) -> None:
    from tests.bounces.dovecot import PASSWORD, dovecot

    with tempfile.TemporaryDirectory() as name, dovecot() as server:
        folder = Path(name)
        server.put(fill(folder, messages))
        server.authority.cert_pem.write_to_path(str(folder / "ca.pem"))
        url = f"imaps://user:{PASSWORD}@127.0.0.1:{server.tls_port}/INBOX"
        engine = open_engine(f"sqlite:///{folder}/digest.sqlite3")
        command = [sys.executable, "-m", "tests.bounces.poller", name, url, str(folder / "ca.pem")]
        begin = time.monotonic()
        subprocess.run([*command, str(messages // 400)], cwd=ROOT, check=False)
        at_kill = _count(engine, BounceEventRow)
        second = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True)
        seconds = time.monotonic() - begin
        read, repeated = (int(word) for word in second.stdout.split())
        events, suppressed = _count(engine, BounceEventRow), _count(engine, SuppressionRow)
        with session_factory(engine)() as session:
            once = session.scalar(select(func.count(func.distinct(BounceEventRow.subscriber_id))))
        print(
            f"{messages} messages over IMAP: {seconds:.1f} s, killed at {at_kill}; "
            f"then {read} new, {repeated} known already"
        )
        print(
            f"events {events} (each reader once: {once}), suppressed {suppressed}, "
            f"left in the mailbox {server.count()}"
        )
        expected = sum(1 for n in range(1, messages + 1) if n % 3 == 0)
        assert (events, once, suppressed, server.count()) == (messages, messages, expected, 0)
        engine.dispose()


def _count(engine, table) -> int:
    with session_factory(engine.execution_options(writes=False))() as session:
        return session.scalar(select(func.count()).select_from(table)) or 0


if __name__ == "__main__":
    cpu_per_message()
    over_imap(int(sys.argv[1]) if len(sys.argv) > 1 else 10_000)
