"""Editions are due once a civil date, through every change of clocks."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from digest.calendar import Decision, Due, Timetable, check_cron, decide, moment_of
from digest.errors import ConfigError

ZONES = ["America/New_York", "Asia/Kolkata", "Australia/Lord_Howe", "Africa/Casablanca", "Pacific/Apia"]
CRONS = ["0 7 * * *", "30 2 * * *", "15 0 * * 1-5", "45 23 * * 6,0"]


def utc(*parts: int) -> datetime:
    return datetime(*parts, tzinfo=UTC)  # type: ignore[misc, arg-type]


@pytest.mark.parametrize("zone", ZONES)
@pytest.mark.parametrize("cron", CRONS)
def test_ten_years_have_exactly_one_issue_per_due_date(zone: str, cron: str) -> None:
    """The due dates are counted apart: every civil date that the zone has, of the right weekdays."""
    timetable = Timetable(cron, zone)
    weekdays = {"*": range(7), "1-5": range(5), "6,0": (5, 6)}[cron.split()[-1]]
    start, end = utc(2010, 1, 1), utc(2020, 1, 1)
    expected = set()
    moment = start
    while moment < end:
        local = moment.astimezone(ZoneInfo(zone))
        if local.weekday() in weekdays:
            expected.add(local.date())
        moment += timedelta(hours=6)
    found = []
    for occurrence in timetable.after(start):
        if occurrence.at >= end:
            break
        found.append(occurrence)
    days = [occurrence.day for occurrence in found]
    assert len(days) == len(set(days))
    inner = {day for day in expected if date(2010, 1, 3) < day < date(2019, 12, 29)}
    assert {day for day in days if date(2010, 1, 3) < day < date(2019, 12, 29)} == inner
    minute, hour = (int(part) for part in cron.split()[:2])
    for occurrence in found:
        local = occurrence.at.astimezone(ZoneInfo(zone))
        assert local.date() == occurrence.day
        assert (local.hour, local.minute) >= (hour, minute)
        assert local.hour * 60 + local.minute - hour * 60 - minute <= 90


def test_a_skipped_time_fires_at_the_next_valid_moment() -> None:
    # 8 March 2026, New York: 02:00 → 03:00.
    occurrence = next(Timetable("30 2 * * *", "America/New_York").after(utc(2026, 3, 8, 5)))
    assert occurrence.at == utc(2026, 3, 8, 7)
    assert occurrence.day == date(2026, 3, 8)


def test_a_doubled_time_fires_once() -> None:
    # 1 November 2026, New York: 01:30 comes twice.
    found = []
    for occurrence in Timetable("30 1 * * *", "America/New_York").after(utc(2026, 10, 31, 12)):
        found.append(occurrence)
        if len(found) == 2:
            break
    assert [one.at for one in found] == [utc(2026, 11, 1, 5, 30), utc(2026, 11, 2, 6, 30)]


def test_a_date_that_a_zone_leaves_out_has_no_issue() -> None:
    found = []
    for occurrence in Timetable("0 7 * * *", "Pacific/Apia").after(utc(2011, 12, 29, 0)):
        found.append(occurrence.day)
        if len(found) == 3:
            break
    assert found == [date(2011, 12, 29), date(2011, 12, 31), date(2012, 1, 1)]


def test_half_hour_gaps_end_where_civil_time_goes_on() -> None:
    # Lord Howe, 4 October 2026: 02:00 → 02:30.
    assert moment_of(datetime(2026, 10, 4, 2, 10), "Australia/Lord_Howe") == utc(2026, 10, 3, 15, 30)


@given(
    st.sampled_from(ZONES),
    st.sampled_from(CRONS),
    st.datetimes(datetime(2011, 1, 1), datetime(2027, 1, 1), timezones=st.just(UTC)),
)
def test_the_latest_occurrence_is_the_one_before_the_next(zone: str, cron: str, moment: datetime) -> None:
    timetable = Timetable(cron, zone)
    latest = timetable.latest(moment)
    assert latest is not None
    assert latest.at <= moment
    following = next(timetable.after(latest.at))
    assert following.at > moment


def test_a_week_of_downtime_makes_one_issue() -> None:
    timetable = Timetable("0 7 * * *", "Asia/Dubai")
    decision = decide(
        timetable, timedelta(hours=3), now=utc(2026, 11, 23, 4), done=date(2026, 11, 16), known_since=None
    )
    assert decision.due is Due.SEND
    assert decision.occurrence is not None
    assert decision.occurrence.day == date(2026, 11, 23)
    after = decide(
        timetable, timedelta(hours=3), now=utc(2026, 11, 23, 4), done=date(2026, 11, 23), known_since=None
    )
    assert after == Decision(Due.NOTHING)


@pytest.mark.parametrize(
    ("late", "hour", "expected"),
    [
        (timedelta(hours=3), 5, Due.SEND),
        (timedelta(hours=3), 7, Due.SKIP),
        ("always", 20, Due.SEND),
        ("ask", 3, Due.SEND),
        ("ask", 9, Due.ASK),
    ],
)
def test_the_late_policy_decides(late: object, hour: int, expected: Due) -> None:
    decision = decide(
        Timetable("0 7 * * *", "Asia/Dubai"),
        late,  # type: ignore[arg-type]
        now=utc(2026, 11, 23, hour, 5),
        done=date(2026, 11, 22),
        known_since=None,
    )
    assert decision.due is expected


def test_what_was_due_before_the_edition_was_known_is_nobodys_debt() -> None:
    decision = decide(
        Timetable("0 7 * * *", "UTC"),
        "always",
        now=utc(2026, 11, 23, 15),
        done=None,
        known_since=utc(2026, 11, 23, 14),
    )
    assert decision.due is Due.NOTHING


def test_skip_dates_and_only_dates_are_kept() -> None:
    holiday = frozenset({date(2026, 12, 25)})
    skipping = Timetable("0 7 * * *", "UTC", skip_dates=holiday)
    assert next(skipping.after(utc(2026, 12, 24, 12))).day == date(2026, 12, 26)
    only = Timetable("0 7 * * *", "UTC", only_dates=holiday)
    assert next(only.after(utc(2026, 11, 1))).day == date(2026, 12, 25)


@pytest.mark.parametrize(
    ("line", "message", "caret"),
    [
        ("0 25 * * *", "has a bad hour", "  ^"),
        ("0 7 * * mo-fr", "has a bad day of week", "        ^"),
        ("0,15,75 7 * * *", "has a bad minute", "     ^"),
        ("0  7  *  13  *", "has a bad month", "         ^"),
        ("*/0 7 * * *", "has a bad minute", "^"),
        ("7 * *", "has 3 fields, not five", "     ^"),
        ("0 7 * * 1 2", "has 6 fields, not five", "          ^"),
        ("", "has 0 fields, not five", "^"),
        ("0 7 31 2 *", "never comes", "    ^"),
        ("@daily", "has 1 fields, not five", "      ^"),
    ],
)
def test_a_wrong_cron_line_is_shown_with_a_caret_under_the_place(line: str, message: str, caret: str) -> None:
    with pytest.raises(ConfigError) as caught:
        check_cron(line)
    assert message in str(caught.value)
    assert caught.value.picture == f"    {line}\n    {caret}"
    assert caught.value.remedy


@given(st.text(alphabet="0123456789*/,-LMONabc @#\t", max_size=30))
def test_any_cron_line_is_taken_or_explained(line: str) -> None:
    try:
        check_cron(line)
    except ConfigError as error:
        shown, caret = error.picture.split("\n")
        assert caret.strip() == "^"
        assert len(caret) <= len(shown) + 1
