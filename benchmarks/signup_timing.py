"""Whether the time of an answer tells who is subscribed: sign-ups of known, unknown, suppressed and erased
addresses, asked in random order of the real application, without a network between.

Prints the median and the 90th percentile of each kind in microseconds, the largest difference of medians,
and how far the medians of two halves of the *same* kind differ: what is below that is noise.
The argument is the number of rounds (300).
"""

from __future__ import annotations

import os
import random
import statistics
import sys
import tempfile
import time
from datetime import UTC, datetime
from pathlib import Path

from starlette.testclient import TestClient

from digest.app import App
from digest.clock import SystemClock
from digest.pipeline import limits
from digest.settings import load
from digest.web import public_pages
from subscribers.addresses import parse_address
from subscribers.membership import How, erase_person, subscribe, unsubscribe
from subscribers.membership.lists import create_list
from subscribers.models import ConsentMethod, SuppressionCause
from subscribers.suppression import Subject, SuppressionKey, suppress

KINDS = ("known", "unknown", "left", "suppressed", "domain", "erased")


def prepared(folder: Path, rounds: int) -> App:
    """A newsletter with so many people of each kind."""
    (folder / "newsletter.toml").write_text(
        '[newsletter]\nname = "Bench"\nurl = "https://bench.example"\nsender = "d@bench.example"\n'
        "[editions.daily]\n"
    )
    app = App(load(folder), SystemClock())
    key, now, how = (
        SuppressionKey(app.settings.suppression_key),
        datetime.now(UTC),
        How(ConsentMethod.COMMAND),
    )
    with app.sessions.begin() as session:
        daily = create_list(session, "daily", now=now)
        for number in range(rounds):
            subscribe(session, parse_address(address("known", number)), daily, key, now=now, how=how)
            left = subscribe(session, parse_address(address("left", number)), daily, key, now=now, how=how)
            unsubscribe(session, left.subscription_id, now=now, how=how)
            erase_person(session, parse_address(address("erased", number)), key, now=now, how=how)
            for text in (address("suppressed", number), "@" + address("domain", number).partition("@")[2]):
                suppress(
                    session,
                    Subject.parse(text),
                    key,
                    cause=SuppressionCause.DESK,
                    reason="x",
                    method=ConsentMethod.COMMAND,
                    now=now,
                )
    return app


def address(kind: str, number: int) -> str:
    return f"reader{number:04}@{kind:a<10}{number:04}.example"


def main() -> None:
    """Print a table."""
    rounds = int(sys.argv[1]) if len(sys.argv) > 1 else 300
    os.environ |= {
        "DIGEST_SECRET_KEY": "k" * 32,
        "DIGEST_SUPPRESSION_KEY": "s" * 32,
        "DIGEST_PUBLIC_URL": "http://127.0.0.1",
    }
    limits.PER_IP = limits.Limit("ip", 10**9, limits.HOUR)
    from digest.pipeline import signing_up

    signing_up.PER_IP = limits.PER_IP
    signing_up.IN_ALL = limits.Limit("all", 10**9, limits.HOUR)
    with tempfile.TemporaryDirectory() as name:
        app = prepared(Path(name), rounds)
        client = TestClient(
            public_pages(app.settings, app.reader_desk(), app.sign_ups, app.readers, app.clock)
        )
        taken: dict[str, list[float]] = {kind: [] for kind in KINDS}
        order = [(kind, number) for number in range(rounds) for kind in KINDS]
        random.Random(9).shuffle(order)
        for kind, number in order:
            data = {"email": address(kind, number), "list": "daily"}
            begun = time.perf_counter()
            answer = client.post("/subscribe", data=data)
            taken[kind].append((time.perf_counter() - begun) * 1e6)
            assert answer.status_code == 200
            # The joining goes on behind the answer; the next is measured when the machine is quiet again.
            app.sign_ups.settle()
        app.close()
    medians = {kind: statistics.median(times) for kind, times in taken.items()}
    for kind, times in taken.items():
        print(
            f"{kind:12} median {medians[kind]:7.0f} µs   90 % {sorted(times)[len(times) * 9 // 10]:7.0f} µs"
        )
    noise = max(
        abs(statistics.median(times[::2]) - statistics.median(times[1::2])) for times in taken.values()
    )
    spread = max(medians.values()) - min(medians.values())
    print(f"largest difference of medians {spread:.0f} µs; halves of one kind differ by up to {noise:.0f} µs")


if __name__ == "__main__":
    main()
