"""The database's schema and its versions: compared with a constant on every use, migrated when older.

Alembic is loaded only when the version differs. One process migrates (an advisory lock on
PostgreSQL, a lock file on SQLite), SQLite is backed up first, and a newer schema is refused.
"""

from __future__ import annotations

import fcntl
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from sqlalchemy import Engine, inspect, text
from sqlalchemy.exc import DBAPIError

from digest.errors import DatabaseUnusable, SchemaTooNew
from subscribers.database import reading

if TYPE_CHECKING:
    from alembic.config import Config

HEAD = "0004"
_ADVISORY_LOCK = 0x646967657374  # "digest"


def schema_version(engine: Engine) -> str | None:
    """The schema's version, or None for a database without our tables."""
    with reading(engine).connect() as connection:
        if not inspect(connection).has_table("alembic_version"):
            return None
        return connection.execute(text("SELECT version_num FROM alembic_version")).scalar()


def ensure_schema(engine: Engine) -> str | None:
    """Bring the schema to ``HEAD``; returns the version it had, or None when nothing was to be done
    or the database was new.

    Raises ``SchemaTooNew`` when a newer program wrote it, ``DatabaseUnusable`` when it cannot be
    opened. Safe to call from many processes at once.
    """
    try:
        found = schema_version(engine)
    except DBAPIError as error:
        raise _unusable(engine, error) from error
    if found == HEAD:
        return None
    return upgrade(engine)


def upgrade(engine: Engine) -> str | None:
    """Migrate to ``HEAD`` under a lock, after a backup on SQLite; returns the version it had."""
    from alembic import command

    config = _config()
    with _locked(engine):
        found = schema_version(engine)
        if found == HEAD:
            return None
        _refuse_unknown(config, found)
        if found is not None and engine.dialect.name == "sqlite":
            from digest.migrations.backup import copy_sqlite

            path = Path(str(engine.url.database))
            copy_sqlite(path, path.with_name(f"{path.name}.before-{HEAD}"))
        try:
            with engine.connect() as connection:
                config.attributes["connection"] = connection
                command.upgrade(config, "head")
                connection.commit()
        except DBAPIError as error:
            raise _unusable(engine, error) from error
    return found


def _refuse_unknown(config: Config, found: str | None) -> None:
    from alembic.script import ScriptDirectory

    known = {script.revision for script in ScriptDirectory.from_config(config).walk_revisions()}
    if found is not None and found not in known:
        raise SchemaTooNew(
            f"the database has schema {found}, this program knows up to {HEAD}",
            remedy="use the version of dontmiss that wrote it, or a newer one",
        )


def _config() -> Config:
    from alembic.config import Config

    config = Config()
    config.set_main_option("script_location", str(Path(__file__).parent))
    config.set_main_option("path_separator", "os")
    return config


@contextmanager
def _locked(engine: Engine) -> Iterator[None]:
    if engine.dialect.name == "postgresql":
        with engine.connect() as connection:
            connection.execute(text("SELECT pg_advisory_lock(:key)"), {"key": _ADVISORY_LOCK})
            try:
                yield
            finally:
                connection.execute(text("SELECT pg_advisory_unlock(:key)"), {"key": _ADVISORY_LOCK})
        return
    path = Path(f"{engine.url.database}.lock")
    try:
        lock = path.open("w")
    except OSError as error:
        raise DatabaseUnusable(f"{path}: {error.strerror}", remedy="the folder must be writable") from error
    with lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def _unusable(engine: Engine, error: DBAPIError) -> DatabaseUnusable:
    where = engine.url.render_as_string(hide_password=True)
    cause = " ".join(str(error.orig).split())
    remedy = "`digest db check` tells more"
    if "readonly" in cause or "unable to open" in cause:
        remedy = "the file and its folder must be readable and writable by this user"
    elif "not a database" in cause or "malformed" in cause:
        remedy = "it is damaged: restore a backup"
    elif engine.dialect.name == "postgresql":
        remedy = "check DIGEST_DATABASE_URL and that the server runs"
    return DatabaseUnusable(f"database {where}: {cause}", remedy=remedy)
