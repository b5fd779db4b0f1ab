"""A transport that only remembers: for tests and rehearsals."""

from __future__ import annotations

import threading
from collections.abc import Callable

from digest.values import Accepted, Envelope, Outcome, Withheld


class RecordingTransport:
    """Keeps every copy in ``sent``; ``answer`` may decide another outcome for a copy."""

    def __init__(self, answer: Callable[[Envelope], Outcome] | None = None) -> None:
        self.sent: list[Envelope] = []
        self._answer = answer
        self._lock = threading.Lock()

    def open(self) -> RecordingConnection:
        return RecordingConnection(self)

    def take(self, envelope: Envelope) -> Outcome:
        """Remember the copy if it is accepted."""
        outcome = self._answer(envelope) if self._answer else Accepted("250 recorded")
        if isinstance(outcome, Accepted):
            with self._lock:
                self.sent.append(envelope)
        return outcome


class RecordingConnection:
    """Implements ``digest.values.Connection``."""

    def __init__(self, transport: RecordingTransport) -> None:
        self._transport = transport
        self.usable = True

    def send(self, envelope: Envelope, *, permit: Callable[[], bool]) -> Outcome:
        """Take the copy, or withhold it and be closed."""
        if not permit():
            self.usable = False
            return Withheld()
        return self._transport.take(envelope)

    def close(self) -> None:
        self.usable = False
