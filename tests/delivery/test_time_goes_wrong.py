"""A server that never answers the dot, and clocks that jump: nobody is lost, nobody gets a second copy."""

from __future__ import annotations

import time
from datetime import datetime, timedelta

import pytest

from digest.clock import SystemClock
from digest.delivery.machine import Policy
from digest.delivery.pace import SharedPace
from digest.delivery.smtp import SmtpServer, SmtpTransport
from digest.delivery.worker import End, Habits, Lane, Worker
from digest.models import IssueStatus
from digest.settings.model import Smtp
from digest.settings.parts import Rate
from digest.values import Accepted, Envelope, Outcome, Uncertain
from tests.smtp.scripted import Action, ScriptedServer, Silence, Stage, Transaction

from .conftest import QUICK, START, Desk, MailServer, Newsroom, compose


class HurriedClock(SystemClock):
    """Twenty minutes pass in a second."""

    def monotonic(self) -> float:
        return 1200 * time.monotonic()


class JumpingClock(SystemClock):
    """A clock that somebody sets while copies go out."""

    def __init__(self) -> None:
        self.offset = timedelta(0)

    def now(self) -> datetime:
        return super().now() + self.offset


def takes_all_and_says_nothing(stage: Stage, transaction: Transaction) -> Action | None:
    return Silence(taken=True) if stage == "dot" else None


def test_a_dot_without_an_answer_is_waited_for_ten_minutes_and_then_in_doubt() -> None:
    clock = HurriedClock()
    with ScriptedServer(takes_all_and_says_nothing) as server:
        mail_server = SmtpServer(host="127.0.0.1", port=server.port, tls="never", timeout=0.1)
        connection = SmtpTransport(mail_server, clock).open()
        started = clock.monotonic()
        envelope = Envelope("a@example.org", "b@example.org", (b"Subject: x\r\n\r\nx\r\n",))
        outcome = connection.send(envelope, permit=lambda: True)
        waited = clock.monotonic() - started
    assert isinstance(outcome, Uncertain)
    assert not connection.usable
    assert 600 <= waited < 1200
    assert Smtp().dot_timeout == timedelta(minutes=10)
    assert Policy().lease > Smtp().dot_timeout, "who waits for an answer keeps its copies"


@pytest.mark.parametrize("resend", [True, False], ids=["resend", "hold"])
def test_a_server_that_takes_all_and_never_answers_makes_nobody_get_everything_twice(
    newsroom: Newsroom, desk: Desk, resend: bool
) -> None:
    newsroom.readers(60)
    newsroom.enqueue()
    policy = Policy(connections=2, resend=resend, doubt=timedelta(seconds=0.05))
    with ScriptedServer(takes_all_and_says_nothing) as server:
        mail_server = SmtpServer(
            host="127.0.0.1", port=server.port, tls="never", dot_timeout=0.1, timeout=0.1
        )
        run = Worker(
            SmtpTransport(mail_server, desk.clock), [Lane(desk.outbox(policy), compose)], desk.clock, policy,
            copies=60, habits=Habits(linger=2, first_delay=0.001),
        ).run()  # fmt: skip
    taken = server.recipients
    statuses = newsroom.statuses()
    assert run.end is End.PAUSED
    assert newsroom.issue().status is IssueStatus.PAUSED
    assert statuses["uncertain"] == len(taken), "each is listed"
    assert statuses["uncertain"] + statuses["queued"] == 60
    assert len(taken) <= 4 * policy.fuse(60)
    assert max(taken.values()) <= (2 if resend else 1)


@pytest.mark.parametrize("jump", [timedelta(hours=-1), timedelta(hours=1)], ids=["back", "on"])
@pytest.mark.parametrize("rate", [None, Rate(400, 1)], ids=["unlimited", "rate"])
def test_a_clock_that_jumps_an_hour_during_a_send_loses_and_doubles_nobody(
    newsroom: Newsroom, desk: Desk, jump: timedelta, rate: Rate | None
) -> None:
    newsroom.readers(300)
    newsroom.enqueue()
    clock = JumpingClock()

    def answer(envelope: Envelope, times: int) -> Outcome:
        if len(server.accepted) == 100:
            clock.offset = jump
        time.sleep(0.001)
        return Accepted()

    server, policy = MailServer(answer), Policy(connections=4)
    writer = desk.writer(clock)
    pace = SharedPace(writer.call, clock, "server:x", (rate,)) if rate else None
    outbox = desk.outbox(policy, clock=clock)
    started = time.monotonic()
    run = Worker(server, [Lane(outbox, compose)], clock, policy, pace=pace, habits=QUICK).run()
    assert run.end is End.DONE
    assert newsroom.statuses() == {"sent": 300}
    assert set(server.copies.values()) == {1}
    assert time.monotonic() - started < 20


def test_a_worker_whose_clock_is_an_hour_behind_takes_nothing_from_one_that_lives(
    newsroom: Newsroom, desk: Desk
) -> None:
    newsroom.readers(5)
    newsroom.enqueue()
    behind = JumpingClock()
    behind.offset = timedelta(hours=-1)
    holder, late = desk.outbox(name="elsewhere.1.1"), desk.outbox(name="elsewhere.2.1", clock=behind)
    (claim, *_) = holder.claim(5)
    late.tend()
    assert list(late.claim(5)) == []
    assert holder.intend(claim, START).wait()
