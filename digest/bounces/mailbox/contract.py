"""What every kind of mailbox promises."""

from __future__ import annotations

import threading
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Final, Protocol

BATCH: Final = 200  # messages between two commits
BATCH_BYTES: Final = 16 * 1_048_576
TIMEOUT_SECONDS: Final = 60.0  # a server that says nothing for so long is given up; the next poll goes on
EXCHANGE_SECONDS: Final = 300.0  # so long may a batch take in all: 16 MiB at 56 KB/s
MOVED_TO: Final = "digest-read"  # the folder of ``after = "move"``


class After(StrEnum):
    """What becomes of a message once the database has it."""

    DELETE = "delete"
    MOVE = "move"
    KEEP = "keep"  # marked, so that it is not read again
    READ_ONLY = "read-only"  # an archive given by hand: not even marked


@dataclass(frozen=True, slots=True)
class Letter:
    """One message: ``raw`` is its first ``READ_LIMIT`` bytes, ``size`` the bytes of the whole."""

    key: str
    raw: bytes = field(repr=False)
    size: int


class Mailbox(Protocol):
    """Gives letters in batches and forgets none before it is told to.

    Whatever its server or its disk does becomes ``MailboxUnavailable``.
    """

    def batches(self) -> Iterator[list[Letter]]:
        """Yield the letters that are there now, at most ``BATCH`` and ``BATCH_BYTES`` at a time."""
        ...

    def pieces(self, letter: Letter) -> Iterator[bytes]:
        """Yield all bytes of one letter of the batch that was yielded last, for keeping it whole."""
        ...

    def settle(self, letters: Sequence[Letter]) -> None:
        """Take out, move or mark these: the database has them. May fail; then they come again."""
        ...

    def wait(self, seconds: float, stop: threading.Event) -> bool:
        """Wait at most so long until mail comes (IDLE, RFC 2177), or ``stop`` is set; whether it came.

        ``False`` at once where a mailbox cannot tell.
        """
        ...

    def close(self) -> None:
        """Let go; what was settled stays so."""
        ...


def grouped(sizes: Sequence[tuple[str, int]], *, limit: int) -> Iterator[list[tuple[str, int]]]:
    """Group (key, size) so that no group costs more than ``BATCH`` messages or ``BATCH_BYTES``.

    :param limit: bytes that are read of one message at most.
    """
    group: list[tuple[str, int]] = []
    weight = 0
    for key, size in sizes:
        cost = min(size, limit)
        if group and (len(group) >= BATCH or weight + cost > BATCH_BYTES):
            yield group
            group, weight = [], 0
        group.append((key, size))
        weight += cost
    if group:
        yield group
