"""How fast an issue goes over the wire, beside Postfix's own load generator on the same sink.

    python benchmarks/send.py [--messages 20000] [--rounds 3] [--connections 16]
        [--only 60k,20k,dkim,tls,delay,enqueue,smtplib]

Needs ``smtp-sink`` and ``smtp-source`` (Debian: postfix). Each of our runs is a process of its own with a
new SQLite database (synchronous=FULL), different subscribers, links signed for each, the intent
recorded before each dot and the result after it. Wall time is from the first claim to the last result on
disk; CPU is that process's. Rounds take turns with ``smtp-source -d``; medians are compared, since the
machine is never quiet.

Aims: 60 KB: wall ≤ 1.25 × smtp-source, CPU ≤ 120 µs a message; 20 KB: ≤ 1.6 ×; RSA DKIM: CPU ≤ 550 µs; behind
20 ms with 20 connections: ≥ 85 % of what the round trips allow, of which a copy needs one; enqueue of
1,000,000: under 15 s.
"""

from __future__ import annotations

import argparse
import json
import multiprocessing
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from datetime import UTC, datetime
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
sys.path[:0] = [str(ROOT)]

from benchmarks._peers import (  # noqa: E402
    delayed,
    free_port,
    nodemailer,
    round_trip,
    sink,
    smtp_source,
    smtplib_loop,
    tls_server,
    wait_for,
)

CONNECTIONS = 16  # on both sides; what a Postfix of one's own gets by default
DELAY = 0.020  # seconds, there and back

# -- our side, in a process of its own -------------------------------------------------------------


def newsroom(url: str, readers: int):
    """A database with ``readers`` confirmed readers and an issue that is being sent."""
    from sqlalchemy.orm import Session

    import digest.models
    from digest.models import IssueRow, IssueStatus
    from subscribers.database import Base, open_engine
    from subscribers.models import MailingListRow, OptIn

    assert digest.models
    start = datetime(2026, 3, 1, 7, tzinfo=UTC)
    engine = open_engine(url)
    Base.metadata.create_all(engine)
    with Session(engine) as session, session.begin():
        session.add(MailingListRow(id=1, name="daily", optin=OptIn.SINGLE, created_at=start))
        session.add(
            IssueRow(
                id=1, edition="daily", date=start.date(), status=IssueStatus.SENDING, ledger="daily",
                list_name="daily", language="en", timezone="UTC", subject="S", preheader="", built_at=start,
            )
        )  # fmt: skip
    raw = engine.raw_connection()
    at = "2026-03-01 07:00:00.000000"
    raw.execute("BEGIN")
    raw.executemany(
        "INSERT INTO subscribers (id, address, normalized, domain, suppression_hash, name, language,"
        " timezone, attributes, created_at, updated_at) VALUES (?, ?, ?, ?, ?, ?, '', '', '{}', ?, ?)",
        (
            (n, f"reader{n}@d{n % 50}.example", f"reader{n}@d{n % 50}.example", f"d{n % 50}.example",
             n.to_bytes(16, "big"), f"Reader {n}", at, at)
            for n in range(1, readers + 1)
        ),
    )  # fmt: skip
    raw.executemany(
        "INSERT INTO subscriptions (id, subscriber_id, list_id, status, created_at)"
        " VALUES (?, ?, 1, 'confirmed', ?)",
        ((n, n, at) for n in range(1, readers + 1)),
    )
    raw.execute("COMMIT")
    raw.close()
    return engine


def issue_of(size: int):
    """A rendered issue whose copies have about ``size`` bytes, with the usual merge fields."""
    from digest.values import Context, Literal, Merge, RenderedIssue

    line = '<p style="margin:0 0 12px;color:#1a1a1a">The harbour reopened on Monday, the mayor said.</p>\n'
    html = line * max(1, int((size * 0.8) / (len(line) * 1.08)))
    text = "The harbour reopened on Monday, the mayor said.\n" * max(1, int(size * 0.12 / 49))
    foot = (
        Literal('<p>Hello '), Merge("first_name", Context.HTML, "reader"), Literal(', <a href="'),
        Merge("unsubscribe_url", Context.URL), Literal('">unsubscribe</a> or <a href="'),
        Merge("preferences_url", Context.URL), Literal('">choose</a></p></body></html>\n'),
    )  # fmt: skip
    return RenderedIssue(
        subject="The harbour reopens", preheader="", language="en", direction="ltr",
        html=(Literal("<html><body>" + html), *foot),
        text=(Literal(text), Merge("unsubscribe_url", Context.TEXT), Literal("\n")),
    )  # fmt: skip


def template(size: int, dkim: str):
    from digest.mail import Identity, compile_message, profile_of
    from digest.mail.dkim import DkimSigner, new_key
    from subscribers.tokens import TokenSigner

    signers = ()
    if dkim:
        key = new_key("news.example.org", "bench", dkim)
        signers = (DkimSigner.from_pem(key.pem, domain="news.example.org", selector="bench"),)
    identity = Identity(
        sender_name="The Daily", sender_address="daily@news.example.org", list_name="daily",
        list_title="The Daily", edition="daily", public_url="https://public.example.org",
        signer=TokenSigner([b"0123456789abcdef0123456789abcdef"]), profile=profile_of("", "postfix"),
        bounce_address="bounce@news.example.org", round_trip=True, dkim=signers,
    )  # fmt: skip
    return compile_message(issue_of(size), identity, issue_id=1)


def ours(given: argparse.Namespace) -> None:
    """Deliver ``--messages`` copies to ``--port``; print seconds, CPU and peak memory."""
    from sqlalchemy.orm import Session

    from digest.clock import SystemClock
    from digest.delivery.enqueue import enqueue
    from digest.delivery.machine import Policy
    from digest.delivery.outbox import SqlOutbox
    from digest.delivery.smtp import SmtpServer, SmtpTransport
    from digest.delivery.worker import Lane, Worker
    from digest.delivery.writer import Writer
    from digest.models import DeliveryStatus
    from subscribers.audience import audience

    clock = SystemClock()
    with tempfile.TemporaryDirectory(dir=given.folder) as folder:
        engine = newsroom(f"sqlite:///{Path(folder) / 'bench.sqlite3'}", given.messages)
        before = time.perf_counter()
        with Session(engine) as session, session.begin():
            enqueue(session, 1, audience(1))
        enqueued = time.perf_counter() - before
        compiled = template(given.size, given.dkim)
        writer = Writer(engine, clock)
        policy = Policy(connections=given.connections)
        outbox = SqlOutbox(engine, writer, clock, issue_id=1, list_id=1, policy=policy)
        server = SmtpServer(
            host="localhost" if given.ca else "127.0.0.1", port=given.port,
            tls="required" if given.ca else "never", ca_file=given.ca, messages_per_connection=1 << 30,
        )  # fmt: skip
        lane = Lane(outbox, lambda claim, date: compiled.envelope(claim.recipient, date=date))
        wall, cpu = time.perf_counter(), time.process_time()
        run = Worker(SmtpTransport(server, clock), [lane], clock, policy, copies=given.messages).run()
        wall, cpu = time.perf_counter() - wall, time.process_time() - cpu
        commits = writer.commits
        writer.close()
        if run.of(DeliveryStatus.SENT) != given.messages:
            raise SystemExit(f"only {run.counts} of {given.messages}: {run.end} {run.reason} {run.error}")
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    print(json.dumps({"wall": wall, "cpu": cpu, "enqueue": enqueued, "peak": peak, "commits": commits}))


def run_ours(given: argparse.Namespace, port: int, **options: object) -> dict[str, float]:
    command = [sys.executable, __file__, "--child", "--port", str(port), "--folder", given.folder]
    for name, value in {"messages": given.messages, **options}.items():
        command += [f"--{name}", str(value)]
    done = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True)
    return json.loads(done.stdout)


# -- the table -------------------------------------------------------------------------------------


def compare(given: argparse.Namespace, name: str, size: int, aim: float, **options: object) -> None:
    ours_runs, source_runs = [], []
    with sink() as port:
        for _ in range(given.rounds):
            source_runs.append(smtp_source(port, given.messages, size, given.connections))
            ours_runs.append(run_ours(given, port, size=size, connections=given.connections, **options))
    mine = statistics.median(run["wall"] for run in ours_runs)
    theirs = statistics.median(run["wall"] for run in source_runs)
    cpu = statistics.median(run["cpu"] for run in ours_runs) / given.messages * 1e6
    their_cpu = statistics.median(run["cpu"] for run in source_runs) / given.messages * 1e6
    group = 2 * given.messages / statistics.median(run["commits"] for run in ours_runs)
    print(
        f"{name}: {given.messages / mine:,.0f}/s, CPU {cpu:.0f} µs;"
        f" smtp-source -d {given.messages / theirs:,.0f}/s, CPU {their_cpu:.0f} µs;"
        f" wall ratio {mine / theirs:.2f} (aim {aim}); {group:.1f} writes a commit;"
        f" peak {ours_runs[-1]['peak']:.0f} MB",
        flush=True,
    )


def behind_a_delay(given: argparse.Namespace) -> None:
    connections, messages = 20, min(given.messages, 4000)
    with sink() as target:
        port = free_port()
        proxy = multiprocessing.Process(target=delayed, args=(port, target, DELAY), daemon=True)
        proxy.start()
        wait_for(port)
        run = run_ours(
            argparse.Namespace(folder=given.folder, messages=messages),
            port,
            size=20_000,
            connections=connections,
        )
        real = round_trip(port, connections)
        proxy.terminate()
    rate = messages / run["wall"]
    one, two = connections / real, connections / (2 * DELAY)
    print(
        f"20 ms away (a NOOP on each of {connections} connections takes {1000 * real:.1f} ms), 20 KB:"
        f" {rate:,.0f}/s; {rate / one:.0%} of what one such round trip a copy allows (aim 85 %),"
        f" {rate / two:.0%} of what two of 20 ms would",
        flush=True,
    )


def with_tls(given: argparse.Namespace) -> None:
    messages = min(given.messages, 5000)
    few = argparse.Namespace(folder=given.folder, messages=messages)
    ready: multiprocessing.Queue[int] = multiprocessing.Queue()
    server = multiprocessing.Process(target=tls_server, args=(given.folder, ready), daemon=True)
    server.start()
    port = ready.get(timeout=30)
    ca = str(Path(given.folder) / "ca.pem")
    run = run_ours(few, port, size=60_000, connections=given.connections, ca=ca)
    server.terminate()
    print(
        f"60 KB, STARTTLS verified, against the tests' Python server (the limit here):"
        f" {messages / run['wall']:,.0f}/s, CPU {run['cpu'] / messages * 1e6:.0f} µs",
        flush=True,
    )


def enqueue_a_million(given: argparse.Namespace) -> None:
    from sqlalchemy.orm import Session

    from digest.delivery.enqueue import enqueue
    from subscribers.audience import audience

    with tempfile.TemporaryDirectory(dir=given.folder) as folder:
        engine = newsroom(f"sqlite:///{Path(folder) / 'million.sqlite3'}", 1_000_000)
        start = time.perf_counter()
        with Session(engine) as session, session.begin():
            count = enqueue(session, 1, audience(1))
        print(f"enqueue of {count:,}: {time.perf_counter() - start:.1f} s (aim 15)", flush=True)
        engine.dispose()


def slower_ones(given: argparse.Namespace) -> None:
    from digest.values import Recipient

    messages = min(given.messages, 4000)
    reader = Recipient(subscriber_id=1, subscription_id=1, address="reader@example.org")
    copy = template(60_000, "").envelope(reader, date=datetime.now(UTC))
    with sink() as port:
        rate = smtplib_loop(port, messages, copy, given.connections)
        print(f"smtplib.sendmail, 60 KB, {given.connections} threads: {rate:,.0f}/s", flush=True)
        pooled = nodemailer(port, messages, 60_000, given.connections)
        print(f"nodemailer pool, 60 KB: {f'{pooled:,.0f}/s' if pooled else 'not installed'}", flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--messages", type=int, default=20_000)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--only", default="60k,20k,dkim,tls,delay,enqueue,smtplib")
    for name, default in (("port", 0), ("size", 60_000), ("connections", CONNECTIONS)):
        parser.add_argument(f"--{name}", type=int, default=default, help=argparse.SUPPRESS)
    for name in ("dkim", "ca", "folder"):
        parser.add_argument(f"--{name}", default="", help=argparse.SUPPRESS)
    parser.add_argument("--child", action="store_true", help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.child:
        return ours(given)
    with tempfile.TemporaryDirectory() as folder:
        given.folder = folder
        wanted = given.only.split(",")
        if "60k" in wanted:
            compare(given, "60 KB", 60_000, 1.25)
        if "20k" in wanted:
            compare(given, "20 KB", 20_000, 1.6)
        if "dkim" in wanted:
            compare(given, "60 KB, RSA-2048 DKIM (aim CPU 550 µs)", 60_000, float("inf"), dkim="rsa")
        if "tls" in wanted:
            with_tls(given)
        if "delay" in wanted:
            behind_a_delay(given)
        if "enqueue" in wanted:
            enqueue_a_million(given)
        if "smtplib" in wanted:
            slower_ones(given)
    return None


if __name__ == "__main__":
    main()
