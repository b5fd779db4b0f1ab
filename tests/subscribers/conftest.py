"""People's tests: a database with tables, a key, and a clock's moment."""

from __future__ import annotations

import csv
import io
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest
from sqlalchemy import Engine
from sqlalchemy.orm import Session, sessionmaker

import digest.models  # noqa: F401 - the erased leave deliveries behind
from subscribers.database import Base, open_engine, session_factory
from subscribers.importing import Options, Report, import_people
from subscribers.membership import create_list
from subscribers.suppression import SuppressionKey

NOW = datetime(2026, 3, 1, 7, 0, tzinfo=UTC)
KEY = SuppressionKey(b"a key of the tests, 32 bytes long")


def counts(report: Report) -> dict[str, int]:
    named = ("added", "updated", "unchanged", "suppressed", "rejected")
    found = {name: getattr(report, name) for name in named if getattr(report, name)}
    assert report.rows == sum(found.values())
    return found


def rejected(folder: Path) -> list[tuple[str, str, str]]:
    with (folder / "errors.csv").open(encoding="utf-8", newline="") as file:
        return [(line, reason, row) for line, reason, row in csv.reader(file)][1:]


@pytest.fixture(scope="session")
def empty_tables(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    """A SQLite database with all tables and nobody in it: made once, copied for each test."""
    path = tmp_path_factory.mktemp("empty") / "empty.sqlite3"
    made = open_engine(f"sqlite:///{path}")
    Base.metadata.create_all(made)
    made.dispose()
    return path.read_bytes()


@pytest.fixture
def engine(database_url: str, empty_tables: bytes) -> Iterator[Engine]:
    if database_url.startswith("sqlite"):
        Path(database_url.removeprefix("sqlite:///")).write_bytes(empty_tables)
    made = open_engine(database_url)
    if not database_url.startswith("sqlite"):
        Base.metadata.create_all(made)
    yield made
    made.dispose()


@pytest.fixture
def sessions(engine: Engine) -> sessionmaker[Session]:
    return session_factory(engine)


@pytest.fixture
def session(sessions: sessionmaker[Session]) -> Iterator[Session]:
    with sessions() as opened:
        yield opened


@pytest.fixture
def daily(sessions: sessionmaker[Session]) -> int:
    """The id of a single opt-in list called ``daily``."""
    with sessions.begin() as session:
        return create_list(session, "daily", now=NOW).id


@pytest.fixture
def bring_in(engine: Engine, daily: int, tmp_path: Path) -> Callable[..., Report]:
    """``bring_in("email\\na@x.org\\n", update=True)`` → the report of the import into ``daily``."""

    def bring(content: str | bytes, *, list_id: int | None = daily, **options: object) -> Report:
        raw = content.encode() if isinstance(content, str) else content
        chosen = Options(list_id, errors_file=tmp_path / "errors.csv", **options)  # type: ignore[arg-type]
        return import_people(engine, io.BytesIO(raw), KEY, chosen, now=NOW)

    return bring
