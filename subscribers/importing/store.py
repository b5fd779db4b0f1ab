"""Where a planned chunk goes: SQLite by ``executemany``, PostgreSQL by ``COPY``; no ORM in this hot path.

A chunk is one transaction. Ids are taken before the rows are made, so that no row is read back. What is
written is made ready first: PostgreSQL takes it while the chunk after it is planned.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator, Sequence
from datetime import UTC, datetime
from operator import itemgetter
from typing import Any, Final, Protocol

from sqlalchemy import Connection, text

from subscribers.importing.plan import Changes, Person, Subscription
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


Writing = Callable[[Connection], None]  # a chunk made ready: writes it


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

    def people(self, connection: Connection, rows: Sequence[Candidate]) -> dict[str, Person]:
        """Return those of the rows' people who are known, by normalised address."""
        ...

    def suppressed(self, connection: Connection, rows: Sequence[Candidate]) -> tuple[set[bytes], set[str]]:
        """Return which of the rows' address hashes and domains are suppressed."""
        ...

    def ids(self, connection: Connection, table: str, number: int) -> Iterator[int]:
        """Return at least ``number`` ids that were never used."""
        ...

    def ready(self, changes: Changes, now: datetime) -> Writing:
        """Return what writes all changes; afterwards ``changes`` may be altered."""
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

    def people(self, connection: Connection, rows: Sequence[Candidate]) -> dict[str, Person]:
        raw = _driver(connection)
        people: dict[str, Person] = {}
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
        return people

    def suppressed(self, connection: Connection, rows: Sequence[Candidate]) -> tuple[set[bytes], set[str]]:
        raw = _driver(connection)
        found_hashes: set[bytes] = set()
        found_domains: set[str] = set()
        if raw.execute("SELECT EXISTS (SELECT 1 FROM suppressions)").fetchone()[0]:
            hashes = [row.address_hash for row in rows]
            for start in range(0, len(hashes), 10_000):
                part = hashes[start : start + 10_000]
                marks = ",".join("?" * len(part))
                found_hashes.update(
                    found
                    for (found,) in raw.execute(
                        f"SELECT address_hash FROM suppressions WHERE address_hash IN ({marks})",  # noqa: S608 - marks only
                        part,
                    )
                )
            domains = json.dumps(sorted({row.domain for row in rows}))
            found_domains.update(
                found
                for (found,) in raw.execute(
                    "SELECT p.domain FROM json_each(?) j CROSS JOIN suppressions p ON p.domain = j.value",
                    (domains,),
                )
            )
        return found_hashes, found_domains

    def ids(self, connection: Connection, table: str, number: int) -> Iterator[int]:
        # The transaction holds the write lock, so nobody else takes them.
        start = self._sequence(connection, table) + 1
        return iter(range(start, start + number))

    def ready(self, changes: Changes, now: datetime) -> Writing:
        statements: list[tuple[str, Sequence[Any]]] = [
            (_insert("subscribers", PEOPLE_COLUMNS), sorted(changes.people, key=_normalized)),
            (_insert("subscriptions", SUBSCRIPTION_COLUMNS), changes.subscriptions),
            (_insert("consent_events", EVENT_COLUMNS), changes.events),
            (
                _insert("suppressions", SUPPRESSION_COLUMNS) + " ON CONFLICT DO NOTHING",
                changes.suppressions,
            ),
            (_UPDATE_PERSON.replace("%s", "?"), _person_updates(changes, self.moment(now))),
            (_UPDATE_SUBSCRIPTION.replace("%s", "?"), _subscription_updates(changes)),
        ]

        def write(connection: Connection) -> None:
            raw = _driver(connection)
            for statement, rows in statements:
                raw.executemany(statement, rows)

        return write

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

    def people(self, connection: Connection, rows: Sequence[Candidate]) -> dict[str, Person]:
        raw = _driver(connection)
        people: dict[str, Person] = {}
        # OFFSET keeps the planner to one look-up in an index for each value: it knows no better size of
        # a growing table and would read all of it.
        for person_id, normalized, name, language, timezone, attributes in raw.execute(
            # One text for all of them: psycopg makes arrays in Python, 2 µs a value.
            "SELECT s.* FROM unnest(string_to_array(%s, E'\\n')) AS wanted (normalized)"
            " CROSS JOIN LATERAL (SELECT id, normalized, name, language, timezone, attributes::text"
            " FROM subscribers WHERE normalized = wanted.normalized OFFSET 0) s",
            ("\n".join([row.normalized for row in rows]),),
        ):
            people[normalized] = Person(person_id, name, language, timezone, attributes)
        if people:
            by_id = {person.id: person for person in people.values()}
            for subscriber_id, subscription_id, list_id, status, sections in raw.execute(
                "SELECT b.* FROM unnest(string_to_array(%s, E'\\n')::bigint[]) AS wanted (id)"
                " CROSS JOIN LATERAL (SELECT subscriber_id, id, list_id, status, sections::text"
                " FROM subscriptions WHERE subscriber_id = wanted.id OFFSET 0) b",
                ("\n".join(map(str, by_id)),),
            ):
                by_id[subscriber_id].subscriptions[list_id] = Subscription(subscription_id, status, sections)
        return people

    def suppressed(self, connection: Connection, rows: Sequence[Candidate]) -> tuple[set[bytes], set[str]]:
        raw = _driver(connection)
        found_hashes: set[bytes] = set()
        found_domains: set[str] = set()
        if raw.execute("SELECT EXISTS (SELECT 1 FROM suppressions)").fetchone()[0]:
            for kind, address_hash, domain in raw.execute(
                "SELECT p.kind, p.address_hash, p.domain FROM suppressions p JOIN unnest("
                "string_to_array(%s, E'\\n')) AS wanted (hash) ON p.address_hash = decode(wanted.hash, 'hex')"
                " UNION ALL SELECT p.kind, p.address_hash, p.domain FROM suppressions p JOIN unnest("
                "string_to_array(%s, E'\\n')) AS named (domain) ON p.domain = named.domain",
                (
                    "\n".join([row.address_hash.hex() for row in rows]),
                    "\n".join({row.domain for row in rows}),
                ),
            ):
                if kind == "address":
                    found_hashes.add(bytes(address_hash))
                else:
                    found_domains.add(domain)
        return found_hashes, found_domains

    def ids(self, connection: Connection, table: str, number: int) -> Iterator[int]:
        if not number:
            return iter(())
        raw = _driver(connection)
        ids = "SELECT nextval(%s::regclass) AS id FROM generate_series(1, %s)"
        sequence = f"{table}_id_seq"
        first, last = raw.execute(
            f"SELECT min(id), max(id) FROM ({ids}) AS taken",  # noqa: S608 - a text of our own
            (sequence, number),
        ).fetchone()
        if last - first + 1 == number:
            return iter(range(first, last + 1))
        # Somebody took some in between: gaps do no harm, so take others, one by one.
        return iter([row[0] for row in raw.execute(ids, (sequence, number)).fetchall()])

    def ready(self, changes: Changes, now: datetime) -> Writing:
        copies = [
            (f"COPY {table} ({', '.join(columns)}) FROM STDIN", text_of(rows).encode())
            for table, columns, text_of, rows in (
                ("subscribers", PEOPLE_COLUMNS, _people_text, sorted(changes.people, key=_normalized)),
                ("subscriptions", SUBSCRIPTION_COLUMNS, _subscriptions_text, changes.subscriptions),
                ("consent_events", EVENT_COLUMNS, _events_text, changes.events),
            )
            if rows
        ]
        suppress = _insert("suppressions", SUPPRESSION_COLUMNS).replace("?", "%s") + " ON CONFLICT DO NOTHING"
        statements: list[tuple[str, Sequence[Any]]] = [
            (suppress, changes.suppressions),
            (_UPDATE_PERSON, _person_updates(changes, self.moment(now))),
            (_UPDATE_SUBSCRIPTION, _subscription_updates(changes)),
        ]

        def write(connection: Connection) -> None:
            cursor = _driver(connection).cursor()
            # What a crash of the server could lose, the same import run again brings back.
            cursor.execute("SET LOCAL synchronous_commit = off")
            for statement, text_of_rows in copies:
                with cursor.copy(statement) as copy:
                    copy.write(text_of_rows)
            for statement, rows in statements:
                if rows:
                    cursor.executemany(statement, rows)

        return write


# In the order of the unique index, neighbouring entries are written together.
_normalized = itemgetter(2)


def _people_text(rows: Iterable[Any]) -> str:
    """The text form of COPY; only names and attributes can hold what it must escape."""
    return "".join(
        [
            f"{id_}\t{address}\t{normalized}\t{domain}\t\\\\x{address_hash.hex()}\t{_escaped(name)}\t{language}\t"
            f"{timezone}\t{_escaped(attributes)}\t{created}\t{updated}\n"
            for id_, address, normalized, domain, address_hash, name, language, timezone, attributes, created,
            updated in rows
        ]
    )  # fmt: skip


def _subscriptions_text(rows: Iterable[Any]) -> str:
    return "".join(
        [
            f"{id_}\t{subscriber}\t{list_id}\t{status}\t{_nullable(sections)}\t{created}\t"
            f"{confirmed or _NULL}\t{left or _NULL}\n"
            for id_, subscriber, list_id, status, sections, created, confirmed, left in rows
        ]
    )


def _events_text(rows: Iterable[Any]) -> str:
    return "".join(
        [
            f"{subscriber}\t{list_id or _NULL}\t{action}\t{method}\t{at}\t{import_id}\t{line}\t"
            f"{_nullable(ip)}\n"
            for subscriber, list_id, action, method, at, import_id, line, ip in rows
        ]
    )


def _escaped(value: str) -> str:
    return value.replace("\\", "\\\\") if "\\" in value else value


def _nullable(value: str | None) -> str:
    if value is None:
        return _NULL
    return value.replace("\\", "\\\\").replace("\t", "\\t").replace("\n", "\\n").replace("\r", "\\r")


_NULL = "\\N"
_UPDATE_PERSON = (
    "UPDATE subscribers SET name = %s, language = %s, timezone = %s, attributes = %s, updated_at = %s"
    " WHERE id = %s"
)
_UPDATE_SUBSCRIPTION = (
    "UPDATE subscriptions SET status = %s, sections = %s, confirmed_at = coalesce(%s, confirmed_at),"
    " unsubscribed_at = CASE WHEN %s = 'unsubscribed' THEN coalesce(%s, unsubscribed_at) END WHERE id = %s"
    # Somebody may have left since the chunk was planned.
    " AND (status <> 'unsubscribed' OR %s = 'unsubscribed')"
)


def _person_updates(changes: Changes, now: Any) -> list[tuple[Any, ...]]:
    return [
        (
            person.name,
            person.language,
            person.timezone,
            person.attributes,
            now,
            person.id,
        )
        for person in changes.changed_people
    ]


def _subscription_updates(changes: Changes) -> list[tuple[Any, ...]]:
    return [
        (
            found.status,
            found.sections,
            found.confirmed_at,
            found.status,
            found.unsubscribed_at,
            found.id,
            found.status,
        )
        for found in changes.changed_subscriptions
    ]


def _insert(table: str, columns: Sequence[str]) -> str:
    marks = ", ".join("?" * len(columns))
    return f"INSERT INTO {table} ({', '.join(columns)}) VALUES ({marks})"  # noqa: S608 - names of our own


def lists_of(connection: Connection) -> dict[str, int]:
    return {str(row[0]): int(row[1]) for row in connection.execute(text("SELECT name, id FROM lists"))}


def _driver(connection: Connection) -> Any:
    return connection.connection.driver_connection
