"""Rates and quotas are in the database: a restart or a second worker does not forget them."""

from __future__ import annotations

import time
from datetime import timedelta

import pytest
from sqlalchemy import func, update
from sqlalchemy.orm import Session

from digest.clock import StoppedClock
from digest.delivery.machine import Policy
from digest.delivery.pace import SharedPace, domain_group
from digest.delivery.smtp import SmtpServer, SmtpTransport
from digest.delivery.worker import End, Lane, Worker
from digest.mail.judgement import asks_for_less
from digest.settings.parts import Rate
from subscribers.models import SubscriberRow
from tests.smtp.scripted import Action, Say, ScriptedServer, Stage, Transaction

from .conftest import QUICK, START, Desk, MailServer, Newsroom, compose


def test_a_daily_quota_survives_a_restart_and_ends_after_a_day(newsroom: Newsroom, desk: Desk) -> None:
    clock = StoppedClock(START)
    limits = (Rate(100, 86400),)
    assert SharedPace(desk.writer(clock).call, clock, "server:x", limits).take(70).count == 70
    again = SharedPace(desk.writer(clock).call, clock, "server:x", limits)
    assert again.take(70).count == 30
    empty = again.take(1)
    assert (empty.count, empty.start) == (0, START + timedelta(days=1))
    clock.advance(-timedelta(hours=1))
    assert again.take(1).count == 0, "a clock that was moved back opens no new window"
    clock.advance(timedelta(hours=25))
    assert again.take(1).count == 1


def test_unused_slots_of_a_quota_are_given_back(newsroom: Newsroom, desk: Desk) -> None:
    clock = StoppedClock(START)
    pace = SharedPace(desk.writer(clock).call, clock, "server:x", (Rate(10, 86400),))
    assert pace.take(10).count == 10
    pace.give_back(4)
    assert pace.take(10).count == 4


def test_two_workers_share_a_rate(newsroom: Newsroom, desk: Desk) -> None:
    clock = StoppedClock(START)
    paces = [SharedPace(desk.writer(clock).call, clock, "server:x", (Rate(10, 1),)) for _ in range(2)]
    sent = 0
    for _ in range(200):  # ten seconds
        sent += sum(pace.take(100).count for pace in paces)
        clock.advance(timedelta(seconds=0.05))
    assert 95 <= sent <= 115


def test_a_clock_moved_back_an_hour_stops_no_rate(newsroom: Newsroom, desk: Desk) -> None:
    clock = StoppedClock(START)
    pace = SharedPace(desk.writer(clock).call, clock, "server:x", (Rate(10, 1),))
    assert pace.take(5).count == 5
    clock.advance(-timedelta(hours=1))
    assert pace.take(5).count == 5


def test_a_block_holds_everybody_back(newsroom: Newsroom, desk: Desk) -> None:
    clock = StoppedClock(START)
    limits = (Rate(10, 1),)
    pace = SharedPace(desk.writer(clock).call, clock, "server:x", limits)
    pace.set_back()
    assert SharedPace(desk.writer(clock).call, clock, "server:x", limits).take(1).count == 0
    clock.advance(timedelta(minutes=2))
    assert pace.take(1).count == 1


def test_a_worker_keeps_to_the_rate(newsroom: Newsroom, desk: Desk) -> None:
    newsroom.readers(30)
    newsroom.enqueue()
    server, policy = MailServer(), Policy(connections=4)
    pace = SharedPace(desk.writer().call, desk.clock, "server:x", (Rate(20, 1),))
    started = time.monotonic()
    run = Worker(server, [Lane(desk.outbox(policy), compose)], desk.clock, policy, pace=pace).run()
    assert run.end is End.DONE
    assert time.monotonic() - started >= 1.2


def test_a_quota_that_is_used_up_ends_the_run_and_leaves_the_rest_queued(
    newsroom: Newsroom, desk: Desk
) -> None:
    newsroom.readers(30)
    newsroom.enqueue()
    server, policy = MailServer(), Policy(connections=2)
    pace = SharedPace(desk.writer().call, desk.clock, "server:x", (Rate(12, 86400),))
    run = Worker(server, [Lane(desk.outbox(policy), compose)], desk.clock, policy, pace=pace).run()
    assert run.end is End.LATER
    assert "quota" in run.reason
    assert newsroom.statuses() == {"sent": 12, "queued": 18}


def test_a_crowded_domain_waits_in_the_database_and_counts_no_attempt(newsroom: Newsroom, desk: Desk) -> None:
    newsroom.readers(10)
    newsroom.enqueue()
    server, policy = MailServer(), Policy(connections=2)
    crowded = SharedPace(desk.writer().call, desk.clock, "domain:example.org", (Rate(4, 86400),))
    worker = Worker(
        server, [Lane(desk.outbox(policy), compose)], desk.clock, policy, domain_pace=lambda address: crowded
    )
    assert worker.run().end is End.LATER
    assert newsroom.statuses() == {"sent": 4, "queued": 6}
    waiting = [row for row in map(newsroom.row, range(1, 11)) if row.status == "queued"]
    assert [row.attempts for row in waiting] == [0] * 6


def test_great_providers_are_one_group() -> None:
    assert domain_group("a@googlemail.com") == domain_group("b@GMAIL.com")
    assert domain_group("a@example.org") == "example.org"


def test_a_server_that_asks_for_less_is_let_be_longer_each_time_until_it_forgives(
    newsroom: Newsroom, desk: Desk
) -> None:
    clock = StoppedClock(START)
    limits = (Rate(10, 1), Rate(1000, 86400))
    pace = SharedPace(desk.writer(clock).call, clock, "domain:x", limits)

    def seconds() -> float:
        return (pace.set_back() - clock.now()).total_seconds()

    waits = []
    for _ in range(8):
        waits.append(seconds())
        clock.advance(timedelta(seconds=20))
        assert seconds() == waits[-1] - 20, "copies that were on their way ask for nothing new"
        clock.advance(timedelta(seconds=waits[-1]))
    assert waits == [60, 120, 240, 480, 960, 1920, 3600, 3600]
    clock.advance(timedelta(hours=2))
    assert seconds() == 60


@pytest.mark.parametrize(
    "reply",
    [
        "421 4.7.28 Our system has detected an unusual rate of unsolicited mail",
        "421 4.7.0 [TSS04] Messages from 192.0.2.1 temporarily deferred due to user complaints",
        "450 4.2.1 The user you are trying to contact is receiving mail at a rate that is too fast",
        "451 4.7.1 too many messages, try again later",
    ],
)
def test_a_provider_that_asks_for_less_waits_and_the_others_go_on(
    newsroom: Newsroom, desk: Desk, reply: str
) -> None:
    newsroom.readers(120)
    with Session(newsroom.engine) as session, session.begin():
        session.execute(
            update(SubscriberRow)
            .where(SubscriberRow.id % 3 == 0)
            .values(address=func.replace(SubscriberRow.address, "example.org", "gmail.com"))
        )
    newsroom.enqueue()

    def decide(stage: Stage, transaction: Transaction) -> Action | None:
        return Say(reply) if stage == "rcpt" and transaction.recipient.endswith("@gmail.com") else None

    paces: dict[str, SharedPace] = {}

    def domain_pace(address: str) -> SharedPace:
        group = domain_group(address)
        if group not in paces:
            paces[group] = SharedPace(desk.writers[0].call, desk.clock, f"domain:{group}", (Rate(1000, 1),))
        return paces[group]

    with ScriptedServer(decide) as server:
        transport = SmtpTransport(SmtpServer(host="127.0.0.1", port=server.port, tls="never"), desk.clock)
        policy = Policy(connections=2)
        run = Worker(
            transport, [Lane(desk.outbox(policy), compose)], desk.clock, policy,
            domain_pace=domain_pace, habits=QUICK,
        ).run()  # fmt: skip
        asked = server.answered[reply[:3]]
    assert run.end is End.LATER
    assert len(server.taken) == 80
    assert asked <= 10, "it is asked no more after the first copies on each connection"
    waiting = [row for row in map(newsroom.row, range(3, 121, 3)) if row.status != "sent"]
    assert len(waiting) == 40
    assert sum(row.attempts for row in waiting) <= 10
    assert all(
        row.next_attempt_at and row.next_attempt_at > desk.clock.now() + timedelta(seconds=50)
        for row in waiting
    )


def test_greylisting_holds_no_provider_back() -> None:
    assert not asks_for_less(451, "4.7.1", "451 4.7.1 Greylisting in action, please come back later")
    assert not asks_for_less(450, "4.2.0", "450 4.2.0 <r@x.org>: Recipient address rejected: Greylisted")
    assert not asks_for_less(452, "4.2.2", "452 4.2.2 mailbox full")
    assert not asks_for_less(550, "5.7.1", "550 5.7.1 rate limit exceeded")
