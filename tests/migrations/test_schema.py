"""The migrated schema is the one that the models declare, and is handled with care."""

from __future__ import annotations

import re
import sqlite3
import stat
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from sqlalchemy import Engine, inspect, text

import digest.models as models
from digest.errors import DatabaseUnusable, SchemaTooNew
from digest.migrations import HEAD, ensure_schema, schema_version
from digest.migrations.backup import backup
from subscribers.database import Base

assert models.people
Opener = Callable[[str], Engine]


def _declared_on_sqlite(path: Path) -> dict[str, str]:
    with sqlite3.connect(path) as connection:
        rows = connection.execute("SELECT type || ' ' || name, sql FROM sqlite_master WHERE sql IS NOT NULL")
        return {
            name: _normal(sql)
            for name, sql in rows
            if "alembic_version" not in name and not name.startswith("table sqlite_")
        }


def _normal(sql: str) -> str:
    """White space, quotes and the order of columns' constraints do not matter; everything else does."""
    body = re.sub(r"\s+", " ", sql.replace('"', "")).strip()
    head, _, inner = body.partition("(")
    parts = sorted(part.strip() for part in re.split(r",(?![^(]*\))", inner.removesuffix(")")))
    return head + "(" + ", ".join(parts)


def test_migrating_an_empty_sqlite_file_gives_what_the_models_declare(
    tmp_path: Path, open_database: Opener
) -> None:
    migrated, created = tmp_path / "migrated.sqlite3", tmp_path / "created.sqlite3"
    ensure_schema(open_database(f"sqlite:///{migrated}"))
    Base.metadata.create_all(open_database(f"sqlite:///{created}"))
    assert _declared_on_sqlite(migrated) == _declared_on_sqlite(created)


@pytest.mark.service
def test_migrating_an_empty_postgresql_database_gives_what_the_models_declare(
    postgres_url: str, open_database: Opener
) -> None:
    catalogue = """
        SELECT c.relname || '.' || a.attname, format_type(a.atttypid, a.atttypmod)
          || ' ' || a.attnotnull::text
          || coalesce(' ' || pg_get_expr(d.adbin, d.adrelid), '') || ' ' || a.attidentity::text
        FROM pg_attribute a JOIN pg_class c ON c.oid = a.attrelid AND c.relkind = 'r'
        LEFT JOIN pg_attrdef d ON d.adrelid = c.oid AND d.adnum = a.attnum
        WHERE c.relnamespace = 'public'::regnamespace AND a.attnum > 0 AND NOT a.attisdropped
        UNION ALL SELECT conrelid::regclass || '.' || conname, pg_get_constraintdef(oid) FROM pg_constraint
        WHERE connamespace = 'public'::regnamespace
        UNION ALL SELECT indexname, indexdef FROM pg_indexes WHERE schemaname = 'public'
    """

    def described() -> set[tuple[str, str]]:
        with engine.connect() as connection:
            return {
                (name, what) for name, what in connection.execute(text(catalogue)) if "alembic" not in name
            }

    engine = open_database(postgres_url)
    ensure_schema(engine)
    migrated = described()
    with engine.begin() as connection:
        connection.execute(text("DROP SCHEMA public CASCADE"))
        connection.execute(text("CREATE SCHEMA public"))
    Base.metadata.create_all(engine)
    assert described() == migrated


def test_a_current_schema_loads_no_alembic(tmp_path: Path, open_database: Opener) -> None:
    url = f"sqlite:///{tmp_path / 'digest.sqlite3'}"
    ensure_schema(open_database(url))
    program = (
        "import sys; from subscribers.database import open_engine\n"
        "from digest.migrations import ensure_schema\n"
        f"ensure_schema(open_engine({url!r})); print('alembic' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "False"


def test_a_schema_of_a_newer_program_is_refused(database_url: str, open_database: Opener) -> None:
    engine = open_database(database_url)
    ensure_schema(engine)
    with engine.begin() as connection:
        connection.execute(text("UPDATE alembic_version SET version_num = '9999'"))
    with pytest.raises(SchemaTooNew, match="9999"):
        ensure_schema(engine)


def test_many_processes_that_come_at_once_migrate_once(database_url: str, open_database: Opener) -> None:
    program = (
        "from subscribers.database import open_engine; from digest.migrations import ensure_schema;"
        f"ensure_schema(open_engine({database_url!r}))"
    )
    running = [
        subprocess.Popen([sys.executable, "-c", program], stderr=subprocess.PIPE, text=True) for _ in range(4)
    ]
    errors = [process.communicate(timeout=120)[1] for process in running]
    assert [process.returncode for process in running] == [0, 0, 0, 0], errors
    assert schema_version(open_database(database_url)) == HEAD


def test_a_file_that_is_no_database_is_named(tmp_path: Path, open_database: Opener) -> None:
    path = tmp_path / "digest.sqlite3"
    path.write_bytes(b"this is a letter, not a database" * 100)
    with pytest.raises(DatabaseUnusable, match=r"digest\.sqlite3.*not a database"):
        ensure_schema(open_database(f"sqlite:///{path}"))


def test_the_database_is_private_and_so_is_its_backup(tmp_path: Path, open_database: Opener) -> None:
    engine = open_database(f"sqlite:///{tmp_path / 'digest.sqlite3'}")
    ensure_schema(engine)
    size = backup(engine, tmp_path / "copy.sqlite3")
    assert size > 0
    for file in tmp_path.glob("*.sqlite3*"):
        if not file.name.endswith(".lock"):
            assert stat.S_IMODE(file.stat().st_mode) == 0o600, file
    assert inspect(open_database(f"sqlite:///{tmp_path / 'copy.sqlite3'}")).has_table("deliveries")
