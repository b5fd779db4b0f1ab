"""The use cases: deliver, deliver again, missing, uncertain, pause, cancel, test send, dry run, notices."""

from __future__ import annotations

import threading
from dataclasses import dataclass
from datetime import timedelta
from email import message_from_bytes, policy
from pathlib import Path

import pytest
from sqlalchemy import func, select, update
from sqlalchemy.orm import Session

from digest.clock import SystemClock
from digest.delivery.compaction import compact
from digest.delivery.smtp import FolderTransport
from digest.delivery.worker import End, Habits
from digest.errors import IssueError, IssueNotApproved, PreflightFailed
from digest.models import (
    DeliveryRow,
    IssueItemRow,
    IssueRow,
    IssueStatus,
    NoticeKind,
    NoticeRow,
    RenditionRow,
)
from digest.pipeline.control import cancel_issue, pause_issue, resume_issue
from digest.pipeline.deliver import Order, deliver, deliver_notices
from digest.pipeline.delivered import Summary, summary_of
from digest.pipeline.public_address import check_public_address
from digest.pipeline.rehearse import dry_run, send_test
from digest.settings import Settings, load
from digest.values import Accepted, Blame, Deferred, Envelope, ItemKind, Outcome, Refused, Slot, Uncertain
from subscribers.database import reading, session_factory
from subscribers.models import SubscriptionRow, SubscriptionStatus, SuppressionRow
from subscribers.tokens import TokenSigner

from .conftest import START, MailServer, Newsroom

TOML = """
[newsletter]
name = "The Daily"
url = "https://news.example.org"
sender = "The Daily <daily@news.example.org>"
postal_address = "1 Press Lane"
editors = ["editor@news.example.org"]
[smtp]
rate = "unlimited"
connections = 4
[[sections]]
name = "World"
[editions.daily]
expire_after = "20h"
"""


@dataclass
class Desk:
    """An issue that is ready to be sent."""

    newsroom: Newsroom
    settings: Settings
    server: MailServer
    clock: SystemClock
    signer: TokenSigner

    def deliver(self, **order: object) -> Summary:
        return deliver(
            self.newsroom.engine, self.settings, 1,
            transport=self.server, signer=self.signer, clock=self.clock,
            order=Order(**order), habits=Habits(first_delay=0.01, wait_when_paused=False),  # type: ignore[arg-type]
        )  # fmt: skip

    @property
    def sessions(self):  # type: ignore[no-untyped-def]
        return session_factory(self.newsroom.engine)

    @property
    def readers(self):  # type: ignore[no-untyped-def]
        return session_factory(reading(self.newsroom.engine))


@pytest.fixture
def desk(newsroom: Newsroom, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Desk:
    (tmp_path / "newsletter.toml").write_text(TOML, encoding="utf-8")
    monkeypatch.setenv("DIGEST_SECRET_KEY", "s" * 32)
    monkeypatch.setenv("DIGEST_SUPPRESSION_KEY", "k" * 32)
    monkeypatch.setenv("DIGEST_PUBLIC_URL", "https://public.example.org")
    newsroom.set_issue(IssueStatus.BUILT)
    with Session(newsroom.engine) as session, session.begin():
        session.execute(
            update(IssueRow).values(sections=[{"key": "world", "name": "World", "layout": "cards"}])
        )
        for number in range(4):
            session.add(
                IssueItemRow(
                    issue_id=1, kind=ItemKind.STORY, slot=Slot.LEAD if number == 0 else Slot.SECTION,
                    section="world", position=number, headline=f"Headline {number}", teaser="What happened.",
                    url=f"https://news.example.org/{number}", published_at=START, reading_minutes=2,
                )
            )  # fmt: skip
    return Desk(newsroom, load(tmp_path), MailServer(), SystemClock(), TokenSigner([b"s" * 32]))


def test_an_issue_is_frozen_numbered_sent_and_published(desk: Desk) -> None:
    desk.newsroom.readers(30)
    summary = desk.deliver()
    assert (summary.recipients, summary.sent, summary.end) == (30, 30, End.DONE)
    assert not summary.unfinished
    issue = desk.newsroom.issue()
    assert (issue.status, issue.number) == (IssueStatus.SENT, 1)
    assert issue.sent_at is not None
    assert len(desk.server.copies) == 30


def test_each_copy_names_its_reader_and_no_other(desk: Desk) -> None:
    desk.newsroom.readers(20)
    desk.deliver()
    links = set()
    for envelope in desk.server.accepted:
        mail = message_from_bytes(envelope.message, policy=policy.default)
        assert envelope.recipient in str(mail["To"])
        assert "Headline 0" in mail.get_body(("html",)).get_content()  # type: ignore[union-attr]
        assert mail["List-Unsubscribe-Post"] == "List-Unsubscribe=One-Click"
        links.add(mail["List-Unsubscribe"])
    assert len(links) == 20


def test_sending_again_sends_nothing_and_says_what_was(desk: Desk) -> None:
    desk.newsroom.readers(10)
    desk.deliver()
    again = desk.deliver()
    assert (again.sent, again.delivered) == (10, 0)
    assert len(desk.server.accepted) == 10


def test_missing_reaches_who_was_confirmed_since(desk: Desk) -> None:
    desk.newsroom.readers(12)
    with desk.sessions.begin() as session:
        session.execute(
            update(SubscriptionRow)
            .where(SubscriptionRow.subscriber_id > 10)
            .values(status=SubscriptionStatus.PENDING)
        )
    assert desk.deliver().sent == 10
    first_sent = desk.newsroom.issue().sent_at
    with desk.sessions.begin() as session:
        session.execute(update(SubscriptionRow).values(status=SubscriptionStatus.CONFIRMED))
    assert desk.deliver().delivered == 0, "not by itself"
    summary = desk.deliver(missing=True)
    assert (summary.sent, summary.delivered) == (12, 2)
    assert max(desk.server.copies.values()) == 1
    assert desk.newsroom.issue().status is IssueStatus.SENT
    assert desk.newsroom.issue().sent_at == first_sent


def test_copies_in_doubt_are_held_and_decided(desk: Desk) -> None:
    desk.newsroom.readers(10)
    lost = {"reader3@example.org", "reader4@example.org"}

    def answer(envelope: Envelope, times: int) -> Outcome:
        return Uncertain("lost") if envelope.recipient in lost and times == 1 else Accepted()

    desk.server.answer = answer
    first = desk.deliver()
    assert (first.sent, first.uncertain, first.unfinished) == (8, 2, True)
    assert desk.newsroom.issue().status is IssueStatus.SENDING
    second = desk.deliver(uncertain="resend")
    assert (second.sent, second.uncertain) == (10, 0)
    one, two = [e for e in desk.server.accepted if e.recipient == "reader3@example.org"]
    assert one.message == two.message, "the same bytes: whoever has it may recognise it"


def test_copies_in_doubt_are_dropped(desk: Desk) -> None:
    desk.newsroom.readers(5)
    desk.server.answer = lambda envelope, times: (
        Uncertain("lost") if envelope.recipient == "reader3@example.org" else Accepted()
    )
    desk.deliver()
    summary = desk.deliver(uncertain="drop")
    assert (summary.sent, summary.cancelled, summary.unfinished) == (4, 1, False)
    assert desk.newsroom.issue().status is IssueStatus.SENT


def test_an_invalid_address_is_suppressed_at_smtp_time(desk: Desk) -> None:
    desk.newsroom.readers(6)
    desk.server.answer = lambda envelope, times: (
        Refused(550, "550 5.1.1 user unknown", "5.1.1", Blame.RECIPIENT)
        if envelope.recipient == "reader2@example.org"
        else Accepted()
    )
    assert desk.deliver().refused == 1
    with desk.readers() as session:
        assert session.scalar(select(func.count()).select_from(SuppressionRow)) == 1


def test_deferred_copies_leave_the_issue_unfinished(desk: Desk) -> None:
    desk.newsroom.readers(3)
    desk.server.answer = lambda envelope, times: Deferred(450, "later") if times == 1 else Accepted()
    summary = desk.deliver()
    assert (summary.deferred, summary.unfinished, summary.end) == (3, True, End.LATER)
    assert summary.next_at is not None
    assert summary.replies == (("450 later", 3),)
    assert desk.newsroom.issue().status is IssueStatus.SENDING


def test_a_paused_issue_is_not_sent_until_it_is_resumed(desk: Desk) -> None:
    desk.newsroom.readers(3)
    desk.server.answer = lambda envelope, times: Deferred(450, "later") if times == 1 else Accepted()
    desk.deliver()
    assert pause_issue(desk.sessions, 1, now=desk.clock.now()) is IssueStatus.PAUSED
    with pytest.raises(IssueError, match="paused"):
        desk.deliver()
    resume_issue(desk.sessions, 1, now=desk.clock.now())
    assert desk.deliver().deferred == 3


def test_a_cancelled_issue_calls_its_copies_back(desk: Desk) -> None:
    desk.newsroom.readers(3)
    desk.server.answer = lambda envelope, times: (
        Deferred(450, "later") if envelope.recipient == "reader1@example.org" else Accepted()
    )
    desk.deliver()
    assert cancel_issue(desk.sessions, 1, now=desk.clock.now()) == 1
    assert desk.newsroom.statuses() == {"sent": 2, "cancelled": 1}
    with pytest.raises(IssueError, match="cancelled"):
        desk.deliver()


def test_an_issue_that_needs_approval_waits_for_it(desk: Desk, tmp_path: Path) -> None:
    (tmp_path / "newsletter.toml").write_text(TOML + "approve = true\n", encoding="utf-8")
    desk.settings = load(tmp_path)
    desk.newsroom.readers(2)
    with pytest.raises(IssueNotApproved):
        desk.deliver(force=True)
    desk.newsroom.set_issue(IssueStatus.APPROVED)
    assert desk.deliver().sent == 2


def test_a_failed_preflight_sends_nothing_and_freezes_nothing(desk: Desk) -> None:
    def examine(issue_id: int) -> None:
        raise PreflightFailed("no")

    desk.newsroom.readers(2)
    with pytest.raises(PreflightFailed):
        desk.deliver(examine=examine)
    assert desk.newsroom.issue().status is IssueStatus.BUILT
    assert desk.newsroom.statuses() == {}
    assert desk.deliver(examine=examine, force=True).sent == 2


@pytest.mark.parametrize(
    ("url", "answer", "line"),
    [
        ("", 200, "no public address"),
        ("http://public.example.org", 200, "not https"),
        ("https://public.example.org", 404, "answers 404"),
        ("https://public.example.org", OSError("timed out"), "does not answer"),
    ],
)
def test_no_issue_goes_out_without_a_public_address_that_answers(
    desk: Desk, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, url: str, answer: object, line: str
) -> None:
    def post(url: str, form: bytes) -> int:
        assert form == b"List-Unsubscribe=One-Click"
        if isinstance(answer, OSError):
            raise answer
        return int(str(answer))

    monkeypatch.setenv("DIGEST_PUBLIC_URL", url)
    with pytest.raises(PreflightFailed, match=line):
        check_public_address(load(tmp_path), desk.signer, post)


def test_a_loopback_address_is_not_asked(desk: Desk, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DIGEST_PUBLIC_URL", "http://127.0.0.1:8000")
    assert "127.0.0.1" in check_public_address(load(tmp_path), desk.signer, lambda url, form: 500)


def test_a_test_send_touches_no_row(desk: Desk) -> None:
    desk.newsroom.readers(5)
    summary = send_test(
        desk.readers, desk.settings, 1, ["reader2@example.org", "stranger@example.com"],
        transport=desk.server, signer=desk.signer, clock=desk.clock,
    )  # fmt: skip
    assert summary.sent == 2
    assert set(desk.server.copies) == {"reader2@example.org", "stranger@example.com"}
    with desk.readers() as session:
        assert session.scalar(select(func.count()).select_from(DeliveryRow)) == 0
        assert session.scalar(select(func.count()).select_from(RenditionRow)) == 0
    assert desk.newsroom.issue().status is IssueStatus.BUILT
    assert desk.newsroom.issue().number is None


def test_a_dry_run_writes_every_copy_and_touches_no_row(desk: Desk, tmp_path: Path) -> None:
    desk.newsroom.readers(25)
    summary = dry_run(
        desk.readers, desk.settings, 1,
        transport=FolderTransport(tmp_path / "out"), signer=desk.signer, clock=desk.clock,
    )  # fmt: skip
    assert summary.sent == 25
    assert len(list((tmp_path / "out").glob("*.eml"))) == 25
    assert desk.newsroom.statuses() == {}
    assert desk.newsroom.issue().status is IssueStatus.BUILT


def notice(key: str, **columns: object) -> NoticeRow:
    return NoticeRow(dedupe_key=key, created_at=START, context={"list": "The Daily"}, **columns)


def test_notices_overtake_a_running_issue(desk: Desk) -> None:
    desk.newsroom.readers(300)
    sent_before = []
    once = threading.Lock()  # several connections come to the fortieth copy

    def answer(envelope: Envelope, times: int) -> Outcome:
        if len(desk.server.accepted) >= 40 and once.acquire(blocking=False):
            with desk.sessions.begin() as session:
                session.add(notice("c1", kind=NoticeKind.CONFIRM, subscriber_id=7, subscription_id=1000007))
        if b"Confirm" in envelope.message or b"/c/" in envelope.message:
            sent_before.append(len(desk.server.accepted))
        threading.Event().wait(0.002)
        return Accepted()

    desk.server.answer = answer
    desk.deliver()
    assert len(sent_before) == 1
    assert sent_before[0] < 290, "before the issue was through"
    assert desk.server.copies["reader7@example.org"] == 2


def test_notices_go_to_editors_and_readers_once(desk: Desk) -> None:
    desk.newsroom.readers(3)
    with desk.sessions.begin() as session:
        session.add(notice("a", kind=NoticeKind.ALARM, editor=0))
        session.add(notice("b", kind=NoticeKind.WELCOME, subscriber_id=2, subscription_id=1000002))
        session.add(notice("c", kind=NoticeKind.ALARM, editor=5))
        session.add(notice("d", kind=NoticeKind.CONFIRM, subscriber_id=3, expires_at=START))
    for _ in range(2):
        deliver_notices(
            desk.newsroom.engine, desk.settings, transport=desk.server, signer=desk.signer, clock=desk.clock
        )
    assert dict(desk.server.copies) == {"editor@news.example.org": 1, "reader2@example.org": 1}
    with desk.readers() as session:
        states = dict(session.execute(select(NoticeRow.dedupe_key, NoticeRow.status)).all())
    assert {key: status.value for key, status in states.items()} == {
        "a": "sent", "b": "sent", "c": "suppressed", "d": "expired",
    }  # fmt: skip


def test_old_deliveries_become_counts(desk: Desk) -> None:
    desk.newsroom.readers(9)
    desk.deliver()
    assert compact(desk.sessions, before=desk.clock.now() - timedelta(days=90)) == 0
    assert compact(desk.sessions, before=desk.clock.now() + timedelta(days=1)) == 9
    assert desk.newsroom.statuses() == {}
    assert summary_of(desk.readers, 1).sent == 9
