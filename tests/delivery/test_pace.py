"""Rates and quotas are in the database: a restart or a second worker does not forget them."""

from __future__ import annotations

import time
from datetime import timedelta

from digest.clock import StoppedClock
from digest.delivery.machine import Policy
from digest.delivery.pace import SharedPace, domain_group
from digest.delivery.worker import End, Lane, Worker
from digest.settings.parts import Rate

from .conftest import START, Desk, MailServer, Newsroom, compose


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
    pace.block(START + timedelta(minutes=5))
    assert SharedPace(desk.writer(clock).call, clock, "server:x", limits).take(1).count == 0
    clock.advance(timedelta(minutes=6))
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
