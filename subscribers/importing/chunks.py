"""The database's side of one import: its row in ``import_runs``, and chunk after chunk, one transaction each.

SQLite reads, decides and writes under one lock. A server writes two chunks while the next is looked up
and planned: that plan knows what is on its way, and is thrown away when a chunk before it meets
somebody who was there.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Generator, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from contextlib import suppress as ignoring
from dataclasses import dataclass
from datetime import datetime
from itertools import count
from typing import Any, Final, NoReturn

from sqlalchemy import Connection, insert, select, update
from sqlalchemy.engine import Engine
from sqlalchemy.exc import DBAPIError, IntegrityError
from sqlalchemy.orm import Session

from subscribers.addresses import redact
from subscribers.errors import ImportFailed, SubscriberError
from subscribers.importing.opening import Batch
from subscribers.importing.plan import Changes, Known, Planner, Tally
from subscribers.importing.store import Store, Writing, lists_of, store_for
from subscribers.importing.values import Candidate, Options, Rejected, Report
from subscribers.membership.lists import create_list
from subscribers.models import ImportRunRow, ImportStatus

_TRIES: Final = 3
_WRITERS: Final = 2  # to a server: one connection keeps one of its processors busy
_COUNTED: Final = ("rows", "added", "updated", "unchanged", "suppressed", "rejected")
COMPLETE_IT: Final = "what came before is in; run the same command again to complete it"


@dataclass(slots=True)
class _Chunk:
    """A chunk that is decided: what writes it, and what its rows come to when it is in."""

    candidates: list[Candidate]
    rejects: list[Rejected]
    unplaced: list[Rejected]  # rows that name no list
    known: Known
    tally: Tally
    write: Writing
    people: set[str]  # normalised addresses
    counted: bool = False

    @property
    def batch(self) -> Batch:
        return self.candidates, self.rejects + self.unplaced


class Run:
    """One import; enter it, then take ``written``."""

    def __init__(
        self, engine: Engine, options: Options, report: Report, *, now: datetime, fingerprint: str
    ) -> None:
        self._engine = engine
        self._options = options
        self._report = report
        self._now = now
        self._fingerprint = fingerprint
        self._id = 0
        self._store: Store
        self._planner: Planner
        # In a first import nobody is known: then the unique index says so soon enough.
        self._look_up = True
        self._conflicts = False
        self._seen: set[int] = set()  # of a dry run, which writes nothing that it could find again

    def __enter__(self) -> Run:
        with self._engine.begin() as connection:
            self._store = store = store_for(connection)
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
                        **dict.fromkeys(_COUNTED, 0),
                    )
                    .returning(ImportRunRow.id)
                ).scalar_one()
        self._planner = Planner(
            self._options,
            moment=store.moment,
            now=self._now,
            import_id=self._id,
            first_subscriber_id=first,
            resumed=self._report.resumed,
        )
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, _trace: object) -> None:
        done = error is None
        status = ImportStatus.DONE if done else ImportStatus.STOPPED
        # When the database is what failed, its row stays "running": the next run takes that as killed.
        with ignoring(DBAPIError), self._engine.begin() as connection:
            self._store.tune(connection, for_import=False)
            if not self._options.dry_run:
                figures = {name: getattr(self._report, name) for name in _COUNTED}
                self._save(connection, figures, status=status, finished_at=self._now if done else None)

    def written(self, chunks: Iterator[Batch]) -> Generator[Batch]:
        """Write chunks in their order and yield each when it is in, counted in the report.

        Rows that could not be placed are among its rejects. Close it (``contextlib.closing``) when an
        exception ends the loop: what is on its way then lands, and is counted.

        :raises ImportFailed: the database gave up; whole chunks before that are in.
        """
        if self._engine.dialect.name != "sqlite" and not self._options.dry_run:
            yield from self._overlapping(chunks)
            return
        for candidates, rejects in chunks:
            chunk = self._at_once(candidates, rejects)
            self._count(chunk)
            yield chunk.batch

    def _overlapping(self, chunks: Iterator[Batch]) -> Iterator[Batch]:
        """Two chunks are written at a time, if nobody is in both; the next is decided meanwhile."""
        on_their_way: deque[tuple[_Chunk, Future[None]]] = deque()
        with ThreadPoolExecutor(_WRITERS, thread_name_prefix="import-writer") as writers:
            try:
                for candidates, rejects in chunks:
                    chunk = self._ahead(candidates, rejects, [before for before, _ in on_their_way])
                    while on_their_way and not self._may_go_along(chunk, on_their_way):
                        before, being_written = on_their_way[0]
                        as_decided = self._land(before, being_written)
                        on_their_way.popleft()
                        yield before.batch
                        if not as_decided:
                            chunk = self._ahead(candidates, rejects, [one for one, _ in on_their_way])
                    on_their_way.append((chunk, writers.submit(self._write, chunk)))
                while on_their_way:
                    self._land(*on_their_way[0])
                    yield on_their_way.popleft()[0].batch
            finally:
                # Whatever ended this: the chunks on their way are whole, or nothing of them is in.
                for chunk, being_written in on_their_way:
                    if not chunk.counted:
                        with ignoring(DBAPIError):
                            being_written.result()
                            self._count(chunk)

    def _may_go_along(self, chunk: _Chunk, on_their_way: Sequence[tuple[_Chunk, Future[None]]]) -> bool:
        return len(on_their_way) < _WRITERS and all(
            chunk.people.isdisjoint(before.people) for before, _ in on_their_way
        )

    def _land(self, chunk: _Chunk, being_written: Future[None]) -> bool:
        """Wait until ``chunk`` is in, and count it; ``False`` if it met somebody and was decided anew."""
        try:
            being_written.result()
        except IntegrityError:
            self._conflicts = self._look_up = True
            anew = self._at_once(chunk.candidates, chunk.rejects)
            chunk.unplaced, chunk.tally = anew.unplaced, anew.tally
            self._count(chunk)
            return False
        except DBAPIError as error:
            self._give_up(chunk.candidates, error)
        self._count(chunk)
        return True

    def _write(self, chunk: _Chunk) -> None:
        with self._engine.begin() as connection, _as_sqlalchemy(connection):
            chunk.write(connection)
            self._save_more(connection, chunk)

    def _ahead(
        self, candidates: list[Candidate], rejects: list[Rejected], before: Sequence[_Chunk]
    ) -> _Chunk:
        """Decide a chunk while those ``before`` it are being written."""
        try:
            with self._engine.begin() as connection, _as_sqlalchemy(connection):
                return self._decide(connection, candidates, rejects, before, look_up=self._look_up)
        except DBAPIError as error:
            self._give_up(candidates, error)

    def _at_once(self, candidates: list[Candidate], rejects: list[Rejected]) -> _Chunk:
        """Decide and write a chunk in one transaction."""
        for attempt in range(_TRIES):
            try:
                with self._engine.begin() as connection, _as_sqlalchemy(connection):
                    look_up = self._look_up or self._options.dry_run
                    chunk = self._decide(connection, candidates, rejects, (), look_up=look_up)
                    if self._options.dry_run:
                        connection.rollback()
                    else:
                        chunk.write(connection)
                        self._save_more(connection, chunk)
                    return chunk
            except IntegrityError as error:
                # One of these addresses is there, or has been added since we looked: look again.
                self._conflicts = self._look_up = True
                if attempt == _TRIES - 1:
                    self._give_up(candidates, error)
            except DBAPIError as error:
                self._give_up(candidates, error)
        raise AssertionError("unreachable")

    def _decide(
        self,
        connection: Connection,
        candidates: list[Candidate],
        rejects: list[Rejected],
        before: Sequence[_Chunk],
        *,
        look_up: bool,
    ) -> _Chunk:
        store = self._store
        known = Known(
            store.people(connection, candidates) if look_up and candidates else {},
            *(store.suppressed(connection, candidates) if candidates else (set(), set())),
            lists_of(connection),
        )
        self._look_up = self._conflicts or (look_up and bool(known.people))
        people = {row.normalized for row in candidates}
        for chunk in before:
            known.with_what_is_on_its_way(people, chunk.known)
        if self._options.list_id is None:
            self._make_lists(connection, known.lists, candidates)
        person_ids, subscription_ids = self._ids(connection, candidates, known.people)
        changes, unplaced = self._planner.plan(candidates, known, person_ids, subscription_ids)
        if self._options.dry_run:
            self._count_duplicates(changes)
        write = store.ready(changes, self._now)
        return _Chunk(candidates, rejects, unplaced, known, changes.tally, write, people)

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
        self, connection: Connection, candidates: Sequence[Candidate], people: dict[str, Any]
    ) -> tuple[Iterator[int], Iterator[int]]:
        if self._options.dry_run:
            return count(1 << 62), count(1)
        new = len({row.normalized for row in candidates if row.normalized not in people})
        if self._options.list_id is None:
            joining = len(candidates)
        else:
            on_list = self._options.list_id
            joining = new + sum(on_list not in person.subscriptions for person in people.values())
        take = self._store.ids
        return take(connection, "subscribers", new), take(connection, "subscriptions", joining)

    def _count_duplicates(self, changes: Changes) -> None:
        """A dry run cannot find its own people in the database: it remembers 64 bits of each."""
        tally = changes.tally
        for row in changes.people:
            mark = int.from_bytes(row[4][:8], "big")
            if mark in self._seen:
                tally.added -= 1
                tally.unchanged += 1
                tally.duplicates += 1
            self._seen.add(mark)

    def _count(self, chunk: _Chunk) -> None:
        report, tally = self._report, chunk.tally
        for name, number in _figures(chunk).items():
            setattr(report, name, getattr(report, name) + number)
        report.duplicates += tally.duplicates
        report.kept_unsubscribed += tally.kept_unsubscribed
        chunk.counted = True

    def _give_up(self, candidates: Sequence[Candidate], error: DBAPIError) -> NoReturn:
        cause = " ".join(str(error.orig).split())
        where = f" at line {candidates[0].line}" if candidates else ""
        raise ImportFailed(
            f"the database stopped{where}: {cause}; {so_far(self._report)}", remedy=COMPLETE_IT
        ) from error

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

    def _save(self, connection: Connection, figures: dict[str, int], **values: Any) -> None:
        connection.execute(
            update(ImportRunRow).where(ImportRunRow.id == self._id).values(**figures, **values)
        )

    def _save_more(self, connection: Connection, chunk: _Chunk) -> None:
        """Count on what is there: of two chunks that are written together either may be first."""
        more = {name: getattr(ImportRunRow, name) + number for name, number in _figures(chunk).items()}
        connection.execute(update(ImportRunRow).where(ImportRunRow.id == self._id).values(**more))


def _figures(chunk: _Chunk) -> dict[str, int]:
    """What ``chunk`` comes to."""
    tally = chunk.tally
    figures = {
        "added": tally.added,
        "updated": tally.updated,
        "unchanged": tally.unchanged,
        "suppressed": tally.suppressed,
        "rejected": len(chunk.rejects) + len(chunk.unplaced),
    }
    return {"rows": sum(figures.values()), **figures}


def so_far(report: Report) -> str:
    """What is in already, for the message of an import that stopped."""
    return f"{report.added} people were added and {report.updated} updated before"


@contextmanager
def _as_sqlalchemy(connection: Connection) -> Iterator[None]:
    """The driver's own errors, as those above know them."""
    driver = connection.dialect.loaded_dbapi
    try:
        yield
    except driver.IntegrityError as error:
        raise IntegrityError(None, None, error) from error
    except driver.Error as error:
        raise DBAPIError(None, None, error) from error
