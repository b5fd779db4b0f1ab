"""Where a planned chunk goes: SQLite by ``executemany``, PostgreSQL by ``COPY``; no ORM in this hot path.

A chunk is one transaction. Ids are taken before the rows are made, so that no row is read back.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from typing import Any, Final, Protocol

from sqlalchemy import Connection, text

from subscribers.importing.plan import Changes, Known, Person, Subscription
from subscribers.importing.values import Candidate

PEOPLE_COLUMNS: Final = (
    "id", "address", "normalized", "domain", "suppression_hash", "name", "language", "timezone",
    "attributes", "created_at", "updated_at",
)  # fmt: skip
SUBSCRIPTION_COLUMNS: Final = (
    "id", "subscriber_id", "list_id", "status", "sections", "created_at", "confirmed_at", "unsubscribed_at",
)  # fmt: skip
EVENT_COLUMNS: Final = (
    "subscriber_id", "list_id", "action", "method", "at", "import_id", "line", "ip",
)  # fmt: skip
SUPPRESSION_COLUMNS: Final = ("kind", "address_hash", "cause", "reason", "created_at")


class Store(Protocol):
    """Reads and writes one chunk inside the transaction of ``connection``."""

    def moment(self, at: datetime) -> Any:
        """Return a time as the driver is given it."""
        ...

    def highest_person_id(self, connection: Connection) -> int:
        """Return the highest id ever given to a person."""
        ...

    def tune(self, connection: Connection, *, for_import: bool) -> None:
        """Make the connection ready for much writing, or as it was."""
        ...

    def look_up(self, connection: Connection, rows: Sequence[Candidate]) -> Known:
        """Return what is known of the rows' addresses and domains."""
        ...

    def ids(self, connection: Connection, table: str, number: int) -> Iterator[int]:
        """Return at least ``number`` ids that were never used."""
        ...

    def write(self, connection: Connection, changes: Changes, now: datetime) -> None:
        """Write all changes."""
        ...


def store_for(connection: Connection) -> Store:
    """Return the store of this database."""
    return SqliteStore() if connection.dialect.name == "sqlite" else PostgresStore()


class SqliteStore:
    """Through the ``sqlite3`` module's own ``executemany``."""

    def moment(self, at: datetime) -> str:
        return at.astimezone(UTC).strftime("%Y-%m-%d %H:%M:%S.%f")

    def tune(self, connection: Connection, *, for_import: bool) -> None:
        # The unique index of a million addresses is hit all over: 32 MiB of cache, else SQLite's 2.
        _driver(connection).execute(f"PRAGMA cache_size = {-32_768 if for_import else -2_000}")

    def highest_person_id(self, connection: Connection) -> int:
        return self._sequence(connection, "subscribers")

    def look_up(self, connection: Connection, rows: Sequence[Candidate]) -> Known:
        raw = _driver(connection)
        known = Known({}, set(), set(), _lists(connection))
        people = known.people
        # The JSON table is the outer loop: one look-up in the unique index for each address.
        wanted = json.dumps([row.normalized for row in rows], ensure_ascii=False)
        for normalized, person_id, name, language, timezone, attributes, *joined in raw.execute(
            "SELECT s.normalized, s.id, s.name, s.language, s.timezone, s.attributes,"
            " b.id, b.list_id, b.status, b.sections"
            " FROM json_each(?) j CROSS JOIN subscribers s ON s.normalized = j.value"
            " LEFT JOIN subscriptions b ON b.subscriber_id = s.id",
            (wanted,),
        ):
            person = people.get(normalized)
            if person is None:
                person = people[normalized] = Person(person_id, name, language, timezone, attributes)
            if joined[0] is not None:
                person.subscriptions[joined[1]] = Subscription(joined[0], joined[2], joined[3])
        if raw.execute("SELECT EXISTS (SELECT 1 FROM suppressions)").fetchone()[0]:
            hashes = [row.address_hash for row in rows]
            for start in range(0, len(hashes), 10_000):
                part = hashes[start : start + 10_000]
                marks = ",".join("?" * len(part))
                known.suppressed_hashes.update(
                    found
                    for (found,) in raw.execute(
                        f"SELECT address_hash FROM suppressions WHERE address_hash IN ({marks})",  # noqa: S608 - marks only
                        part,
                    )
                )
            domains = json.dumps(sorted({row.domain for row in rows}))
            known.suppressed_domains.update(
                found
                for (found,) in raw.execute(
                    "SELECT p.domain FROM json_each(?) j CROSS JOIN suppressions p ON p.domain = j.value",
                    (domains,),
                )
            )
        return known

    def ids(self, connection: Connection, table: str, number: int) -> Iterator[int]:
        # The transaction holds the write lock, so nobody else takes them.
        start = self._sequence(connection, table) + 1
        return iter(range(start, start + number))

    def write(self, connection: Connection, changes: Changes, now: datetime) -> None:
        raw = _driver(connection)
        # In the order of the unique index, neighbouring pages are written once.
        raw.executemany(
            _insert("subscribers", PEOPLE_COLUMNS), sorted(changes.people, key=lambda row: row[2])
        )
        raw.executemany(_insert("subscriptions", SUBSCRIPTION_COLUMNS), changes.subscriptions)
        raw.executemany(_insert("consent_events", EVENT_COLUMNS), changes.events)
        raw.executemany(
            _insert("suppressions", SUPPRESSION_COLUMNS) + " ON CONFLICT DO NOTHING", changes.suppressions
        )
        raw.executemany(_UPDATE_PERSON.replace("%s", "?"), _person_updates(changes, self.moment(now)))
        raw.executemany(_UPDATE_SUBSCRIPTION.replace("%s", "?"), _subscription_updates(changes))

    def _sequence(self, connection: Connection, table: str) -> int:
        found = connection.execute(
            text("SELECT seq FROM sqlite_sequence WHERE name = :table"), {"table": table}
        )
        return found.scalar() or 0


class PostgresStore:
    """Through psycopg's ``COPY``."""

    def moment(self, at: datetime) -> str:
        return at.isoformat()

    def tune(self, connection: Connection, *, for_import: bool) -> None:
        pass

    def highest_person_id(self, connection: Connection) -> int:
        found = connection.execute(text("SELECT last_value FROM subscribers_id_seq WHERE is_called"))
        return found.scalar() or 0

    def look_up(self, connection: Connection, rows: Sequence[Candidate]) -> Known:
        raw = _driver(connection)
        known = Known({}, set(), set(), _lists(connection))
        people = known.people
        wanted = [row.normalized for row in rows]
        found = raw.execute(
            "SELECT s.normalized, s.id, s.name, s.language, s.timezone, s.attributes,"
            " b.id, b.list_id, b.status, b.sections"
            " FROM subscribers s LEFT JOIN subscriptions b ON b.subscriber_id = s.id"
            " WHERE s.normalized = ANY(%s)",
            (wanted,),
        )
        for normalized, person_id, name, language, timezone, attributes, *joined in found:
            person = people.get(normalized)
            if person is None:
                person = people[normalized] = Person(person_id, name, language, timezone, attributes)
            if joined[0] is not None:
                sections = None if joined[3] is None else json.dumps(joined[3], ensure_ascii=False)
                person.subscriptions[joined[1]] = Subscription(joined[0], joined[2], sections)
        if raw.execute("SELECT EXISTS (SELECT 1 FROM suppressions)").fetchone()[0]:
            hashes = [row.address_hash for row in rows]
            domains = list({row.domain for row in rows})
            for kind, address_hash, domain in raw.execute(
                "SELECT kind, address_hash, domain FROM suppressions"
                " WHERE address_hash = ANY(%s) OR domain = ANY(%s)",
                (hashes, domains),
            ):
                if kind == "address":
                    known.suppressed_hashes.add(bytes(address_hash))
                else:
                    known.suppressed_domains.add(domain)
        return known

    def ids(self, connection: Connection, table: str, number: int) -> Iterator[int]:
        if not number:
            return iter(())
        found = _driver(connection).execute(
            "SELECT nextval(pg_get_serial_sequence(%s, 'id')) FROM generate_series(1, %s)", (table, number)
        )
        return iter([row[0] for row in found.fetchall()])

    def write(self, connection: Connection, changes: Changes, now: datetime) -> None:
        cursor = _driver(connection).cursor()
        for table, columns, rows in (
            ("subscribers", PEOPLE_COLUMNS, changes.people),
            ("subscriptions", SUBSCRIPTION_COLUMNS, changes.subscriptions),
            ("consent_events", EVENT_COLUMNS, changes.events),
        ):
            if rows:
                with cursor.copy(f"COPY {table} ({', '.join(columns)}) FROM STDIN") as copy:
                    for row in rows:
                        copy.write_row(row)
        if changes.suppressions:
            cursor.executemany(
                _insert("suppressions", SUPPRESSION_COLUMNS).replace("?", "%s") + " ON CONFLICT DO NOTHING",
                changes.suppressions,
            )
        if changes.changed_people:
            cursor.executemany(_UPDATE_PERSON, _person_updates(changes, self.moment(now)))
        if changes.changed_subscriptions:
            cursor.executemany(_UPDATE_SUBSCRIPTION, _subscription_updates(changes))


_UPDATE_PERSON = (
    "UPDATE subscribers SET name = %s, language = %s, timezone = %s, attributes = %s, updated_at = %s"
    " WHERE id = %s"
)
_UPDATE_SUBSCRIPTION = (
    "UPDATE subscriptions SET status = %s, sections = %s, confirmed_at = coalesce(%s, confirmed_at),"
    " unsubscribed_at = CASE WHEN %s = 'unsubscribed' THEN coalesce(%s, unsubscribed_at) END WHERE id = %s"
)


def _person_updates(changes: Changes, now: Any) -> list[tuple[Any, ...]]:
    return [
        (
            person.name,
            person.language,
            person.timezone,
            person.attributes
            if isinstance(person.attributes, str)
            else json.dumps(person.attributes, ensure_ascii=False),
            now,
            person.id,
        )
        for person in changes.changed_people
    ]


def _subscription_updates(changes: Changes) -> list[tuple[Any, ...]]:
    return [
        (found.status, found.sections, found.confirmed_at, found.status, found.unsubscribed_at, found.id)
        for found in changes.changed_subscriptions
    ]


def _insert(table: str, columns: Sequence[str]) -> str:
    marks = ", ".join("?" * len(columns))
    return f"INSERT INTO {table} ({', '.join(columns)}) VALUES ({marks})"  # noqa: S608 - names of our own


def _lists(connection: Connection) -> dict[str, int]:
    return dict(connection.execute(text("SELECT name, id FROM lists")).tuples().all())


def _driver(connection: Connection) -> Any:
    return connection.connection.driver_connection
