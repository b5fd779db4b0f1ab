"""One writer for all readers who act at once: it commits whatever has gathered, and answers after the commit.

While a commit is on its way to the disk the next requests gather, so that a thousand one-click
requests a second need no thousand commits. On SQLite it commits with ``synchronous=FULL``: a power
cut brings back nobody who was told that they have left.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, TypeVar

from sqlalchemy import select, update
from sqlalchemy.orm import Session

from digest.models import DeliveryRow, DeliveryStatus, IssueRow, IssueStatus
from subscribers.membership import How, forget_traces, unsubscribe_many

if TYPE_CHECKING:
    from collections.abc import Iterator

    from sqlalchemy import Connection, Engine

Result = TypeVar("Result")
MOST_AT_ONCE = 500
_NOT_BEGUN = (DeliveryStatus.QUEUED, DeliveryStatus.CLAIMED, DeliveryStatus.DEFERRED)
_log = logging.getLogger(__name__)
_OPEN = (IssueStatus.SENDING, IssueStatus.PAUSED)


@dataclass(frozen=True, slots=True)
class Leave:
    """One request to leave one list; ``done`` is called in the writer's thread: None, or what went wrong."""

    subscription_id: int
    how: How
    at: datetime
    done: Callable[[Exception | None], None]


class ReaderWriter:
    """Writes what readers do, in one thread that begins with the first request."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._sqlite = engine.dialect.name == "sqlite"
        self._thread = ThreadPoolExecutor(max_workers=1, thread_name_prefix="reader-writer")
        self._lock = threading.Lock()
        self._gathered: list[Leave] = []
        self._at_work = False

    def leave(self, wish: Leave) -> None:
        """Take somebody off a list together with all who ask meanwhile; again and for the gone: the same."""
        with self._lock:
            self._gathered.append(wish)
            if self._at_work:
                return
            self._at_work = True
        self._thread.submit(self._leave_all)

    def call(self, work: Callable[[Session], Result]) -> Result:
        """Run ``work`` in a transaction of its own, and wait for the commit. Raises what ``work`` raised."""
        waiting: Future[Result] = self._thread.submit(self._alone, work)
        return waiting.result()

    def forget_traces(self) -> None:
        """Rewrite the database's files after an erasure. It waits for nobody who waits for us; when it
        fails, the person is erased and the traces go with the next rewriting."""
        try:
            forget_traces(self._engine)
        except Exception as error:  # noqa: BLE001 - the person is erased; only the traces are left for later
            _log.warning("erased, but the files were not rewritten: %s", type(error).__name__)

    def _leave_all(self) -> None:
        while True:
            with self._lock:
                batch, self._gathered = self._gathered[:MOST_AT_ONCE], self._gathered[MOST_AT_ONCE:]
                if not batch:
                    self._at_work = False
                    return
            error: Exception | None = None
            try:
                self._alone(lambda session, wishes=batch: leave_lists(session, wishes))  # type: ignore[misc]
            except Exception as failed:  # noqa: BLE001 - whoever waits must hear of it
                error = failed
            for wish in batch:
                wish.done(error)

    def _alone(self, work: Callable[[Session], Result]) -> Result:
        with (
            self._durable() as connection,
            Session(connection, expire_on_commit=False) as session,
            session.begin(),
        ):
            return work(session)

    @contextmanager
    def _durable(self) -> Iterator[Connection]:
        with self._engine.connect() as connection:
            if not self._sqlite:
                yield connection
                return
            # Before the transaction begins; the pool's other users get it back as it was.
            raw = connection.connection.dbapi_connection
            assert raw is not None  # noqa: S101 - for the type checker: it is connected
            raw.execute("PRAGMA synchronous = FULL")
            try:
                yield connection
            finally:
                raw.execute("PRAGMA synchronous = NORMAL")


def leave_lists(session: Session, wishes: Sequence[Leave]) -> None:
    """Take all of them off their lists; copies that have not begun are not sent."""
    hows = {wish.subscription_id: wish.how for wish in wishes}
    gone = unsubscribe_many(session, hows, now=max(wish.at for wish in wishes))
    stop_copies(session, gone)


def stop_copies(session: Session, gone: Sequence[tuple[int, int]]) -> None:
    """End the copies of (subscription id, subscriber id) that no worker has begun.

    One that a worker has claimed is taken from it by the fence: asked just before the final dot, the
    database says no.
    """
    if not gone:
        return
    session.execute(
        update(DeliveryRow)
        .where(
            DeliveryRow.subscriber_id.in_([person for _, person in gone]),
            DeliveryRow.subscription_id.in_([subscription for subscription, _ in gone]),
            DeliveryRow.status.in_(_NOT_BEGUN),
        )
        .values(
            status=DeliveryStatus.SUPPRESSED,
            fence=DeliveryRow.fence + 1,
            lease_until=None,
            next_attempt_at=None,
        )
        .execution_options(synchronize_session=False)
    )


def resume_copies(session: Session, subscription_id: int, subscriber_id: int) -> None:
    """Queue what ``stop_copies`` stopped of issues that still go out; the claim asks for consent again."""
    session.execute(
        update(DeliveryRow)
        .where(
            DeliveryRow.subscriber_id == subscriber_id,
            DeliveryRow.subscription_id == subscription_id,
            DeliveryRow.status == DeliveryStatus.SUPPRESSED,
            DeliveryRow.issue_id.in_(select(IssueRow.id).where(IssueRow.status.in_(_OPEN))),
        )
        .values(status=DeliveryStatus.QUEUED)
        .execution_options(synchronize_session=False)
    )
