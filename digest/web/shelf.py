"""Archive pages as they were last made, in memory: good until an issue goes out, or is corrected."""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import format_datetime, parsedate_to_datetime
from typing import TYPE_CHECKING

from digest.pipeline.archiving import archive_version

if TYPE_CHECKING:
    from sqlalchemy.orm import Session, sessionmaker

    from digest.clock import Clock

MOST_BYTES = 32 * 1024 * 1024
LARGEST = 1024 * 1024  # a larger page is made anew each time
LONGEST_KEPT = 60.0  # seconds: what changed without a trace shows after this
Headers = list[tuple[bytes, bytes]]


@dataclass(frozen=True, slots=True)
class Leaf:
    """A page for everybody; ``etag`` is of its content, ``modified`` empty when nobody knows."""

    body: bytes
    media_type: str
    etag: str
    modified: datetime | None = None

    def headers(self) -> Headers:
        """What both 200 and 304 say (RFC 9110, section 15.4.5)."""
        headers = [
            (b"etag", f'"{self.etag}"'.encode()),
            (b"cache-control", b"public, max-age=300"),
        ]
        if self.modified is not None:
            at = format_datetime(self.modified.astimezone(UTC), usegmt=True)
            headers.append((b"last-modified", at.encode()))
        return headers

    def is_at(self, if_none_match: str | None, if_modified_since: str | None) -> bool:
        """Whether the reader has it: by ETag, else by date (RFC 9110, section 13.2.2)."""
        if if_none_match is not None:
            return if_none_match.strip() == "*" or f'"{self.etag}"' in if_none_match
        if if_modified_since is None or self.modified is None:
            return False
        try:
            since = parsedate_to_datetime(if_modified_since)
        except (TypeError, ValueError):
            return False
        return since.tzinfo is not None and self.modified.replace(microsecond=0) <= since


class Shelf:
    """Pages by their address, those asked for longest ago thrown away first.

    :param fresh_for: seconds for which the database is not asked again whether something changed; 0: always.
    """

    def __init__(self, readers: sessionmaker[Session], clock: Clock, *, fresh_for: float) -> None:
        self._readers = readers
        self._clock = clock
        self._fresh_for = fresh_for
        self._lock = threading.Lock()
        self._leaves: OrderedDict[str, tuple[tuple[int, ...], float, Leaf]] = OrderedDict()
        self._bytes = 0
        self._version: tuple[int, ...] = ()
        self._asked = float("-inf")

    def at_hand(self, address: str) -> Leaf | None:
        """The page without a question to the database, or None when it must be asked."""
        now = self._clock.monotonic()
        if now - self._asked >= self._fresh_for:
            # This one asks; whoever comes meanwhile gets what is here.
            self._asked = now
            return None
        found = self._leaves.get(address)
        if found is None or found[0] != self._version or now - found[1] > LONGEST_KEPT:
            return None
        return found[2]

    def get(self, address: str, make: Callable[[Session], Leaf | None]) -> Leaf | None:
        """The page, made by ``make`` when there is none of this version; None when there is no such page."""
        with self._readers() as session:
            version, now = archive_version(session), self._clock.monotonic()
            with self._lock:
                self._version, self._asked = version, now
                found = self._leaves.get(address)
                if found is not None and found[0] == version and now - found[1] <= LONGEST_KEPT:
                    self._leaves.move_to_end(address)
                    return found[2]
            leaf = make(session)
        if leaf is not None and len(leaf.body) <= LARGEST:
            self._keep(address, (version, now, leaf))
        return leaf

    def _keep(self, address: str, entry: tuple[tuple[int, ...], float, Leaf]) -> None:
        with self._lock:
            before = self._leaves.pop(address, None)
            if before is not None:
                self._bytes -= _size(address, before[2])
            self._leaves[address] = entry
            self._bytes += _size(address, entry[2])
            while self._bytes > MOST_BYTES:
                oldest, (_, _, leaf) = self._leaves.popitem(last=False)
                self._bytes -= _size(oldest, leaf)


def _size(address: str, leaf: Leaf) -> int:
    return len(leaf.body) + len(address) + 1000  # and what Python needs around them
