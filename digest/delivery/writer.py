"""One thread that writes to the database for all connections: it commits whatever has gathered.

What nobody waits for lies until somebody does: intents are asked for while the message is still on its
way, so that one commit carries those of all connections, and the results of the copies before.
While a commit is on its way to the disk the next group gathers by itself.
"""

from __future__ import annotations

import contextlib
import logging
import threading
from collections import deque
from collections.abc import Callable, Sequence
from datetime import datetime
from typing import Any, TypeVar

from sqlalchemy.engine import Engine
from sqlalchemy.exc import DBAPIError
from sqlalchemy.orm import Session

from digest.clock import Clock
from digest.delivery.machine import Verdict
from digest.delivery.statements import Hot
from digest.delivery.writing import WritingConnection, explain
from digest.errors import DatabaseUnusable
from subscribers.database import reading

log = logging.getLogger(__name__)
Result = TypeVar("Result")
Row = TypeVar("Row")
PATIENCE_SECONDS = 30.0  # how long results are kept for a database that went away
REPAIR = "repair it and repeat the command: what was sent will not be sent again"
LINGER_SECONDS = 0.01  # how long a result or an intent lies that nobody waits for


class _Intent:
    """Implements ``digest.delivery.machine.Intent``; ``granted`` is valid once it is ``decided``."""

    __slots__ = ("_waiting", "_writer", "decided", "granted", "hot", "row", "told")

    def __init__(
        self, writer: Writer, hot: Hot, row: tuple[int, int, datetime], told: Callable[[], None] | None
    ) -> None:
        self._writer = writer
        self._waiting: threading.Event | None = None
        self.hot = hot
        self.row = row
        self.told = told
        self.granted = False
        self.decided = False

    def hurry(self) -> None:
        self._writer.hurry()

    def wait(self) -> bool:
        if not self.decided:
            self._waiting = threading.Event()
            if not self.decided:  # or it was decided before the event was there to be set
                self._writer.hurry()
                self._waiting.wait()
        return self.granted

    def decide(self) -> None:
        self.decided = True
        if self._waiting is not None:
            self._waiting.set()


class _Job:
    """Any other work, in a transaction of its own."""

    __slots__ = ("done", "error", "result", "work")

    def __init__(self, work: Callable[[Session], Any]) -> None:
        self.work = work
        self.result: Any = None
        self.error: BaseException | None = None
        self.done = threading.Lock()
        self.done.acquire()


class _Stop:
    __slots__ = ()


_Item = _Intent | _Job | _Stop | tuple[Hot, tuple[int, int, Verdict]]


class Writer:
    """Started at once; ``close`` writes what is left and ends the thread."""

    def __init__(self, engine: Engine, clock: Clock, *, patience: float = PATIENCE_SECONDS) -> None:
        self._database = WritingConnection(engine)
        self._reading = reading(engine)
        self._clock = clock
        self._patience = patience
        self._items: deque[_Item] = deque()
        self._bell = threading.Lock()  # held while nobody has rung
        self._bell.acquire()
        self._awake = False
        self._hurried = False
        self._failure: str = ""
        self._gone = threading.Event()
        self.commits = 0
        self._thread = threading.Thread(target=self._run, name="delivery-writer", daemon=True)
        self._thread.start()

    @property
    def failure(self) -> str:
        """Why the database cannot be written at the moment, or empty."""
        return self._failure

    def ask(
        self, hot: Hot, row: tuple[int, int, datetime], told: Callable[[], None] | None = None
    ) -> _Intent:
        """Ask for an intent ``(id, fence, date)``; it is ``decided`` when it is on disk, or cannot be."""
        intent = _Intent(self, hot, row, told)
        if self._failure:
            intent.decide()
        else:
            self._put(intent)
        return intent

    def record(self, hot: Hot, result: tuple[int, int, Verdict]) -> None:
        """Record a result soon, before anything that is asked for later."""
        self._put((hot, result))

    def hurry(self) -> None:
        """Somebody waits: commit what has gathered."""
        self._hurried = True
        self._ring()

    def call(self, work: Callable[[Session], Result]) -> Result:
        """Run ``work`` in a transaction of its own on the writing connection.

        Raises ``DatabaseUnusable``, or what ``work`` raised.
        """
        if self._gone.is_set():
            raise DatabaseUnusable(self._failure or "the database went away during the send", remedy=REPAIR)
        job = _Job(work)
        self._put(job)
        self.hurry()
        job.done.acquire()
        if job.error is not None:
            raise job.error
        return job.result  # type: ignore[no-any-return]

    def read(self, ask: Callable[[Session], Result]) -> Result:
        """Run ``ask`` on a connection of its own, which only reads; again while the database is away.

        Raises ``DatabaseUnusable`` when it stays away.
        """
        deadline = self._clock.monotonic() + self._patience
        pause = 0.05
        while True:
            try:
                with Session(self._reading) as session:
                    return ask(session)
            except DBAPIError as error:
                if not self._database.is_trouble(error):
                    raise
                if self._gone.is_set() or self._clock.monotonic() >= deadline:
                    raise DatabaseUnusable(
                        f"the database cannot be read: {explain(error)}", remedy=REPAIR
                    ) from error
                self._clock.wait(pause)
                pause = min(2 * pause, 2.0)

    def flush(self) -> None:
        """Return when all that was recorded is on disk. Raises ``DatabaseUnusable``."""
        self.call(lambda session: None)

    def close(self) -> None:
        """Write what is left and end."""
        self._put(_Stop())
        self.hurry()
        self._thread.join()

    def _put(self, item: _Item) -> None:
        self._items.append(item)
        if not self._awake:
            self._ring()

    def _ring(self) -> None:
        with contextlib.suppress(RuntimeError):  # it rings already
            self._bell.release()

    # -- the thread ---------------------------------------------------------------------------

    def _run(self) -> None:
        try:
            self._serve()
        finally:
            self._database.close()
            self._let_all_go()

    def _let_all_go(self) -> None:
        """Nobody may wait for ever for a thread that is gone."""
        self._gone.set()
        self._failure = self._failure or "the delivery has ended"
        while self._items:
            item = self._items.popleft()
            if isinstance(item, _Intent):
                _decide([item])
            elif isinstance(item, _Job):
                item.error = DatabaseUnusable(self._failure)
                item.done.release()

    def _serve(self) -> None:
        held: list[tuple[Hot, tuple[int, int, Verdict]]] = []
        running = True
        while running:
            batch = self._gather()
            results = held
            intents: list[_Intent] = []
            jobs: list[_Job] = []
            for item in batch:
                if type(item) is tuple:
                    results.append(item)
                elif type(item) is _Intent:
                    intents.append(item)
                elif type(item) is _Job:
                    jobs.append(item)
                else:
                    running = False
            held = self._write(results, intents)
            for job in jobs:
                self._do(job, blocked=bool(held))

    def _gather(self) -> list[_Item]:
        """Wait for work, and then until somebody waits for it; take all there is."""
        self._awake = False
        if not self._items:  # whoever adds one from here on rings
            self._bell.acquire()
        self._awake = True
        self._bell.acquire(blocking=False)
        if not self._hurried:
            self._bell.acquire(timeout=LINGER_SECONDS)
        self._hurried = False
        return [self._items.popleft() for _ in range(len(self._items))]

    def _write(
        self, results: list[tuple[Hot, tuple[int, int, Verdict]]], intents: list[_Intent]
    ) -> list[tuple[Hot, tuple[int, int, Verdict]]]:
        """Commit results and intents together; return the results that could not be written."""
        if not results and not intents:
            return []
        try:
            self._commit(results, intents)
        except Exception as error:
            if not self._database.is_trouble(error):
                self._failure = f"{type(error).__name__}: {error}"
                log.exception("a result of the delivery could not be written")
            for intent in intents:  # whether it was committed is unknown: the dot is not sent
                intent.granted = False
            _decide(intents)
            return self._wait_for_database(results, error)
        _decide(intents)
        return []

    def _commit(self, results: list[tuple[Hot, tuple[int, int, Verdict]]], intents: list[_Intent]) -> None:
        now = self._clock.now()
        with self._database.transaction() as cursor:
            for hot, rows in _by_table(results):
                hot.record(cursor, rows)
            granted = [
                (hot, hot.intend(cursor, rows, now))
                for hot, rows in _by_table([(intent.hot, intent.row) for intent in intents])
            ]
        self.commits += 1
        for intent in intents:
            intent.granted = any(intent.hot is hot and intent.row[:2] in held for hot, held in granted)

    def _wait_for_database(
        self, results: list[tuple[Hot, tuple[int, int, Verdict]]], error: Exception
    ) -> list[tuple[Hot, tuple[int, int, Verdict]]]:
        """Keep what is known of accepted copies until the database is back, or patience ends."""
        self._failure = self._failure or explain(error)
        log.warning("the database cannot be written, sending waits: %s", self._failure)
        patience = 0.0 if self._gone.is_set() else self._patience
        deadline = self._clock.monotonic() + patience
        pause = 0.1
        while self._clock.monotonic() < deadline:
            self._database.close()
            self._clock.wait(pause)
            pause = min(2 * pause, 2.0)
            try:
                self._commit(results, [])
            except Exception as again:  # noqa: BLE001 - whatever it is, the results are not lost while we wait
                self._failure = explain(again)
                continue
            self._failure = ""
            log.warning("the database is back")
            return []
        self._gone.set()
        return results

    def _do(self, job: _Job, *, blocked: bool) -> None:
        deadline = self._clock.monotonic() + self._patience
        pause = 0.05
        try:
            while True:
                if blocked or self._gone.is_set():
                    raise DatabaseUnusable(
                        f"the database cannot be written: {self._failure}",
                        remedy=REPAIR,
                    )
                try:
                    with (
                        Session(self._database.connection(), expire_on_commit=False) as session,
                        session.begin(),
                    ):
                        job.result = job.work(session)
                    return
                except DBAPIError as error:
                    if not self._database.is_trouble(error):
                        raise
                    # Locked, away for a moment, or chosen as the victim of a deadlock: once more.
                    self._database.close()
                    if self._clock.monotonic() >= deadline:
                        raise DatabaseUnusable(
                            f"the database cannot be used: {explain(error)}", remedy=REPAIR
                        ) from error
                    if pause == 0.05:  # said once, however often it is tried
                        log.warning("the database cannot be used, trying again: %s", explain(error))
                    self._clock.wait(pause)
                    pause = min(2 * pause, 2.0)
        except BaseException as error:  # noqa: BLE001 - it is raised again where it was asked for
            job.error = error
        finally:
            job.done.release()


def _by_table(pairs: Sequence[tuple[Hot, Row]]) -> list[tuple[Hot, list[Row]]]:
    """Copies and notices apart; almost always there is one kind only."""
    found: list[tuple[Hot, list[Row]]] = []
    for hot, row in pairs:
        for known, rows in found:
            if known is hot:
                rows.append(row)
                break
        else:
            found.append((hot, [row]))
    return found


def _decide(intents: list[_Intent]) -> None:
    for intent in intents:
        intent.decide()
    for told in {intent.told for intent in intents}:
        if told is not None:
            told()
