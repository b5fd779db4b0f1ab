"""Imports that are stopped, or met by others, on the way: run again they complete, nobody twice."""

from __future__ import annotations

import io
import os
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from sqlalchemy import Connection, Engine, event, func, select
from sqlalchemy.orm import Session, sessionmaker

from subscribers.addresses import parse_address
from subscribers.errors import ImportFailed
from subscribers.importing import Options, Report, import_people
from subscribers.membership import BY_COMMAND, find_person
from subscribers.models import ConsentEventRow, ImportRunRow, ImportStatus, SubscriberRow, SubscriptionRow
from tests.conftest import ROOT
from tests.subscribers.conftest import KEY, NOW, counts

Bring = Callable[..., Report]


def test_a_killed_import_run_again_completes_without_doubles(
    bring_in: Bring, engine: Engine, session: Session, daily: int, tmp_path: Path
) -> None:
    file = tmp_path / "people.csv"
    rows = [f"p{n}@x.org,P{n}" for n in range(40)] + ["p3@x.org,Last"]
    file.write_text("email,name\n" + "\n".join(rows) + "\n")
    options = Options(daily, name=file.name, chunk_rows=10)

    def stop(report: Report, bytes_read: int, bytes_in_all: int | None) -> None:
        if report.rows >= 20:
            raise KeyboardInterrupt

    with file.open("rb") as stream, pytest.raises(KeyboardInterrupt):
        import_people(engine, stream, KEY, options, now=NOW, watcher=stop)
    there = session.scalar(select(func.count()).select_from(SubscriberRow))
    assert there == (20 if engine.dialect.name == "sqlite" else 30)  # a server has the next in hand
    run = session.scalars(select(ImportRunRow)).one()
    assert (run.status, run.added) == (ImportStatus.STOPPED, there)
    session.rollback()
    with file.open("rb") as stream:
        report = import_people(engine, stream, KEY, options, now=NOW)
    assert report.resumed
    assert counts(report) == {"added": 40 - there, "unchanged": there, "updated": 1}
    session.expire_all()
    assert session.scalar(select(func.count()).select_from(ConsentEventRow)) == 40
    assert find_person(session, "p3@x.org").name == "Last"


KILLED_IN_THE_MIDDLE = """
import sys, threading
from sqlalchemy import event
from subscribers.database import open_engine
from subscribers.importing import Options, import_people
from tests.conftest import ROOT
from tests.subscribers.conftest import KEY, NOW

engine, chunks = open_engine(sys.argv[1]), []

def after_statement(connection, cursor, statement, *rest):
    if statement.startswith("UPDATE import_runs"):  # the last of each chunk
        chunks.append(statement)
        if len(chunks) == 4:
            print("written, not committed", flush=True)
            threading.Event().wait()

event.listen(engine, "after_cursor_execute", after_statement)
with open(sys.argv[2], "rb") as stream:
    import_people(engine, stream, KEY, Options(int(sys.argv[3]), chunk_rows=100), now=NOW)
"""


def test_an_import_killed_by_force_leaves_whole_chunks_and_the_next_run_completes_it(
    engine: Engine, session: Session, database_url: str, daily: int, tmp_path: Path
) -> None:
    file = tmp_path / "people.csv"
    file.write_text("email,name\n" + "".join(f"p{n}@x.org,P{n}\n" for n in range(1000)))
    command = [sys.executable, "-c", KILLED_IN_THE_MIDDLE, database_url, str(file), str(daily)]
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, env={**os.environ, "PYTHONPATH": str(ROOT)}
    ) as run:
        assert run.stdout is not None
        assert run.stdout.readline() == b"written, not committed\n"
        run.kill()
    assert run.returncode == -signal.SIGKILL
    assert session.scalar(select(func.count()).select_from(SubscriberRow)) == 300
    assert session.scalars(select(ImportRunRow.status)).all() == [ImportStatus.RUNNING]
    session.rollback()
    with file.open("rb") as stream:
        report = import_people(engine, stream, KEY, Options(daily, chunk_rows=100), now=NOW)
    assert report.resumed
    assert counts(report) == {"added": 700, "unchanged": 300}
    session.expire_all()
    for table in (SubscriberRow, SubscriptionRow, ConsentEventRow):
        assert session.scalar(select(func.count()).select_from(table)) == 1000
    alone = select(SubscriberRow.id).where(SubscriberRow.id.not_in(select(ConsentEventRow.subscriber_id)))
    assert session.scalars(alone).all() == []


def test_when_the_disk_is_full_whole_chunks_are_in_and_the_rest_comes_later(
    bring_in: Bring, engine: Engine, session: Session
) -> None:
    if engine.dialect.name != "sqlite":
        pytest.skip("PostgreSQL's disk is the server's")
    content = "email,name\n" + "".join(f"p{n}@x.org,{'N' * 150}\n" for n in range(3000))

    with engine.connect() as connection:
        room = int(connection.exec_driver_sql("PRAGMA page_count").scalar_one()) + 250

    @event.listens_for(engine, "begin")
    def full(connection: Connection) -> None:
        connection.exec_driver_sql(f"PRAGMA max_page_count = {room}")

    with pytest.raises(ImportFailed, match="full"):
        bring_in(content, chunk_rows=500)
    event.remove(engine, "begin", full)
    with engine.connect() as connection:
        connection.exec_driver_sql("PRAGMA max_page_count = 4294967294")
    session.rollback()
    there = session.scalar(select(func.count()).select_from(SubscriberRow)) or 0
    assert there > 0
    assert there % 500 == 0
    session.rollback()
    assert counts(bring_in(content)) == {"added": 3000 - there, "unchanged": there}


def test_a_file_that_changes_while_it_is_read_is_reported(engine: Engine, daily: int, tmp_path: Path) -> None:
    file = tmp_path / "people.csv"
    file.write_text("email\nann@x.org\n")

    def change(report: Report, bytes_read: int, bytes_in_all: int | None) -> None:
        file.write_text("email\nann@x.org\nbob@x.org\n")

    with file.open("rb") as stream:
        report = import_people(engine, stream, KEY, Options(daily), now=NOW, watcher=change)
    assert any("changed while it was read" in note for note in report.notes)


def test_somebody_who_joins_during_the_import_is_met_and_not_doubled(
    bring_in: Bring, engine: Engine, sessions: sessionmaker[Session], daily: int
) -> None:
    content = "email\n" + "".join(f"p{n}@x.org\n" for n in range(30))
    joined: list[int] = []

    def join(report: Report, bytes_read: int, bytes_in_all: int | None) -> None:
        if not joined:
            from subscribers.membership import find_list, subscribe

            with sessions.begin() as session:
                address = parse_address("P25@x.org")
                found = subscribe(session, address, find_list(session, "daily"), KEY, now=NOW, how=BY_COMMAND)
                joined.append(found.subscriber_id)

    options = Options(daily, chunk_rows=10)
    report = import_people(engine, io.BytesIO(content.encode()), KEY, options, now=NOW, watcher=join)
    assert report.added == 29
