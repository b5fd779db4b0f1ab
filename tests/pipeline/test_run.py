"""``run``: one issue per edition and civil date, whoever calls, whenever it is killed, however late."""

from __future__ import annotations

import itertools
import shutil
import tempfile
import threading
from collections import Counter
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
from sqlalchemy import Engine, delete, select
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session, sessionmaker

from digest.errors import ClockUnset, ConfigError, EmptyIssue, SourceUnavailable
from digest.issues import lifecycle
from digest.issues.view import IssueView, issue_view
from digest.migrations import ensure_schema
from digest.models import FactRow, IssueRow, IssueStatus, NoticeRow
from digest.pipeline.delivered import Summary
from digest.pipeline.notifying import announce_approval
from digest.pipeline.run import Ending, RunReport, Steps, run_edition
from digest.pipeline.timetable import prospects, remember
from digest.settings import Settings, load
from subscribers.database import open_engine, session_factory
from subscribers.membership.lists import create_list

MORNING = datetime(2026, 11, 23, 3, 2, tzinfo=UTC)  # 07:02 in Dubai


class Killed(BaseException):
    """The process ends here."""


@dataclass
class Newsroom:
    """A newsroom whose steps do just enough, and may be killed before or after any of them."""

    sessions: sessionmaker[Session]
    settings: Settings
    now: datetime = MORNING
    kill_at: str = ""
    empty: bool = False
    feeds_down: bool = False
    said: list[str] = field(default_factory=list)
    copies: Counter[date] = field(default_factory=Counter)
    did: list[str] = field(default_factory=list)
    edition: str = "daily"

    def run(self, **options: object) -> RunReport:
        return run_edition(
            self.sessions,
            self.settings,
            "daily",
            self.steps(),
            now=self.now,
            **options,  # type: ignore[arg-type]
        )

    def steps(self) -> Steps:
        return Steps(self._fetch, self._build, self._send, self._announce, self.said.append)

    def _step(self, name: str) -> None:
        self.did.append(name)
        if self.kill_at == name:
            self.kill_at = ""
            raise Killed

    def _fetch(self) -> dict[str, object]:
        self._step("fetch")
        if self.feeds_down:
            raise SourceUnavailable("every source failed")
        return {"new": 1, "updated": 0}

    def _build(self, day: date | None) -> IssueView:
        self._step("before build")
        assert day is not None
        try:
            view = self._built(day)
        except IntegrityError:
            view = self._built(day)  # somebody built at the same moment, as the real build bears it
        self._step("after build")
        return view

    def _built(self, day: date) -> IssueView:
        with self.sessions.begin() as session:
            row = session.scalars(
                select(IssueRow).where(
                    IssueRow.edition == self.edition,
                    IssueRow.date == day,
                    IssueRow.status != IssueStatus.CANCELLED,
                )
            ).one_or_none()
            if row is None and self.empty:
                raise EmptyIssue("too few stories")
            if row is None:
                row = IssueRow(
                    edition=self.edition, date=day, ledger="daily", list_name="daily", language="en",
                    timezone="UTC", subject="Today", preheader="And more", built_at=self.now,
                )  # fmt: skip
                session.add(row)
                session.flush()
            return issue_view(session, row.id)

    def _send(self, issue_id: int) -> Summary:
        self._step("before send")
        with self.sessions.begin() as session:
            row = lifecycle.freeze(session, issue_id, now=self.now)
            if row.status is not IssueStatus.SENT:
                self.copies[row.date] += 1
                lifecycle.publish(session, issue_id, now=self.now)
        self._step("after send")
        return Summary(issue=issue_id, recipients=1, sent=1)

    def _announce(self, issue_id: int) -> object:
        return announce_approval(self.sessions, self.settings, issue_id, now=self.now)


def configured(folder: Path, edition: str = "") -> Settings:
    (folder / "newsletter.toml").write_text(
        f"""
[newsletter]
name = "Harbour"
url = "https://harbour.example"
sender = "daily@harbour.example"
timezone = "Asia/Dubai"
editors = ["a@harbour.example", "b@harbour.example"]
[editions.daily]
schedule = "0 7 * * *"
{edition}
"""
    )
    return load(folder)


def opened(engine: Engine, settings: Settings) -> Newsroom:
    """A newsroom whose edition has been known since yesterday."""
    newsroom = Newsroom(session_factory(engine), settings)
    with newsroom.sessions.begin() as session:
        create_list(session, "daily", now=MORNING)
        remember(session, "daily", now=MORNING - timedelta(days=1))
    return newsroom


@pytest.fixture
def newsroom(engine: Engine, tmp_path: Path) -> Newsroom:
    return opened(engine, configured(tmp_path))


def test_what_was_due_before_an_edition_was_known_is_not_sent_unasked(engine: Engine, tmp_path: Path) -> None:
    newsroom = Newsroom(session_factory(engine), configured(tmp_path))
    with newsroom.sessions.begin() as session:
        create_list(session, "daily", now=MORNING)
    assert newsroom.run(if_due=True).ending is Ending.NOT_DUE
    assert newsroom.run().ending is Ending.SENT


def test_an_edition_that_no_scheduler_has_seen_owes_nothing(engine: Engine, tmp_path: Path) -> None:
    newsroom = Newsroom(session_factory(engine), configured(tmp_path))
    late = MORNING + timedelta(hours=9)
    with newsroom.sessions.begin() as session:
        assert [one.late for one in prospects(session, newsroom.settings, now=late)] == [0.0]
        remember(session, "daily", now=MORNING - timedelta(days=1))
        shown = prospects(session, newsroom.settings, now=late)[0]
        assert shown.late == timedelta(hours=9, minutes=2).total_seconds()
        assert len(shown.times) == 5


def test_run_fetches_builds_and_sends_and_again_does_nothing(newsroom: Newsroom) -> None:
    first = newsroom.run()
    assert first.ending is Ending.SENT
    assert newsroom.did == ["fetch", "before build", "after build", "before send", "after send"]
    assert newsroom.run().ending is Ending.ALREADY_SENT
    assert newsroom.copies == {date(2026, 11, 23): 1}
    assert newsroom.said == ["start", "success"]


@pytest.mark.parametrize("step", ["fetch", "before build", "after build", "before send", "after send"])
def test_a_run_that_was_killed_is_taken_up_where_it_stopped(newsroom: Newsroom, step: str) -> None:
    newsroom.kill_at = step
    with pytest.raises(Killed):
        newsroom.run()
    assert newsroom.said[-1] == "fail"
    assert newsroom.run().ending in {Ending.SENT, Ending.ALREADY_SENT}
    assert newsroom.copies == {date(2026, 11, 23): 1}


def test_an_edition_whose_list_is_not_there_says_so_before_anything_is_fetched(
    engine: Engine, tmp_path: Path
) -> None:
    newsroom = opened(engine, configured(tmp_path, 'list = "dayly"'))
    with pytest.raises(ConfigError, match="'dayly', which does not exist") as caught:
        newsroom.run(if_due=True)
    assert "`digest lists create dayly`" in caught.value.remedy
    assert 'list = "daily"' in caught.value.remedy
    assert newsroom.did == []


def test_a_clock_in_1970_sends_nothing(newsroom: Newsroom) -> None:
    newsroom.now = datetime(1970, 1, 1, 0, 3, tzinfo=UTC)
    with pytest.raises(ClockUnset, match="the clock says 1970-01-01"):
        newsroom.run()
    assert newsroom.did == []


def test_waiting_is_pinged_and_logged_once(
    engine: Engine, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    newsroom = opened(engine, configured(tmp_path, 'approve = true\nsend_at = "07:30"'))
    with caplog.at_level("INFO"):
        for _ in range(5):
            newsroom.run(if_due=True)
    assert newsroom.said == ["start"]
    assert caplog.text.count("waits for") == 1


def test_a_switch_hears_of_an_issue_that_is_too_late(newsroom: Newsroom) -> None:
    newsroom.now = MORNING + timedelta(hours=5)
    newsroom.run(if_due=True)
    newsroom.run(if_due=True)
    assert newsroom.said == ["fail"]


def test_an_issue_that_is_on_its_way_past_midnight_is_not_called_late(engine: Engine, tmp_path: Path) -> None:
    newsroom = opened(engine, configured(tmp_path))
    with newsroom.sessions.begin() as session:
        row = IssueRow(
            edition="daily", date=date(2026, 11, 23), ledger="daily", list_name="daily", language="en",
            timezone="UTC", subject="Today", preheader="", built_at=MORNING, status=IssueStatus.SENDING,
        )  # fmt: skip
        session.add(row)
    newsroom.now = MORNING + timedelta(hours=19)  # two in the morning: nineteen hours after it was due
    assert newsroom.run(if_due=True).ending is Ending.SENT
    assert newsroom.copies == {date(2026, 11, 23): 1}


def test_two_callers_at_the_same_moment_make_one_issue_and_one_copy(newsroom: Newsroom) -> None:
    """As from two machines: each with sessions of its own on the same database."""
    with newsroom.sessions.begin() as session:
        session.execute(delete(FactRow))
    gate = threading.Barrier(4)
    endings: list[Ending] = []

    def call() -> None:
        gate.wait()
        endings.append(newsroom.run(day=date(2026, 11, 23)).ending)

    callers = [threading.Thread(target=call) for _ in range(4)]
    for caller in callers:
        caller.start()
    for caller in callers:
        caller.join()
    assert len(endings) == 4
    assert set(endings) <= {Ending.SENT, Ending.ALREADY_SENT}
    assert newsroom.copies == {date(2026, 11, 23): 1}
    with newsroom.sessions() as session:
        assert len(session.scalars(select(IssueRow)).all()) == 1


def test_too_few_stories_end_the_day_quietly(newsroom: Newsroom) -> None:
    newsroom.empty = True
    assert newsroom.run(if_due=True).ending is Ending.EMPTY
    assert newsroom.said == ["start", "success"]
    assert newsroom.run(if_due=True).ending is Ending.NOT_DUE  # not tried again every ten seconds
    newsroom.empty = False
    assert newsroom.run().ending is Ending.SENT  # but by hand it is


def test_sources_that_fail_leave_what_is_there(newsroom: Newsroom) -> None:
    newsroom.feeds_down = True
    assert newsroom.run().ending is Ending.SENT


def test_too_late_is_skipped_and_said(newsroom: Newsroom) -> None:
    newsroom.now = MORNING + timedelta(hours=5)
    report = newsroom.run()
    assert report.ending is Ending.TOO_LATE
    assert "5 h 2 min late" in report.message
    assert newsroom.run(if_due=True).ending is Ending.NOT_DUE
    assert newsroom.copies == {}


def test_a_date_that_is_asked_for_is_never_too_late(newsroom: Newsroom) -> None:
    newsroom.now = MORNING + timedelta(hours=5)
    assert newsroom.run(day=date(2026, 11, 23)).ending is Ending.SENT


def test_an_issue_waits_for_approval_and_both_editors_hear_of_it_once(engine: Engine, tmp_path: Path) -> None:
    newsroom = opened(engine, configured(tmp_path, 'approve = true\nsend_at = "07:30"'))
    assert newsroom.run(if_due=True).ending is Ending.WAITS_FOR_APPROVAL
    assert newsroom.run(if_due=True).ending is Ending.WAITS_FOR_APPROVAL
    with newsroom.sessions() as session:
        assert Counter(row.editor for row in session.scalars(select(NoticeRow))) == {0: 1, 1: 1}
    with newsroom.sessions.begin() as session:
        lifecycle.approve(session, session.scalars(select(IssueRow.id)).one(), now=newsroom.now)
    assert newsroom.run(if_due=True).ending is Ending.WAITS_FOR_TIME
    newsroom.now = MORNING + timedelta(minutes=30)
    assert newsroom.run(if_due=True).ending is Ending.SENT
    assert newsroom.copies == {date(2026, 11, 23): 1}


@pytest.mark.parametrize(
    ("policy", "ending", "copies"), [("skip", Ending.TOO_LATE, 0), ("send", Ending.SENT, 1)]
)
def test_an_issue_that_nobody_approves_is_remembered_then_ends_by_policy(
    engine: Engine, tmp_path: Path, policy: str, ending: Ending, copies: int
) -> None:
    own = f'approve = true\nsend_at = "07:30"\nunapproved = "{policy}"'
    newsroom = opened(engine, configured(tmp_path, own))
    newsroom.run(if_due=True)
    newsroom.now = MORNING + timedelta(hours=1)
    assert newsroom.run(if_due=True).ending is Ending.WAITS_FOR_APPROVAL
    with newsroom.sessions() as session:
        assert len(session.scalars(select(NoticeRow)).all()) == 4  # the first, and a reminder, to each
    newsroom.now = MORNING + timedelta(hours=4)
    assert newsroom.run(if_due=True).ending is ending
    assert sum(newsroom.copies.values()) == copies
    assert newsroom.run(if_due=True).ending in {Ending.NOT_DUE, Ending.ALREADY_SENT}


@pytest.fixture(scope="module")
def empty_database(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("empty") / "digest.sqlite3"
    engine = open_engine(f"sqlite:///{path}")
    ensure_schema(engine)
    engine.dispose()
    return path


@example(zone="America/New_York", start=datetime(2026, 1, 1, tzinfo=UTC), story=[("down", 5, "fetch")] * 5)
@settings(max_examples=15, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(
    zone=st.sampled_from(["America/New_York", "Australia/Lord_Howe", "Africa/Casablanca", "Asia/Dubai"]),
    start=st.datetimes(datetime(2026, 1, 1), datetime(2026, 12, 1), timezones=st.just(UTC)),
    story=st.lists(
        st.tuples(
            st.sampled_from(["tick", "tick", "tick", "down", "kill", "schedule"]),
            st.integers(1, 12),
            st.sampled_from(["fetch", "before build", "after build", "before send", "after send"]),
        ),
        min_size=5,
        max_size=30,
    ),
)
def test_through_downtime_kills_and_new_schedules_no_date_has_two_issues_and_none_that_is_due_is_missed(
    empty_database: Path, zone: str, start: datetime, story: list[tuple[str, int, str]]
) -> None:
    with tempfile.TemporaryDirectory() as folder:
        shutil.copy(empty_database, f"{folder}/digest.sqlite3")
        engine = open_engine(f"sqlite:///{folder}/digest.sqlite3")
        own = configured(Path(folder), f'timezone = "{zone}"')
        newsroom = Newsroom(session_factory(engine), own, now=start)
        with newsroom.sessions.begin() as session:
            create_list(session, "daily", now=start)
        newsroom.run(if_due=True)  # from here on the edition is known
        hours = itertools.cycle([6, 9, 4])
        hour = 7
        settled: set[date] = set()
        for event, amount, step in story:
            if event == "down":
                newsroom.now += timedelta(hours=amount * 3)
            if event == "schedule":
                hour = next(hours)
                newsroom.settings = rescheduled(newsroom.settings, f"0 {hour} * * *")
            for _ in range(amount if event == "tick" else 1):
                newsroom.kill_at = step if event == "kill" else ""
                try:
                    ending = newsroom.run(if_due=True).ending
                except Killed:
                    ending = newsroom.run(if_due=True).ending
                newsroom.kill_at = ""
                assert set(newsroom.copies.values()) <= {1}
                local = newsroom.now.astimezone(ZoneInfo(zone))
                if ending is Ending.TOO_LATE:
                    settled.add(local.date())
                due = local.replace(hour=hour, minute=0, second=0, microsecond=0).astimezone(UTC)
                fresh = timedelta(0) <= newsroom.now - due <= timedelta(hours=3) and due >= start
                if fresh and local.date() not in settled:
                    assert newsroom.copies[local.date()] == 1, (local, ending)
                newsroom.now += timedelta(minutes=20)
        engine.dispose()


def rescheduled(settings: Settings, cron: str) -> Settings:
    """The same newsletter with another schedule."""
    daily = settings.file.editions["daily"].model_copy(update={"schedule": cron})
    file = settings.file.model_copy(update={"editions": {"daily": daily}})
    return Settings(folder=settings.folder, file=file, environment=settings.environment)
