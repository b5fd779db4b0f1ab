"""A story is withdrawn while workers are really sending it: a real mail server, real connections."""

from __future__ import annotations

import asyncio
import threading
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import timedelta
from email import message_from_bytes, policy
from typing import Any

import pytest
from aiosmtpd.controller import Controller
from sqlalchemy import select
from sqlalchemy.engine import Engine

from digest.clock import OffsetClock
from digest.delivery.smtp import SmtpTransport, server_of
from digest.delivery.worker import Habits
from digest.issues.view import IssueView, issue_view
from digest.models import DeliveryRow, LedgerEntryRow, LedgerState
from digest.pipeline.archiving import archived_issue
from digest.pipeline.build import build_issue
from digest.pipeline.correct import correct_issue, withdraw_article
from digest.pipeline.deliver import Order, deliver
from digest.pipeline.delivered import Summary
from digest.settings import Settings, load
from digest.values import Slot
from subscribers.models import SubscriberRow
from subscribers.tokens import TokenSigner
from tests.conftest import free_port
from tests.issues.conftest import NEWSLETTER, NOW, Newsroom

READERS = 40
AT_ONCE = 12  # so many are taken at once; the answers to the next ones wait until `go`


@dataclass
class Server:
    """Takes the first messages, then lets the others hang at the final dot; one of those it refuses for
    now."""

    got: list[tuple[str, bytes]] = field(default_factory=list)
    hanging: set[str] = field(default_factory=set)
    middle: threading.Event = field(default_factory=threading.Event)
    go: threading.Event = field(default_factory=threading.Event)
    busy: str = ""

    async def handle_DATA(self, server: Any, session: Any, envelope: Any) -> str:  # noqa: N802 - aiosmtpd's name
        address = envelope.rcpt_tos[0]
        if len(self.got) >= AT_ONCE and not self.go.is_set():
            self.busy = self.busy or address
            self.hanging.add(address)
            if len(self.hanging) == 3:  # the fourth connection is anywhere
                self.middle.set()
            while not self.go.is_set():
                await asyncio.sleep(0.01)
            if address == self.busy:
                return "450 4.2.0 mailbox busy"
        self.got.append((address, envelope.content))
        return "250 OK"

    def texts(self) -> dict[str, str]:
        """What each reader got last."""
        return {address: readable(content) for address, content in self.got}


def readable(content: bytes) -> str:
    mail = message_from_bytes(content, policy=policy.default)
    body = mail.get_body(("html",))
    assert body is not None
    return str(body.get_content())


@dataclass
class Office:
    """A newsletter with readers, whose mail goes to ``server``."""

    newsroom: Newsroom
    settings: Settings
    server: Server
    clock: OffsetClock = field(default_factory=lambda: OffsetClock(NOW))

    def deliver(self, issue_id: int, **order: Any) -> Summary:
        engine = self.newsroom.sessions.kw["bind"]
        assert isinstance(engine, Engine)
        return deliver(
            engine, self.settings, issue_id,
            transport=SmtpTransport(server_of(self.settings), self.clock),
            signer=TokenSigner([b"s" * 32]), clock=self.clock, order=Order(**order),
            habits=Habits(first_delay=0.01, wait_when_paused=False),
        )  # fmt: skip

    def later(self, **span: int) -> None:
        self.clock = OffsetClock(self.clock.now() + timedelta(**span))

    def renditions(self, issue_id: int) -> dict[str, tuple[int | None, str]]:
        """By reader, which rendition of the issue is noted, and the status of the copy."""
        with self.newsroom.sessions() as session:
            rows = session.execute(
                select(SubscriberRow.address, DeliveryRow.rendition_id, DeliveryRow.status)
                .join(SubscriberRow, SubscriberRow.id == DeliveryRow.subscriber_id)
                .where(DeliveryRow.issue_id == issue_id)
            )
            return {address: (rendition, status.value) for address, rendition, status in rows}


@pytest.fixture
def office(newsroom: Newsroom, monkeypatch: pytest.MonkeyPatch) -> Iterator[Office]:
    server, port = Server(), free_port()
    controller = Controller(server, hostname="127.0.0.1", port=port)
    controller.start()
    monkeypatch.setenv("DIGEST_SECRET_KEY", "s" * 32)
    monkeypatch.setenv("DIGEST_SUPPRESSION_KEY", "k" * 32)
    monkeypatch.setenv("DIGEST_PUBLIC_URL", "https://public.lagoon.example")
    monkeypatch.setenv("DIGEST_SMTP_URL", f"smtp://127.0.0.1:{port}?starttls=never")
    smtp = '[smtp]\nrate = "unlimited"\nconnections = 4\n\n[[sources]]'
    (newsroom.folder / "newsletter.toml").write_text(NEWSLETTER.replace("[[sources]]", smtp, 1))
    newsroom.readers(READERS)
    yield Office(newsroom, load(newsroom.folder), server)
    server.go.set()
    controller.stop()


@pytest.fixture
def issue(office: Office) -> IssueView:
    office.newsroom.some(12)
    office.newsroom.some(3, "Culture")
    return build_issue(office.newsroom.sessions, office.settings, "daily", now=NOW)


@pytest.fixture
def half_sent(office: Office, issue: IssueView) -> tuple[str, str, set[str]]:
    """An issue of which a story was withdrawn in the middle of its sending, and which then was sent to its
    end: the story's headline, the one in its place, and who had the story or was getting it by then."""
    sessions, settings = office.newsroom.sessions, office.settings
    wrong = issue.in_slot(Slot.SECTION, "world")[0]
    sending = threading.Thread(target=office.deliver, args=(1,))
    sending.start()
    assert office.server.middle.wait(20)
    found = withdraw_article(sessions, settings, wrong.article_id or 0, now=NOW, actor="ann")
    had = {address for address, _ in office.server.got} | office.server.hanging
    assert [(one.status, one.needs_correction) for one in found] == [("sending", True)]
    assert READERS - AT_ONCE - 8 <= found[0].copies < READERS - AT_ONCE
    office.server.go.set()
    sending.join(60)
    assert not sending.is_alive()
    office.later(hours=1)
    assert office.deliver(1).sent == READERS
    with sessions() as session:
        instead = next(item for item in issue_view(session, 1).items if item.id == found[0].swapped_in)
    return wrong.headline, instead.headline, had - {office.server.busy}


def test_copies_that_have_not_begun_carry_the_swapped_story_and_it_is_known_who_got_which(
    office: Office, half_sent: tuple[str, str, set[str]]
) -> None:
    wrong, instead, had = half_sent
    assert set(Counter(address for address, _ in office.server.got).values()) == {1}
    texts, noted = office.server.texts(), office.renditions(1)
    assert len(texts) == READERS
    old, new = sorted({rendition or 0 for rendition, _ in noted.values()})
    got_wrong = {address for address, text in texts.items() if wrong in text}
    assert {address for address, text in texts.items() if instead in text} == set(texts) - got_wrong
    assert {address for address, (rendition, _) in noted.items() if rendition == old} == got_wrong
    assert {status for _, status in noted.values()} == {"sent"}
    assert had <= got_wrong
    assert len(got_wrong) < READERS // 2
    assert noted[office.server.busy] == (new, "sent")  # it had begun, came back, and began anew


def test_the_archive_is_marked_and_the_ledger_has_both_stories(
    office: Office, half_sent: tuple[str, str, set[str]]
) -> None:
    wrong, instead, _ = half_sent
    with office.newsroom.sessions() as session:
        page = archived_issue(session, office.settings, "daily", NOW.date(), 0)
        printed = set(
            session.scalars(
                select(LedgerEntryRow.story_id).where(LedgerEntryRow.state == LedgerState.PUBLISHED)
            )
        )
        items = {item.story_id for item in issue_view(session, 1).items}
    assert page is not None
    assert instead in page.html
    assert page.html.count(wrong) == 1  # only where it says that it is withdrawn
    assert len(printed) == len(items) + 1


def test_the_correction_is_mailed_to_exactly_those_who_got_the_wrong_one(
    office: Office, half_sent: tuple[str, str, set[str]]
) -> None:
    wrong = half_sent[0]
    got_wrong = {address for address, text in office.server.texts().items() if wrong in text}
    office.server.got.clear()
    view = correct_issue(office.newsroom.sessions, office.settings, 1, now=office.clock.now(), actor="ann")
    assert office.deliver(view.id or 0).sent == len(got_wrong)
    assert Counter(address for address, _ in office.server.got) == Counter(got_wrong)
    assert all(wrong in text for text in office.server.texts().values())


def test_who_is_added_after_the_withdrawal_of_a_sent_issue_gets_it_without_the_story(
    office: Office, issue: IssueView
) -> None:
    office.server.go.set()
    office.deliver(1)
    lead = issue.lead
    assert lead is not None
    withdraw_article(office.newsroom.sessions, office.settings, lead.article_id or 0, now=NOW)
    office.newsroom.readers(1)
    office.server.got.clear()
    office.deliver(1, missing=True)
    ((address, content),) = office.server.got
    assert address == f"reader{READERS}@mail.example"
    assert lead.headline not in readable(content)
    assert lead.headline not in str(message_from_bytes(content, policy=policy.default)["Subject"])
    view = correct_issue(office.newsroom.sessions, office.settings, 1, now=office.clock.now())
    assert office.deliver(view.id or 0).sent == READERS
