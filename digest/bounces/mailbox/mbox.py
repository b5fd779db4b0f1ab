"""An mbox file (RFC 4155): read without a copy, rewritten under its locks when the poll ends."""

from __future__ import annotations

import fcntl
import os
from collections.abc import Iterator, Sequence
from pathlib import Path

from digest.bounces.errors import MailboxUnavailable
from digest.bounces.mailbox.contract import After, Letter, grouped
from digest.bounces.reading import READ_LIMIT
from digest.errors import ConfigError

_CHUNK = 1_048_576


class MboxMailbox:
    """An mbox (implements ``Mailbox``). With ``KEEP`` it is only read, as for an archive given by hand.

    Messages that were settled are cut out in ``close``: under an ``fcntl`` lock and a dot-lock, as delivery
    agents take them, the rest moves to the front and the file is shortened. What arrived meanwhile stays.
    """

    def __init__(self, path: Path, *, after: After) -> None:
        if after is After.MOVE:
            raise ConfigError(
                '[bounces] after = "move" needs folders, which an mbox has not', remedy='write "delete"'
            )
        if not path.is_file():
            raise MailboxUnavailable(f"mbox {path} is not there", remedy="check the path")
        self._path = path
        self._after = after
        self._settled: list[tuple[int, int]] = []

    def batches(self) -> Iterator[list[Letter]]:
        try:
            places = list(self._places())
            for group in grouped(
                [(f"{begin}:{end}", end - begin) for begin, end in places], limit=READ_LIMIT
            ):
                with self._path.open("rb") as file:
                    letters = []
                    for key, size in group:
                        file.seek(int(key.partition(":")[0]))
                        letters.append(Letter(key, file.read(min(size, READ_LIMIT)), size))
                yield letters
        except OSError as error:
            raise MailboxUnavailable(f"mbox {self._path}: {error.strerror}") from error

    def _places(self) -> Iterator[tuple[int, int]]:
        """(begin, end) of each message: a line "From " after an empty line, or at the very beginning."""
        begin: int | None = None
        position = 0
        empty = True
        with self._path.open("rb") as file:
            while line := file.readline(_CHUNK):
                if empty and line.startswith(b"From "):
                    if begin is not None:
                        yield begin, position
                    begin = position
                empty = line in {b"\n", b"\r\n"}
                position += len(line)
        if begin is not None:
            yield begin, position

    def settle(self, letters: Sequence[Letter]) -> None:
        for letter in letters:
            begin, _, end = letter.key.partition(":")
            self._settled.append((int(begin), int(end)))

    def wait(self, seconds: float) -> bool:
        return False

    def close(self) -> None:
        if self._after is not After.DELETE or not self._settled:
            return
        lock = self._path.with_name(self._path.name + ".lock")
        try:
            os.close(os.open(lock, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600))
        except OSError:
            return  # somebody delivers just now: all is in the database, the next poll cuts it out
        try:
            with self._path.open("r+b") as file:
                fcntl.lockf(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
                self._cut(file.fileno())
        except OSError:
            return
        finally:
            lock.unlink(missing_ok=True)

    def _cut(self, file: int) -> None:
        target = 0
        position = 0
        size = os.fstat(file).st_size
        for begin, end in [*sorted(self._settled), (size, size)]:
            while position < begin:
                piece = os.pread(file, min(_CHUNK, begin - position), position)
                if not piece:
                    break
                os.pwrite(file, piece, target)
                target += len(piece)
                position += len(piece)
            position = max(position, end)
        os.ftruncate(file, target)
        os.fsync(file)
