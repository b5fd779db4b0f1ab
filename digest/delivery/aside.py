"""What makes a thread wait (connecting, good-byes) is done aside, so that the senders' loop never waits."""

from __future__ import annotations

import queue
import threading
from collections.abc import Callable

from digest.clock import Clock

Work = Callable[[], object]
Done = Callable[[object, BaseException | None], None]


class Aside:
    """At most ``most`` daemon threads, started when they are needed."""

    def __init__(self, clock: Clock, most: int, *, name: str) -> None:
        self._clock = clock
        self._most = most
        self._name = name
        self._work: queue.SimpleQueue[tuple[Work, Done | None] | None] = queue.SimpleQueue()
        self._threads: list[threading.Thread] = []
        self._lock = threading.Lock()
        self._open = 0  # pieces of work that are not done

    def do(self, work: Work, done: Done | None = None) -> None:
        """Do ``work`` soon, and call ``done`` with its result or its error, in the thread that did it."""
        with self._lock:
            self._open += 1
            if self._open > len(self._threads) and len(self._threads) < self._most:
                thread = threading.Thread(target=self._run, name=self._name, daemon=True)
                self._threads.append(thread)
                thread.start()
        self._work.put((work, done))

    def finish(self, seconds: float) -> None:
        """Return when everything is done, or after ``seconds``: daemon threads end with the process."""
        for _ in self._threads:
            self._work.put(None)
        deadline = self._clock.monotonic() + seconds
        for thread in self._threads:
            thread.join(max(0.0, deadline - self._clock.monotonic()))

    def _run(self) -> None:
        while (item := self._work.get()) is not None:
            work, done = item
            result: object = None
            failure: BaseException | None = None
            try:
                result = work()
            except BaseException as error:  # noqa: BLE001 - it is told to whoever asked
                failure = error
            with self._lock:
                self._open -= 1
            if done is not None:
                done(result, failure)
