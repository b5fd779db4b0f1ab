"""How often strangers may ask for something: counters in the database, shared by all processes.

Keys are keyed hashes (BLAKE2b, RFC 7693), so that the table names nobody. Windows are fixed: a counter
belongs to one hour or day and is thrown away after it.
"""

from __future__ import annotations

import ipaddress
import math
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from hashlib import blake2b, sha256
from typing import TYPE_CHECKING, Any

from sqlalchemy import delete, select

from digest.models import RateLimitRow

if TYPE_CHECKING:
    from sqlalchemy.orm import Session, sessionmaker

HOUR, DAY = timedelta(hours=1), timedelta(days=1)
_KEPT = timedelta(days=2)


@dataclass(frozen=True, slots=True)
class Limit:
    """At most ``most`` in each ``window``."""

    scope: str
    most: int
    window: timedelta

    def begun(self, now: datetime) -> datetime:
        """When the window began that ``now`` is in."""
        seconds = int(self.window.total_seconds())
        return datetime.fromtimestamp(int(now.timestamp()) // seconds * seconds, UTC)


PER_IP = Limit("ip", 30, HOUR)
PER_ADDRESS = Limit("address", 5, DAY)
PER_DOMAIN = Limit("domain", 500, HOUR)
IN_ALL = Limit("all", 2000, HOUR)


@dataclass(frozen=True, slots=True)
class TooMany:
    """A limit is reached; ``retry_after`` in seconds."""

    scope: str
    retry_after: int


class Limits:
    """Counts attempts.

    :param key: at least 16 bytes; with another one, counting begins anew.
    """

    def __init__(self, sessions: sessionmaker[Session], readers: sessionmaker[Session], key: bytes) -> None:
        self._sessions = sessions
        self._readers = readers
        self._key = sha256(b"limits" + key).digest()

    def take(self, wanted: Sequence[tuple[Limit, str]], *, now: datetime) -> TooMany | None:
        """Count one attempt against each limit; the first that is exceeded, or None.

        What is reached already costs one reading statement and counts nothing, so that a flood from one
        place neither writes nor uses up what others share.
        """
        keys = {self._of(limit, value, now): limit for limit, value in wanted}
        row = RateLimitRow
        with self._readers() as session:
            found = session.execute(select(row.key, row.count).where(row.key.in_(keys)))
            counts = {key: count for key, count in found}  # noqa: C416 - rows are no pairs to mypy
        reached = _reached(keys, counts, now, allowance=0)
        if reached is not None:
            return reached
        with self._sessions.begin() as session:
            counts = {
                key: self._add(session, key, limit.begun(now))
                for key, limit in sorted(keys.items(), key=lambda pair: pair[0])
            }
        return _reached(keys, counts, now, allowance=1)

    def forget(self, *, now: datetime) -> None:
        """Throw counters away whose window is over."""
        with self._sessions.begin() as session:
            session.execute(delete(RateLimitRow).where(RateLimitRow.window_start < now - _KEPT))

    def _add(self, session: Session, key: str, begun: datetime) -> int:
        insert: Any
        if session.get_bind().dialect.name == "sqlite":
            from sqlalchemy.dialects.sqlite import insert
        else:
            from sqlalchemy.dialects.postgresql import insert
        statement = insert(RateLimitRow).values(key=key, window_start=begun, count=1)
        statement = statement.on_conflict_do_update(
            index_elements=[RateLimitRow.key], set_={"count": RateLimitRow.count + 1}
        )
        return int(session.scalars(statement.returning(RateLimitRow.count)).one())

    def _of(self, limit: Limit, value: str, now: datetime) -> str:
        text = f"{limit.scope}\0{limit.begun(now).timestamp():.0f}\0{value}"
        return f"{limit.scope}:{blake2b(text.encode(), key=self._key, digest_size=16).hexdigest()}"


def network_of(ip: str) -> str:
    """What counts as one place: an IPv4 address, or the /64 an IPv6 address is in (RFC 6177)."""
    try:
        address = ipaddress.ip_address(ip)
    except ValueError:
        return ip[:64]
    if address.version == 6:
        mapped = address.ipv4_mapped
        return str(mapped or ipaddress.ip_network((int(address), 64), strict=False))
    return str(address)


def _reached(
    keys: dict[str, Limit], counts: dict[str, int], now: datetime, *, allowance: int
) -> TooMany | None:
    for key, limit in keys.items():
        if counts.get(key, 0) >= limit.most + allowance:
            left = limit.begun(now) + limit.window - now
            return TooMany(limit.scope, max(1, math.ceil(left.total_seconds())))
    return None
