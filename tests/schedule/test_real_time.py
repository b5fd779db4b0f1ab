"""The real process in real time: killed in the middle and started again; two of them on PostgreSQL."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import suppress
from datetime import datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any
from zoneinfo import ZoneInfo

import pytest
from aiosmtpd.controller import Controller

from tests.conftest import ROOT, free_port

if TYPE_CHECKING:
    from tests.conftest import Runner

pytestmark = [pytest.mark.storm, pytest.mark.service]
PEOPLE = 400


class SlowBox:
    """Takes a few milliseconds for each message, so that there is a middle to be killed in."""

    def __init__(self) -> None:
        self.got: Counter[str] = Counter()

    async def handle_DATA(self, server: Any, session: Any, envelope: Any) -> str:  # noqa: N802 - aiosmtpd's name
        import asyncio

        await asyncio.sleep(0.02)
        self.got.update(envelope.rcpt_tos)
        return "250 OK"


@pytest.fixture
def box() -> Iterator[tuple[SlowBox, int]]:
    kept, port = SlowBox(), free_port()
    controller = Controller(kept, hostname="127.0.0.1", port=port)
    controller.start()
    yield kept, port
    controller.stop()


def newsroom(folder: Path, port: int, run_digest: type[Runner], url: str) -> None:
    """A newsletter with six stories and its people, due in the next minute."""
    run_digest.run("init", "--json", cwd=folder)
    stories = folder / "stories"
    stories.mkdir()
    for place in range(6):
        (stories / f"{place}.md").write_text(
            f"---\ntitle: Story number {place} is told here\ncategories: [News]\n"
            f"url: https://harbour.example/{place}\n---\n\n"
            f"A first paragraph with enough words to be a teaser, number {place}.\n"
        )
    (folder / "newsletter.toml").write_text(
        f"""
[newsletter]
name = "Harbour"
url = "https://harbour.example"
sender = "daily@harbour.example"
postal_address = "1 Quay"
timezone = "Asia/Dubai"
[smtp]
host = "127.0.0.1"
port = {port}
connections = 4
rate = "unlimited"
[[sources]]
name = "stories"
url = "stories"
[[sections]]
name = "News"
[editions.daily]
schedule = "0 0 1 1 *"
"""
    )
    (folder / "people.csv").write_text(
        "email\n" + "".join(f"reader{n}@readers.example\n" for n in range(PEOPLE))
    )
    for arguments in (
        ["db", "upgrade"],
        ["lists", "create", "daily"],
        ["subscribers", "import", "people.csv"],
    ):
        done = run_digest.run(*arguments, cwd=folder, DIGEST_DATABASE_URL=url)
        assert done.returncode == 0 or "already" in done.stderr, done.stderr
    due = next_minute()
    settings = folder / "newsletter.toml"
    settings.write_text(settings.read_text().replace("0 0 1 1 *", f"{due.minute} {due.hour} * * *"))


def start(folder: Path, url: str) -> subprocess.Popen[str]:
    with (folder / "log").open("a") as log:
        return subprocess.Popen(
            [sys.executable, "-m", "digest", "schedule", "run"],
            cwd=folder,
            env={**os.environ, "PYTHONPATH": str(ROOT), "DIGEST_DATABASE_URL": url},
            stdout=subprocess.DEVNULL,
            stderr=log,
            text=True,
        )


def wait_for(condition: Callable[[], bool], seconds: float, log: Path) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, log.read_text()[-3000:]
        time.sleep(0.05)


def next_minute() -> datetime:
    now = datetime.now(ZoneInfo("Asia/Dubai"))
    return (now + timedelta(minutes=1 if now.second < 30 else 2)).replace(second=0, microsecond=0)


def issues(folder: Path, url: str, run_digest: type[Runner]) -> Any:
    return json.loads(run_digest.run("issue", "list", "--json", cwd=folder, DIGEST_DATABASE_URL=url).stdout)


def test_killed_in_the_middle_and_started_again_everybody_gets_one_copy(
    tmp_path: Path, box: tuple[SlowBox, int], run_digest: type[Runner]
) -> None:
    kept, port = box
    url = f"sqlite:///{tmp_path}/digest.sqlite3"
    newsroom(tmp_path, port, run_digest, url)
    process = start(tmp_path, url)
    try:
        wait_for(lambda: sum(kept.got.values()) >= PEOPLE // 4, 150, tmp_path / "log")
        process.kill()
        process.wait()
        process = start(tmp_path, url)
        # Copies in doubt are sent again after a quarter of an hour; the rest comes at once.
        wait_for(lambda: len(kept.got) >= PEOPLE - 4, 240, tmp_path / "log")
        time.sleep(3)
        assert max(kept.got.values()) == 1
        began = time.monotonic()
        process.send_signal(signal.SIGTERM)
        assert process.wait(30) == 0
        assert time.monotonic() - began < 15
        assert len(issues(tmp_path, url, run_digest)) == 1
    finally:
        with suppress(ProcessLookupError):
            process.kill()
        process.wait()


def test_of_two_processes_one_leads_and_the_other_takes_over_within_a_minute(
    tmp_path: Path, box: tuple[SlowBox, int], run_digest: type[Runner], postgres_url: str
) -> None:
    kept, port = box
    newsroom(tmp_path, port, run_digest, postgres_url)
    processes = [start(tmp_path, postgres_url) for _ in range(2)]
    try:
        wait_for(lambda: sum(kept.got.values()) >= PEOPLE // 4, 150, tmp_path / "log")
        leader = _leader(postgres_url)
        for process in processes:
            if str(process.pid) == leader:
                process.kill()
                process.wait()
        killed_at = time.monotonic()
        wait_for(lambda: _leader(postgres_url) not in {leader, ""}, 60, tmp_path / "log")
        assert time.monotonic() - killed_at < 60
        wait_for(lambda: len(kept.got) >= PEOPLE - 4, 240, tmp_path / "log")
        time.sleep(3)
        assert max(kept.got.values()) == 1
        assert len(issues(tmp_path, postgres_url, run_digest)) == 1
    finally:
        for process in processes:
            with suppress(ProcessLookupError):
                process.kill()
            process.wait()


def _leader(url: str) -> str:
    import psycopg

    with psycopg.connect(url.replace("+psycopg", "")) as connection:
        row = connection.execute("SELECT holder FROM leases WHERE name = 'schedule'").fetchone()
    return str(row[0]).rpartition(":")[2] if row else ""
