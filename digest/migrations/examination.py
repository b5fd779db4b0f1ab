"""Looks for damage in the database."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

from sqlalchemy import Connection, Engine, inspect, text
from sqlalchemy.exc import DBAPIError

import digest.models
from digest.migrations import HEAD, schema_version
from subscribers.database import Base, reading

assert digest.models.people  # importing the models fills the metadata  # noqa: S101


@dataclass(frozen=True)
class Examination:
    """What was found; ``problems`` are lines for people."""

    version: str | None
    tables: int
    problems: tuple[str, ...]

    def as_json(self) -> dict[str, Any]:
        """For ``--json``."""
        return {**asdict(self), "problems": list(self.problems)}


def examine(engine: Engine) -> Examination:
    """Check pages, references, and that every table and column that we use is there."""
    version = None
    tables = 0
    problems: list[str] = []
    try:
        version = schema_version(engine)
        if version is None:
            problems.append("there is no schema yet: `digest db upgrade` makes it")
        elif version != HEAD:
            problems.append(f"the schema is at {version}, this program uses {HEAD}: `digest db upgrade`")
        with reading(engine).connect() as connection:
            if engine.dialect.name == "sqlite":
                problems += _damage_of_sqlite(connection)
            if version == HEAD:
                tables, missing = _missing(connection)
                problems += missing
    except DBAPIError as error:
        problems.append(" ".join(str(error.orig).split()))
    return Examination(version, tables, tuple(problems))


def _damage_of_sqlite(connection: Connection) -> list[str]:
    damage = [str(row[0]) for row in connection.execute(text("PRAGMA integrity_check(20)")) if row[0] != "ok"]
    orphans = connection.execute(text("PRAGMA foreign_key_check")).fetchmany(20)
    return damage + [f"{row[0]}: row {row[1]} names a row of {row[2]} that does not exist" for row in orphans]


def _missing(connection: Connection) -> tuple[int, list[str]]:
    inspector = inspect(connection)
    there = set(inspector.get_table_names())
    problems = []
    for name, declared in Base.metadata.tables.items():
        if name not in there:
            problems.append(f"the table {name} is missing")
            continue
        columns = {column["name"] for column in inspector.get_columns(name)}
        problems += [
            f"{name}.{column.name} is missing" for column in declared.columns if column.name not in columns
        ]
    return len(there), problems
