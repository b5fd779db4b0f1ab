"""POP3 from a real Dovecot: TLS, batches, deletion at the end of the session, messages of any size."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator, Sequence
from dataclasses import replace

import pytest

from digest.bounces.errors import MailboxUnavailable
from digest.bounces.mailbox import After, Letter, open_mailbox, parse_mailbox_url
from digest.bounces.mailbox.contract import BATCH, Mailbox
from digest.bounces.reading import READ_LIMIT
from tests.bounces.conftest import SIGNER, Newsletter, bounce
from tests.bounces.dovecot import PASSWORD, Dovecot, dovecot
from tests.conftest import required

pytestmark = pytest.mark.service


@pytest.fixture
def server() -> Iterator[Dovecot]:
    if shutil.which("dovecot", path="/usr/sbin:/usr/bin") is None or os.geteuid() != 0:
        required("Dovecot, started as root")
    with dovecot() as running:
        yield running


def opened(server: Dovecot, *, after: After = After.DELETE, password: str = PASSWORD) -> Mailbox:
    address = parse_mailbox_url(f"pop3s://user:{password}@127.0.0.1:{server.pop_tls_port}")
    return open_mailbox(address, after=after, tls_context=server.tls_context, timeout=10)


def mail(number: int) -> bytes:
    return b"From: a@b.example\nSubject: %d\n\nbody\n.a line with a dot\n.\nend\n" % number


def read_all(mailbox: Mailbox) -> list[bytes]:
    raws = []
    for letters in mailbox.batches():
        raws += [letter.raw.replace(b"\r\n", b"\n") for letter in letters]
        mailbox.settle(letters)
    mailbox.close()
    return raws


def test_messages_come_in_batches_and_go_at_the_end_of_the_session(server: Dovecot) -> None:
    server.put(mail(number) for number in range(BATCH + 5))
    mailbox = opened(server)
    seen: list[bytes] = []
    for letters in mailbox.batches():
        seen += [letter.raw.replace(b"\r\n", b"\n") for letter in letters]
        mailbox.settle(letters)
        assert server.count() == BATCH + 5
    mailbox.close()
    assert sorted(seen) == sorted(mail(number) for number in range(BATCH + 5))
    assert server.count() == 0


def test_starttls_is_required_where_it_is_not_loopback(server: Dovecot) -> None:
    server.put([mail(1)])
    address = replace(parse_mailbox_url(f"pop3://user:{PASSWORD}@127.0.0.1:{server.pop_port}"), plain=False)
    with pytest.raises(MailboxUnavailable, match="TLS failed"):
        open_mailbox(address)
    assert read_all(open_mailbox(address, tls_context=server.tls_context)) == [mail(1)]


def test_of_fifty_megabytes_the_beginning_is_read_and_the_whole_can_be_had(server: Dovecot) -> None:
    whole = mail(1) + b"y" * 3_000_000 + b"\n" + (b"x" * 70 + b"\n") * 700_000
    server.put([whole, mail(2)])
    mailbox = opened(server)
    letters = [letter for batch in mailbox.batches() for letter in batch]
    huge, small = sorted(letters, key=lambda letter: -letter.size)
    assert len(huge.raw) == READ_LIMIT
    assert b"".join(mailbox.pieces(huge)).replace(b"\r\n", b"\n") == whole
    assert small.raw.replace(b"\r\n", b"\n") == mail(2)
    mailbox.close()


def test_kept_messages_stay_and_count_once(server: Dovecot, newsletter: Newsletter) -> None:
    ann = newsletter.reader("ann@example.org")
    newsletter.issue(1, to=[ann])
    server.put([bounce("ann@example.org", token=SIGNER.sign_verp(ann, 1))])
    first = newsletter.read(opened(server, after=After.KEEP))
    second = newsletter.read(opened(server, after=After.KEEP))
    assert (first.hard, first.repeated, second.hard, second.repeated) == (1, 0, 0, 1)
    assert server.count() == 1


def test_a_session_that_breaks_loses_nothing_and_counts_nothing_twice(
    server: Dovecot, newsletter: Newsletter
) -> None:
    people = [newsletter.reader(f"r{number}@example.org") for number in range(BATCH + 20)]
    newsletter.issue(1, to=people)
    server.put(bounce("x@example.net", token=SIGNER.sign_verp(one, 1), serial=one) for one in people)
    mailbox = opened(server)
    settle = mailbox.settle

    def breaks(letters: Sequence[Letter]) -> None:
        settle(letters)
        mailbox._watchdog._bite()  # type: ignore[attr-defined]

    mailbox.settle = breaks  # type: ignore[method-assign]
    with pytest.raises(MailboxUnavailable):
        newsletter.read(mailbox)
    assert (len(newsletter.events()), server.count()) == (BATCH, BATCH + 20)
    counts = newsletter.read(opened(server))
    assert (counts.read, counts.repeated, server.count()) == (20, BATCH, 0)


def test_a_wrong_password_is_one_line(server: Dovecot) -> None:
    with pytest.raises(MailboxUnavailable, match=f"mailbox pop3://127.0.0.1:{server.pop_tls_port}: "):
        opened(server, password="wrong")


@pytest.fixture
def database_url(tmp_path_factory: pytest.TempPathFactory) -> str:
    return f"sqlite:///{tmp_path_factory.mktemp('pop3') / 'digest.sqlite3'}"
