"""The database goes away while copies are on the wire: nothing is lost, claimed falsely or sent again."""

from __future__ import annotations

import sqlite3
import subprocess
import threading
import time
from collections.abc import Iterator
from contextlib import suppress
from datetime import timedelta
from pathlib import Path

import pytest
from sqlalchemy import Engine

from digest.delivery.machine import Policy
from digest.delivery.worker import End, Habits, Lane, Run, Worker
from digest.delivery.writer import Writer
from digest.errors import DatabaseUnusable
from digest.values import Accepted, Envelope, Outcome
from subscribers.database import open_engine
from tests.conftest import Cluster, running_cluster

from .conftest import Desk, MailServer, Newsroom, compose, prepared_newsroom

PEOPLE = 400
POLICY = Policy(connections=4, lease=timedelta(seconds=3), doubt=timedelta(seconds=0.2))
HABITS = Habits(linger=10.0, company=20.0, first_delay=0.01, wait_when_paused=False)


def slowly(envelope: Envelope, times: int) -> Outcome:
    time.sleep(0.005)
    return Accepted()


class Sending:
    """A worker on a thread; ``patience`` is how many seconds it waits for its database."""

    def __init__(self, newsroom: Newsroom, server: MailServer, *, patience: float) -> None:
        self._desk = Desk(newsroom)
        self._writer = Writer(newsroom.engine, self._desk.clock, patience=patience)
        self._desk.writer = lambda clock=None: self._writer  # type: ignore[method-assign]
        self.worker = Worker(
            server, [Lane(self._desk.outbox(POLICY), compose)], self._desk.clock, POLICY, habits=HABITS,
            copies=PEOPLE,
        )  # fmt: skip
        self.runs: list[Run] = []
        self._thread = threading.Thread(target=lambda: self.runs.append(self.worker.run()))
        self._thread.start()

    def finish(self) -> Run:
        self._thread.join(60)
        assert not self._thread.is_alive()
        self._writer.close()
        (run,) = self.runs
        return run


def midway(newsroom: Newsroom, *, patience: float) -> tuple[MailServer, Sending]:
    """A send of which a quarter is out."""
    server = MailServer(slowly)
    sending = Sending(newsroom, server, patience=patience)
    deadline = time.monotonic() + 20
    while len(server.accepted) < PEOPLE // 4:
        assert time.monotonic() < deadline
        time.sleep(0.01)
    return server, sending


def assert_nothing_is_false(newsroom: Newsroom, server: MailServer) -> None:
    """No row says sent that was not accepted; whoever got a copy is not in line for another one."""
    for number in range(1, PEOPLE + 1):
        row = newsroom.row(number)
        got = server.copies[f"reader{number}@example.org"]
        if row.status == "sent":
            assert got
        if got:
            assert row.status in {"sent", "sending", "uncertain"}, (number, row.status)


def assert_everybody_has_it(newsroom: Newsroom, server: MailServer) -> None:
    assert newsroom.statuses() == {"sent": PEOPLE}
    copies = server.copies
    assert len(copies) == PEOPLE
    assert sum(copies.values()) - PEOPLE <= POLICY.connections
    assert max(copies.values()) <= 2


def assert_the_next_run_ends_it(newsroom: Newsroom, server: MailServer) -> None:
    assert_nothing_is_false(newsroom, server)
    time.sleep(POLICY.lease.total_seconds())
    assert Sending(newsroom, server, patience=5).finish().end is End.DONE
    assert_everybody_has_it(newsroom, server)


@pytest.fixture
def cluster() -> Iterator[Cluster]:
    with running_cluster() as made:
        yield made


@pytest.fixture
def on_postgres(cluster: Cluster) -> Iterator[Newsroom]:
    engine = open_engine(f"{cluster.url}/postgres")
    yield from ready(engine)


def ready(engine: Engine) -> Iterator[Newsroom]:
    newsroom = prepared_newsroom(engine)
    newsroom.readers(PEOPLE)
    newsroom.enqueue()
    yield newsroom
    engine.dispose()


@pytest.mark.service
def test_a_postgresql_that_is_started_again_in_time_costs_nothing_but_the_wait(
    cluster: Cluster, on_postgres: Newsroom
) -> None:
    server, sending = midway(on_postgres, patience=30)
    cluster.stop()
    at_stop = len(server.accepted)
    time.sleep(2)
    assert len(server.accepted) <= at_stop + POLICY.connections, "no dot without its intent on disk"
    cluster.start()
    run = sending.finish()
    assert run.end is End.DONE, run
    assert_everybody_has_it(on_postgres, server)


@pytest.mark.service
def test_a_postgresql_that_stays_away_ends_the_run_and_the_next_one_goes_on(
    cluster: Cluster, on_postgres: Newsroom
) -> None:
    server, sending = midway(on_postgres, patience=1)
    cluster.stop()
    run = sending.finish()
    assert run.end is End.FAILED
    assert isinstance(run.error, DatabaseUnusable)
    assert run.error.remedy
    assert len(server.accepted) < PEOPLE
    cluster.start()
    assert_the_next_run_ends_it(on_postgres, server)


@pytest.fixture
def on_sqlite(tmp_path: Path) -> Iterator[Newsroom]:
    yield from ready(open_engine(f"sqlite:///{tmp_path / 'digest.sqlite3'}"))


@pytest.mark.slow
def test_a_sqlite_file_that_somebody_holds_is_waited_for(on_sqlite: Newsroom, tmp_path: Path) -> None:
    server, sending = midway(on_sqlite, patience=30)
    holder = sqlite3.connect(tmp_path / "digest.sqlite3", isolation_level=None, timeout=5)
    holder.execute("BEGIN IMMEDIATE")
    time.sleep(0.2)
    at_stop = len(server.accepted)
    time.sleep(2)
    assert len(server.accepted) <= at_stop + POLICY.connections
    holder.execute("ROLLBACK")
    holder.close()
    assert sending.finish().end is End.DONE
    assert_everybody_has_it(on_sqlite, server)


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    disk = tmp_path / "disk"
    disk.mkdir()
    mounted = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=16m", "none", str(disk)], check=False)
    if mounted.returncode != 0:
        pytest.skip("no small disk can be mounted here")
    yield disk
    subprocess.run(["umount", "-l", str(disk)], check=True)


@pytest.fixture
def on_small_disk(small_disk: Path) -> Iterator[Newsroom]:
    yield from ready(open_engine(f"sqlite:///{small_disk / 'digest.sqlite3'}"))


@pytest.mark.slow
def test_a_disk_that_is_full_ends_the_run_and_room_lets_it_go_on(
    on_small_disk: Newsroom, small_disk: Path
) -> None:
    server, sending = midway(on_small_disk, patience=1)
    ballast = small_disk / "ballast"
    with suppress(OSError), ballast.open("wb", buffering=0) as file:
        while True:
            file.write(b"x" * 4096)
    run = sending.finish()
    assert run.end is End.FAILED
    assert "full" in str(run.error)
    assert len(server.accepted) < PEOPLE
    ballast.unlink()
    assert_the_next_run_ends_it(on_small_disk, server)
