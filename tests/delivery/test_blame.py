"""Replies are judged: whom a refusal concerns, what is tried again, and when the issue is paused instead."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from digest.delivery.machine import Claim, Policy
from digest.delivery.memory import MemoryOutbox
from digest.delivery.verdicts import redact
from digest.delivery.worker import End, Habits, Lane, Worker
from digest.errors import AuthenticationFailed, ServerUnavailable
from digest.models import DeliveryStatus, IssueStatus
from digest.values import Accepted, Blame, Deferred, Envelope, Outcome, Recipient, Refused
from subscribers.errors import InvalidAddress

from .conftest import QUICK, Desk, MailServer, Newsroom, compose


def only(number: int, outcome: Outcome):  # type: ignore[no-untyped-def]
    """The outcome for one reader; all others are accepted."""
    return lambda envelope, times: (
        outcome if envelope.recipient == f"reader{number}@example.org" else Accepted()
    )


def test_a_refused_reader_is_refused_and_nobody_else(newsroom: Newsroom, desk: Desk) -> None:
    newsroom.readers(10)
    newsroom.enqueue()
    refusal = Refused(550, "5.1.1 <reader3@example.org>: user unknown", "5.1.1", Blame.RECIPIENT)
    run = desk.worker(MailServer(only(3, refusal))).run()
    assert run.end is End.DONE
    assert newsroom.statuses() == {"sent": 9, "refused": 1}
    assert newsroom.row(3).status is DeliveryStatus.REFUSED
    assert "@" not in newsroom.row(3).reply


def test_a_reply_to_the_dot_is_told_from_one_about_the_address() -> None:
    import random

    from digest.delivery.verdicts import judge
    from digest.mail.judgement import Kind, judge_reply
    from digest.values import Recipient

    claim = Claim(1, 1, Recipient(subscriber_id=1, subscription_id=1, address="a@example.org"))
    kinds = {}
    for blame in (Blame.RECIPIENT, Blame.MESSAGE):
        verdict = judge(
            Refused(550, "user unknown", blame=blame),
            claim, now=datetime.now(UTC), policy=Policy(), chance=random.Random(1),
        )  # fmt: skip
        kinds[blame] = judge_reply(0, "", verdict.reply).kind
    assert kinds == {Blame.RECIPIENT: Kind.HARD, Blame.MESSAGE: Kind.SOFT}


def test_a_greylisted_copy_waits_and_counts_an_attempt(newsroom: Newsroom, desk: Desk) -> None:
    newsroom.readers(3)
    newsroom.enqueue()
    run = desk.worker(MailServer(only(2, Deferred(451, "4.7.1 greylisted")))).run()
    assert run.end is End.LATER
    row = newsroom.row(2)
    assert row.status is DeliveryStatus.DEFERRED
    assert row.attempts == 1
    assert row.next_attempt_at is not None
    wait = row.next_attempt_at - datetime.now(UTC)
    assert timedelta(minutes=3.9) < wait < timedelta(minutes=6.1)


def test_a_copy_that_waits_is_sent_by_a_later_worker(newsroom: Newsroom, desk: Desk) -> None:
    newsroom.readers(3)
    newsroom.enqueue()
    policy = Policy(connections=2, retries=[timedelta(seconds=2)])
    answer = lambda envelope, times: Deferred(450, "later") if times == 1 else Accepted()  # noqa: E731
    server = MailServer(answer)
    assert desk.worker(server, policy).run().end is End.LATER
    assert desk.worker(server, policy, Habits(linger=5)).run().end is End.DONE
    assert newsroom.statuses() == {"sent": 3}


def test_a_copy_whose_next_attempt_would_be_too_late_expires(newsroom: Newsroom, desk: Desk) -> None:
    newsroom.readers(3)
    newsroom.enqueue()
    policy = Policy(connections=2, expires_at=datetime.now(UTC) + timedelta(minutes=2))
    assert desk.worker(MailServer(only(2, Deferred(450, "later"))), policy).run().end is End.DONE
    assert newsroom.row(2).status is DeliveryStatus.EXPIRED


def test_an_issue_that_is_too_old_expires(newsroom: Newsroom, desk: Desk) -> None:
    newsroom.readers(3)
    newsroom.enqueue()
    server = MailServer()
    desk.worker(server, Policy(expires_at=datetime.now(UTC) - timedelta(minutes=1))).run()
    assert newsroom.statuses() == {"expired": 3}
    assert server.accepted == []


def test_a_refused_sender_pauses_the_issue_and_blames_nobody(newsroom: Newsroom, desk: Desk) -> None:
    newsroom.readers(30)
    newsroom.enqueue()
    refusal = Refused(550, "5.7.1 sender not allowed", "5.7.1", Blame.SENDER)
    run = desk.worker(MailServer(lambda envelope, times: refusal)).run()
    assert run.end is End.PAUSED
    assert newsroom.issue().status is IssueStatus.PAUSED
    assert "sender" in newsroom.issue().paused_reason
    assert newsroom.statuses() == {"queued": 30}


@pytest.mark.parametrize("readers", [3, 200])
def test_a_server_that_refuses_every_message_pauses_the_issue(
    newsroom: Newsroom, desk: Desk, readers: int
) -> None:
    newsroom.readers(readers)
    newsroom.enqueue()
    refusal = Refused(
        550, "5.7.60 client does not have permissions to send as this sender", "", Blame.MESSAGE
    )
    run = desk.worker(MailServer(lambda envelope, times: refusal)).run()
    assert run.end is End.PAUSED
    assert newsroom.statuses() == {"queued": readers}


def test_relaying_denied_for_all_pauses_the_issue(newsroom: Newsroom, desk: Desk) -> None:
    newsroom.readers(60)
    newsroom.enqueue()
    refusal = Refused(554, "5.7.1 <reader@example.org>: Relay access denied", "5.7.1", Blame.RECIPIENT)
    assert desk.worker(MailServer(lambda envelope, times: refusal)).run().end is End.PAUSED
    assert newsroom.statuses() == {"queued": 60}


def test_one_refused_message_among_accepted_ones_is_that_readers(newsroom: Newsroom, desk: Desk) -> None:
    newsroom.readers(20)
    newsroom.enqueue()
    refusal = Refused(554, "5.7.1 looks like spam", "5.7.1", Blame.MESSAGE)
    run = desk.worker(MailServer(only(1, refusal)), Policy(connections=1)).run()
    assert run.end is End.DONE
    assert newsroom.row(1).status is DeliveryStatus.REFUSED


@pytest.mark.parametrize("code", [530, 535])
def test_a_refused_login_stops_at_once_and_fails_no_row(newsroom: Newsroom, desk: Desk, code: int) -> None:
    newsroom.readers(50)
    newsroom.enqueue()
    refusal = Refused(code, "authentication required", blame=Blame.CONNECTION)
    server = MailServer(lambda envelope, times: refusal)
    run = desk.worker(server).run()
    assert isinstance(run.error, AuthenticationFailed)
    assert sum(server.seen.values()) <= 8
    assert newsroom.statuses() == {"queued": 50}


class Dead(MailServer):
    def open(self):  # type: ignore[no-untyped-def]
        self.opened += 1
        raise ServerUnavailable("mail server 127.0.0.1:2525: connection refused")


def test_a_server_that_is_away_is_given_up_after_three_tries(newsroom: Newsroom, desk: Desk) -> None:
    newsroom.readers(5)
    newsroom.enqueue()
    server = Dead()
    run = desk.worker(server).run()
    assert run.end is End.FAILED
    assert isinstance(run.error, ServerUnavailable)
    assert newsroom.statuses() == {"queued": 5}


def test_a_copy_that_cannot_be_composed_takes_nothing_else_down(newsroom: Newsroom, desk: Desk) -> None:
    from digest.delivery.worker import Lane, Worker

    from .conftest import compose

    newsroom.readers(20)
    newsroom.enqueue()

    def fragile(claim: Claim, date: datetime) -> Envelope:
        if claim.recipient.subscriber_id == 9:
            raise ValueError("no such merge field")
        return compose(claim, date)

    policy = Policy(connections=2)
    server = MailServer()
    Worker(server, [Lane(desk.outbox(policy), fragile)], desk.clock, policy).run()
    assert len(server.accepted) == 19
    assert newsroom.row(9).status is DeliveryStatus.REFUSED


def test_stored_replies_name_nobody() -> None:
    assert redact("550 <ann@example.org>: no such user ann@example.org\r\nsee http://x") == (
        "550 <…>: no such user <…> see http://x"
    )
    assert len(redact("x" * 100_000)) <= 500


def test_an_address_that_cannot_be_composed_for_concerns_its_reader_alone(
    newsroom: Newsroom, desk: Desk
) -> None:
    newsroom.readers(14)
    newsroom.enqueue()

    def composing(claim: Claim, date: datetime) -> Envelope:
        if claim.recipient.subscriber_id > 2:
            raise InvalidAddress("the domain is no domain")
        return compose(claim, date)

    policy = Policy(connections=1)
    lane = Lane(desk.outbox(policy), composing)
    run = Worker(MailServer(), [lane], desk.clock, policy, habits=QUICK, copies=14).run()
    assert run.end is End.DONE
    assert newsroom.statuses() == {"sent": 2, "refused": 12}
    assert newsroom.row(3).reply.startswith("553 not sent: the domain is no domain")
    assert "end of DATA" not in newsroom.row(3).reply


def test_addresses_that_the_server_cannot_take_are_no_sign_that_it_refuses_us(
    newsroom: Newsroom, desk: Desk
) -> None:
    newsroom.readers(12)
    newsroom.enqueue()
    why = "not sent: the server does not offer SMTPUTF8, which this address needs"
    server = MailServer(lambda envelope, times: Refused(553, why, "5.6.7", Blame.RECIPIENT))
    assert desk.worker(server).run().end is End.DONE
    assert newsroom.statuses() == {"refused": 12}


def test_suspect_refusals_of_two_outboxes_each_find_home(desk: Desk) -> None:
    """A notice and a copy may have the same number."""
    refusal = Refused(550, "550 5.7.1 blocked: listed by a blocklist", "5.7.1", Blame.RECIPIENT)
    notices, copies = (
        MemoryOutbox([Recipient(subscriber_id=n, subscription_id=n, address=address)], desk.clock)
        for n, address in enumerate(("suspect-1@example.org", "suspect-2@example.org"))
    )
    later = MemoryOutbox(
        [Recipient(subscriber_id=9, subscription_id=9, address="well@example.org")], desk.clock
    )
    server = MailServer(lambda envelope, _: refusal if "suspect" in envelope.recipient else Accepted())
    lanes = [Lane(outbox, compose) for outbox in (notices, copies, later)]
    run = Worker(server, lanes, desk.clock, Policy(connections=1), habits=QUICK).run()
    assert run.end is End.DONE
    assert [outbox.counts for outbox in (notices, copies, later)] == [
        {DeliveryStatus.REFUSED: 1}, {DeliveryStatus.REFUSED: 1}, {DeliveryStatus.SENT: 1},
    ]  # fmt: skip
