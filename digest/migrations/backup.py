"""A consistent copy of the database while it is in use."""

from __future__ import annotations

import os
import shutil
import sqlite3
import subprocess
from contextlib import closing
from pathlib import Path

from sqlalchemy import Engine

from digest.errors import DatabaseUnusable


def backup(engine: Engine, target: Path) -> int:
    """Write a copy to ``target`` (mode 0600) and return its size in bytes.

    SQLite: the online backup API. PostgreSQL: ``pg_dump`` in its custom format. ``target`` appears
    only when it is complete. Raises ``DatabaseUnusable``.
    """
    if engine.dialect.name == "sqlite":
        copy_sqlite(Path(str(engine.url.database)), target)
    else:
        _dump_postgres(engine, target)
    return target.stat().st_size


def copy_sqlite(source: Path, target: Path) -> None:
    """Copy a SQLite database that may be in use. Raises ``DatabaseUnusable``."""
    part = _new_private_file(target)
    try:
        with (
            closing(sqlite3.connect(f"{source.absolute().as_uri()}?mode=ro", uri=True)) as reader,
            closing(sqlite3.connect(part)) as writer,
        ):
            reader.backup(writer, pages=2048)
            writer.execute("PRAGMA journal_mode = DELETE")
        part.replace(target)
    except (sqlite3.Error, OSError) as error:
        part.unlink(missing_ok=True)
        raise DatabaseUnusable(f"backup to {target}: {error}", remedy="is there room on the disk?") from error


def _new_private_file(target: Path) -> Path:
    part = target.with_name(f".{target.name}.part")
    part.unlink(missing_ok=True)
    try:
        os.close(os.open(part, os.O_CREAT | os.O_EXCL | os.O_RDWR, 0o600))
    except OSError as error:
        raise DatabaseUnusable(
            f"backup to {target}: {error.strerror}", remedy="give a writable folder"
        ) from error
    return part


def _dump_postgres(engine: Engine, target: Path) -> None:
    program = shutil.which("pg_dump")
    if program is None:
        raise DatabaseUnusable("pg_dump is not installed", remedy="install PostgreSQL's client programs")
    part = _new_private_file(target)
    url = engine.url
    environment = {**os.environ, "PGPASSWORD": url.password or ""}
    plain = url.set(drivername="postgresql", password=None).render_as_string(hide_password=False)
    done = subprocess.run(  # noqa: S603 - a fixed program, the user's own database
        [program, "--format=custom", "--file", str(part), "--dbname", plain],
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode != 0:
        part.unlink(missing_ok=True)
        raise DatabaseUnusable(f"pg_dump: {' '.join(done.stderr.split())}")
    part.replace(target)
