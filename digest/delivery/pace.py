"""How fast copies may go: rates and daily quotas that live in the database, shared by all workers.

A rate of at most a minute is paced: the row holds the moment at which the next copy may go
(the "theoretical arrival time" of GCRA, ITU-T I.371), and a worker takes a few slots at once. A longer
window is counted, from its first copy on. A server that asks for less is let be for a minute, twice as long
each time it asks again. A restart or a second worker forgets none of it.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Protocol

from sqlalchemy import select
from sqlalchemy.orm import Session

from digest.clock import Clock
from digest.models import QuotaRow

PACED_SECONDS = 60
AHEAD = timedelta(seconds=0.5)  # how far ahead slots are taken; a killed worker loses as much
MOST_AT_ONCE = 500
FIRST_BLOCK = timedelta(minutes=1)
LONGEST_BLOCK = timedelta(hours=1)
FORGIVEN = timedelta(hours=1)  # without asking for less: the next time counts as the first again


class Limit(Protocol):
    """``count`` copies in ``seconds`` (``digest.settings.parts.Rate`` is one)."""

    @property
    def count(self) -> int: ...

    @property
    def seconds(self) -> int: ...


@dataclass(frozen=True, slots=True)
class Slots:
    """``count`` copies may go, the first at ``start`` and one every ``spacing`` from then on.

    With none, ``start`` is when to ask again.
    """

    count: int
    start: datetime
    spacing: timedelta = timedelta(0)


class Pace(Protocol):
    """Gives out slots."""

    def take(self, wanted: int) -> Slots:
        """At most ``wanted`` slots, at least one unless a quota is used up or a block lasts."""
        ...

    def give_back(self, count: int) -> None:
        """Return slots that were not used."""
        ...

    def set_back(self) -> datetime:
        """The server asked for less: nobody sends before the moment that is returned."""
        ...


class NoLimit:
    """As fast as the server takes them."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock

    def take(self, wanted: int) -> Slots:
        return Slots(wanted, self._clock.now())

    def give_back(self, count: int) -> None: ...

    def set_back(self) -> datetime:
        return self._clock.now()


class SharedPace:
    """Limits of one ``scope`` (a server, or a group of recipients' domains) kept in ``QuotaRow``.

    :param call: runs a function in a transaction (``Writer.call``).
    """

    def __init__(
        self,
        call: Callable[[Callable[[Session], object]], object],
        clock: Clock,
        scope: str,
        limits: Sequence[Limit],
    ) -> None:
        self._call = call
        self._clock = clock
        self._scope = scope
        self._limits = tuple(limits)

    def take(self, wanted: int) -> Slots:
        taken: list[Slots] = []
        self._call(lambda session: taken.append(self._take(session, wanted)))
        return taken[0]

    def _take(self, session: Session, wanted: int) -> Slots:
        now = self._clock.now()
        rows = self._rows(session, now)
        blocked = max((row.blocked_until for row in rows if row.blocked_until), default=now)
        if now < blocked <= now + timedelta(days=1):
            return Slots(0, blocked)
        count = min(wanted, MOST_AT_ONCE)
        start = now
        spacing = timedelta(0)
        for limit, row in zip(self._limits, rows, strict=True):
            if limit.seconds > PACED_SECONDS:
                left = limit.count - row.used
                if left <= 0:
                    return Slots(0, row.window_start + timedelta(seconds=limit.seconds))
                count = min(count, left)
            else:
                gap = timedelta(seconds=limit.seconds / limit.count)
                spacing = max(spacing, gap)
                start = max(start, row.window_start)
                count = min(count, max(1, int(AHEAD / gap)))
        if start > now + 2 * AHEAD:
            return Slots(0, start - AHEAD)
        for limit, row in zip(self._limits, rows, strict=True):
            row.used += count
            if limit.seconds <= PACED_SECONDS:
                row.window_start = start + count * timedelta(seconds=limit.seconds / limit.count)
        return Slots(count, start, spacing)

    def _rows(self, session: Session, now: datetime) -> list[QuotaRow]:
        found = {
            row.seconds: row
            for row in session.scalars(
                select(QuotaRow)
                .where(QuotaRow.scope == self._scope)
                .order_by(QuotaRow.seconds)
                .with_for_update()
            )
        }
        rows = []
        for limit in self._limits:
            row = found.get(limit.seconds)
            if row is None:
                row = QuotaRow(scope=self._scope, seconds=limit.seconds, window_start=now, used=0)
                session.add(row)
                session.flush()
            window = timedelta(seconds=limit.seconds)
            if limit.seconds > PACED_SECONDS:
                # A clock that was moved back must not open a new window; one from the far future is void.
                over = now >= row.window_start + window or row.window_start > now + window
                if over:
                    row.window_start, row.used = now, 0
            elif row.window_start > now + window + timedelta(seconds=PACED_SECONDS):
                row.window_start = now
            rows.append(row)
        return rows

    def give_back(self, count: int) -> None:
        if count and any(limit.seconds > PACED_SECONDS for limit in self._limits):
            self._call(lambda session: self._give_back(session, count))

    def _give_back(self, session: Session, count: int) -> None:
        for row in self._rows(session, self._clock.now()):
            if row.seconds > PACED_SECONDS:
                row.used = max(0, row.used - count)

    def set_back(self) -> datetime:
        blocked: list[datetime] = []
        self._call(lambda session: blocked.append(self._set_back(session)))
        return blocked[0]

    def _set_back(self, session: Session) -> datetime:
        now = self._clock.now()
        rows = self._rows(session, now)
        last = max((row.blocked_until for row in rows if row.blocked_until), default=None)
        if last is not None and now < last <= now + LONGEST_BLOCK:
            return last  # copies that were on their way: they ask for nothing new
        asked = max(row.setbacks for row in rows) if last is not None and now < last + FORGIVEN else 0
        until = now + min(LONGEST_BLOCK, FIRST_BLOCK * (1 << min(asked, 16)))
        for row in rows:
            row.blocked_until, row.setbacks = until, asked + 1
        return until


def pace_of(
    call: Callable[[Callable[[Session], object]], object], clock: Clock, scope: str, limits: Sequence[Limit]
) -> Pace:
    """The pace of a scope: none when nothing limits it."""
    return SharedPace(call, clock, scope, limits) if limits else NoLimit(clock)


DOMAIN_GROUPS = {
    **dict.fromkeys(("gmail.com", "googlemail.com"), "gmail.com"),
    **dict.fromkeys(("outlook.com", "hotmail.com", "live.com", "msn.com", "hotmail.co.uk"), "outlook.com"),
    **dict.fromkeys(("yahoo.com", "ymail.com", "rocketmail.com", "aol.com", "yahoo.co.uk"), "yahoo.com"),
    **dict.fromkeys(("icloud.com", "me.com", "mac.com"), "icloud.com"),
    **dict.fromkeys(("gmx.net", "gmx.de", "web.de", "gmx.at", "gmx.ch"), "gmx.net"),
    **dict.fromkeys(("163.com", "126.com", "yeah.net"), "163.com"),
    **dict.fromkeys(("qq.com", "foxmail.com"), "qq.com"),
}


def domain_group(address: str) -> str:
    """The recipients' server as far as the address tells: great providers have many domains."""
    domain = address.rpartition("@")[2].lower()
    return DOMAIN_GROUPS.get(domain, domain)
