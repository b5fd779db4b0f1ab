"""The worker processes of a run: started when first needed, killed when they take too long, replaced."""

from __future__ import annotations

import io
import os
import pickle
import queue
import subprocess
import sys
import threading
from pathlib import Path
from typing import Any, Protocol

from digest.errors import SourceUnparsable
from digest.sources.found import Found
from digest.sources.parsing import Task, parse
from digest.sources.worker import HEADER

WALL_SECONDS = 45.0
CPU_SECONDS = 20  # for one body
MEMORY = 1024 * 1024 * 1024  # bytes of address space; lxml and feedparser need about 300 MB of it
_ROOT = Path(__file__).resolve().parents[2]
_START = (
    "import sys; sys.path.insert(0, sys.argv[1]); from digest.sources.worker import main; "
    "main(*map(int, sys.argv[2:]))"
)
_ALLOWED = {
    "digest.sources.found": {"Found", "Link"},
    "digest.values.stories": {"Article", "ArticleKind", "Access", "Picture", "Related"},
    "datetime": {"datetime", "timezone", "timedelta"},
}


class Readers(Protocol):
    """Something that reads bodies."""

    def read(self, task: Task) -> Found:
        """What the body says. Raises ``SourceUnparsable``."""
        ...


class HereReaders:
    """Reads in this process: for bodies that we wrote ourselves, and for tests."""

    def read(self, task: Task) -> Found:
        return parse(task)


class Workshop:
    """``size`` worker processes at most; ``read`` waits for a free one. Thread-safe.

    One body may take ``wall_seconds`` and ``cpu_seconds``, and its worker ``memory`` bytes.
    """

    def __init__(
        self,
        size: int = 0,
        *,
        wall_seconds: float = WALL_SECONDS,
        cpu_seconds: int = CPU_SECONDS,
        memory: int = MEMORY,
    ) -> None:
        self._free: queue.LifoQueue[_Worker | None] = queue.LifoQueue()
        self._wall = wall_seconds
        self._limits = (str(memory), str(cpu_seconds))
        self._all: set[_Worker] = set()
        for _ in range(size or max(2, min(8, os.cpu_count() or 2))):
            self._free.put(None)

    def __enter__(self) -> Workshop:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """End all workers."""
        for worker in self._all:
            worker.end()
        self._all.clear()

    def read(self, task: Task) -> Found:
        worker = self._free.get()
        try:
            if worker is None:
                worker = _Worker(self._limits)
                self._all.add(worker)
            answer = worker.ask(pickle.dumps(task, protocol=5), self._wall)
        except BaseException:
            if worker is not None:
                self._all.discard(worker)
                worker.end()
            self._free.put(None)
            raise
        if answer is None:
            self._all.discard(worker)
            worker.end()
            self._free.put(None)
            raise SourceUnparsable(
                f"{task.url}: reading it took too much time or memory and was stopped",
                remedy="it may be made to do harm; look at it before you try again",
            )
        self._free.put(worker)
        return _opened(answer, task)


class _Worker:
    def __init__(self, limits: tuple[str, str]) -> None:
        # No environment: what reads foreign input holds no key. -I: no current folder, no PYTHONPATH.
        self._process = subprocess.Popen(  # noqa: S603 - our own interpreter and our own code
            [sys.executable, "-I", "-c", _START, str(_ROOT), *limits],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            env={"PATH": os.defpath, "LC_ALL": "C.UTF-8"},
            start_new_session=True,  # Ctrl-C is for the run, which ends its workers itself
        )

    def ask(self, task: bytes, seconds: float) -> bytes | None:
        """The answer, or None when the worker died or was killed after ``seconds``."""
        timer = threading.Timer(seconds, self._process.kill)
        timer.daemon = True
        timer.start()
        try:
            assert self._process.stdin is not None  # noqa: S101 - opened above
            assert self._process.stdout is not None  # noqa: S101
            self._process.stdin.write(HEADER.pack(len(task)) + task)
            self._process.stdin.flush()
            head = self._process.stdout.read(HEADER.size)
            if len(head) < HEADER.size:
                return None
            size = HEADER.unpack(head)[0]
            answer = self._process.stdout.read(size)
            return answer if len(answer) == size else None
        except OSError:
            return None
        finally:
            timer.cancel()

    def end(self) -> None:
        self._process.kill()
        for pipe in (self._process.stdin, self._process.stdout):
            if pipe is not None:
                try:
                    pipe.close()
                except OSError:
                    continue  # what was still to be written has no reader any more
        self._process.wait()


class _Opener(pickle.Unpickler):
    """Opens nothing but our own values: a worker that was taken over must not take over the run."""

    def find_class(self, module: str, name: str) -> Any:
        if name in _ALLOWED.get(module, ()):
            return super().find_class(module, name)
        raise pickle.UnpicklingError(f"{module}.{name} is not allowed here")


def _opened(answer: bytes, task: Task) -> Found:
    try:
        match _Opener(io.BytesIO(answer)).load():
            case ("found", Found() as found):
                return found
            case ("error", str(line), str(remedy)):
                raise SourceUnparsable(line, remedy=remedy)
    except (pickle.UnpicklingError, TypeError, ValueError, EOFError, AttributeError, IndexError) as error:
        raise SourceUnparsable(f"{task.url}: the reader's answer was no finding") from error
    raise SourceUnparsable(f"{task.url}: the reader's answer was no finding")
