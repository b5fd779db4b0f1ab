"""What one copy costs: compiled once, joined per reader, signed, and put on the wire.

``python -m benchmarks.merge [--messages N]`` prints a table. CPU is this process's own; wall time is noisy
on a shared machine, so our wire and Postfix's ``smtp-source`` take turns against the same ``smtp-sink``.
"""

from __future__ import annotations

import argparse
import os
import resource
import shutil
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime

from digest.delivery.smtp import SmtpServer, SmtpTransport
from digest.mail import Identity, MessageTemplate, compile_message, profile_of
from digest.mail.dkim import DkimSigner, new_key
from digest.values import Accepted, Context, Literal, Merge, Recipient, RenderedIssue
from subscribers.tokens import TokenSigner

SESSIONS = 8
NOW = datetime(2026, 11, 23, 7, tzinfo=UTC)
DOMAIN = "news.example"


def issue_of(size: int) -> RenderedIssue:
    """An issue whose copies weigh about ``size`` bytes on the wire, in six sections."""
    story = (
        '<tr><td style="padding:9px"><a href="https://news.example/s?a=1">A café story</a> here</td></tr>\n'
    )
    number = max(1, int(size * 0.66 / len(story)) // 6)
    html: list[Literal | Merge] = [
        Literal("<html><body><p>Dear "),
        Merge("first_name", Context.HTML, "reader"),
    ]
    text: list[Literal | Merge] = [
        Literal("Dear "),
        Merge("first_name", Context.TEXT, "reader"),
        Literal("\n\n"),
    ]
    for section in "abcdef":
        html.append(Literal(f"<h2>Section {section}</h2>\n" + story * number, section=section))
        text.append(Literal("A café story of note: https://news.example/s?a=1\n" * number, section=section))
    for parts, context in ((html, Context.URL), (text, Context.TEXT)):
        parts += [Literal("\nLeave: "), Merge("unsubscribe_url", context), Literal("\n")]
        parts += [Literal("Choose: "), Merge("preferences_url", context), Literal("\n")]
    return RenderedIssue(
        subject="Five stories for today",
        preheader="",
        language="en",
        direction="ltr",
        html=tuple(html),
        text=tuple(text),
    )


def identity() -> Identity:
    return Identity(
        sender_name="The News", sender_address=f"daily@{DOMAIN}", list_name="daily", list_title="The Daily",
        edition="daily", public_url=f"https://{DOMAIN}", signer=TokenSigner([os.urandom(32)]),
        profile=profile_of("mx.example"), bounce_address=f"bounce@{DOMAIN}",
    )  # fmt: skip


def readers(count: int, *, named: bool = False, choosing: bool = False) -> list[Recipient]:
    return [
        Recipient(
            subscriber_id=number, subscription_id=number, address=f"reader{number}@example.org",
            name="Anna Smith" if named else "",
            sections=frozenset("abcdef"[number % 6 :]) if choosing else None,
        )
        for number in range(1, count + 1)
    ]  # fmt: skip


def cpu_of(work: Callable[[], object]) -> float:
    start = time.process_time()
    work()
    return time.process_time() - start


def measure_merge(size: int, count: int) -> None:
    issue, plain = issue_of(size), identity()
    best = min(cpu_of(lambda: compile_message(issue, plain, issue_id=7)) for _ in range(5))
    template = compile_message(issue, plain, issue_id=7)
    weight = len(template.envelope(readers(1)[0], date=NOW).message)
    print(f"\n{weight / 1024:.0f} KB on the wire: compiled in {best * 1000:.1f} ms CPU")
    keys = {kind: new_key(DOMAIN, kind, kind) for kind in ("rsa", "ed25519")}  # type: ignore[arg-type]
    signers = {kind: DkimSigner.from_pem(key.pem, domain=DOMAIN, selector=kind) for kind, key in keys.items()}
    for name, who, people in (
        ("plain headers", plain, readers(count)),
        ("with names", plain, readers(count, named=True)),
        ("VERP and mailto", replace(plain, round_trip=True), readers(count)),
        ("sections chosen", plain, readers(count, choosing=True)),
        ("DKIM RSA-2048", replace(plain, dkim=(signers["rsa"],)), readers(count // 10)),
        ("DKIM Ed25519", replace(plain, dkim=(signers["ed25519"],)), readers(count // 10)),
    ):
        made = compile_message(issue, who, issue_id=7)
        best = min(cpu_of(lambda m=made, p=people: merge_all(m, p)) for _ in range(3)) / len(people)
        print(f"  {name:<16} {best * 1e6:7.1f} µs CPU a copy  {1 / best:9,.0f} copies/s")


def merge_all(template: MessageTemplate, people: list[Recipient]) -> None:
    for person in people:
        template.envelope(person, date=NOW)


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def send_all(template: MessageTemplate, people: list[Recipient], port: int) -> None:
    server = SmtpServer(host="127.0.0.1", port=port, tls="never", messages_per_connection=1 << 30)
    transport, waiting, lock = SmtpTransport(server), iter(people), threading.Lock()
    accepted = [0]

    def work() -> None:
        connection, mine = transport.open(), 0
        while True:
            with lock:
                person = next(waiting, None)
            if person is None:
                break
            outcome = connection.send(template.envelope(person, date=NOW), permit=lambda: True)
            mine += isinstance(outcome, Accepted)
        connection.close()
        with lock:
            accepted[0] += mine

    threads = [threading.Thread(target=work) for _ in range(SESSIONS)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    if accepted[0] != len(people):
        sys.exit(f"{accepted[0]} of {len(people)} were accepted")


def measure_wire(size: int, count: int) -> None:
    sink, source = (shutil.which(name) or f"/usr/sbin/{name}" for name in ("smtp-sink", "smtp-source"))
    if not os.path.exists(sink):  # noqa: PTH110 - a path from which
        print("\nno smtp-sink (Debian: postfix): the wire is not measured")
        return
    port = free_port()
    user = ["-u", "nobody"] if os.geteuid() == 0 else []
    running = subprocess.Popen([sink, *user, f"127.0.0.1:{port}", "1000"], stderr=subprocess.DEVNULL)
    try:
        time.sleep(0.5)
        template = compile_message(issue_of(size), identity(), issue_id=7)
        people = readers(count)
        weight = len(template.envelope(people[0], date=NOW).message)
        print(
            f"\n{count:,} copies of {weight / 1024:.0f} KB to smtp-sink over {SESSIONS} connections, in turn:"
        )
        for _ in range(3):
            wall = time.perf_counter()
            ours = cpu_of(lambda: send_all(template, people, port))
            wall = time.perf_counter() - wall
            theirs_wall, theirs = run_source(source, port, count, weight)
            print(
                f"  ours {count / wall:6,.0f}/s {ours / count * 1e6:4.0f} µs CPU"
                f"   smtp-source {count / theirs_wall:6,.0f}/s {theirs / count * 1e6:4.0f} µs CPU"
                f"   wall ratio {wall / theirs_wall:.2f}"
            )
    finally:
        running.terminate()
        running.wait()


def run_source(program: str, port: int, count: int, weight: int) -> tuple[float, float]:
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    start = time.perf_counter()
    subprocess.run(
        [program, "-d", "-s", str(SESSIONS), "-m", str(count), "-l", str(weight), f"127.0.0.1:{port}"],
        check=True,
    )
    wall = time.perf_counter() - start
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return wall, after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--messages", type=int, default=20_000)
    count = options.parse_args().messages
    for size in (60_000, 20_000):
        measure_merge(size, count)
    for size in (60_000, 20_000):
        measure_wire(size, count)


if __name__ == "__main__":
    main()
