"""Nothing is lost and nothing is sent twice, whoever dies and whenever."""

from __future__ import annotations

from datetime import timedelta

from sqlalchemy import select, update
from sqlalchemy.orm import Session

from digest.clock import StoppedClock
from digest.delivery.machine import Policy
from digest.delivery.outbox import SqlOutbox
from digest.delivery.permit import Permit
from digest.delivery.verdicts import judge
from digest.delivery.worker import End, Habits
from digest.models import DeliveryRow, DeliveryStatus, IssueStatus, LeaseRow
from digest.values import Accepted, Deferred, Envelope, Outcome, Uncertain

from .conftest import START, Desk, MailServer, Newsroom

LEASE = timedelta(minutes=15)
SENT = DeliveryStatus.SENT


def accepted(outbox: SqlOutbox, claim, clock: StoppedClock):  # type: ignore[no-untyped-def]
    import random

    return judge(Accepted(), claim, now=clock.now(), policy=outbox.policy, chance=random.Random(1))


def test_a_copy_claimed_by_a_worker_that_vanished_is_sent_by_another(newsroom: Newsroom, desk: Desk) -> None:
    newsroom.readers(1)
    newsroom.enqueue()
    clock = StoppedClock(START)
    gone, other = desk.outbox(name="gone", clock=clock), desk.outbox(name="other", clock=clock)
    [held] = gone.claim(10)
    assert other.claim(10) == []
    clock.advance(LEASE + timedelta(seconds=1))
    other.tend()
    [claim] = other.claim(10)
    assert claim.fence == held.fence + 1
    assert claim.date is None


def test_a_worker_that_was_stopped_and_resumed_finds_itself_fenced_off(
    newsroom: Newsroom, desk: Desk
) -> None:
    newsroom.readers(1)
    newsroom.enqueue()
    clock = StoppedClock(START)
    stopped, other = desk.outbox(name="stopped", clock=clock), desk.outbox(name="other", clock=clock)
    [held] = stopped.claim(1)
    clock.advance(LEASE + timedelta(seconds=1))
    assert not stopped.intend(held, clock.now()).wait(), "its lease is over"
    other.tend()
    [claim] = other.claim(1)
    assert not stopped.intend(held, clock.now()).wait(), "somebody else has it"
    assert other.intend(claim, clock.now()).wait()
    stopped.record(held, accepted(stopped, held, clock))
    stopped.settle()
    assert newsroom.row(1).status is DeliveryStatus.SENDING, "what a fenced worker says is not heard"


def test_of_two_claims_of_one_copy_that_ask_together_only_the_newer_may_send(
    newsroom: Newsroom, desk: Desk
) -> None:
    """A story is withdrawn while the copy waits for a connection: the same worker claims it once more."""
    newsroom.readers(1)
    newsroom.enqueue()
    clock = StoppedClock(START)
    outbox = desk.outbox(clock=clock)
    [held] = outbox.claim(1)
    with Session(newsroom.engine) as session, session.begin():
        session.execute(
            update(DeliveryRow).values(
                status=DeliveryStatus.QUEUED, fence=DeliveryRow.fence + 1, lease_until=None
            )
        )
    [claim] = outbox.claim(1)
    old, new = (outbox.intend(one, clock.now()) for one in (held, claim))
    assert (old.wait(), new.wait()) == (False, True)


def test_a_heartbeat_keeps_what_is_ours(newsroom: Newsroom, desk: Desk) -> None:
    newsroom.readers(1)
    newsroom.enqueue()
    clock = StoppedClock(START)
    busy, other = desk.outbox(name="busy", clock=clock), desk.outbox(name="other", clock=clock)
    [claim] = busy.claim(1)
    for _ in range(3):
        clock.advance(timedelta(minutes=10))
        busy.tend()
        other.tend()
    assert other.claim(1) == []
    assert busy.intend(claim, clock.now()).wait()


def test_a_copy_in_doubt_is_sent_once_more_with_the_same_date(newsroom: Newsroom, desk: Desk) -> None:
    newsroom.readers(1)
    newsroom.enqueue()
    clock = StoppedClock(START)
    killed, other = desk.outbox(name="killed", clock=clock), desk.outbox(name="other", clock=clock)
    [claim] = killed.claim(1)
    assert killed.intend(claim, START).wait()
    clock.advance(LEASE + timedelta(seconds=1))
    other.tend()
    assert newsroom.row(1).status is DeliveryStatus.UNCERTAIN
    assert other.claim(1) == [], "not before the wait is over: the first sender may still report"
    clock.advance(LEASE)
    other.tend()
    [again] = other.claim(1)
    assert again.date == START
    assert again.resends == 1
    # And in doubt once more: never a third time.
    assert other.intend(again, START).wait()
    clock.advance(2 * LEASE)
    third = desk.outbox(name="third", clock=clock)
    third.tend()
    clock.advance(10 * LEASE)
    third.tend()
    assert third.claim(1) == []
    assert third.backlog().held == 1


def test_an_acceptance_reported_late_settles_the_doubt(newsroom: Newsroom, desk: Desk) -> None:
    newsroom.readers(1)
    newsroom.enqueue()
    clock = StoppedClock(START)
    slow, other = desk.outbox(name="slow", clock=clock), desk.outbox(name="other", clock=clock)
    [claim] = slow.claim(1)
    assert slow.intend(claim, START).wait()
    clock.advance(LEASE + timedelta(seconds=1))
    other.tend()
    slow.record(claim, accepted(slow, claim, clock))
    slow.settle()
    assert newsroom.row(1).status is SENT
    clock.advance(10 * LEASE)
    other.tend()
    assert other.claim(1) == []


def test_with_hold_nothing_in_doubt_is_sent_again(newsroom: Newsroom, desk: Desk) -> None:
    newsroom.readers(40)
    newsroom.enqueue()
    lost = {f"reader{n}@example.org" for n in range(1, 40, 13)}

    def answer(envelope: Envelope, times: int) -> Outcome:
        return Uncertain("closed after the dot") if envelope.recipient in lost else Accepted()

    server = MailServer(answer)
    policy = Policy(connections=4, resend=False, doubt=timedelta(0))
    run = desk.worker(server, policy).run()
    assert run.end is End.DONE
    assert run.backlog.held == len(lost)
    assert newsroom.statuses() == {"sent": 40 - len(lost), "uncertain": len(lost)}
    assert max(server.copies.values()) == 1


def test_with_resend_a_copy_in_doubt_goes_out_again_by_itself(newsroom: Newsroom, desk: Desk) -> None:
    newsroom.readers(40)
    newsroom.enqueue()

    def answer(envelope: Envelope, times: int) -> Outcome:
        return Uncertain("lost") if envelope.recipient == "reader7@example.org" and times == 1 else Accepted()

    server = MailServer(answer)
    policy = Policy(connections=4, doubt=timedelta(seconds=0.3))
    run = desk.worker(server, policy, Habits(linger=5, first_delay=0.01)).run()
    assert run.end is End.DONE
    assert newsroom.statuses() == {"sent": 40}
    first, second = [e for e in server.accepted if e.recipient == "reader7@example.org"]
    assert first.message == second.message


def test_the_fuse_blows_when_every_dot_stays_without_its_reply(newsroom: Newsroom, desk: Desk) -> None:
    newsroom.readers(100)
    newsroom.enqueue()
    server = MailServer(lambda envelope, times: Uncertain("timed out"))
    policy = Policy(connections=2, doubt=timedelta(seconds=0.05))
    run = desk.worker(server, policy, Habits(linger=5, first_delay=0.001)).run()
    assert run.end is End.PAUSED
    assert newsroom.issue().status is IssueStatus.PAUSED
    assert "doubt" in newsroom.issue().paused_reason
    assert max(server.copies.values()) <= 2
    assert sum(server.copies.values()) <= 4 * policy.fuse(100), "far from everybody, and nobody thrice"


def test_a_lost_connection_before_the_dot_counts_no_attempt(newsroom: Newsroom, desk: Desk) -> None:
    newsroom.readers(5)
    newsroom.enqueue()

    def answer(envelope: Envelope, times: int) -> Outcome:
        from digest.values import Blame

        return Deferred(0, "connection lost", blame=Blame.CONNECTION) if times == 1 else Accepted()

    run = desk.worker(MailServer(answer), Policy(connections=1), Habits(first_delay=0.001, patience=60)).run()
    assert run.end is End.DONE
    assert newsroom.statuses() == {"sent": 5}
    assert newsroom.row(3).attempts == 1


def test_what_the_server_never_answered_before_a_kill_is_told_apart_at_once(
    newsroom: Newsroom, desk: Desk
) -> None:
    """A dead process of this machine is known to be dead: nobody waits for its lease."""
    import subprocess
    import sys

    newsroom.readers(3)
    newsroom.enqueue()
    script = (
        "import os, signal, sys\n"
        "from tests.delivery.killed import claim_two_and_die\n"
        "claim_two_and_die(sys.argv[1])\n"
    )
    url = newsroom.engine.url.render_as_string(hide_password=False)
    ended = subprocess.run([sys.executable, "-c", script, url], check=False)
    assert ended.returncode == -9
    assert newsroom.statuses() == {"queued": 1, "claimed": 1, "sending": 1}
    outbox = desk.outbox()
    outbox.tend()
    assert newsroom.statuses() == {"queued": 2, "uncertain": 1}
    assert outbox.backlog().doubtful == 1


def test_a_sender_that_slept_between_envelope_and_dot_asks_once_more(newsroom: Newsroom, desk: Desk) -> None:
    newsroom.readers(1)
    newsroom.enqueue()
    clock = StoppedClock(START)
    slept, other = desk.outbox(name="slept", clock=clock), desk.outbox(name="other", clock=clock)
    [claim] = slept.claim(1)
    permit = Permit(slept, claim, START, clock)
    assert permit(), "asked and answered in time"
    permit = Permit(slept, claim, START, clock)
    clock.advance(LEASE + timedelta(seconds=1))
    other.tend()
    assert newsroom.row(1).status is DeliveryStatus.UNCERTAIN
    assert not permit(), "the answer of long ago does not count"


def test_what_killed_workers_left_is_forgotten(newsroom: Newsroom, desk: Desk) -> None:
    newsroom.readers(1)
    newsroom.enqueue()
    clock = StoppedClock(START)
    desk.outbox(name="killed", clock=clock).tend()
    clock.advance(timedelta(days=2))
    desk.outbox(name="alive", clock=clock).tend()
    with Session(newsroom.engine) as session:
        assert session.scalars(select(LeaseRow.holder)).all() == ["alive"]
