"""Names of workers, and whether one that ran on this machine is dead for certain.

A name is ``machine.pid.start.serial``: the machine by its boot and process namespace, the start in clock
ticks since boot, so that a process number used again is not taken for the dead one. Whoever cannot
be seen from here is judged by its lease alone.
"""

from __future__ import annotations

import itertools
import os
import secrets
from functools import lru_cache
from hashlib import blake2b
from pathlib import Path

_serials = itertools.count(1)


def worker_name() -> str:
    """A new name for a worker of this process; at most 64 characters."""
    pid = os.getpid()
    return f"{_machine(pid)}.{pid}.{_start_of(pid)}.{next(_serials)}"


def is_dead(worker: str) -> bool:
    """Whether ``worker`` ran on this machine, since its last boot, and is no more. Unknown is False."""
    machine, _, rest = worker.partition(".")
    pid, _, start = rest.partition(".")
    start = start.partition(".")[0]
    if machine != _machine(os.getpid()) or not pid.isdigit() or not start.isdigit():
        return False
    return _start_of(int(pid)) != start


def _start_of(pid: int) -> str:
    """The process's start in clock ticks since boot, or ``-`` when there is no such process (or a zombie)."""
    try:
        status = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8", errors="replace")
    except OSError:
        return "-"
    fields = status.rpartition(")")[2].split()
    return "-" if fields[0] in {"Z", "X"} else fields[19]


@lru_cache(maxsize=4)
def _machine(pid: int) -> str:
    # Cached per process: a forked child asks again, and finds the same.
    del pid
    try:
        boot = Path("/proc/sys/kernel/random/boot_id").read_text(encoding="ascii").strip()
        space = os.readlink("/proc/self/ns/pid")  # noqa: PTH115 - a magic link, whose text is the answer
    except OSError:
        return secrets.token_hex(6)
    return blake2b(f"{boot} {space}".encode(), digest_size=6).hexdigest()
