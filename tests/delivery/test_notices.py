"""Notices in doubt are sent once more, the very same, and never a third time."""

from __future__ import annotations

import random
from datetime import timedelta

import pytest
from sqlalchemy.orm import Session

from digest.clock import StoppedClock
from digest.delivery.machine import Claim, Policy
from digest.delivery.notices import NoticeOutbox
from digest.delivery.verdicts import judge, unsent
from digest.models import DeliveryStatus, NoticeKind, NoticeRow
from digest.values import Accepted, Deferred, Outcome, Uncertain

from .conftest import START, Desk, Newsroom

POLICY = Policy(connections=1)
HELD = Policy(connections=1, resend=False, expires_at=START + timedelta(minutes=1))
DAY = timedelta(days=1)


class Post:
    """An outbox of notices whose clock is ours."""

    def __init__(self, newsroom: Newsroom, desk: Desk) -> None:
        self.clock = StoppedClock(START)
        self._newsroom = newsroom
        self._desk = desk
        self.outbox = self.another()
        newsroom.readers(1)
        with Session(newsroom.engine) as session, session.begin():
            session.add(
                NoticeRow(
                    id=1, kind=NoticeKind.CONFIRM, subscriber_id=1, subscription_id=1000001, dedupe_key="c",
                    created_at=START, expires_at=START + 3 * DAY,
                )
            )  # fmt: skip

    def another(self) -> NoticeOutbox:
        return NoticeOutbox(
            self._newsroom.engine, self._desk.writer(self.clock), self.clock, policy=POLICY, name=""
        )

    def claim(self) -> Claim | None:
        claims = self.outbox.claim(10)
        assert len(claims) <= 1
        return claims[0] if claims else None

    def dot(self, claim: Claim) -> None:
        assert self.outbox.intend(claim, claim.date or self.clock.now()).wait()

    def conclude(self, claim: Claim, outcome: Outcome, policy: Policy = POLICY) -> None:
        verdict = judge(outcome, claim, now=self.clock.now(), policy=policy, chance=random.Random(1))
        self.outbox.record(claim, verdict)
        self.outbox.settle()

    @property
    def row(self) -> NoticeRow:
        with Session(self._newsroom.engine, expire_on_commit=False) as session:
            return session.get_one(NoticeRow, 1)


@pytest.fixture
def post(newsroom: Newsroom, desk: Desk) -> Post:
    return Post(newsroom, desk)


@pytest.mark.parametrize("policy", [POLICY, HELD], ids=["resend", "while an issue is held"])
def test_a_notice_in_doubt_is_sent_once_more_with_its_date_and_never_again(
    post: Post, policy: Policy
) -> None:
    first = post.claim()
    assert first is not None
    assert (first.resends, first.date) == (0, None)
    post.dot(first)
    post.conclude(first, Uncertain("no answer"), policy)
    post.clock.advance(timedelta(minutes=14))
    assert post.claim() is None
    post.clock.advance(timedelta(minutes=2))
    again = post.claim()
    assert again is not None
    assert (again.resends, again.date) == (1, START)
    post.dot(again)
    post.conclude(again, Uncertain("no answer"), policy)
    post.clock.advance(DAY)
    assert post.claim() is None
    assert (post.row.status, post.row.resends) == (DeliveryStatus.UNCERTAIN, 1)


def test_a_resend_that_was_put_off_is_still_the_second_and_the_last(post: Post) -> None:
    first = post.claim()
    assert first is not None
    post.dot(first)
    post.conclude(first, Uncertain("no answer"))
    post.clock.advance(timedelta(minutes=16))
    again = post.claim()
    assert again is not None
    post.outbox.record(again, unsent(again))
    post.outbox.settle()
    put_off = post.claim()
    assert put_off is not None
    assert (put_off.resends, put_off.date) == (1, START)
    post.conclude(put_off, Deferred(450, "450 busy"))
    post.clock.advance(timedelta(minutes=10))
    later = post.claim()
    assert later is not None
    assert (later.resends, later.date) == (1, START)
    post.conclude(later, Accepted(queue_id="Q"))
    assert post.row.status is DeliveryStatus.SENT


def test_what_a_vanished_worker_left_in_doubt_twice_is_left_alone(post: Post) -> None:
    for resends in (0, 1):
        claim = post.claim()
        assert claim is not None
        assert claim.resends == resends
        post.dot(claim)
        post.outbox = post.another()  # the worker is gone; its lease ends
        post.clock.advance(timedelta(minutes=16))
        post.outbox.tend()
        post.clock.advance(timedelta(minutes=16))
    assert post.claim() is None
    assert (post.row.status, post.row.next_attempt_at) == (DeliveryStatus.UNCERTAIN, None)


def test_the_end_of_an_issue_is_not_the_end_of_a_notice_that_overtook_it(post: Post) -> None:
    claim = post.claim()
    assert claim is not None
    post.conclude(claim, Deferred(450, "450 busy"), HELD)
    assert post.row.status is DeliveryStatus.DEFERRED
    post.clock.advance(4 * DAY)
    assert post.claim() is None
    later = post.row
    assert later.status is DeliveryStatus.EXPIRED
