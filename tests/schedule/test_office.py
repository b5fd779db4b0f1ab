"""The office: each job by itself, one leader, an end within the time of a message."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy import Engine

from digest.clock import StoppedClock, SystemClock
from digest.pipeline.leadership import LEASE, Lease
from digest.schedule import Job, Office
from subscribers.database import session_factory

NOW = datetime(2026, 11, 23, 7, tzinfo=UTC)


class Always:
    """Leads, unless told that the database is away."""

    def __init__(self) -> None:
        self.away = False

    def hold(self, now: datetime) -> bool:
        if self.away:
            raise ConnectionError("connection refused")
        return True

    def release(self, now: datetime) -> None: ...


def office(*jobs: Job, clock: StoppedClock | None = None, leads: Always | None = None) -> Office:
    return Office(jobs, leads or Always(), clock or StoppedClock(NOW), tick=1.0)


def wait_for(condition: Callable[[], bool]) -> None:
    for _ in range(500):
        if condition():
            return
        time.sleep(0.01)
    raise AssertionError("it never came")


def test_the_crash_of_one_job_leaves_the_others(caplog: pytest.LogCaptureFixture) -> None:
    done = []

    def crash(_stop: threading.Event) -> None:
        raise RuntimeError("out of paper")

    good = Job("good", lambda _stop: done.append(1), timedelta(seconds=1))
    bad = Job("bad", crash, timedelta(seconds=1))
    clock = StoppedClock(NOW)
    desk = office(bad, good, clock=clock)
    with caplog.at_level(logging.INFO):
        for _ in range(5):
            desk.look(threading.Event())
            wait_for(lambda: not good.running and not bad.running)
            clock.advance(timedelta(seconds=60))
    assert len(done) == 5
    assert caplog.text.count("out of paper") == 1  # the same trouble is told once


def test_a_job_is_never_at_work_twice() -> None:
    begun, gate = [], threading.Event()

    def slow(_stop: threading.Event) -> None:
        begun.append(1)
        gate.wait(5)

    clock = StoppedClock(NOW)
    job = Job("slow", slow, timedelta(seconds=1))
    desk = office(job, clock=clock)
    for _ in range(3):
        desk.look(threading.Event())
        clock.advance(timedelta(minutes=5))
    gate.set()
    assert job.wait(5)
    assert begun == [1]


def test_a_clock_set_back_stops_nothing_for_long() -> None:
    done = []
    job = Job("hourly", lambda _stop: done.append(1), timedelta(hours=1))
    desk = office(job, clock=StoppedClock(NOW))
    desk.look(threading.Event())
    assert job.wait(5)
    office(job, clock=StoppedClock(NOW - timedelta(days=9))).look(threading.Event())
    assert job.wait(5)
    assert done == [1, 1]


def test_a_clock_in_1970_begins_nothing_and_says_so_once(caplog: pytest.LogCaptureFixture) -> None:
    done: list[int] = []
    clock = StoppedClock(datetime(1970, 1, 1, tzinfo=UTC))
    job = Job("hourly", lambda _stop: done.append(1), timedelta(hours=1))
    desk = office(job, clock=clock)
    with caplog.at_level(logging.INFO):
        for _ in range(20):
            desk.look(threading.Event())
            clock.advance(timedelta(minutes=1))
        assert done == []
        clock.advance(NOW - clock.now())  # the network has set it
        desk.look(threading.Event())
        assert job.wait(5)
    assert done == [1]
    assert caplog.text.count("the clock says 1970-01-01: nothing is done until it is set") == 1


def test_once_does_what_is_due_goes_on_while_any_job_is_at_work_and_ends() -> None:
    done: list[str] = []

    def slow(_stop: threading.Event) -> None:
        time.sleep(0.5)
        done.append("slow")

    slow_job = Job("slow", slow, timedelta(hours=1))
    quick = Job("quick", lambda _stop: done.append("quick"), timedelta(seconds=0.1))
    assert Office([slow_job, quick], Always(), SystemClock()).run(threading.Event(), once=True)
    assert done.count("slow") == 1
    assert done.count("quick") >= 2  # what comes due meanwhile is not left waiting


def test_once_ends_at_once_where_another_process_leads(engine: Engine) -> None:
    sessions, done = session_factory(engine), []
    assert Lease(sessions, "schedule", "first").hold(SystemClock().now())
    job = Job("job", lambda _stop: done.append(1), timedelta(hours=1))
    Office([job], Lease(sessions, "schedule", "second"), SystemClock()).run(threading.Event(), once=True)
    assert done == []


def test_stopping_tells_the_jobs_and_waits_for_them() -> None:
    ended = []

    def obedient(stop: threading.Event) -> None:
        stop.wait(10)
        ended.append(1)

    stop = threading.Event()
    desk = Office([Job("send", obedient, timedelta(hours=1))], Always(), SystemClock(), tick=0.05)
    thread = threading.Thread(target=desk.run, args=(stop,))
    thread.start()
    time.sleep(0.2)
    begun = time.monotonic()
    stop.set()
    thread.join(5)
    assert ended == [1]
    assert time.monotonic() - begun < 2


def test_a_database_that_is_away_is_told_once_and_work_goes_on_after_it(
    caplog: pytest.LogCaptureFixture,
) -> None:
    done = []
    leads, clock = Always(), StoppedClock(NOW)
    job = Job("job", lambda _stop: done.append(1), timedelta(seconds=1))
    desk = office(job, clock=clock, leads=leads)
    leads.away = True
    with caplog.at_level(logging.INFO):
        for _ in range(10):
            desk.look(threading.Event())
            clock.advance(timedelta(minutes=1))
        assert done == []
        assert "another process leads" not in caplog.text  # nobody does
        leads.away = False
        desk.look(threading.Event())
        assert job.wait(5)
    assert done == [1]
    assert caplog.text.count("connection refused") == 1
    assert "works again" in caplog.text


def test_only_one_process_leads_and_a_dead_leader_is_followed(engine: Engine) -> None:
    sessions = session_factory(engine)
    first, second = Lease(sessions, "schedule", "first"), Lease(sessions, "schedule", "second")
    assert first.hold(NOW)
    assert not second.hold(NOW + timedelta(seconds=1))
    assert first.hold(NOW + timedelta(seconds=30))  # renewed
    assert not second.hold(NOW + timedelta(seconds=30) + LEASE - timedelta(seconds=1))
    assert second.hold(NOW + timedelta(seconds=30) + LEASE)  # the first was killed
    assert not first.hold(NOW + timedelta(seconds=31) + LEASE)  # and finds itself fenced off


def test_a_leader_that_ends_gives_the_lease_back(engine: Engine) -> None:
    sessions = session_factory(engine)
    first, second = Lease(sessions, "schedule", "first"), Lease(sessions, "schedule", "second")
    assert first.hold(NOW)
    first.release(NOW)
    assert second.hold(NOW)
