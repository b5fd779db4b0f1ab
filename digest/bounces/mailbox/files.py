"""A Maildir, and one message from a pipe."""

from __future__ import annotations

import logging
import os
import threading
from collections.abc import Iterator, Sequence
from pathlib import Path
from tempfile import TemporaryFile
from typing import IO

from digest.bounces.errors import MailboxUnavailable
from digest.bounces.mailbox.contract import MOVED_TO, After, Letter, grouped
from digest.bounces.reading import READ_LIMIT

logger = logging.getLogger("digest.bounces")


class MaildirMailbox:
    """A Maildir (implements ``Mailbox``): every message is a file, so nothing needs a lock."""

    def __init__(self, path: Path, *, after: After) -> None:
        if not (path / "new").is_dir() or not (path / "cur").is_dir():
            raise MailboxUnavailable(
                f"{path} is no Maildir", remedy="it must hold the folders new, cur and tmp"
            )
        self._path = path
        self._after = after

    def batches(self) -> Iterator[list[Letter]]:
        try:
            sizes = sorted(self._files())
        except OSError as error:
            raise MailboxUnavailable(f"Maildir {self._path}: {error.strerror}") from error
        for group in grouped(sizes, limit=READ_LIMIT):
            letters = []
            for name, size in group:
                try:
                    with (self._path / name).open("rb") as file:
                        letters.append(Letter(name, file.read(READ_LIMIT), size))
                except FileNotFoundError:
                    continue  # another reader was faster
                except PermissionError:
                    logger.warning("%s may not be read: it stays there", self._path / name)
                except OSError as error:
                    raise MailboxUnavailable(f"Maildir {self._path}: {error.strerror}") from error
            yield letters

    def pieces(self, letter: Letter) -> Iterator[bytes]:
        try:
            with (self._path / letter.key).open("rb") as file:
                while piece := file.read(READ_LIMIT):
                    yield piece
        except OSError as error:
            raise MailboxUnavailable(f"Maildir {self._path}: {error.strerror}") from error

    def _files(self) -> Iterator[tuple[str, int]]:
        for folder in ("new", "cur"):
            for entry in os.scandir(self._path / folder):
                read = folder == "cur" and "S" in entry.name.rpartition(",")[2]
                if (
                    entry.is_file()
                    and not entry.name.startswith(".")
                    and not (read and self._after is After.KEEP)
                ):
                    yield f"{folder}/{entry.name}", entry.stat().st_size

    def settle(self, letters: Sequence[Letter]) -> None:
        if self._after is After.READ_ONLY:
            return
        for letter in letters:
            source = self._path / letter.key
            unique, _, flags = source.name.partition(":2,")
            name = f"{unique}:2,{''.join(sorted({*flags, 'S'}))}"
            try:
                match self._after:
                    case After.DELETE:
                        source.unlink()
                    case After.MOVE:
                        source.rename(self._moved() / name)
                    case After.KEEP:
                        source.rename(self._path / "cur" / name)
            except FileNotFoundError:
                continue
            except OSError as error:
                raise MailboxUnavailable(f"Maildir {self._path}: {error.strerror}") from error

    def _moved(self) -> Path:
        for folder in ("new", "tmp", "cur"):
            (self._path / f".{MOVED_TO}" / folder).mkdir(parents=True, exist_ok=True, mode=0o700)
        return self._path / f".{MOVED_TO}" / "cur"

    def wait(self, seconds: float, stop: threading.Event) -> bool:
        return False

    def close(self) -> None:
        return


class StreamMailbox:
    """One message from standard input (implements ``Mailbox``).

    What is beyond the limit is read away, so that no mail server sees a broken pipe.
    """

    def __init__(self, stream: IO[bytes]) -> None:
        self._stream = stream
        self._rest: IO[bytes] | None = None  # what is beyond the limit

    def batches(self) -> Iterator[list[Letter]]:
        raw = self._stream.read(READ_LIMIT)
        size = len(raw)
        while more := self._stream.read(READ_LIMIT):
            self._rest = self._rest or TemporaryFile()  # noqa: SIM115 (closed with the mailbox)
            self._rest.write(more)
            size += len(more)
        if raw.strip():
            yield [Letter("-", raw, size)]

    def pieces(self, letter: Letter) -> Iterator[bytes]:
        yield letter.raw
        if self._rest is None:
            return
        self._rest.seek(0)
        while more := self._rest.read(READ_LIMIT):
            yield more

    def settle(self, letters: Sequence[Letter]) -> None:
        return

    def wait(self, seconds: float, stop: threading.Event) -> bool:
        return False

    def close(self) -> None:
        if self._rest is not None:
            self._rest.close()
