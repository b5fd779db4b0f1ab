"""A worker process: reads bodies that others send it, with little memory, little time and no secrets."""

from __future__ import annotations

import os
import pickle
import resource
import struct

HEADER = struct.Struct(">I")


def main(memory: int, cpu_seconds: int) -> None:
    """Read tasks from stdin and write findings to stdout until stdin ends.

    ``memory`` is the address space in bytes, ``cpu_seconds`` what one body may take: who takes more is
    killed by the kernel.
    """
    tasks = os.fdopen(os.dup(0), "rb")
    answers = os.fdopen(os.dup(1), "wb")
    # What a library prints must not stand between the answers.
    null = os.open(os.devnull, os.O_RDWR)
    os.dup2(null, 0)
    os.dup2(null, 1)
    _confine(memory)
    while (head := tasks.read(HEADER.size)) and len(head) == HEADER.size:
        body = tasks.read(HEADER.unpack(head)[0])
        _allow_time(cpu_seconds)
        answer = _answer(body)
        answers.write(HEADER.pack(len(answer)) + answer)
        answers.flush()


def _answer(body: bytes) -> bytes:
    from digest.errors import SourceError
    from digest.sources.parsing import parse

    # The parent is trusted; the answer is not: the parent reads it with a list of allowed classes.
    task = pickle.loads(body)  # noqa: S301
    try:
        return pickle.dumps(("found", parse(task)), protocol=5)
    except SourceError as error:
        return pickle.dumps(("error", str(error), error.remedy), protocol=5)
    except Exception as error:  # noqa: BLE001 - a reader's bug on foreign input costs one source, not the run
        if _is_of_memory(error):
            return pickle.dumps(("error", f"{task.url}: needs too much memory to read", ""), protocol=5)
        line = f"{task.url}: cannot be read ({type(error).__name__}: {str(error)[:120]})"
        return pickle.dumps(("error", line, "please report this address"), protocol=5)


def _is_of_memory(error: Exception) -> bool:
    # libxml2 has no words for it: lxml then says "unknown error".
    from_lxml = type(error).__module__.startswith("lxml") and "unknown error" in str(error)
    return isinstance(error, MemoryError) or from_lxml


def _confine(memory: int) -> None:
    resource.setrlimit(resource.RLIMIT_AS, (memory, memory))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    resource.setrlimit(resource.RLIMIT_FSIZE, (0, 0))
    resource.setrlimit(resource.RLIMIT_NOFILE, (64, 64))


def _allow_time(seconds: int) -> None:
    used = resource.getrusage(resource.RUSAGE_SELF)
    _, hard = resource.getrlimit(resource.RLIMIT_CPU)
    resource.setrlimit(resource.RLIMIT_CPU, (int(used.ru_utime + used.ru_stime) + seconds, hard))
