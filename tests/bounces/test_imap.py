"""IMAP from a real Dovecot: batches, TLS, moving, marking, IDLE, and a poll that is killed in the middle."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlalchemy import func, select

from digest.bounces.errors import MailboxUnavailable
from digest.bounces.mailbox import After, open_mailbox, parse_mailbox_url
from digest.bounces.mailbox.contract import BATCH, MOVED_TO, Mailbox
from digest.bounces.reading import READ_LIMIT
from subscribers.models import BounceEventRow, SuppressionRow
from tests.bounces.conftest import SIGNER, Newsletter, bounce
from tests.bounces.dovecot import PASSWORD, Dovecot, dovecot
from tests.conftest import ROOT, required

pytestmark = pytest.mark.service


@pytest.fixture
def server() -> Iterator[Dovecot]:
    if shutil.which("dovecot", path="/usr/sbin:/usr/bin") is None or os.geteuid() != 0:
        required("Dovecot, started as root")
    with dovecot() as running:
        yield running


def opened(
    server: Dovecot,
    *,
    after: After = After.DELETE,
    tls: bool = True,
    password: str = PASSWORD,
    folder: str = "INBOX",
) -> Mailbox:
    scheme, port = ("imaps", server.tls_port) if tls else ("imap", server.port)
    # "localhost" by another name is not loopback for us: STARTTLS is then required.
    host = "127.0.0.1" if tls else "localhost"
    address = parse_mailbox_url(f"{scheme}://user:{password}@{host}:{port}/{folder}")
    return open_mailbox(address, after=after, tls_context=server.tls_context, timeout=10)


def mail(number: int) -> bytes:
    return b"From: a@b.example\nSubject: %d\n\nbody\n" % number


def read_all(mailbox: Mailbox) -> list[int]:
    sizes = []
    for letters in mailbox.batches():
        sizes.append(len(letters))
        mailbox.settle(letters)
    mailbox.close()
    return sizes


def test_messages_come_in_batches_and_go_after_the_commit(server: Dovecot) -> None:
    server.put(mail(number) for number in range(BATCH + 50))
    mailbox = opened(server)
    seen: list[bytes] = []
    for letters in mailbox.batches():
        seen += [letter.raw for letter in letters]
        assert server.count() == BATCH + 50 - (len(seen) - len(letters))
        mailbox.settle(letters)
    mailbox.close()
    assert sorted(raw.replace(b"\r\n", b"\n") for raw in seen) == sorted(
        mail(number) for number in range(BATCH + 50)
    )
    assert server.count() == 0


def test_plain_imap_on_loopback(server: Dovecot) -> None:
    server.put([mail(1)])
    assert read_all(opened(server, tls=False)) == [1]


def test_starttls_is_required_elsewhere_and_the_certificate_is_checked(server: Dovecot) -> None:
    from dataclasses import replace

    server.put([mail(1)])
    address = replace(parse_mailbox_url(f"imap://user:{PASSWORD}@127.0.0.1:{server.port}"), plain=False)
    with pytest.raises(MailboxUnavailable, match="TLS failed"):
        open_mailbox(address)
    assert read_all(open_mailbox(address, tls_context=server.tls_context)) == [1]


def test_moved_messages_lie_in_a_folder(server: Dovecot) -> None:
    server.put([mail(1), mail(2)])
    assert read_all(opened(server, after=After.MOVE)) == [2]
    assert (server.count(), server.count(MOVED_TO)) == (0, 2)


def test_kept_messages_are_marked_and_not_read_again(server: Dovecot) -> None:
    server.put([mail(1), mail(2)])
    assert read_all(opened(server, after=After.KEEP)) == [2]
    server.put([mail(3)])
    assert read_all(opened(server, after=After.KEEP)) == [1]
    assert server.count() == 3


def test_of_fifty_megabytes_only_the_beginning_is_fetched(server: Dovecot) -> None:
    server.put([mail(1) + b"y" * 70 + b"\n" + (b"x" * 70 + b"\n") * 700_000])
    mailbox = opened(server)
    ((letter,),) = mailbox.batches()
    mailbox.close()
    assert len(letter.raw) <= READ_LIMIT
    assert letter.size > 49_000_000


@pytest.mark.parametrize(("password", "folder"), [("wrong", "INBOX"), (PASSWORD, "NoSuchFolder")])
def test_what_the_server_refuses_is_one_line(server: Dovecot, password: str, folder: str) -> None:
    with pytest.raises(MailboxUnavailable, match=f"mailbox imap://127.0.0.1:{server.tls_port}/{folder}: "):
        opened(server, password=password, folder=folder)


def test_idle_ends_when_mail_comes(server: Dovecot) -> None:
    server.put([])
    mailbox = opened(server)
    timer = threading.Timer(1.0, lambda: server.put([mail(1)]))
    timer.start()
    begin = time.monotonic()
    assert mailbox.wait(30, threading.Event())
    assert time.monotonic() - begin < 20
    assert read_all(mailbox) == [1]


def test_waiting_ends_when_the_process_should(server: Dovecot) -> None:
    server.put([])
    mailbox = opened(server)
    stop = threading.Event()
    threading.Timer(0.5, stop.set).start()
    begin = time.monotonic()
    assert not mailbox.wait(30, stop)
    assert time.monotonic() - begin < 10
    server.put([mail(1)])
    assert read_all(mailbox) == [1]


def wait_and_wait(mailbox: Mailbox) -> None:
    for _ in range(3):
        mailbox.wait(30, threading.Event())


def test_a_server_that_goes_away_while_we_wait_is_one_line() -> None:
    with dovecot() as server:
        server.put([])
        mailbox = opened(server)
        stopping = threading.Timer(0.5, server.stop)
        stopping.start()
        with pytest.raises(MailboxUnavailable, match="mailbox imap://"):
            wait_and_wait(mailbox)  # it may say good-bye first
        stopping.join()
        mailbox.close()


def test_the_whole_of_a_huge_message_can_be_had(server: Dovecot) -> None:
    whole = mail(1) + (b"x" * 70 + b"\r\n") * (2 * READ_LIMIT // 70)
    server.put([whole])
    mailbox = opened(server)
    ((letter,),) = mailbox.batches()
    assert b"".join(mailbox.pieces(letter)).replace(b"\r\n", b"\n") == whole.replace(b"\r\n", b"\n")
    mailbox.close()


def test_a_password_may_have_any_letters() -> None:
    with dovecot(password="pässwörd✓") as server:
        server.put([mail(1)])
        assert read_all(opened(server, password="p%C3%A4ssw%C3%B6rd%E2%9C%93")) == [1]


@pytest.fixture
def database_url(tmp_path: Path) -> str:
    return f"sqlite:///{tmp_path / 'digest.sqlite3'}"


def test_killed_in_the_middle_and_resumed_none_is_lost_and_none_counted_twice(
    server: Dovecot, newsletter: Newsletter
) -> None:
    total = 3 * BATCH + 100
    people = [newsletter.reader(f"r{number}@example.org") for number in range(total)]
    newsletter.issue(1, to=people)
    server.put(bounce("x@example.net", token=SIGNER.sign_verp(one, 1), serial=one) for one in people)
    server.authority.cert_pem.write_to_path(str(newsletter.folder / "ca.pem"))
    url = f"imaps://user:{PASSWORD}@127.0.0.1:{server.tls_port}/INBOX"
    command = [
        sys.executable,
        "-m",
        "tests.bounces.poller",
        str(newsletter.folder),
        url,
        str(newsletter.folder / "ca.pem"),
    ]

    def counted(table: type) -> int:
        with newsletter.sessions() as session:
            return session.scalar(select(func.count()).select_from(table)) or 0

    assert subprocess.run([*command, "2"], cwd=ROOT, timeout=60).returncode == -signal.SIGKILL
    assert (counted(BounceEventRow), server.count()) == (2 * BATCH, total - BATCH)
    second = subprocess.run(command, cwd=ROOT, check=True, timeout=60, capture_output=True, text=True)
    assert second.stdout.split() == [str(total - 2 * BATCH), str(BATCH)]
    assert (counted(BounceEventRow), counted(SuppressionRow), server.count()) == (total, total, 0)
