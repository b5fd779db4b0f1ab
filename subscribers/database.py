"""The database foundation of both packages: declarative base, UTC times, engine and sessions.

``subscribers`` is the lower package, so it owns these; ``digest`` builds its tables on the same
``Base``. SQLite is opened in WAL mode with foreign keys on, a busy timeout, and a file that only
its owner may read; PostgreSQL goes through psycopg 3.
"""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sqlalchemy import JSON, Connection, DateTime, MetaData, create_engine, event
from sqlalchemy.engine import Engine, make_url
from sqlalchemy.orm import DeclarativeBase, Session, sessionmaker
from sqlalchemy.types import TypeDecorator, TypeEngine

if TYPE_CHECKING:
    from sqlalchemy.engine.interfaces import DBAPIConnection, Dialect

SQLITE_BUSY_SECONDS = 15.0

NAMING = {
    "ix": "ix_%(table_name)s_%(column_0_N_name)s",
    "uq": "uq_%(table_name)s_%(column_0_N_name)s",
    "ck": "ck_%(table_name)s_%(constraint_name)s",
    "fk": "fk_%(table_name)s_%(column_0_N_name)s_%(referred_table_name)s",
    "pk": "pk_%(table_name)s",
}


class Base(DeclarativeBase):
    """Declarative base of every table; constraint names are fixed, so that migrations can name them."""

    metadata = MetaData(naming_convention=NAMING)


class UtcDateTime(TypeDecorator[datetime]):
    """An aware UTC datetime on both databases (SQLite stores no zone, so it is put back on reading).

    Raises ``ValueError`` on a naive datetime: zones live at the edges, never here.
    """

    impl = DateTime(timezone=True)
    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        if value is None:
            return None
        if value.tzinfo is None:
            raise ValueError(f"naive datetime {value!r}: give it a zone first")
        value = value.astimezone(UTC)
        return value.replace(tzinfo=None) if dialect.name == "sqlite" else value

    def process_result_value(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        if value is None:
            return None
        return value.replace(tzinfo=UTC) if value.tzinfo is None else value.astimezone(UTC)


class JsonValue(TypeDecorator[Any]):
    """JSON, and JSONB on PostgreSQL, whose dialect is loaded only there: it costs every start 40 ms.

    :param none_as_null: write ``None`` as SQL NULL instead of the JSON value ``null``.
    """

    impl = JSON
    cache_ok = True
    hashable = False

    def __init__(self, none_as_null: bool = False) -> None:
        super().__init__(none_as_null=none_as_null)
        self.none_as_null = none_as_null
        self.should_evaluate_none = not none_as_null

    def load_dialect_impl(self, dialect: Dialect) -> TypeEngine[Any]:
        if dialect.name == "postgresql":
            from sqlalchemy.dialects.postgresql import JSONB

            return dialect.type_descriptor(JSONB(none_as_null=self.none_as_null))
        return super().load_dialect_impl(dialect)

    def result_processor(self, dialect: Dialect, coltype: Any) -> Callable[[Any], Any] | None:
        """Most people have no attributes and chose no sections: that needs no parser."""
        parse = super().result_processor(dialect, coltype)
        if parse is None:  # psycopg has parsed it
            return None
        return lambda value: None if value is None else {} if value == "{}" else parse(value)

    def coerce_compared_value(self, op: Any, value: Any) -> Any:
        return self.impl_instance.coerce_compared_value(op, value)


def _prepare_sqlite(connection: DBAPIConnection, _record: Any) -> None:
    # The driver's own transaction handling begins too late (at the first write); ours is below.
    connection.isolation_level = None
    cursor = connection.cursor()
    cursor.execute("PRAGMA journal_mode = WAL")
    cursor.execute("PRAGMA foreign_keys = ON")
    cursor.execute("PRAGMA synchronous = NORMAL")  # the delivery writer raises it to FULL
    cursor.execute(f"PRAGMA busy_timeout = {int(SQLITE_BUSY_SECONDS * 1000)}")
    cursor.close()


def _begin_sqlite(connection: Connection) -> None:
    # A transaction that reads and then writes must take the write lock at its beginning: upgrading
    # later fails at once ("database is locked") when somebody else has written in between.
    writes = connection.get_execution_options().get("writes", True)
    connection.exec_driver_sql("BEGIN IMMEDIATE" if writes else "BEGIN")


def json_text(value: object) -> str:
    """JSON as it is stored: compact, and with letters as they are, so that SQL can compare them."""
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"))


def open_engine(url: str) -> Engine:
    """Open the database at ``url`` (``sqlite:///PATH`` or ``postgresql+psycopg://…``).

    A SQLite file is created with mode 0600 before SQLite sees it, so that its WAL and shared-memory
    files inherit that mode. ``postgres://`` and ``postgresql://`` are taken as psycopg 3.
    """
    parsed = make_url(url)
    if parsed.drivername in {"postgres", "postgresql"}:
        parsed = parsed.set(drivername="postgresql+psycopg")
    if parsed.get_backend_name() != "sqlite":
        return create_engine(
            parsed, pool_pre_ping=True, pool_size=5, max_overflow=15, json_serializer=json_text
        )
    if parsed.database and parsed.database != ":memory:":
        path = Path(parsed.database)
        if not path.exists():
            os.close(os.open(path, os.O_CREAT | os.O_RDWR, 0o600))
    engine = create_engine(parsed, connect_args={"timeout": SQLITE_BUSY_SECONDS}, json_serializer=json_text)
    event.listen(engine, "connect", _prepare_sqlite)
    event.listen(engine, "begin", _begin_sqlite)
    return engine


def insert_or_ignore(session: Session, table: type[Base]) -> Any:
    """Return an ``INSERT`` into ``table`` that does nothing where the row is there already."""
    if session.get_bind().dialect.name == "sqlite":
        from sqlalchemy.dialects.sqlite import insert as sqlite_insert

        return sqlite_insert(table).on_conflict_do_nothing()
    from sqlalchemy.dialects.postgresql import insert as postgresql_insert

    return postgresql_insert(table).on_conflict_do_nothing()


def reading(engine: Engine) -> Engine:
    """The same engine for transactions that only read: on SQLite they never wait for a writer."""
    return engine.execution_options(writes=False)


def session_factory(engine: Engine) -> sessionmaker[Session]:
    """Sessions whose objects stay readable after commit.

    With a plain engine a SQLite transaction takes the write lock at its beginning; give
    ``reading(engine)`` for sessions that only read.
    """
    return sessionmaker(engine, expire_on_commit=False)
