"""The public pages under load: one-click POSTs and archive pages with ETag, one process, on loopback.

A client of our own on 16 keep-alive connections in this process's threads, so that server and client share
the machine: figures are lower bounds. Give the number of requests as the first argument (default 2000).
"""

from __future__ import annotations

import http.client
import os
import resource
import subprocess
import sys
import tempfile
import threading
import time
from datetime import UTC, datetime
from pathlib import Path

from digest.app import App
from digest.clock import SystemClock
from digest.settings import load
from subscribers.addresses import parse_address
from subscribers.membership import How, subscribe
from subscribers.membership.lists import create_list
from subscribers.models import ConsentMethod
from subscribers.suppression import SuppressionKey
from subscribers.tokens import Purpose

CONNECTIONS = 16
FORM = {"Content-Type": "application/x-www-form-urlencoded"}


def newsletter(folder: Path, readers: int) -> list[str]:
    """A newsletter with so many readers; their unsubscribe tokens."""
    (folder / "newsletter.toml").write_text(
        '[newsletter]\nname = "Bench"\nurl = "https://bench.example"\nsender = "d@bench.example"\n'
        "[editions.daily]\n"
    )
    app = App(load(folder), SystemClock())
    key = SuppressionKey(app.settings.suppression_key)
    now = datetime.now(UTC)
    how = How(ConsentMethod.COMMAND)
    tokens = []
    with app.sessions.begin() as session:
        mailing_list = create_list(session, "daily", now=now)
        for number in range(readers):
            address = parse_address(f"reader{number}@bench.example")
            joined = subscribe(session, address, mailing_list, key, now=now, how=how, confirmed=True)
            tokens.append(app.signer.sign(Purpose.UNSUBSCRIBE, joined.subscription_id))
    app.close()
    return tokens


def load_with(
    port: int, requests: list[tuple[str, str, bytes | None, dict[str, str]]]
) -> tuple[float, set[int]]:
    """Requests a second, and the statuses seen."""
    statuses: set[int] = set()

    def work(mine: list[tuple[str, str, bytes | None, dict[str, str]]]) -> None:
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
        for method, path, body, headers in mine:
            connection.request(method, path, body, headers)
            answer = connection.getresponse()
            answer.read()
            statuses.add(answer.status)

    threads = [threading.Thread(target=work, args=(requests[n::CONNECTIONS],)) for n in range(CONNECTIONS)]
    begun = time.perf_counter()
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return len(requests) / (time.perf_counter() - begun), statuses


def main() -> None:
    """Print a table."""
    number = int(sys.argv[1]) if len(sys.argv) > 1 else 2000
    os.environ |= {"DIGEST_SECRET_KEY": "k" * 32, "DIGEST_SUPPRESSION_KEY": "s" * 32}
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        tokens = newsletter(folder, number)
        served = subprocess.Popen(
            [sys.executable, "-m", "digest", "serve", "--port", "0", "--json"],
            cwd=folder,
            stdout=subprocess.PIPE,
            text=True,
            env={**os.environ, "PYTHONPATH": str(Path(__file__).resolve().parent.parent)},
        )
        try:
            assert served.stdout is not None
            told = iter(served.stdout.readline, "")
            port = int(next(line for line in told if "http://" in line).rpartition(":")[2].strip(' "}\n'))
            click = b"List-Unsubscribe=One-Click"
            rounds = {
                "one-click POST": [("POST", f"/u/{token}", click, FORM) for token in tokens],
                "one-click POST again": [("POST", f"/u/{token}", click, FORM) for token in tokens],
                "unsubscribe page": [("GET", f"/u/{token}", None, {}) for token in tokens],
                "archive list": [("GET", "/archive", None, {})] * number,
                "sign-up page": [("GET", "/subscribe", None, {})] * number,
            }
            for what, requests in rounds.items():
                rate, statuses = load_with(port, requests)
                print(f"{what:24} {rate:8.0f}/s  {sorted(statuses)}")
        finally:
            served.terminate()
            served.wait(20)
    peak = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss / 1024
    print(f"{'peak memory':24} {peak:8.0f} MiB")


if __name__ == "__main__":
    main()
