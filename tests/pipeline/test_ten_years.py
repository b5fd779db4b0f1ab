"""Two years (ten with `make test-marathon`) on a simulated clock: three editions in five zones, through
every change of clocks."""

from __future__ import annotations

import shutil
from collections import Counter
from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest
from sqlalchemy import event, select

from digest.migrations import ensure_schema
from digest.models import IssueRow, IssueStatus
from digest.pipeline.run import Ending, run_edition
from digest.settings import load
from subscribers.database import open_engine, session_factory
from subscribers.membership.lists import create_list
from tests.pipeline.test_run import Newsroom

ZONES = ("America/New_York", "Asia/Kolkata", "Australia/Lord_Howe", "Africa/Casablanca", "Pacific/Apia")
EDITIONS = {
    "daily": ("0 7 * * *", range(7)),
    "night": ("30 2 * * *", range(7)),  # within the hour that New York and Lord Howe skip and double
    "weekend": ("45 23 * * 6,0", (5, 6)),
}
STEP = timedelta(hours=12)
"""How far the looks are apart; around a change of clocks they are 20 minutes apart, so that a time which
comes twice is looked at both times."""


def looks(zone: str, start: datetime, end: datetime) -> Iterator[datetime]:
    tz, moment = ZoneInfo(zone), start
    while moment < end:
        yield moment
        changes = (moment - STEP).astimezone(tz).utcoffset() != (moment + 2 * STEP).astimezone(tz).utcoffset()
        moment += timedelta(minutes=20) if changes else STEP


def civil_dates(zone: str, start: datetime, end: datetime, weekdays: range | tuple[int, ...]) -> set[date]:
    """The dates that a zone has, counted without cron: every hour is asked what day it is."""
    tz, found, moment = ZoneInfo(zone), set(), start
    while moment < end:
        local = moment.astimezone(tz)
        if local.weekday() in weekdays:
            found.add(local.date())
        moment += timedelta(hours=1)
    return found


@pytest.mark.storm
@pytest.mark.parametrize("zone", ZONES)
def test_every_due_date_of_two_years_has_exactly_one_issue(
    tmp_path: Path, zone: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Apia lost 30 December 2011.
    walk_through(tmp_path, zone, 2011 if zone == "Pacific/Apia" else 2026, 2, monkeypatch)


@pytest.mark.marathon
@pytest.mark.parametrize("zone", ZONES)
def test_every_due_date_of_ten_years_has_exactly_one_issue(
    tmp_path: Path, zone: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    walk_through(tmp_path, zone, 2006 if zone == "Pacific/Apia" else 2026, 10, monkeypatch)


def walk_through(
    tmp_path: Path, zone: str, first_year: int, years: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Run what is due at every look, and compare the issues with the dates that the zone had."""
    start, end = datetime(first_year, 1, 1, tzinfo=UTC), datetime(first_year + years, 1, 1, tzinfo=UTC)
    # The clock's guard is told to let the years pass in which Apia lost a day.
    monkeypatch.setattr("digest.clock.EARLIEST", datetime(2000, 1, 1, tzinfo=UTC))
    (tmp_path / "newsletter.toml").write_text(
        '[newsletter]\nname = "Harbour"\nurl = "https://harbour.example"\nsender = "d@harbour.example"\n'
        + "".join(
            f'[editions.{name}]\nschedule = "{cron}"\nlate = "24h"\ntimezone = "{zone}"\nlist = "daily"\n'
            for name, (cron, _) in EDITIONS.items()
        )
    )
    settings = load(tmp_path)
    engine = open_engine(f"sqlite:///{tmp_path}/digest.sqlite3")
    ensure_schema(engine)
    event.listen(engine, "connect", lambda raw, _: raw.execute("PRAGMA synchronous = OFF"))
    engine.dispose()
    sessions = session_factory(engine)
    with sessions.begin() as session:
        create_list(session, "daily", now=start)
    rooms = {name: Newsroom(sessions, settings, edition=name) for name in EDITIONS}
    endings: Counter[Ending] = Counter()
    for moment in looks(zone, start, end):
        for name, room in rooms.items():
            room.now = moment
            report = run_edition(sessions, settings, name, room.steps(), now=moment, if_due=True)
            endings[report.ending] += 1
    assert set(endings) <= {Ending.SENT, Ending.NOT_DUE, Ending.ALREADY_SENT}
    for name, (_, weekdays) in EDITIONS.items():
        with sessions() as session:
            rows = session.execute(
                select(IssueRow.date, IssueRow.status).where(IssueRow.edition == name)
            ).all()
        assert {row.status for row in rows} == {IssueStatus.SENT}
        got = Counter(row.date for row in rows)
        assert set(got.values()) == {1}
        assert rooms[name].copies == got
        # At both ends a date may be due before the first or after the last look.
        inner = {
            day
            for day in civil_dates(zone, start, end, weekdays)
            if start.date() + timedelta(days=3) < day < end.date() - timedelta(days=3)
        }
        assert {
            day for day in got if start.date() + timedelta(days=3) < day < end.date() - timedelta(days=3)
        } == inner
        if zone == "Pacific/Apia" and name == "daily":
            assert date(2011, 12, 30) not in got
            assert {date(2011, 12, 29), date(2011, 12, 31)} <= set(got)
    engine.dispose()
    shutil.rmtree(tmp_path, ignore_errors=True)
