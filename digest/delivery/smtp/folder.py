"""A transport that writes files: what ``send --dry-run DIR`` would have put on the wire."""

from __future__ import annotations

import os
import re
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Final

from digest.errors import ServerUnavailable
from digest.values import PERMIT, Accepted, Envelope, Follow, Outcome, Steps, Withheld

_UNSAFE = re.compile(r"[^A-Za-z0-9.@+_-]+")
_LONGEST_STEM: Final = 120


class FolderTransport:
    """Writes each copy to ``DIR/000001-reader@example.org.eml`` (readable by the owner only)."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._lock = threading.Lock()
        self._count = 0

    def open(self) -> FolderConnection:
        """Make the folder. Raises ``ServerUnavailable`` when it cannot be written."""
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise ServerUnavailable(
                f"{self.folder}: {error.strerror}", remedy="name another folder"
            ) from error
        return FolderConnection(self)

    def write(self, envelope: Envelope) -> Path:
        """Write one copy and return its file. Raises ``ServerUnavailable``."""
        with self._lock:
            self._count += 1
            number = self._count
        stem = _UNSAFE.sub("_", envelope.recipient)[:_LONGEST_STEM].lstrip(".")
        path = self.folder / f"{number:06d}-{stem}.eml"
        try:
            descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
            with os.fdopen(descriptor, "wb") as file:
                file.write(envelope.message)
        except OSError as error:
            raise ServerUnavailable(f"{path}: {error.strerror}", remedy="is the disk full?") from error
        return path


class FolderConnection:
    """Implements ``digest.values.SteppedConnection``."""

    usable = True

    def __init__(self, transport: FolderTransport) -> None:
        self._transport = transport

    def send(self, envelope: Envelope, *, permit: Callable[[], bool]) -> Outcome:
        """Write the copy; the file's name is the queue id."""
        if not permit():
            return Withheld()
        return Accepted("250 written", self._transport.write(envelope).name)

    def steps(self, envelope: Envelope, follow: Follow | None = None) -> Steps:
        """``send``, as steps."""
        if not (yield PERMIT):
            return Withheld()
        return Accepted("250 written", self._transport.write(envelope).name)

    def fileno(self) -> int:
        """There is nothing to wait for."""
        return -1

    def close(self) -> None:
        """Nothing is held open."""
