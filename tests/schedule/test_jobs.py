"""What the scheduler does of itself: each job seen at work on a real newsletter, each by itself."""

from __future__ import annotations

import logging
import threading
from collections.abc import Iterator
from datetime import timedelta
from email.message import EmailMessage
from pathlib import Path

import pytest
from sqlalchemy import func, select

from digest.models import DeliveryRow, IssueRow, IssueStatus, SourceStateRow
from digest.pipeline.leadership import Lease
from digest.schedule import Office
from digest.schedule.jobs import jobs_of
from digest.values import Accepted, Deferred
from tests.web.newsdesk import BUILT, MARIA, NewsDesk

pytestmark = pytest.mark.slow
BOUNCES = '[bounces]\naddress = "bounce@harbour.example"\nmailbox = "maildir:{}"\n'


@pytest.fixture
def desk(tmp_path: Path) -> Iterator[NewsDesk]:
    made = NewsDesk(tmp_path, waits="", own=BOUNCES.format(tmp_path / "bounced"))
    for part in ("new", "cur", "tmp"):
        (tmp_path / "bounced" / part).mkdir(parents=True)
    yield made
    made.close()


def look(desk: NewsDesk, *only: str) -> bool:
    """All jobs once, or those named; whether none failed."""
    jobs = [job for job in jobs_of(desk.app, once=True) if not only or job.name in only]
    office = Office(jobs, Lease(desk.app.sessions, "schedule", "tests"), desk.clock)
    assert office.run(threading.Event(), once=True)
    return not office.failed


def issues(desk: NewsDesk) -> list[IssueStatus]:
    with desk.app.readers() as session:
        return list(session.scalars(select(IssueRow.status).order_by(IssueRow.id)))


def test_an_edition_that_is_due_goes_out_once_and_one_that_is_not_waits(desk: NewsDesk) -> None:
    desk.clock.move(BUILT - timedelta(minutes=1))
    assert look(desk)
    assert issues(desk) == []
    desk.clock.move(BUILT + timedelta(seconds=5))
    assert look(desk)
    assert look(desk)
    assert issues(desk) == [IssueStatus.SENT]
    assert desk.copies == ["ada@readers.example"]


def test_feeds_are_visited_at_their_own_pace(desk: NewsDesk) -> None:
    def visited() -> object:
        with desk.app.readers() as session:
            return session.scalars(select(SourceStateRow.fetched_at)).one()

    look(desk, "feeds")
    first = visited()
    desk.clock.move(BUILT + timedelta(minutes=30))
    look(desk, "feeds")
    assert visited() == first
    desk.clock.move(BUILT + timedelta(minutes=61))
    look(desk, "feeds")
    assert visited() != first


def test_what_was_deferred_is_tried_again_when_its_time_has_come(desk: NewsDesk) -> None:
    desk.server.answer = lambda envelope, times: Deferred(450, "greylisted") if times == 1 else Accepted()
    look(desk)
    assert issues(desk) == [IssueStatus.SENDING]
    desk.clock.move(BUILT + timedelta(minutes=2))
    look(desk, "unfinished issues")
    assert desk.server.seen["ada@readers.example"] == 1
    desk.clock.move(BUILT + timedelta(minutes=8))
    look(desk, "unfinished issues")
    assert desk.copies == ["ada@readers.example"]
    assert issues(desk) == [IssueStatus.SENT]


def test_an_issue_that_cannot_be_sent_is_told_to_the_editors_once(desk: NewsDesk) -> None:
    from digest.errors import ServerUnavailable

    def away(*_: object, **__: object) -> None:
        raise ServerUnavailable("mail.example: connection refused", remedy="look at the server")

    works, desk.app.deliver = desk.app.deliver, away  # type: ignore[method-assign, assignment]
    assert not look(desk, "edition daily")
    assert not look(desk, "edition daily")
    assert look(desk, "notices")
    told = [message.text for message in desk.notices[MARIA]]
    assert len(told) == 1
    assert "Edition daily could not be sent: mail.example: connection refused" in told[0]
    desk.app.deliver = works  # type: ignore[method-assign]
    assert look(desk)
    assert desk.copies == ["ada@readers.example"]


def test_the_bounce_mailbox_is_read(desk: NewsDesk) -> None:
    message = EmailMessage()
    message["From"], message["To"] = "MAILER-DAEMON@relay.example", "bounce@harbour.example"
    message["Subject"] = "Out of office"
    message.set_content("I am away.")
    (desk.folder / "bounced" / "new" / "1").write_bytes(bytes(message))
    assert look(desk, "bounces")
    assert list((desk.folder / "bounced" / "new").iterdir()) == []


def test_without_a_mailbox_nobody_looks_for_bounces(tmp_path: Path) -> None:
    desk = NewsDesk(tmp_path, waits="")
    assert [job.name for job in jobs_of(desk.app)] == [
        "edition daily", "unfinished issues", "feeds", "notices", "retention",
    ]  # fmt: skip
    desk.close()


def test_old_deliveries_become_counts(desk: NewsDesk) -> None:
    look(desk)
    desk.clock.move(BUILT + timedelta(days=91))
    assert look(desk, "retention")
    with desk.app.readers() as session:
        assert session.scalar(select(func.count()).select_from(DeliveryRow)) == 0
        assert session.scalars(select(IssueRow.counts)).first() == {"sent": 1}


@pytest.mark.parametrize("broken", ["fetch_due", "send_notices", "watch_bounces", "retain"])
def test_the_crash_of_one_job_leaves_the_others(
    desk: NewsDesk, broken: str, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def crash(*_: object, **__: object) -> None:
        raise ZeroDivisionError("division by zero")

    monkeypatch.setattr(f"digest.schedule.jobs.{broken}", crash)
    with caplog.at_level(logging.ERROR):
        assert not look(desk)
    assert desk.copies == ["ada@readers.example"]
    assert caplog.text.count("ZeroDivisionError: division by zero") == 1


def test_an_edition_without_its_list_leaves_the_others(tmp_path: Path) -> None:
    desk = NewsDesk(tmp_path, waits="", own='[editions.other]\nschedule = "30 6 * * *"\nlist = "dayly"\n')
    look(desk)
    desk.clock.move(BUILT + timedelta(days=1))
    (tmp_path / "stories" / "new.md").write_text(
        "---\ntitle: Fog\nurl: https://harbour.example/f\n---\n\nFog.\n"
    )
    assert not look(desk)
    assert desk.copies == ["ada@readers.example"]
    desk.close()
