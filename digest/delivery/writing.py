"""The one connection by which a delivery writes, opened anew whenever the database has been away.

On SQLite it commits with ``synchronous=FULL``: a power cut forgets no accepted mail.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from sqlalchemy import Connection
from sqlalchemy.engine import Engine
from sqlalchemy.exc import DBAPIError, OperationalError

log = logging.getLogger(__name__)
CHECKPOINT_PAGES = 4000  # of SQLite's WAL, 16 MB: the default of 1000 stalls commits four times as often


class WritingConnection:
    """Used by one thread at a time; opened when it is first asked for, and again after ``close``."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._sqlite = engine.dialect.name == "sqlite"
        self._connection: Connection | None = None

    def connection(self) -> Connection:
        """The connection, with its settings. Raises what the driver raises."""
        if self._connection is None:
            connection = self._engine.connect()
            connection.detach()  # its settings must not come back with the pool
            if self._sqlite:
                raw = connection.connection.dbapi_connection
                assert raw is not None  # noqa: S101 - for the type checker
                raw.execute("PRAGMA synchronous = FULL")
                raw.execute(f"PRAGMA wal_autocheckpoint = {CHECKPOINT_PAGES}")
            self._connection = connection
        return self._connection

    @contextmanager
    def transaction(self) -> Iterator[Any]:
        """The driver's own cursor (see ``statements``), in a transaction that is committed at the end."""
        raw = self.connection().connection.dbapi_connection
        assert raw is not None  # noqa: S101 - for the type checker: it is connected
        cursor = raw.cursor()
        if self._sqlite:
            cursor.execute("BEGIN IMMEDIATE")
        try:
            yield cursor
            if self._sqlite:
                cursor.execute("COMMIT")
            else:
                raw.commit()
        except BaseException:
            raw.rollback()
            raise
        finally:
            cursor.close()

    def close(self) -> None:
        """Whatever state it is in."""
        connection, self._connection = self._connection, None
        if connection is not None:
            try:
                connection.close()
            except Exception:
                log.debug("closing a broken connection", exc_info=True)

    def is_trouble(self, error: BaseException) -> bool:
        """Whether the database is away, locked or full, rather than the statement wrong."""
        module = self._engine.dialect.loaded_dbapi
        if isinstance(error, DBAPIError):
            return isinstance(error, OperationalError) or error.connection_invalidated
        return isinstance(error, module.OperationalError | module.InterfaceError)


def explain(error: BaseException) -> str:
    """What the driver says, on one line."""
    cause = error.orig if isinstance(error, DBAPIError) and error.orig is not None else error
    return " ".join(str(cause).split()) or type(cause).__name__
