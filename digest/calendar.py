"""When an edition is due, in civil time: pure, from a cron line, a zone, and the last issue's date.

An edition has at most one scheduled issue per civil date. A time that daylight saving skips fires once
at the next valid moment; a time that comes twice fires at the first; a date that a zone leaves out
(Apia, 30 December 2011) has no issue. After downtime only the newest date counts: one issue, not seven.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, time, timedelta
from enum import StrEnum
from typing import Literal
from zoneinfo import ZoneInfo

from digest.errors import ConfigError

_FIELDS = ("minute", "hour", "day of month", "month", "day of week")
_RANGES = ("0-59", "0-23", "1-31, L", "1-12, JAN-DEC", "0-7 or SUN-SAT")


@dataclass(frozen=True, slots=True)
class Occurrence:
    """One time at which an edition is due: the civil date of its issue, and the moment in UTC."""

    day: date
    at: datetime


@dataclass(frozen=True)
class Timetable:
    """A cron line in a zone, less ``skip_dates``; with ``only_dates`` on these dates alone."""

    cron: str
    zone: str
    skip_dates: frozenset[date] = frozenset()
    only_dates: frozenset[date] = field(default_factory=frozenset)

    def after(self, moment: datetime) -> Iterator[Occurrence]:
        """Occurrences later than ``moment``, in order, at most one a civil date."""
        from cronsim import CronSim

        # One day of margin: a zone's gap may push an earlier civil time past ``moment``.
        start = self._civil(moment) - timedelta(days=1)
        seen: date | None = None
        for civil in CronSim(self.cron, start):
            occurrence = None if civil.date() == seen else self._occurrence(civil)
            if occurrence is None:
                continue
            seen = occurrence.day
            if occurrence.at > moment:
                yield occurrence

    def latest(self, moment: datetime) -> Occurrence | None:
        """The newest occurrence that is not later than ``moment``; None when there was none in a year."""
        from cronsim import CronSim

        first_of_day: dict[date, Occurrence] = {}
        limit = self._civil(moment) - timedelta(days=400)
        for civil in CronSim(self.cron, self._civil(moment) + timedelta(days=1, seconds=1), reverse=True):
            if civil < limit:
                break
            occurrence = self._occurrence(civil)
            done = [found for day, found in first_of_day.items() if day > civil.date()]
            due = [found for found in done if found.at <= moment]
            if due:
                return max(due, key=lambda found: found.at)
            if occurrence is not None:
                first_of_day[civil.date()] = occurrence  # walking back: the last one kept is the day's first
        due = [found for found in first_of_day.values() if found.at <= moment]
        return max(due, key=lambda found: found.at, default=None)

    def _occurrence(self, civil: datetime) -> Occurrence | None:
        day = civil.date()
        if day in self.skip_dates or (self.only_dates and day not in self.only_dates):
            return None
        at = moment_of(civil, self.zone)
        if at.astimezone(ZoneInfo(self.zone)).date() != day:
            return None  # the zone left this date out
        return Occurrence(day, at)

    def _civil(self, moment: datetime) -> datetime:
        return moment.astimezone(ZoneInfo(self.zone)).replace(tzinfo=None)


def moment_of(civil: datetime, zone: str) -> datetime:
    """The moment in UTC of a civil time: the first of two, and for a skipped one the gap's end."""
    tz = ZoneInfo(zone)
    moment = civil.replace(tzinfo=tz, fold=0).astimezone(UTC)
    if moment.astimezone(tz).replace(tzinfo=None) == civil:
        return moment
    # In a gap: fold=0 counts with the offset before it, fold=1 with the one after it; the gap's end is
    # where civil time goes on, found between the two moments.
    low, high = sorted(civil.replace(tzinfo=tz, fold=fold).astimezone(UTC) for fold in (0, 1))
    before = low.astimezone(tz).utcoffset()
    while high - low > timedelta(seconds=1):
        middle = low + (high - low) / 2
        if middle.astimezone(tz).utcoffset() == before:
            low = middle
        else:
            high = middle
    return high.replace(microsecond=0)


class Due(StrEnum):
    """What is to be done now."""

    NOTHING = "nothing"
    SEND = "send"
    SKIP = "skip"  # too late: the stories stay for the next issue
    ASK = "ask"  # too late: build, and wait for approval


@dataclass(frozen=True, slots=True)
class Decision:
    """What is due, for which occurrence, and how late it is."""

    due: Due
    occurrence: Occurrence | None = None
    lateness: timedelta = timedelta(0)


def decide(
    timetable: Timetable,
    late: timedelta | Literal["always", "ask"],
    *,
    now: datetime,
    done: date | None,
    known_since: datetime | None,
) -> Decision:
    """Whether an edition is due.

    ``done`` is the newest civil date that has been dealt with (issued or skipped); ``known_since`` when
    this edition was first seen: what was due before that is nobody's debt.
    """
    occurrence = timetable.latest(now)
    if occurrence is None or (done is not None and occurrence.day <= done):
        return Decision(Due.NOTHING)
    if known_since is not None and occurrence.at < known_since:
        return Decision(Due.NOTHING)
    lateness = now - occurrence.at
    if late == "always":
        due = Due.SEND
    elif late == "ask":
        due = Due.ASK if lateness > timedelta(minutes=15) else Due.SEND
    else:
        due = Due.SEND if lateness <= late else Due.SKIP
    return Decision(due, occurrence, lateness)


def check_cron(line: str) -> None:
    """Raises ``ConfigError`` whose ``picture`` shows a cron line with a caret under the wrong place."""
    from cronsim import CronSim, CronSimError

    fields = [(found.start(), found[0]) for found in re.finditer(r"\S+", line)]
    if len(fields) != len(_FIELDS):
        place = fields[len(_FIELDS)][0] if len(fields) > len(_FIELDS) else len(line.rstrip())
        raise _bad_cron(
            line,
            f"has {len(fields)} fields, not five",
            place,
            'write minute hour day month weekday, as in "0 7 * * 1-5"',
        )
    for number, (place, text) in enumerate(fields):
        alone = ["*"] * len(_FIELDS)
        offset = 0
        for part in text.split(","):
            alone[number] = part
            try:
                CronSim(" ".join(alone), datetime(2026, 1, 1))  # noqa: DTZ001 - civil time has no zone
            except CronSimError:
                raise _bad_cron(
                    line,
                    f"has a bad {_FIELDS[number]}",
                    place + offset,
                    f"{_FIELDS[number]}: {_RANGES[number]}",
                ) from None
            offset += len(part) + 1
    try:
        next(CronSim(line, datetime(2026, 1, 1)))  # noqa: DTZ001
    except (CronSimError, StopIteration):
        raise _bad_cron(line, "never comes", fields[2][0], "is there such a day in that month?") from None


def _bad_cron(line: str, fault: str, place: int, remedy: str) -> ConfigError:
    """The error, and for the eye the line as it is with a caret under the place."""
    shown = "".join(ch if ch.isprintable() else " " for ch in line)
    error = ConfigError(f"schedule = {line!r} {fault}", remedy=remedy)
    error.picture = f"    {shown}\n    {' ' * place}^"
    return error


def send_moment(day: date, clock: str, zone: str) -> datetime:
    """The moment of ``send_at`` (``HH:MM``) on a civil date, in UTC."""
    hour, minute = clock.split(":")
    return moment_of(datetime.combine(day, time(int(hour), int(minute))), zone)
