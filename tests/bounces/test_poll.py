"""A poll is safe to kill and to repeat; nothing in the mailbox stops it."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import pytest

from digest.bounces import kept
from digest.bounces.errors import MailboxUnavailable
from digest.bounces.mailbox import After, Letter
from digest.bounces.mailbox.files import MaildirMailbox
from digest.bounces.parsing import parse_report
from digest.bounces.policy import record_finding
from digest.bounces.reading import READ_LIMIT
from digest.pipeline import bounce_batches as pipeline
from digest.pipeline.bounce_batches import process_mailbox
from digest.values.progress import Silent
from subscribers.models import BounceKind
from tests.bounces.conftest import SIGNER, Newsletter, bounce


@pytest.fixture(params=["sqlite"])
def database_url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """These tests are about the mailbox: one database is enough."""
    return f"sqlite:///{tmp_path / 'digest.sqlite3'}"


def a_full_mailbox(newsletter: Newsletter, count: int) -> list[bytes]:
    people = [newsletter.reader(f"r{number}@example.org") for number in range(count)]
    newsletter.issue(1, to=people)
    return [bounce("x@example.net", "552 5.2.2 full", token=SIGNER.sign_verp(one, 1)) for one in people]


class Killed(BaseException):
    """The process was killed here."""


def poll(newsletter: Newsletter, mailbox: MaildirMailbox) -> pipeline.Counts:
    return process_mailbox(
        mailbox,
        newsletter.sessions,
        newsletter.rules,
        clock=newsletter.clock,
        kept=newsletter.folder / "kept",
        progress=Silent(),
    )


class DiesBeforeDeleting(MaildirMailbox):
    def settle(self, letters: Sequence[Letter]) -> None:
        raise Killed


class CannotDelete(MaildirMailbox):
    def settle(self, letters: Sequence[Letter]) -> None:
        raise MailboxUnavailable("mailbox imap://host: MOVE was refused: quota exceeded")


def test_killed_between_commit_and_deletion_nothing_counts_twice(newsletter: Newsletter) -> None:
    newsletter.arrives(*a_full_mailbox(newsletter, 5))
    with pytest.raises(Killed):
        poll(newsletter, DiesBeforeDeleting(newsletter.maildir, after=After.DELETE))
    counts = newsletter.poll()
    assert (counts.read, counts.repeated) == (0, 5)
    assert len(newsletter.events()) == 5
    assert list((newsletter.maildir / "new").iterdir()) == []


def test_a_mailbox_that_is_full_is_read_all_the_same(newsletter: Newsletter) -> None:
    newsletter.arrives(*a_full_mailbox(newsletter, 3))
    counts = poll(newsletter, CannotDelete(newsletter.maildir, after=After.MOVE))
    assert (counts.read, counts.left) == (3, 3)
    assert poll(newsletter, CannotDelete(newsletter.maildir, after=After.MOVE)).repeated == 3


def test_the_same_message_twice_counts_once(newsletter: Newsletter) -> None:
    (raw,) = a_full_mailbox(newsletter, 1)
    counts = newsletter.poll(raw, raw.replace(b"\n", b"\r\n"))
    assert (counts.read, counts.repeated) == (1, 1)
    assert newsletter.poll(b"From x Mon Nov  2\nReceived: from elsewhere\n" + raw).repeated == 1


def test_a_message_that_cannot_be_read_is_kept_aside_and_stops_nothing(
    newsletter: Newsletter, monkeypatch: pytest.MonkeyPatch
) -> None:
    raws = a_full_mailbox(newsletter, 3)
    real = parse_report

    def parse(raw: bytes, *, size: int | None = None) -> object:
        if b"poison" in raw:
            raise RecursionError
        return real(raw, size=size)

    monkeypatch.setattr(pipeline, "parse_report", parse)
    counts = newsletter.poll(raws[0], b"Subject: poison\n\n", raws[1], b"", raws[2])
    assert (counts.read, counts.soft, counts.unreadable) == (5, 3, 2)
    kept = [path.read_bytes() for path in (newsletter.folder / "kept").iterdir()]
    assert b"Subject: poison\n\n" in kept
    assert list((newsletter.maildir / "new").iterdir()) == []


def test_a_message_that_the_database_refuses_is_kept_aside_too(
    newsletter: Newsletter, monkeypatch: pytest.MonkeyPatch
) -> None:
    raws = a_full_mailbox(newsletter, 3)
    real = record_finding

    def record(session: object, finding: object, **how: object) -> object:
        if finding.person.subscription_id == 2:  # type: ignore[attr-defined]
            raise ValueError("something odd")
        return real(session, finding, **how)  # type: ignore[arg-type]

    monkeypatch.setattr(pipeline, "record_finding", record)
    counts = newsletter.poll(*raws)
    assert (counts.soft, counts.unreadable) == (2, 1)
    assert [event.kind for event in newsletter.events()].count(BounceKind.SOFT) == 2


def test_a_disk_that_is_full_leaves_the_message_where_it_is(
    newsletter: Newsletter, monkeypatch: pytest.MonkeyPatch
) -> None:
    def no_space(*_: object, **__: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(pipeline, "keep_aside", no_space)
    newsletter.arrives(b"")
    with pytest.raises(OSError, match="No space"):
        newsletter.poll()
    assert len(list((newsletter.maildir / "new").iterdir())) == 1


def test_a_report_that_another_process_has_just_counted_counts_once(
    newsletter: Newsletter, monkeypatch: pytest.MonkeyPatch
) -> None:
    raws = a_full_mailbox(newsletter, 2)
    newsletter.poll(raws[0])
    # As if the other process had committed between our look and our write.
    monkeypatch.setattr(pipeline, "_known_among", lambda *_: set())
    counts = newsletter.poll(*raws)
    assert (counts.read, counts.repeated, counts.unreadable) == (1, 1, 0)
    assert len(newsletter.events()) == 2


def test_what_finds_no_room_aside_stays_in_the_mailbox(
    newsletter: Newsletter, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(kept, "FILES_LIMIT", 2)
    empty = [b"\n" * number for number in range(1, 5)]
    (good,) = a_full_mailbox(newsletter, 1)
    counts = newsletter.poll(*empty, good)
    assert (counts.unreadable, counts.left, counts.soft) == (2, 2, 1)
    again = newsletter.poll()
    assert (again.read, again.repeated, again.left) == (0, 0, 2)
    assert len(list((newsletter.maildir / "new").iterdir())) == 2
    for file in (newsletter.folder / "kept").iterdir():  # somebody clears up
        file.unlink()
    assert (newsletter.poll().unreadable, list((newsletter.maildir / "new").iterdir())) == (2, [])


def test_rubbish_fills_no_disk(newsletter: Newsletter, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(kept, "BYTES_LIMIT", 10)
    assert newsletter.poll(b" " * 11).left == 1


def report_about(count: int) -> bytes:
    """A report of an MTA that gathers: some 200 bytes for each recipient."""
    one = (
        "Final-Recipient: rfc822; r{0}@example.org\nOriginal-Recipient: rfc822; r{0}@example.org\n"
        "Action: failed\nStatus: 5.1.1\nRemote-MTA: dns; mx.example.org\n"
        "Diagnostic-Code: smtp; 550 5.1.1 <r{0}@example.org> user unknown\n\n"
    )
    whole = bounce("r0@example.org").decode()
    begin = whole.index("Final-Recipient")
    end = whole.index("--b1\nContent-Type: text/rfc822-headers")
    return (whole[:begin] + "".join(one.format(number) for number in range(count)) + whole[end:]).encode()


def test_of_ten_thousand_recipients_in_one_report_each_is_judged(newsletter: Newsletter) -> None:
    a_full_mailbox(newsletter, 30)
    raw = report_about(10_000)
    assert len(raw) > 2_000_000
    counts = newsletter.poll(raw)
    assert (counts.read, counts.hard, counts.suppressed, counts.overlong) == (1, 30, 30, 0)
    assert newsletter.is_suppressed("r29@example.org")


def test_a_report_with_more_recipients_than_are_read_is_kept_whole(newsletter: Newsletter) -> None:
    a_full_mailbox(newsletter, 3)
    raw = report_about(25_000)
    assert len(raw) > READ_LIMIT
    counts = newsletter.poll(raw)
    assert (counts.hard, counts.overlong, counts.left) == (3, 1, 0)
    (file,) = (newsletter.folder / "kept").iterdir()
    assert file.read_bytes() == raw
    assert list((newsletter.maildir / "new").iterdir()) == []
