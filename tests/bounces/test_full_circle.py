"""The whole way with real servers: our transport → Postfix → its report → the mailbox → the list is clean."""

from __future__ import annotations

import time
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest

from digest.bounces.mailbox import After, open_mailbox
from digest.bounces.mailbox.opening import MailboxAddress
from digest.bounces.roundtrip import check_round_trip
from digest.clock import SystemClock
from digest.mail.return_path import unsubscribe_mailbox, verp_sender
from digest.pipeline.bounce_batches import Counts, process_mailbox
from digest.values.progress import Silent
from subscribers.models import SubscriptionStatus
from tests.bounces.conftest import SIGNER, Newsletter
from tests.bounces.postfix import Postfix, postfix

pytestmark = pytest.mark.service

ADDRESS = "bounce@daily.example"


@pytest.fixture
def server() -> Iterator[Postfix]:
    with postfix() as running:
        yield running


@pytest.fixture
def database_url(tmp_path: Path) -> str:
    return f"sqlite:///{tmp_path / 'digest.sqlite3'}"


def poll(newsletter: Newsletter, server: Postfix) -> Counts:
    return process_mailbox(
        open_mailbox(MailboxAddress("maildir", path=server.maildir), after=After.DELETE),
        newsletter.sessions,
        newsletter.rules,
        clock=newsletter.clock,
        kept=newsletter.folder / "kept",
        progress=Silent(),
    )


def test_what_postfix_cannot_deliver_comes_back_and_cleans_the_list(
    server: Postfix, newsletter: Newsletter
) -> None:
    gone, full = newsletter.reader("ann@gone.example"), newsletter.reader("bob@full.example")
    newsletter.issue(1, to=[gone, full])
    for number, address in ((gone, "ann@gone.example"), (full, "bob@full.example")):
        server.send(verp_sender(ADDRESS, SIGNER.sign_verp(number, 1)), address)
    server.wait_for(2)
    counts = poll(newsletter, server)
    assert (counts.hard, counts.soft, counts.suppressed) == (1, 1, 1)
    assert newsletter.is_suppressed("ann@gone.example")
    assert {(event.attribution, event.reason) for event in newsletter.events()} == {
        ("verp", "user-unknown"),
        ("verp", "mailbox-full"),
    }


def test_an_empty_mail_to_the_mailto_address_is_an_opt_out(server: Postfix, newsletter: Newsletter) -> None:
    ann = newsletter.reader("ann@example.org")
    newsletter.issue(1, to=[ann])
    server.send(
        "ann@example.org",
        unsubscribe_mailbox(ADDRESS, SIGNER.sign_verp(ann, 1)),
        b"From: ann@example.org\r\n\r\n\r\n",
    )
    server.wait_for(1)
    assert poll(newsletter, server).unsubscribes == 1
    assert newsletter.status_of(ann) is SubscriptionStatus.UNSUBSCRIBED


def test_the_round_trip_succeeds(server: Postfix, newsletter: Newsletter) -> None:
    server.send("", "bounce@daily.example")
    server.wait_for(1)
    mailbox = open_mailbox(MailboxAddress("maildir", path=server.maildir))
    trip = check_round_trip(
        mailbox,
        server.transport,
        ADDRESS,
        SIGNER,
        SystemClock(),
        nonce=int(time.time()),
        within=timedelta(seconds=30),
    )
    assert trip.ok, trip.detail
    assert len(list((server.maildir / "new").iterdir())) == 1  # the other mail is left
