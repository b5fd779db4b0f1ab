"""Pause, resume, cancel, consent, company, and a database that goes away."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager

from sqlalchemy import update
from sqlalchemy.orm import Session

from digest.delivery.machine import Policy
from digest.delivery.worker import End, Habits, Run, Worker
from digest.models import IssueStatus
from digest.values import Accepted, Envelope, Outcome
from subscribers.models import SubscriptionRow, SubscriptionStatus

from .conftest import QUICK, Desk, MailServer, Newsroom


def slowly(envelope: Envelope, times: int) -> Outcome:
    time.sleep(0.005)
    return Accepted()


@contextmanager
def running(worker: Worker) -> Iterator[list[Run]]:
    runs: list[Run] = []
    thread = threading.Thread(target=lambda: runs.append(worker.run()))
    thread.start()
    yield runs
    thread.join(30)
    assert not thread.is_alive()


def until(condition, seconds: float = 10.0) -> None:  # type: ignore[no-untyped-def]
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.01)


def test_pause_takes_effect_within_two_seconds_and_resume_goes_on(newsroom: Newsroom, desk: Desk) -> None:
    newsroom.readers(600)
    newsroom.enqueue()
    server = MailServer(slowly)
    with running(desk.worker(server)) as runs:
        until(lambda: len(server.accepted) > 20)
        newsroom.set_issue(IssueStatus.PAUSED)
        time.sleep(0.1)
        at_pause = len(server.accepted)
        until(lambda: "claimed" not in newsroom.statuses(), 2.0)
        assert len(server.accepted) <= at_pause + 4
        assert not runs
        newsroom.set_issue(IssueStatus.SENDING)
    assert runs[0].end is End.DONE
    assert len(server.accepted) == 600
    assert max(server.copies.values()) == 1


def test_cancel_ends_the_run(newsroom: Newsroom, desk: Desk) -> None:
    newsroom.readers(600)
    newsroom.enqueue()
    server = MailServer(slowly)
    with running(desk.worker(server)) as runs:
        until(lambda: len(server.accepted) > 20)
        newsroom.set_issue(IssueStatus.CANCELLED)
    assert runs[0].end is End.CLOSED
    assert len(server.accepted) < 600
    assert set(newsroom.statuses()) == {"sent", "queued"}


def test_stopping_gives_back_what_is_not_on_the_wire(newsroom: Newsroom, desk: Desk) -> None:
    newsroom.readers(600)
    newsroom.enqueue()
    stop = threading.Event()
    server = MailServer(slowly)
    with running(desk.worker(server, stop=stop)) as runs:
        until(lambda: len(server.accepted) > 20)
        stop.set()
    assert runs[0].end is End.STOPPED
    assert newsroom.statuses() == {"sent": len(server.accepted), "queued": 600 - len(server.accepted)}


def test_who_left_meanwhile_gets_nothing(newsroom: Newsroom, desk: Desk) -> None:
    newsroom.readers(10)
    newsroom.enqueue()
    with Session(newsroom.engine) as session, session.begin():
        session.execute(
            update(SubscriptionRow)
            .where(SubscriptionRow.subscriber_id == 4)
            .values(status=SubscriptionStatus.UNSUBSCRIBED)
        )
    server = MailServer()
    desk.worker(server).run()
    assert newsroom.statuses() == {"sent": 9, "suppressed": 1}
    assert "reader4@example.org" not in server.copies


def test_two_workers_share_an_issue_without_doubles(newsroom: Newsroom, desk: Desk) -> None:
    newsroom.readers(800)
    newsroom.enqueue()
    server = MailServer()
    with running(desk.worker(server)) as first, running(desk.worker(server)) as second:
        pass
    assert {first[0].end, second[0].end} == {End.DONE}
    assert len(server.accepted) == 800
    assert max(server.copies.values()) == 1


def test_a_database_that_goes_away_stops_the_send_and_nothing_is_claimed_falsely(
    newsroom: Newsroom, desk: Desk
) -> None:
    newsroom.readers(400)
    newsroom.enqueue()
    server = MailServer(slowly)
    worker = desk.worker(server)
    writer = desk.writers[-1]

    def broken(results, intents):  # type: ignore[no-untyped-def]
        raise newsroom.engine.dialect.loaded_dbapi.OperationalError("disk I/O error")

    commit = writer._commit
    with running(worker) as runs:
        until(lambda: len(server.accepted) > 20)
        writer._commit = broken  # type: ignore[method-assign]
    accepted = len(server.accepted)
    assert runs[0].end is End.FAILED
    assert runs[0].error is not None
    assert "disk I/O error" in str(runs[0].error)
    writer._commit = commit  # type: ignore[method-assign]
    statuses = newsroom.statuses()
    assert statuses["sent"] <= accepted
    assert statuses["sent"] + statuses.get("sending", 0) >= accepted


def test_a_database_that_comes_back_loses_no_result(newsroom: Newsroom, desk: Desk) -> None:
    newsroom.readers(300)
    newsroom.enqueue()
    server = MailServer(slowly)
    worker = desk.worker(server, Policy(connections=4), QUICK)
    writer = desk.writers[-1]
    commit, failures = writer._commit, iter(range(3))

    def flaky(results, intents):  # type: ignore[no-untyped-def]
        if len(server.accepted) > 50 and next(failures, None) is not None:
            raise newsroom.engine.dialect.loaded_dbapi.OperationalError("server closed the connection")
        commit(results, intents)

    writer._commit = flaky  # type: ignore[method-assign]
    run = worker.run()
    assert run.end is End.DONE
    assert newsroom.statuses() == {"sent": 300}
    assert max(server.copies.values()) == 1


def test_an_idle_connection_is_closed(newsroom: Newsroom, desk: Desk) -> None:
    newsroom.readers(2)
    newsroom.enqueue()
    server = MailServer()
    desk.worker(server, Policy(connections=3), Habits(idle=0.05)).run()
    assert server.opened <= 3
    assert newsroom.statuses() == {"sent": 2}
