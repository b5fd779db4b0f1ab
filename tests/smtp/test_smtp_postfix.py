"""A real Postfix takes what we send, as it was, over verified TLS only."""

from __future__ import annotations

import threading
import time
from collections import Counter
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from email import message_from_bytes, policy

import pytest
import trustme

from digest.delivery.smtp import SmtpServer, SmtpTransport
from digest.errors import AuthenticationFailed
from digest.mail import compile_message
from digest.mail.return_path import token_in_message_id
from digest.values import Accepted, Blame, Deferred, Envelope, Outcome, Recipient, Refused
from tests.mail.letters import ISSUE, NOW, SIGNER, identity
from tests.smtp.postfix import Postfix, running_postfix

pytestmark = pytest.mark.service
CONNECTIONS = 8


@pytest.fixture(scope="module")
def postfix() -> Iterator[Postfix]:
    authority = trustme.CA()
    yesterday = datetime.now(UTC) - timedelta(days=1)
    certificates = {
        "right": authority.issue_cert("localhost", "127.0.0.1"),
        "wrong": authority.issue_cert("mail.example.org"),
        "expired": authority.issue_cert("localhost", "127.0.0.1", not_after=yesterday),
    }
    with running_postfix(certificates, authority) as running:
        yield running


def deliver(server: SmtpServer, envelopes: list[Envelope]) -> list[Outcome]:
    """Over several connections at once, as the worker does it."""
    transport = SmtpTransport(server)
    waiting, lock = iter(envelopes), threading.Lock()
    outcomes: list[Outcome] = []

    def work() -> None:
        connection = transport.open()
        while True:
            with lock:
                envelope = next(waiting, None)
            if envelope is None:
                break
            outcome = connection.send(envelope, permit=lambda: True)
            with lock:
                outcomes.append(outcome)
            if not connection.usable:
                connection.close()
                connection = transport.open()
        connection.close()

    threads = [threading.Thread(target=work) for _ in range(CONNECTIONS)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return outcomes


def copies(count: int, domain: str) -> list[Envelope]:
    template = compile_message(
        ISSUE, identity(bounce_address="bounce@asianlite.example", round_trip=True), issue_id=7
    )
    return [
        template.envelope(
            Recipient(
                subscriber_id=number,
                subscription_id=number,
                address=f"reader{number}@{domain}",
                name=f"Reader {number}",
            ),
            date=NOW,
        )
        for number in range(1, count + 1)
    ]


def test_ten_thousand_messages_are_accepted(postfix: Postfix) -> None:
    server = SmtpServer(host="127.0.0.1", port=postfix.plain, tls="never")
    outcomes = deliver(server, copies(10_000, "discarded.example"))
    assert Counter(type(outcome) for outcome in outcomes) == {Accepted: 10_000}
    queue_ids = {outcome.queue_id for outcome in outcomes if isinstance(outcome, Accepted)}
    assert all(queue_id for queue_id in queue_ids)
    assert any(f"{queue_id}: from=<bounce+" in postfix.log for queue_id in list(queue_ids)[:5])


def test_a_thousand_messages_land_in_a_maildir_as_they_were(postfix: Postfix) -> None:
    server = SmtpServer(host="127.0.0.1", port=postfix.right, tls="required", ca_file=postfix.ca_file)
    sent = copies(1000, "kept.example")
    assert Counter(type(outcome) for outcome in deliver(server, sent)) == {Accepted: 1000}
    deadline = time.monotonic() + 120
    while len(files := list((postfix.maildir / "new").glob("*"))) < 1000 and time.monotonic() < deadline:
        time.sleep(0.3)
    found = Counter[str]()
    by_recipient = {envelope.recipient: envelope for envelope in sent}
    for file in files:
        raw = file.read_bytes()
        message = message_from_bytes(raw, policy=policy.default)
        assert not message.defects
        recipient = message["To"].addresses[0].addr_spec
        found[recipient] += 1
        envelope = by_recipient[recipient]
        assert raw.replace(b"\n", b"\r\n").endswith(envelope.message)
        assert str(message["Return-Path"]).strip("<>") == envelope.sender
        subscription, issue = SIGNER.verify_verp(token_in_message_id(message["Message-ID"]))
        assert (f"reader{subscription}@kept.example", issue) == (recipient, 7)
        assert [part.get_content_type() for part in message.iter_parts()] == ["text/plain", "text/html"]
    assert found == dict.fromkeys(by_recipient, 1)


def test_refusals_are_the_recipients_own(postfix: Postfix) -> None:
    server = SmtpServer(host="127.0.0.1", port=postfix.plain, tls="never")
    connection = SmtpTransport(server).open()
    first = copies(1, "discarded.example")[0]

    def to(recipient: str) -> Outcome:
        return connection.send(Envelope(first.sender, recipient, first.parts), permit=lambda: True)

    gone, later = to("gone@discarded.example"), to("later@discarded.example")
    assert isinstance(gone, Refused)
    assert (gone.code, gone.enhanced, gone.blame) == (550, "5.1.1", Blame.RECIPIENT)
    assert isinstance(later, Deferred)
    assert (later.code, later.enhanced, later.blame) == (450, "4.2.1", Blame.RECIPIENT)
    assert isinstance(to("here@discarded.example"), Accepted)
    connection.close()


def test_an_address_beyond_ascii_is_carried(postfix: Postfix) -> None:
    envelope = compile_message(ISSUE, identity(), issue_id=7).envelope(
        Recipient(subscriber_id=1, subscription_id=1, address="अनीता@discarded.example", name="अनीता"),
        date=NOW,
    )
    server = SmtpServer(host="127.0.0.1", port=postfix.plain, tls="never")
    connection = SmtpTransport(server).open()
    assert isinstance(connection.send(envelope, permit=lambda: True), Accepted)
    connection.close()


@pytest.mark.parametrize(("port", "why"), [("wrong", "mismatch"), ("expired", "expired")])
def test_a_certificate_that_does_not_hold_is_refused(postfix: Postfix, port: str, why: str) -> None:
    server = SmtpServer(
        host="127.0.0.1", port=getattr(postfix, port), tls="required", ca_file=postfix.ca_file
    )
    with pytest.raises(AuthenticationFailed, match=why):
        SmtpTransport(server).open()


def test_a_server_that_requires_tls_gets_nothing_in_plain_text(postfix: Postfix) -> None:
    server = SmtpServer(host="127.0.0.1", port=postfix.right, tls="never")
    connection = SmtpTransport(server).open()
    outcome = connection.send(copies(1, "discarded.example")[0], permit=lambda: True)
    assert isinstance(outcome, Refused)
    assert (outcome.code, outcome.blame) == (530, Blame.SENDER)
    connection.close()
