"""What a long step tells those who watch it, so that no step imports Rich."""

from __future__ import annotations

from typing import Protocol


class Progress(Protocol):
    """What a long step tells those who watch; no step imports Rich."""

    def start(self, task: str, total: int | None = None) -> None:
        """A task begins; ``total`` is None when unknown."""
        ...

    def advance(self, task: str, by: int = 1, **counts: int) -> None:
        """``by`` more of the task are done; ``counts`` are shown beside (sent=…, deferred=…)."""
        ...

    def finish(self, task: str) -> None:
        """The task is over."""
        ...

    def note(self, message: str) -> None:
        """One line worth telling (a warning)."""
        ...


class Silent:
    """Progress that nobody watches."""

    def start(self, task: str, total: int | None = None) -> None: ...

    def advance(self, task: str, by: int = 1, **counts: int) -> None: ...

    def finish(self, task: str) -> None: ...

    def note(self, message: str) -> None: ...
