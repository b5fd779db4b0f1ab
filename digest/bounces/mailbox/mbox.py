"""An mbox file (RFC 4155): read without a copy, rewritten under its locks when the poll ends."""

from __future__ import annotations

import contextlib
import fcntl
import os
import threading
from collections.abc import Iterator, Sequence
from hashlib import sha256
from pathlib import Path
from typing import IO, Final

from digest.bounces.errors import MailboxUnavailable
from digest.bounces.mailbox.contract import After, Letter, grouped
from digest.bounces.reading import READ_LIMIT
from digest.errors import ConfigError

STALE_SECONDS: Final = 600.0  # a dot-lock as old as this was left by a crash; Postfix waits 500 s
_CHUNK: Final = 1_048_576


class MboxMailbox:
    """An mbox (implements ``Mailbox``). With ``KEEP`` it is only read, as for an archive given by hand.

    Messages that were settled are cut out in ``close``: under an ``fcntl`` lock and a dot-lock, as delivery
    agents take them, the rest moves to the front and the file is shortened. What arrived meanwhile stays, and
    nothing is cut if another program has rewritten the file.
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
        self._settled: dict[tuple[int, int], bytes] = {}

    def batches(self) -> Iterator[list[Letter]]:
        with self._explained():
            places = self._all_places()
        for group in grouped([(f"{begin}:{end}", end - begin) for begin, end in places], limit=READ_LIMIT):
            with self._explained(), self._path.open("rb") as file:
                letters = []
                for key, size in group:
                    file.seek(int(key.partition(":")[0]))
                    letters.append(Letter(key, file.read(min(size, READ_LIMIT)), size))
            yield letters

    def _all_places(self) -> list[tuple[int, int]]:
        """(begin, end) of each message, read under the locks: none of them is only half delivered."""
        if self._after is After.READ_ONLY:
            with self._path.open("rb") as file:
                return list(_places(file))
        with self._locked("r+b" if self._after is After.DELETE else "rb") as file:
            return list(_places(file))

    def pieces(self, letter: Letter) -> Iterator[bytes]:
        begin, end = (int(place) for place in letter.key.split(":"))
        with self._explained(), self._path.open("rb") as file:
            file.seek(begin)
            while begin < end and (piece := file.read(min(_CHUNK, end - begin))):
                yield piece
                begin += len(piece)

    def settle(self, letters: Sequence[Letter]) -> None:
        for letter in letters:
            begin, _, end = letter.key.partition(":")
            self._settled[int(begin), int(end)] = sha256(letter.raw).digest()

    def wait(self, seconds: float, stop: threading.Event) -> bool:
        return False

    def close(self) -> None:
        if self._after is not After.DELETE or not self._settled:
            return
        # If it cannot be done now: all is in the database, and the next poll cuts it out.
        with contextlib.suppress(OSError), self._locked("r+b") as file:
            if all(_still_there(file, place, digest) for place, digest in self._settled.items()):
                self._cut(file.fileno())

    @contextlib.contextmanager
    def _locked(self, mode: str) -> Iterator[IO[bytes]]:
        """The open file under both locks. Raises ``BlockingIOError`` when somebody holds one."""
        with self._path.open(mode) as file:
            fcntl.lockf(
                file, (fcntl.LOCK_EX if mode == "r+b" else fcntl.LOCK_SH) | fcntl.LOCK_NB
            )  # released when the file is closed
            dot = self._path.with_name(self._path.name + ".lock")
            held = _take(dot)
            try:
                yield file
            finally:
                if held:
                    dot.unlink(missing_ok=True)

    @contextlib.contextmanager
    def _explained(self) -> Iterator[None]:
        try:
            yield
        except BlockingIOError as error:
            raise MailboxUnavailable(
                f"mbox {self._path} is locked", remedy="somebody delivers just now; the next poll goes on"
            ) from error
        except OSError as error:
            raise MailboxUnavailable(f"mbox {self._path}: {error.strerror}") from error

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


def _places(file: IO[bytes]) -> Iterator[tuple[int, int]]:
    """(begin, end) of each message: a line "From " after an empty line, or at the very beginning."""
    begin: int | None = None
    position = 0
    empty = whole = True
    while line := file.readline(_CHUNK):
        if empty and line.startswith(b"From "):
            if begin is not None:
                yield begin, position
            begin = position
        empty = whole and line in {b"\n", b"\r\n"}
        whole = line.endswith(b"\n")
        position += len(line)
    if begin is not None:
        yield begin, position


def _still_there(file: IO[bytes], place: tuple[int, int], digest: bytes) -> bool:
    begin, end = place
    file.seek(begin)
    return sha256(file.read(min(end - begin, READ_LIMIT))).digest() == digest


def _take(dot: Path) -> bool:
    """Take the dot-lock; False where only the other lock can be had, since the folder is not ours."""
    for _ in range(2):
        try:
            os.close(os.open(dot, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600))
        except PermissionError:
            return False
        except FileExistsError:
            if not _is_stale(dot):
                raise BlockingIOError(11, f"{dot} is held") from None
            dot.unlink(missing_ok=True)
        else:
            return True
    raise BlockingIOError(11, f"{dot} is held")


def _is_stale(dot: Path) -> bool:
    # By the clock of the file's own disk, which may be another machine's.
    probe = dot.with_name(f"{dot.name}.{os.getpid()}")
    try:
        probe.touch()
        return probe.stat().st_mtime - dot.stat().st_mtime > STALE_SECONDS
    except OSError:
        return False
    finally:
        probe.unlink(missing_ok=True)
