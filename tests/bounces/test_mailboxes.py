"""Every kind of mailbox gives all its mail in batches, and loses none whatever happens."""

from __future__ import annotations

import io
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import ClassVar

import pytest

from digest.bounces.errors import MailboxUnavailable
from digest.bounces.mailbox import After, open_mailbox, parse_mailbox_url
from digest.bounces.mailbox.contract import BATCH, Mailbox
from digest.bounces.mailbox.imap import _as_set
from digest.bounces.mailbox.opening import MailboxAddress, open_stream
from digest.bounces.reading import READ_LIMIT
from digest.errors import ConfigError


def subjects(mailbox: Mailbox) -> list[bytes]:
    return [
        letter.raw.partition(b"Subject: ")[2].split(b"\n")[0].strip()
        for letters in mailbox.batches()
        for letter in letters
    ]


def mail(number: int) -> bytes:
    return b"From: a@b.example\nSubject: %d\n\nbody\n" % number


def a_maildir(folder: Path, *raws: bytes) -> Path:
    for name in ("new", "cur", "tmp"):
        (folder / name).mkdir(parents=True)
    for number, raw in enumerate(raws):
        (folder / "new" / f"{number:04}.host").write_bytes(raw)
    return folder


class TestAddresses:
    def test_the_four_kinds_are_read(self, tmp_path: Path) -> None:
        imap = parse_mailbox_url("imaps://us%40er@host.example/Bounces", password="p")
        assert (imap.kind, imap.host, imap.port, imap.user, imap.folder, imap.tls) == (
            "imap",
            "host.example",
            993,
            "us@er",
            "Bounces",
            True,
        )
        assert parse_mailbox_url("pop3s://u:secret@host").password == "secret"
        assert parse_mailbox_url("maildir:Mail", base=tmp_path).path == tmp_path / "Mail"
        assert parse_mailbox_url("mbox:/var/mail/bounce").path == Path("/var/mail/bounce")

    def test_only_loopback_may_do_without_tls(self) -> None:
        assert parse_mailbox_url("imap://u@127.0.0.1", password="p").plain
        assert not parse_mailbox_url("imap://u@mail.example", password="p").plain

    @pytest.mark.parametrize(
        "text", ["", "imaps://host/INBOX", "http://u@host", "maildir:", "imaps://u@[", "u@host"]
    )
    def test_others_are_refused_with_a_remedy(self, text: str) -> None:
        with pytest.raises(ConfigError) as caught:
            parse_mailbox_url(text, password="p")
        assert "imaps://" in caught.value.remedy

    def test_no_password_is_ever_shown(self) -> None:
        with pytest.raises(ConfigError) as caught:
            parse_mailbox_url("http://user:hunter2@host")
        assert "hunter2" not in str(caught.value)
        assert "hunter2" not in repr(parse_mailbox_url("imaps://u:hunter2@host"))


class TestMaildir:
    def test_messages_come_in_batches_and_go_after_the_commit(self, tmp_path: Path) -> None:
        folder = a_maildir(tmp_path / "m", *[mail(number) for number in range(BATCH + 5)])
        mailbox = open_mailbox(MailboxAddress("maildir", path=folder))
        sizes = []
        for letters in mailbox.batches():
            sizes.append(len(letters))
            assert all((folder / letter.key).exists() for letter in letters)
            mailbox.settle(letters)
        assert sizes == [BATCH, 5]
        assert list((folder / "new").iterdir()) == []

    def test_moved_and_kept_messages_are_not_read_again(self, tmp_path: Path) -> None:
        for after in (After.MOVE, After.KEEP):
            folder = a_maildir(tmp_path / after.value, mail(1), mail(2))
            mailbox = open_mailbox(MailboxAddress("maildir", path=folder), after=after)
            for letters in mailbox.batches():
                mailbox.settle(letters)
            assert subjects(mailbox) == []
            assert sum(1 for path in folder.rglob("*.host*")) == 2

    def test_an_archive_given_by_hand_is_not_changed(self, tmp_path: Path) -> None:
        folder = a_maildir(tmp_path / "m", mail(1))
        mailbox = open_mailbox(MailboxAddress("maildir", path=folder), after=After.READ_ONLY)
        for letters in mailbox.batches():
            mailbox.settle(letters)
        assert (folder / "new" / "0000.host").exists()

    def test_a_huge_message_is_read_to_the_limit(self, tmp_path: Path) -> None:
        folder = a_maildir(tmp_path / "m", mail(1) + b"x" * (3 * READ_LIMIT))
        ((letter,),) = open_mailbox(MailboxAddress("maildir", path=folder)).batches()
        assert (len(letter.raw), letter.size > 3 * READ_LIMIT) == (READ_LIMIT, True)

    def test_what_is_no_maildir_is_said_so(self, tmp_path: Path) -> None:
        with pytest.raises(MailboxUnavailable, match="no Maildir"):
            open_mailbox(MailboxAddress("maildir", path=tmp_path))


class TestMbox:
    def write(self, file: Path, *numbers: int) -> None:
        file.write_bytes(
            b"".join(b"From MAILER-DAEMON Mon Nov  2\n" + mail(number) + b"\n" for number in numbers)
        )

    def test_settled_messages_are_cut_out_and_new_ones_stay(self, tmp_path: Path) -> None:
        file = tmp_path / "mbox"
        self.write(file, 1, 2, 3)
        mailbox = open_mailbox(MailboxAddress("mbox", path=file))
        (letters,) = mailbox.batches()
        mailbox.settle([letters[0], letters[2]])
        with file.open("ab") as out:
            out.write(b"From x Mon Nov  2\n" + mail(4) + b"\n")
        mailbox.close()
        assert subjects(open_mailbox(MailboxAddress("mbox", path=file))) == [b"2", b"4"]

    def test_a_locked_mbox_is_left_alone(self, tmp_path: Path) -> None:
        file = tmp_path / "mbox"
        self.write(file, 1)
        (tmp_path / "mbox.lock").touch()
        mailbox = open_mailbox(MailboxAddress("mbox", path=file))
        for letters in mailbox.batches():
            mailbox.settle(letters)
        mailbox.close()
        assert subjects(open_mailbox(MailboxAddress("mbox", path=file))) == [b"1"]

    def test_words_that_look_like_a_separator_split_nothing(self, tmp_path: Path) -> None:
        file = tmp_path / "mbox"
        file.write_bytes(
            b"From a Mon\nSubject: 1\n\nhello\nFrom here on it is text\n\nFrom b Tue\nSubject: 2\n\n"
        )
        assert subjects(open_mailbox(MailboxAddress("mbox", path=file))) == [b"1", b"2"]


def test_a_pipe_gives_one_message_and_is_read_to_its_end() -> None:
    stream = io.BytesIO(mail(1) + b"x" * (3 * READ_LIMIT))
    ((letter,),) = open_stream(stream).batches()
    assert len(letter.raw) == READ_LIMIT
    assert stream.read() == b""
    assert list(open_stream(io.BytesIO(b"  \n")).batches()) == []


@contextmanager
def server(
    *, greeting: bytes = b"", answers: dict[bytes, bytes] | None = None
) -> Iterator[tuple[int, list[bytes]]]:
    """A line server that answers by the first word of a command, or stays silent."""
    heard: list[bytes] = []
    listener = socket.create_server(("127.0.0.1", 0))

    def serve() -> None:
        while True:
            try:
                connection, _ = listener.accept()
            except OSError:
                return
            with connection, connection.makefile("rwb") as stream:
                if greeting:
                    stream.write(greeting)
                    stream.flush()
                while line := stream.readline():
                    heard.append(line.strip())
                    answer = (answers or {}).get(line.strip(), (answers or {}).get(line.split()[0].strip()))
                    if answer is not None:
                        stream.write(answer)
                        stream.flush()

    thread = threading.Thread(target=serve, daemon=True)
    thread.start()
    try:
        yield listener.getsockname()[1], heard
    finally:
        listener.shutdown(socket.SHUT_RDWR)
        listener.close()
        thread.join(2)


class TestPop3:
    ANSWERS: ClassVar = {
        b"USER": b"+OK\r\n",
        b"PASS": b"+OK\r\n",
        b"LIST": b"+OK\r\n1 40\r\n2 4000000\r\n.\r\n",
        b"RETR": b"+OK\r\nSubject: 1\r\n\r\nhello " + b"y" * 5000 + b"\r\n.\r\n",
        b"TOP": b"+OK\r\nSubject: 2\r\n\r\nbegin\r\n.\r\n",
        b"DELE": b"+OK\r\n",
        b"QUIT": b"+OK\r\n",
    }

    def test_mail_is_read_and_deleted_at_the_end_of_the_session(self) -> None:
        with server(greeting=b"+OK\r\n", answers=self.ANSWERS) as (port, heard):
            mailbox = open_mailbox(parse_mailbox_url(f"pop3://u:p@127.0.0.1:{port}"), timeout=5)
            (letters,) = mailbox.batches()
            assert [letter.raw[:10] for letter in letters] == [b"Subject: 1", b"Subject: 2"]
            assert b"DELE 1" not in heard
            mailbox.settle(letters)
            mailbox.close()
            assert heard[-3:] == [b"DELE 1", b"DELE 2", b"QUIT"]

    def test_a_wrong_password_is_one_line(self) -> None:
        answers = {**self.ANSWERS, b"PASS": b"-ERR no\r\n"}
        with (
            server(greeting=b"+OK\r\n", answers=answers) as (port, _),
            pytest.raises(MailboxUnavailable, match="pop3"),
        ):
            open_mailbox(parse_mailbox_url(f"pop3://u:p@127.0.0.1:{port}"), timeout=5)

    def test_it_cannot_move(self) -> None:
        with pytest.raises(ConfigError):
            open_mailbox(parse_mailbox_url("pop3://u:p@127.0.0.1:1"), after=After.MOVE)


@pytest.mark.parametrize("scheme", ["imap", "pop3"])
def test_a_mailbox_that_refuses_is_named(scheme: str) -> None:
    with socket.create_server(("127.0.0.1", 0)) as closed:
        port = closed.getsockname()[1]
    with pytest.raises(MailboxUnavailable, match=f"{scheme}://127.0.0.1:{port}"):
        open_mailbox(parse_mailbox_url(f"{scheme}://u:p@127.0.0.1:{port}"), timeout=2)


@pytest.mark.parametrize("scheme", ["imap", "pop3"])
def test_a_mailbox_that_stalls_is_given_up(scheme: str) -> None:
    with server() as (port, _), pytest.raises(MailboxUnavailable, match="stalls"):
        open_mailbox(parse_mailbox_url(f"{scheme}://u:p@127.0.0.1:{port}"), timeout=0.3)


def test_sets_of_uids_name_only_what_is_meant() -> None:
    assert _as_set([1, 2, 3, 7, 9, 10]) == "1:3,7,9:10"
    assert _as_set([5]) == "5"
