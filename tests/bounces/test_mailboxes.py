"""Every kind of mailbox gives all its mail in batches, and loses none whatever happens."""

from __future__ import annotations

import fcntl
import io
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

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

    def test_flags_that_people_set_stay(self, tmp_path: Path) -> None:
        folder = a_maildir(tmp_path / "m")
        (folder / "cur" / "1.host:2,FR").write_bytes(mail(1))
        mailbox = open_mailbox(MailboxAddress("maildir", path=folder), after=After.KEEP)
        for letters in mailbox.batches():
            mailbox.settle(letters)
        assert [path.name for path in (folder / "cur").iterdir()] == ["1.host:2,FRS"]

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

    def test_while_somebody_delivers_nothing_is_read(self, tmp_path: Path) -> None:
        file = tmp_path / "mbox"
        self.write(file, 1)
        dot = tmp_path / "mbox.lock"
        dot.touch()
        with pytest.raises(MailboxUnavailable, match="is locked"):
            subjects(open_mailbox(MailboxAddress("mbox", path=file)))
        dot.unlink()
        with locked_by_another_process(file), pytest.raises(MailboxUnavailable, match="is locked"):
            subjects(open_mailbox(MailboxAddress("mbox", path=file)))
        assert subjects(open_mailbox(MailboxAddress("mbox", path=file), after=After.READ_ONLY)) == [b"1"]

    def test_while_somebody_delivers_nothing_is_cut(self, tmp_path: Path) -> None:
        file = tmp_path / "mbox"
        self.write(file, 1)
        mailbox = open_mailbox(MailboxAddress("mbox", path=file))
        for letters in mailbox.batches():
            mailbox.settle(letters)
        (tmp_path / "mbox.lock").touch()
        mailbox.close()
        (tmp_path / "mbox.lock").unlink()
        assert subjects(open_mailbox(MailboxAddress("mbox", path=file))) == [b"1"]

    def test_a_lock_that_a_crash_left_is_broken(self, tmp_path: Path) -> None:
        file = tmp_path / "mbox"
        self.write(file, 1)
        dot = tmp_path / "mbox.lock"
        dot.touch()
        os.utime(dot, (0, 0))
        assert subjects(open_mailbox(MailboxAddress("mbox", path=file))) == [b"1"]
        assert sorted(path.name for path in tmp_path.iterdir()) == ["mbox"]

    def test_nothing_is_cut_when_another_program_has_rewritten_the_file(self, tmp_path: Path) -> None:
        file = tmp_path / "mbox"
        self.write(file, 1, 2, 3)
        mailbox = open_mailbox(MailboxAddress("mbox", path=file))
        (letters,) = mailbox.batches()
        mailbox.settle(letters[1:])
        self.write(file, 2, 3, 4)
        mailbox.close()
        assert subjects(open_mailbox(MailboxAddress("mbox", path=file))) == [b"2", b"3", b"4"]

    def test_words_that_look_like_a_separator_split_nothing(self, tmp_path: Path) -> None:
        file = tmp_path / "mbox"
        file.write_bytes(
            b"From a Mon\nSubject: 1\n\nhello\nFrom here on it is text\n\nFrom b Tue\nSubject: 2\n\n"
        )
        assert subjects(open_mailbox(MailboxAddress("mbox", path=file))) == [b"1", b"2"]


HUGE = mail(1) + b"From here on: x\n\nfrom there on\n" + b"x" * READ_LIMIT


@pytest.mark.parametrize("kind", ["maildir", "mbox", "pipe"])
def test_of_a_huge_message_the_beginning_is_read_and_the_whole_can_be_had(tmp_path: Path, kind: str) -> None:
    if kind == "pipe":
        mailbox = open_stream(io.BytesIO(HUGE))
    elif kind == "mbox":
        (tmp_path / "mbox").write_bytes(b"From x Mon Nov  2\n" + HUGE + b"\n\nFrom y Mon Nov  2\n" + mail(2))
        mailbox = open_mailbox(MailboxAddress("mbox", path=tmp_path / "mbox"))
    else:
        mailbox = open_mailbox(MailboxAddress("maildir", path=a_maildir(tmp_path / "m", HUGE)))
    letter = next(mailbox.batches())[0]
    whole = b"".join(mailbox.pieces(letter))
    mailbox.close()
    assert (len(letter.raw), letter.size) == (READ_LIMIT, len(whole))
    assert HUGE in whole
    assert mail(2) not in whole


def test_a_pipe_gives_one_message_and_is_read_to_its_end() -> None:
    stream = io.BytesIO(mail(1) + b"x" * (3 * READ_LIMIT))
    mailbox = open_stream(stream)
    ((letter,),) = mailbox.batches()
    mailbox.close()
    assert len(letter.raw) == READ_LIMIT
    assert stream.read() == b""
    nothing = open_stream(io.BytesIO(b"  \n"))
    assert list(nothing.batches()) == []
    nothing.close()


@contextmanager
def locked_by_another_process(file: Path) -> Iterator[None]:
    """An ``fcntl`` lock is a process's own: a child takes it."""
    ready, done = os.pipe(), os.pipe()
    child = os.fork()
    if child == 0:
        with file.open("r+b") as held:
            fcntl.lockf(held, fcntl.LOCK_EX)
            os.write(ready[1], b"x")
            os.read(done[0], 1)
        os._exit(0)
    os.read(ready[0], 1)
    try:
        yield
    finally:
        os.write(done[1], b"x")
        os.waitpid(child, 0)
        for end in (*ready, *done):
            os.close(end)


def test_sets_of_uids_name_only_what_is_meant() -> None:
    assert _as_set([1, 2, 3, 7, 9, 10]) == "1:3,7,9:10"
    assert _as_set([5]) == "5"
