"""Imports, exports, the audience and a person's story at a million people, as ratios of one run.

``python benchmarks/import.py [ROWS] [--postgres URL]``: SQLite against the shell's ``.import``, PostgreSQL
(an empty database) against ``COPY``, both into a table with a unique address.
"""

from __future__ import annotations

import argparse
import csv
import random
import resource
import subprocess
import tempfile
import time
from datetime import UTC, datetime
from pathlib import Path

from sqlalchemy import Engine, select, text

from subscribers.audience import audience, count_audience, count_mailable, recipients
from subscribers.database import Base, open_engine, reading, session_factory
from subscribers.exporting import export_people, export_to_file
from subscribers.importing import Options, import_people
from subscribers.membership import count_movement, create_list, find_person, story_of
from subscribers.models import SubscriberRow
from subscribers.suppression import SuppressionKey

NOW = datetime(2026, 3, 1, tzinfo=UTC)
KEY = SuppressionKey(b"benchmark key of 32 bytes length")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("rows", type=int, nargs="?", default=1_000_000)
    parser.add_argument("--postgres", metavar="URL")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "people.csv"
        write_people(file, arguments.rows)
        database = Path(folder) / "digest.sqlite3"
        base = shell_import(file, Path(folder))
        measure(f"sqlite:///{database}", file, base, "sqlite3 .import", limit=10)
        if arguments.postgres:
            base = copy_into_postgres(arguments.postgres, file)
            measure(arguments.postgres, file, base, "COPY", limit=6)


def write_people(file: Path, rows: int) -> None:
    dice = random.Random(7)
    domains = [f"mail{n}.example" for n in range(40)] + ["gmail.com", "yahoo.com", "outlook.com"] * 10
    with file.open("w", newline="") as out:
        writer = csv.writer(out)
        writer.writerow(("email", "name", "city"))
        for number in range(rows):
            local = f"reader{dice.randrange(10**9)}.{number}"
            city = dice.choice(("Delhi", "Dubai", "Lagos", "London", "Quito"))
            writer.writerow((f"{local}@{dice.choice(domains)}", f"Reader {number}", city))


def shell_import(file: Path, folder: Path) -> float:
    script = "CREATE TABLE s (email TEXT UNIQUE, name TEXT, city TEXT);\n.mode csv\n"
    started = time.perf_counter()
    subprocess.run(
        ["sqlite3", str(folder / "base.sqlite3")],
        input=f"{script}.import --skip 1 {file} s\n",
        text=True,
        check=True,
    )
    return time.perf_counter() - started


def copy_into_postgres(url: str, file: Path) -> float:
    engine = open_engine(url)
    raw = engine.raw_connection()
    driver = raw.driver_connection
    assert driver is not None
    with driver.cursor() as cursor:
        cursor.execute("CREATE TABLE copied (email text UNIQUE, name text, city text)")
        started = time.perf_counter()
        with file.open("rb") as source, cursor.copy("COPY copied FROM STDIN (FORMAT csv, HEADER)") as copy:
            while block := source.read(1 << 18):
                copy.write(block)
        driver.commit()
        took = time.perf_counter() - started
        cursor.execute("DROP TABLE copied")
        driver.commit()
    raw.close()
    engine.dispose()
    return took


def measure(url: str, file: Path, base: float, name: str, *, limit: int) -> None:
    engine = open_engine(url)
    Base.metadata.create_all(engine)
    with session_factory(engine).begin() as session:
        list_id = create_list(session, "daily", now=NOW).id
    print(f"{engine.dialect.name}: {name} {base:.2f} s")
    for label in ("import", "again"):
        started, cpu = time.perf_counter(), time.process_time()
        with file.open("rb") as stream:
            report = import_people(engine, stream, KEY, Options(list_id), now=NOW)
        took = time.perf_counter() - started
        memory = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024
        print(
            f"  {label}: {took:.1f} s wall, {time.process_time() - cpu:.1f} s CPU, {took / base:.1f} times "
            f"(limit {limit}), {memory} MB at most, {report.added} added, {report.unchanged} unchanged"
        )
    questions(engine, list_id, file.parent)
    engine.dispose()


def questions(engine: Engine, list_id: int, folder: Path) -> None:
    with session_factory(reading(engine))() as session:
        if engine.dialect.name != "sqlite":
            session.execute(text("ANALYZE"))
        cpu = time.process_time()
        export_to_file(folder / "out.csv", lambda out: export_people(session.connection(), out))
        print(f"  export: {time.process_time() - cpu:.1f} s CPU (limit 10 for a million)")
        started = time.perf_counter()
        first = next(recipients(session, audience(list_id)))
        print(f"  audience, first {len(first)}: {time.perf_counter() - started:.3f} s (limit 0.3)")
        started = time.perf_counter()
        number = count_audience(session, audience(list_id))
        print(f"  audience, counted {number}: {time.perf_counter() - started:.2f} s")
        address = session.scalars(select(SubscriberRow.address).order_by(SubscriberRow.id.desc())).first()
        started = time.perf_counter()
        story_of(session, find_person(session, address or ""), KEY)
        print(f"  show: {1000 * (time.perf_counter() - started):.1f} ms (limit 20; first use of each query)")
        started = time.perf_counter()
        for counts, _moved in count_movement(session, now=NOW):
            count_mailable(session, counts.id, confirmed=counts.confirmed)
        print(f"  lists stats: {time.perf_counter() - started:.2f} s (limit 1)")


if __name__ == "__main__":
    main()
