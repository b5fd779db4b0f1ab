"""The inbox keeps what arrives and shows it, whatever it is."""

from __future__ import annotations

import smtplib
import socket
from collections.abc import Iterator
from datetime import UTC, datetime
from email.message import EmailMessage

import httpx2
import pytest
from starlette.testclient import TestClient

from digest.cli.serving import serving
from digest.clock import StoppedClock
from digest.errors import PortTaken
from digest.inbox import Mailbox, Receiver
from digest.inbox.page import inbox_page

NOON = datetime(2026, 11, 23, 12, 0, tzinfo=UTC)


@pytest.fixture
def mailbox() -> Mailbox:
    return Mailbox(StoppedClock(NOON))


@pytest.fixture
def page(mailbox: Mailbox) -> TestClient:
    return TestClient(inbox_page(mailbox, smtp="127.0.0.1:2525"))


@pytest.fixture
def receiver(mailbox: Mailbox) -> Iterator[Receiver]:
    with Receiver(mailbox) as running:
        yield running


def digest_mail(subject: str = "Morning in Arabic: صباح الخير") -> EmailMessage:
    mail = EmailMessage()
    mail["Subject"] = subject
    mail["From"] = "The Morning <daily@paper.example>"
    mail["To"] = "Layla <layla@readers.example>"
    mail.set_content("1. A story\n.a line that begins with a dot\n")
    mail.add_alternative("<p>A <b>story</b></p><script>steal()</script>", subtype="html")
    return mail


def test_what_was_sent_arrives_byte_for_byte(receiver: Receiver, mailbox: Mailbox) -> None:
    with smtplib.SMTP("127.0.0.1", receiver.port) as server:
        server.send_message(digest_mail())
    assert mailbox.wait_for(1, 5)
    (mail,) = mailbox.mails()
    assert mail.at == NOON
    assert (mail.envelope_sender, mail.envelope_recipients) == (
        "daily@paper.example",
        ("layla@readers.example",),
    )
    assert mail.opened.subject == "Morning in Arabic: صباح الخير"
    assert mail.opened.text == "1. A story\n.a line that begins with a dot\n"
    assert mail.opened.html.startswith("<p>A <b>story</b></p>")
    assert [part.content_type for part in mail.opened.parts] == [
        "multipart/alternative",
        "text/plain",
        "text/html",
    ]


def test_addresses_in_other_scripts_are_taken(receiver: Receiver, mailbox: Mailbox) -> None:
    with smtplib.SMTP("127.0.0.1", receiver.port) as server:
        server.ehlo()
        server.sendmail(
            "daily@paper.example", ["ليلى@readers.example"], b"Subject: a\r\n\r\nb\r\n", ["SMTPUTF8"]
        )
    assert mailbox.mails()[0].envelope_recipients == ("ليلى@readers.example",)


def test_a_taken_port_is_named_at_once() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken, pytest.raises(PortTaken) as refusal:
        Receiver(Mailbox(StoppedClock(NOON)), port=taken.getsockname()[1])
    assert "--smtp-port" in refusal.value.remedy


def test_the_newest_mail_stands_first(page: TestClient, mailbox: Mailbox) -> None:
    for subject in ("first", "second", "third"):
        mailbox.put("a@x.example", ("b@x.example",), digest_mail(subject).as_bytes())
    text = page.get("/").text
    assert text.index("third") < text.index("second") < text.index("first")


def test_every_view_of_a_mail_is_shown(page: TestClient, mailbox: Mailbox) -> None:
    mailbox.put("a@x.example", ("b@x.example",), digest_mail().as_bytes())
    assert "صباح الخير" in page.get("/mail/1").text
    assert "a line that begins with a dot" in page.get("/mail/1?view=text").text
    assert "The Morning &lt;daily@paper.example&gt;" in page.get("/mail/1?view=headers").text
    assert "multipart/alternative" in page.get("/mail/1?view=parts").text
    assert "Content-Type: text/html" in page.get("/mail/1?view=source").text
    assert page.get("/mail/1/source").content == mailbox.mails()[0].source


def test_html_of_a_mail_can_run_nothing_and_read_nothing(page: TestClient, mailbox: Mailbox) -> None:
    mailbox.put("a@x.example", ("b@x.example",), digest_mail().as_bytes())
    policy = page.get("/mail/1/html").headers["content-security-policy"]
    assert "sandbox" in policy
    assert "allow-scripts" not in policy
    assert "allow-same-origin" not in policy
    assert "default-src 'none'" in policy
    frame = page.get("/mail/1").text.partition("<iframe")[2].partition(">")[0]
    assert "sandbox=" in frame
    assert "allow-scripts" not in frame


def test_a_hostile_subject_stays_text(page: TestClient, mailbox: Mailbox) -> None:
    mailbox.put("a@x.example", ("<script>@x.example",), b"Subject: <script>alert(1)</script>\r\n\r\nx\r\n")
    assert "<script>alert" not in page.get("/mail/1?view=headers").text
    assert "&lt;script&gt;alert(1)" in page.get("/").text


@pytest.mark.parametrize(
    "source",
    [
        b"",
        b"\x00\xff\xfe",
        b"Content-Type: multipart/mixed; boundary=b\r\n\r\n--b\r\n" * 2,
        b"Content-Type: text/html; charset=no-such-charset\r\n\r\n\xe9t\xe9",
        b"Content-Type: text/plain; charset=\x00\r\nContent-Transfer-Encoding: base64\r\n\r\n====",
        b"Subject: =?utf-8?b?////?= =?nonsense?q?x?=\r\nFrom: \r\n\r\n",
        b"".join(b"Content-Type: multipart/mixed; boundary=%d\r\n\r\n--%d\r\n" % (n, n) for n in range(400)),
    ],
    ids=["empty", "binary", "nested-in-itself", "unknown-charset", "nul", "broken-words", "400-deep"],
)
def test_a_broken_mail_takes_nothing_down(page: TestClient, mailbox: Mailbox, source: bytes) -> None:
    mailbox.put("", ("b@x.example",), source)
    assert page.get("/").status_code == 200
    for view in ("html", "text", "headers", "parts", "source"):
        assert page.get(f"/mail/1?view={view}").status_code == 200
    assert page.get("/mail/1/html").status_code == 200


def test_the_oldest_mails_go_when_there_are_too_many() -> None:
    mailbox = Mailbox(StoppedClock(NOON), capacity=3, max_bytes=1000)
    for _ in range(5):
        mailbox.put("a@x.example", ("b@x.example",), b"x" * 10)
    assert [mail.id for mail in mailbox.mails()] == [5, 4, 3]
    mailbox.put("a@x.example", ("b@x.example",), b"x" * 995)
    assert [mail.id for mail in mailbox.mails()] == [6]
    assert mailbox.arrived == 6


def test_a_page_that_is_open_hears_of_a_new_mail(mailbox: Mailbox) -> None:
    with (
        serving(inbox_page(mailbox, smtp="-")) as url,
        httpx2.Client(timeout=5) as client,
        client.stream("GET", f"{url}/events?since=0") as events,
    ):
        lines = events.iter_lines()
        assert next(lines) == "retry: 500"
        mailbox.put("a@x.example", ("b@x.example",), b"Subject: x\r\n\r\n")
        assert next(line for line in lines if line.startswith("data:")) == "data: 1"


def test_other_sites_can_neither_read_nor_empty_the_inbox(page: TestClient, mailbox: Mailbox) -> None:
    mailbox.put("a@x.example", ("b@x.example",), b"Subject: kept\r\n\r\n")
    assert page.get("/", headers={"Host": "evil.example"}).status_code == 400
    assert page.post("/clear", headers={"Sec-Fetch-Site": "cross-site"}).status_code == 403
    assert page.post("/clear", headers={"Origin": "https://evil.example"}).status_code == 403
    assert len(mailbox.mails()) == 1
    assert page.post("/clear", headers={"Sec-Fetch-Site": "same-origin"}).status_code == 200
    assert mailbox.mails() == []
