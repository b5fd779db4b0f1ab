"""Notices that something was saved: templates, newsletter.toml, stories in folders, or the issue itself."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable
from pathlib import Path

LOOK_SECONDS = 0.25

Stamps = dict[str, tuple[int, int]]


def stamps(places: Iterable[Path]) -> Stamps:
    """Time of change (ns) and size of each file in ``places`` (files, or folders with all below them).

    Hidden files are left out: editors write their own there.
    """
    found: Stamps = {}
    for place in places:
        files = [place] if place.is_file() else sorted(place.rglob("*")) if place.is_dir() else []
        for file in files:
            if file.name.startswith("."):
                continue
            try:
                state = file.stat()
            except OSError:
                continue  # it was taken away in this moment: the next look tells
            if not file.is_dir():
                found[str(file)] = (state.st_mtime_ns, state.st_size)
    return found


class Watcher:
    """Looks four times a second, in a thread of its own, and counts what it notices.

    :param look: returns something that differs when the page must be shown anew; may raise, then
        that look is left out (a database that is locked for a moment).
    :param noticed: called in the thread before the count grows, with what was before and what is now.
    """

    def __init__(self, look: Callable[[], object], noticed: Callable[[object, object], None]) -> None:
        self._look = look
        self._noticed = noticed
        self._stop = threading.Event()
        self._count = 1
        self._seen = self._try_look(None)
        self._thread = threading.Thread(target=self._run, name="watcher", daemon=True)
        self._thread.start()

    @property
    def count(self) -> int:
        """Grows with every change."""
        return self._count

    def poke(self) -> None:
        """Tell all open pages to look again."""
        self._count += 1

    def close(self) -> None:
        """Stop looking."""
        self._stop.set()
        self._thread.join(5)

    def _run(self) -> None:
        while not self._stop.wait(LOOK_SECONDS):
            now = self._try_look(self._seen)
            if now != self._seen:
                before, self._seen = self._seen, now
                self._noticed(before, now)
                self._count += 1

    def _try_look(self, otherwise: object) -> object:
        try:
            return self._look()
        except Exception:  # noqa: BLE001 - a look that fails is made again in a moment
            return otherwise
