"""``schedule run`` stays by a mailbox that tells of new mail, and lets go of it in time."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Sequence
from datetime import timedelta
from pathlib import Path

import pytest

from digest.bounces.mailbox import Letter
from digest.clock import SystemClock
from digest.models import IssueRow, IssueStatus
from digest.pipeline.bounces import watch
from digest.settings import Settings, load
from tests.bounces.conftest import SIGNER, START, Newsletter, bounce


@pytest.fixture
def database_url(tmp_path: Path) -> str:
    return f"sqlite:///{tmp_path / 'digest.sqlite3'}"


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    (tmp_path / "newsletter.toml").write_text(
        '[newsletter]\nname = "Daily"\nurl = "https://daily.example"\nsender = "daily@daily.example"\n'
        '[bounces]\naddress = "bounce@daily.example"\nmailbox = "maildir:Mail"\n'
    )
    env = tmp_path / ".env"
    env.write_text(
        "DIGEST_SECRET_KEY=token-key-for-tests-1\nDIGEST_SUPPRESSION_KEY=suppression-key-for-tests\n"
    )
    env.chmod(0o600)
    return load(tmp_path)


class Telling:
    """A mailbox into which ``arrivals`` come one after the other while somebody waits."""

    def __init__(self, newsletter: Newsletter, *arrivals: bytes) -> None:
        self._clock = newsletter.clock
        self._arrivals = list(arrivals)
        self._inside: list[Letter] = []
        self.waited: list[float] = []
        self.then: Callable[[], None] = lambda: None
        self.closed = False

    def batches(self) -> Iterator[list[Letter]]:
        if self._inside:
            yield list(self._inside)

    def settle(self, letters: Sequence[Letter]) -> None:
        self._inside = [one for one in self._inside if one not in letters]

    def wait(self, seconds: float, stop: threading.Event) -> bool:
        self.waited.append(seconds)
        if stop.is_set() or not self._arrivals:
            self._clock.advance(timedelta(seconds=seconds))
            return False
        self._clock.advance(timedelta(seconds=10))
        raw = self._arrivals.pop(0)
        self._inside.append(Letter(str(len(self.waited)), raw, len(raw)))
        return True

    def close(self) -> None:
        self.closed = True


def test_mail_that_comes_while_it_waits_is_read_at_once_and_pauses_the_issue(
    newsletter: Newsletter, settings: Settings
) -> None:
    people = [newsletter.reader(f"r{number}@example.org") for number in range(50)]
    newsletter.issue(1, to=people, status=IssueStatus.SENDING)
    reports = [
        bounce("x@example.net", "552 5.2.2 full", token=SIGNER.sign_verp(one, 1), serial=one)
        for one in people[:5]
    ]
    mailbox = Telling(newsletter, *reports)
    counts = watch(
        settings,
        newsletter.sessions,
        signer=SIGNER,
        clock=newsletter.clock,
        stop=threading.Event(),
        every=timedelta(minutes=5),
        mailbox=mailbox,  # type: ignore[arg-type]
    )
    assert (counts.read, counts.soft, counts.paused, mailbox.closed) == (5, 5, 1, True)
    assert newsletter.clock.now() - START <= timedelta(minutes=5)
    assert mailbox.waited == sorted(mailbox.waited, reverse=True)
    with newsletter.sessions() as session:
        assert session.get_one(IssueRow, 1).status is IssueStatus.PAUSED


def test_a_mailbox_that_cannot_tell_is_read_once(newsletter: Newsletter, settings: Settings) -> None:
    (settings.folder / "Mail" / "new").mkdir(parents=True)
    (settings.folder / "Mail" / "cur").mkdir()
    (settings.folder / "Mail" / "new" / "1.host").write_bytes(b"From: ann@example.org\nSubject: hello\n\nhi")
    counts = watch(
        settings,
        newsletter.sessions,
        signer=SIGNER,
        clock=SystemClock(),
        stop=threading.Event(),
        every=timedelta(minutes=5),
    )
    assert (counts.read, counts.ignored) == (1, 1)
