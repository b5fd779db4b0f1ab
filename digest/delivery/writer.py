"""What a delivery writes to the database: what gathers while copies are on their way is committed together.

Intents are asked for while the message is still on its way, so that one commit carries those of all
connections, and the results of the copies before.
"""

from __future__ import annotations

import logging
import threading
from collections import deque
from collections.abc import Callable, Sequence
from datetime import datetime
from typing import TypeVar

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
Outcome = tuple[Hot, tuple[int, int, Verdict]]
PATIENCE_SECONDS = 30.0  # how long results are kept for a database that went away
REPAIR = "repair it and repeat the command: what was sent will not be sent again"


class _Intent:
    """Implements ``digest.delivery.machine.Intent``; ``granted`` is valid once it is ``decided``."""

    __slots__ = ("_writer", "decided", "granted", "hot", "row")

    def __init__(self, writer: Writer, hot: Hot, row: tuple[int, int, datetime]) -> None:
        self._writer = writer
        self.hot = hot
        self.row = row
        self.granted = False
        self.decided = False

    def wait(self) -> bool:
        while not self.decided:
            self._writer.write()
        return self.granted


class Writer:
    """Has no thread of its own: whoever needs something on disk commits what all have gathered.

    A thread that committed for the others cost three futex calls a message.
    """

    def __init__(self, engine: Engine, clock: Clock, *, patience: float = PATIENCE_SECONDS) -> None:
        self._database = WritingConnection(engine)
        self._reading = reading(engine)
        self._clock = clock
        self._patience = patience
        self._results: deque[Outcome] = deque()
        self._intents: deque[_Intent] = deque()
        self._lock = threading.Lock()  # held by whoever uses the connection
        self._failure: str = ""
        self._gone = threading.Event()
        self.commits = 0

    def ask(self, hot: Hot, row: tuple[int, int, datetime]) -> _Intent:
        """Ask for an intent ``(id, fence, date)``; it is ``decided`` when it is on disk, or cannot be."""
        intent = _Intent(self, hot, row)
        if self._failure:
            intent.decided = True
        else:
            self._intents.append(intent)
        return intent

    def record(self, hot: Hot, result: tuple[int, int, Verdict]) -> None:
        """Record a result with the next ``write``, before anything that is asked for later."""
        self._results.append((hot, result))

    def write(self) -> None:
        """Commit what has gathered. While the database is away this waits, as long as it has patience."""
        with self._lock:
            self._write()

    def call(self, work: Callable[[Session], Result]) -> Result:
        """Run ``work`` in a transaction of its own on the writing connection, after what has gathered.

        Raises ``DatabaseUnusable``, or what ``work`` raised.
        """
        with self._lock:
            self._write()
            return self._do(work)

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
        """Write what is left, and let the connection go."""
        with self._lock:
            self._write()
            self._gone.set()
            self._failure = self._failure or "the delivery has ended"
            self._database.close()

    # -- under the lock -----------------------------------------------------------------------

    def _write(self) -> None:
        """Commit results and intents together; keep the results that could not be written."""
        # Intents first: a result that is recorded meanwhile may go along, one asked for later may not.
        intents = [self._intents.popleft() for _ in range(len(self._intents))]
        if self._gone.is_set():  # nothing is written any more, and no dot is sent
            _decide(intents)
            return
        results = [self._results.popleft() for _ in range(len(self._results))]
        if not results and not intents:
            return
        try:
            self._commit(results, intents)
        except Exception as error:
            if not self._database.is_trouble(error):
                self._failure = f"{type(error).__name__}: {error}"
                log.exception("a result of the delivery could not be written")
            for intent in intents:  # whether it was committed is unknown: the dot is not sent
                intent.granted = False
            _decide(intents)
            self._wait_for_database(results, error)
        else:
            _decide(intents)

    def _commit(self, results: list[Outcome], intents: list[_Intent]) -> None:
        now = self._clock.now()
        with self._database.transaction() as cursor:
            for hot, rows in _by_table(results):
                hot.record(cursor, rows)
            granted = {
                hot.table: hot.intend(cursor, rows, now)
                for hot, rows in _by_table([(intent.hot, intent.row) for intent in intents])
            }
        self.commits += 1
        for intent in intents:
            intent.granted = intent.row[:2] in granted[intent.hot.table]

    def _wait_for_database(self, results: list[Outcome], error: Exception) -> None:
        """Keep what is known of accepted copies until the database is back, or patience ends."""
        self._failure = self._failure or explain(error)
        log.warning("the database cannot be written, sending waits: %s", self._failure)
        deadline = self._clock.monotonic() + self._patience
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
            return
        self._gone.set()
        self._results.extendleft(reversed(results))

    def _do(self, work: Callable[[Session], Result]) -> Result:
        deadline = self._clock.monotonic() + self._patience
        pause = 0.05
        while True:
            if self._gone.is_set():
                raise DatabaseUnusable(f"the database cannot be written: {self._failure}", remedy=REPAIR)
            try:
                with (
                    Session(self._database.connection(), expire_on_commit=False) as session,
                    session.begin(),
                ):
                    return work(session)
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


def _by_table(pairs: Sequence[tuple[Hot, Row]]) -> list[tuple[Hot, list[Row]]]:
    """Copies and notices apart; almost always there is one kind only."""
    found: list[tuple[Hot, list[Row]]] = []
    for hot, row in pairs:
        for known, rows in found:
            if known.table == hot.table:
                rows.append(row)
                break
        else:
            found.append((hot, [row]))
    return found


def _decide(intents: list[_Intent]) -> None:
    for intent in intents:
        intent.decided = True
