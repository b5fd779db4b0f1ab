"""One import from beginning to end: read, understand, decide, write, chunk by chunk.

Each chunk is one transaction, so that whatever stops an import leaves whole chunks; run again, it
goes through the same file, finds what is in already, and adds the rest.
"""

from __future__ import annotations

import gc
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from contextlib import suppress as ignoring
from dataclasses import replace
from datetime import datetime
from itertools import count
from typing import Any, BinaryIO, Final

from sqlalchemy import Connection, insert, select, update
from sqlalchemy.engine import Engine
from sqlalchemy.exc import DBAPIError, IntegrityError
from sqlalchemy.orm import Session

from subscribers.addresses import Address, deserves_a_look, redact, warnings_of
from subscribers.errors import ImportFailed, SubscriberError, UnknownList
from subscribers.importing.formats import Columns
from subscribers.importing.opening import (
    Batch,
    Reading,
    fingerprint_of,
    in_chunks,
    open_file,
    read_ahead,
    state_of,
)
from subscribers.importing.plan import Changes, Known, Planner
from subscribers.importing.rejects import ErrorsFile
from subscribers.importing.store import Store, lists_of, store_for
from subscribers.importing.values import (
    Candidate,
    ColumnUse,
    Field,
    Format,
    Options,
    Rejected,
    Report,
    Watcher,
)
from subscribers.membership.lists import create_list
from subscribers.models import ImportRunRow, ImportStatus
from subscribers.suppression import SuppressionKey

SAMPLE_ROWS: Final = 10
_TRIES = 3
_COUNTED = ("rows", "added", "updated", "unchanged", "suppressed", "rejected")


def import_people(
    engine: Engine,
    stream: BinaryIO,
    key: SuppressionKey,
    options: Options,
    *,
    now: datetime,
    bytes_in_all: int | None = None,
    watcher: Watcher | None = None,
) -> Report:
    """Import one file or stream; all good rows in, the others into ``options.errors_file``.

    :param stream: binary; gzip, and any encoding. Only read forwards.
    :param bytes_in_all: of the file, for ``watcher``.
    :raises ImportFailed: nothing could be imported, or the database or the disk gave up on the way
        (the message says how far it came; whole chunks before that are in).
    """
    report = Report()
    before = state_of(stream)
    errors = ErrorsFile(options.errors_file)
    try:
        reading = open_file(stream, options)
        options = _with_list(options, reading.columns)
        report.file_format, report.encoding = reading.columns.file_format, reading.source.encoding
        report.notes += reading.columns.notes
        run = _Run(engine, options, report, now=now, fingerprint=fingerprint_of(stream, options))
        with _without_collector(), errors, run:
            try:
                chunks = _hashed(in_chunks(reading.batches, options.chunk_rows), key)
                if engine.dialect.name != "sqlite":
                    chunks = read_ahead(chunks)
                for candidates, rejects in chunks:
                    rejects += run.write(candidates)
                    errors.add(rejects)
                    _count(report, candidates, rejects)
                    if watcher is not None:
                        watcher(report, reading.source.bytes_read, bytes_in_all)
            finally:
                _describe(report, reading)
                if errors.written:
                    report.errors_file = options.errors_file
            if before != state_of(stream):
                report.notes.append("the file changed while it was read: run the import again")
    except OSError as error:
        raise ImportFailed(
            f"{error.filename or options.name}: {error.strerror or error}; {_so_far(report)}",
            remedy="what came before is in; run the same command again to complete it",
        ) from error
    if report.rows == 0 or report.rows == report.rejected:
        raise ImportFailed(_nothing(report), remedy=_nothing_remedy(report))
    return report


class _Run:
    """The database's side of one import: a row in ``import_runs`` and chunks of people."""

    def __init__(
        self,
        engine: Engine,
        options: Options,
        report: Report,
        *,
        now: datetime,
        fingerprint: str,
    ) -> None:
        self._engine = engine
        self._options = options
        self._report = report
        self._now = now
        self._fingerprint = fingerprint
        self._id = 0
        self._planner: Planner | None = None
        self._look_up = True  # whether the last chunk met people who were there
        self._seen: set[int] = set()  # of a dry run, which writes nothing that it could find again

    def __enter__(self) -> _Run:
        with self._engine.begin() as connection:
            store = store_for(connection)
            store.tune(connection, for_import=True)
            first = store.highest_person_id(connection) + 1
            unfinished = self._unfinished(connection)
            if unfinished is not None:
                first = unfinished
                self._report.resumed = True
            if not self._options.dry_run:
                self._id = connection.execute(
                    insert(ImportRunRow)
                    .values(
                        name=redact(self._options.name),
                        fingerprint=self._fingerprint,
                        format=self._report.file_format.value,
                        list_id=self._options.list_id,
                        status=ImportStatus.RUNNING,
                        first_subscriber_id=first,
                        started_at=self._now,
                        **dict.fromkeys(
                            ("rows", "added", "updated", "unchanged", "suppressed", "rejected"), 0
                        ),
                    )
                    .returning(ImportRunRow.id)
                ).scalar_one()
        self._planner = Planner(
            self._options,
            self._report,
            moment=store.moment,
            now=self._now,
            import_id=self._id,
            first_subscriber_id=first,
        )
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, _trace: object) -> None:
        done = error is None
        status = ImportStatus.DONE if done else ImportStatus.STOPPED
        # When the database is what failed, its row stays "running": the next run takes that as killed.
        with ignoring(DBAPIError), self._engine.begin() as connection:
            store_for(connection).tune(connection, for_import=False)
            if not self._options.dry_run:
                self._save(connection, status=status, finished_at=self._now if done else None)

    def write(self, candidates: list[Candidate]) -> list[Rejected]:
        """Write one chunk in one transaction; return the rows that it could not place."""
        if not candidates:
            return []
        counts = _counts(self._report)
        for attempt in range(_TRIES):
            _restore(self._report, counts)
            try:
                with self._engine.begin() as connection:
                    # In a first import nobody is known: then the unique index says so soon enough.
                    look_up = self._look_up or attempt > 0 or self._options.dry_run
                    rejects = self._write(connection, candidates, look_up=look_up)
                    if self._options.dry_run:
                        connection.rollback()
                    return rejects
            except IntegrityError:
                # One of these addresses is there, or has been added since we looked: look again.
                if attempt == _TRIES - 1:
                    raise
            except DBAPIError as error:
                _restore(self._report, counts)
                cause = " ".join(str(error.orig).split())
                raise ImportFailed(
                    f"the database stopped at line {candidates[0].line}: {cause}; {_so_far(self._report)}",
                    remedy="what came before is in; run the same command again to complete it",
                ) from error
        raise AssertionError("unreachable")

    def _write(self, connection: Connection, candidates: list[Candidate], *, look_up: bool) -> list[Rejected]:
        store = store_for(connection)
        try:
            known = Known(
                store.people(connection, candidates) if look_up else {},
                *store.suppressed(connection, candidates),
                lists_of(connection),
            )
            self._look_up = look_up and bool(known.people)
            if self._options.list_id is None:
                self._make_lists(connection, known.lists, candidates)
            person_ids, subscription_ids = self._ids(connection, store, candidates, known.people)
            assert self._planner is not None  # noqa: S101 - set on entering
            changes, rejects = self._planner.plan(candidates, known, person_ids, subscription_ids)
            if self._options.dry_run:
                self._count_duplicates(changes)
            else:
                store.write(connection, changes, self._now)
                self._save(connection)
        except Exception as error:
            _as_sqlalchemy(error, connection)
            raise
        return rejects

    def _make_lists(
        self, connection: Connection, lists: dict[str, int], candidates: Sequence[Candidate]
    ) -> None:
        """Make the lists that an export of our own names and that are not here."""
        for name in sorted({row.list_name for row in candidates} - lists.keys() - {""}):
            # A name that no list can have: its rows are rejected.
            with (
                ignoring(SubscriberError),
                Session(connection, join_transaction_mode="create_savepoint") as session,
            ):
                lists[name] = create_list(session, name, now=self._now).id
                session.commit()
                note = f"list {name} was made"
                if note not in self._report.notes:
                    self._report.notes.append(note)

    def _ids(
        self, connection: Connection, store: Store, candidates: Sequence[Candidate], people: dict[str, Any]
    ) -> tuple[Iterator[int], Iterator[int]]:
        if self._options.dry_run:
            return count(1 << 62), count(1)
        new = len({row.normalized for row in candidates if row.normalized not in people})
        if self._options.list_id is None:
            joining = len(candidates)
        else:
            on_list = self._options.list_id
            joining = new + sum(on_list not in person.subscriptions for person in people.values())
        return store.ids(connection, "subscribers", new), store.ids(connection, "subscriptions", joining)

    def _count_duplicates(self, changes: Changes) -> None:
        """A dry run cannot find its own people in the database: it remembers 64 bits of each."""
        for row in changes.people:
            mark = int.from_bytes(row[4][:8], "big")
            if mark in self._seen:
                self._report.added -= 1
                self._report.unchanged += 1
                self._report.duplicates += 1
            self._seen.add(mark)

    def _unfinished(self, connection: Connection) -> int | None:
        if not self._fingerprint:
            return None
        row = connection.execute(
            select(ImportRunRow.status, ImportRunRow.first_subscriber_id)
            .where(
                ImportRunRow.fingerprint == self._fingerprint,
                ImportRunRow.list_id.is_not_distinct_from(self._options.list_id),
            )
            .order_by(ImportRunRow.id.desc())
            .limit(1)
        ).first()
        return None if row is None or row.status is ImportStatus.DONE else int(row.first_subscriber_id)

    def _save(self, connection: Connection, **values: Any) -> None:
        connection.execute(
            update(ImportRunRow)
            .where(ImportRunRow.id == self._id)
            .values(**{name: getattr(self._report, name) for name in _COUNTED}, **values)
        )


def _hashed(chunks: Iterator[Batch], key: SuppressionKey) -> Iterator[Batch]:
    """Chunks whose rows have the keyed hash of their address (while a server works on the one before)."""
    for candidates, rejects in chunks:
        for row in candidates:
            row.address_hash = key.hash(row.normalized)
        yield candidates, rejects


@contextmanager
def _without_collector() -> Iterator[None]:
    """No garbage collection: millions of tuples, none in a cycle, cost a quarter of the time to visit."""
    was_on = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_on:
            gc.enable()


def _with_list(options: Options, columns: Columns) -> Options:
    if options.list_id is not None or columns.file_format is Format.OWN:
        return options
    if options.only_list_id is None:
        raise UnknownList("the file does not say which list its people are on", remedy="say it with --list")
    return replace(options, list_id=options.only_list_id)


def _count(report: Report, candidates: Sequence[Candidate], rejects: Sequence[Rejected]) -> None:
    report.rejected += len(rejects)
    report.rows = report.added + report.updated + report.unchanged + report.suppressed + report.rejected
    if len(report.sample) < SAMPLE_ROWS:
        report.sample += candidates[: SAMPLE_ROWS - len(report.sample)]
    if len(report.rejected_sample) < SAMPLE_ROWS:
        report.rejected_sample += rejects[: SAMPLE_ROWS - len(report.rejected_sample)]
    for row in candidates:
        if deserves_a_look(row.normalized, row.domain):
            for kind, words in warnings_of(Address(row.address, row.normalized, row.domain)).items():
                report.warnings[kind] = report.warnings.get(kind, 0) + 1
                samples = report.warning_samples.setdefault(kind, [])
                if len(samples) < SAMPLE_ROWS:
                    samples.append(f"line {row.line}: {words}")


def _describe(report: Report, reading: Reading) -> None:
    report.notes += reading.source.notes
    report.notes += [f"{number} × {reason}" for reason, number in reading.notes.counts.items()]
    if not report.columns:
        report.columns = [
            ColumnUse(header, "" if use == Field.IGNORE else use)
            for header, use in zip(reading.columns.headers, reading.columns.uses, strict=True)
        ]


def _counts(report: Report) -> tuple[int, ...]:
    return (
        report.added, report.updated, report.unchanged, report.suppressed, report.duplicates,
        report.kept_unsubscribed,
    )  # fmt: skip


def _restore(report: Report, counts: tuple[int, ...]) -> None:
    (
        report.added, report.updated, report.unchanged, report.suppressed, report.duplicates,
        report.kept_unsubscribed,
    ) = counts  # fmt: skip


def _so_far(report: Report) -> str:
    return f"{report.added} people were added and {report.updated} updated before"


def _nothing(report: Report) -> str:
    if report.rows == 0:
        return "no row was imported: after the column names the file is empty"
    first = report.rejected_sample[0]
    more = f"; all {report.rejected} rows are bad" if report.rejected > 1 else ""
    return f"no row was imported: line {first.line}: {first.reason}{more}"


def _nothing_remedy(report: Report) -> str:
    if report.errors_file is not None:
        return f"{report.errors_file} names every row"
    return "try --dry-run to see how the columns are read"


def _as_sqlalchemy(error: Exception, connection: Connection) -> None:
    """The driver's own errors, as those above know them."""
    driver = connection.dialect.loaded_dbapi
    if isinstance(error, driver.IntegrityError):
        raise IntegrityError(None, None, error) from error
    if isinstance(error, driver.Error):
        raise DBAPIError(None, None, error) from error
