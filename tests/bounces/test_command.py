"""``digest bounces`` as people, MTAs and scripts use it."""

from __future__ import annotations

import io
import json
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest

from digest.migrations import ensure_schema
from subscribers.database import open_engine
from tests.bounces.conftest import Newsletter, bounce
from tests.conftest import ROOT

SAMPLES = Path(__file__).parent / "samples"


@pytest.fixture
def newsroom(tmp_path: Path) -> Newsletter:
    """A newsletter's folder with one reader who got issue 1."""
    for name in ("new", "cur", "tmp"):
        (tmp_path / "Mail" / name).mkdir(parents=True)
    (tmp_path / "newsletter.toml").write_text(
        '[newsletter]\nname = "Daily"\nurl = "https://daily.example"\n'
        'sender = "Daily <daily@daily.example>"\n'
        'postal_address = "1 Road"\nlanguage = "en"\ntimezone = "UTC"\n\n'
        '[bounces]\naddress = "bounce@daily.example"\nmailbox = "maildir:Mail"\n'
    )
    env = tmp_path / ".env"
    env.write_text(
        "DIGEST_SECRET_KEY=token-key-for-tests-1\nDIGEST_SUPPRESSION_KEY=suppression-key-for-tests\n"
    )
    env.chmod(0o600)
    engine = open_engine(f"sqlite:///{tmp_path / 'digest.sqlite3'}")
    ensure_schema(engine)
    made = Newsletter(engine, tmp_path)
    made.issue(1, to=[made.reader("ann@example.org")])
    return made


@dataclass
class Answer:
    """What a command said."""

    code: int
    out: str
    err: str


Command = Callable[..., Answer]


@pytest.fixture
def digest(
    newsroom: Newsletter, capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> Command:
    """Runs a command in the newsletter's folder, within this process."""
    from digest.cli.edge import run

    monkeypatch.chdir(newsroom.folder)

    def command(*arguments: str) -> Answer:
        code = run(list(arguments))
        return Answer(code, *capfd.readouterr())

    return command


def test_the_mailbox_of_the_settings_is_read_once(newsroom: Newsletter, digest: Command) -> None:
    (newsroom.folder / "Mail" / "new" / "1.host").write_bytes(bounce("ann@example.org"))
    first = digest("bounces", "process", "--json")
    assert first.code == 0, first.err
    told = json.loads(first.out)
    assert {
        name: told[name]
        for name in ("read", "hard", "soft", "complaints", "unsubscribes", "ignored", "suppressed")
    } == {
        "read": 1,
        "hard": 1,
        "soft": 0,
        "complaints": 0,
        "unsubscribes": 0,
        "ignored": 0,
        "suppressed": 1,
    }
    assert json.loads(digest("bounces", "process", "--json").out)["read"] == 0
    listed = json.loads(digest("bounces", "list", "--json").out)
    assert [(one["email"], one["kind"], one["reason"], one["how"]) for one in listed] == [
        ("ann@example.org", "hard", "user-unknown", "rfc3464")
    ]


def test_an_alias_pipes_one_message(newsroom: Newsletter) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "digest", "-C", str(newsroom.folder), "bounces", "process", "-"],
        input=(SAMPLES / "unsubscribe-apple.eml").read_bytes(),
        cwd=ROOT,
        capture_output=True,
        check=False,
    )
    assert (done.returncode, done.stderr) == (0, b"")
    assert b"1 opt-outs" in done.stdout


@pytest.mark.parametrize("spoilt", ["newsletter.toml", ".env", "database"])
def test_a_message_that_is_piped_while_nothing_works_is_kept_by_the_mail_server(
    newsroom: Newsletter, digest: Command, monkeypatch: pytest.MonkeyPatch, spoilt: str
) -> None:
    if spoilt == "database":
        monkeypatch.setenv("DIGEST_DATABASE_URL", "sqlite:////nowhere/digest.sqlite3")
    else:
        (newsroom.folder / spoilt).write_bytes(b"spoilt")
    monkeypatch.setattr("sys.stdin", io.TextIOWrapper(io.BytesIO(bounce("ann@example.org"))))
    done = digest("bounces", "process", "-")
    assert (done.code, done.err.count("\n")) == (75, 1), done  # EX_TEMPFAIL of sysexits.h


def test_an_archive_is_read_and_not_changed(newsroom: Newsletter, digest: Command) -> None:
    file = newsroom.folder / "old.mbox"
    file.write_bytes(
        b"From x Mon Nov  2\n"
        + bounce("ann@example.org")
        + b"\nFrom y Mon Nov  2\n"
        + (SAMPLES / "not-vacation.eml").read_bytes()
    )
    before = file.read_bytes()
    done = digest("bounces", "process", "--mbox", "old.mbox")
    assert "read 2: 1 hard, 1 no bounces" in done.out
    assert file.read_bytes() == before


@pytest.mark.parametrize(
    ("arguments", "code", "words"),
    [
        (("--mbox", "nowhere"), 1, "nowhere is not there"),
        (("--maildir", "."), 1, "no Maildir"),
        (("file.eml",), 2, "standard input"),
        (("--maildir", "x", "--mbox", "x"), 2, "more than one mailbox"),
        (("-", "--mbox", "x"), 75, "more than one mailbox"),
    ],
)
def test_what_cannot_be_read_is_one_line(
    newsroom: Newsletter, digest: Command, arguments: tuple[str, ...], code: int, words: str
) -> None:
    done = digest("bounces", "process", *arguments)
    assert (done.code, done.err.count("\n")) == (code, 1)
    assert words in done.err


def test_figures_have_a_chart(newsroom: Newsletter, digest: Command) -> None:
    (newsroom.folder / "Mail" / "new" / "1.host").write_bytes(
        bounce("ann@example.org", "552 5.2.2 mailbox full")
    )
    digest("bounces", "process")
    shown = digest("bounces", "stats").out
    assert "mailbox-full  ████" in shown
    assert "example.org" in shown
    told = json.loads(digest("bounces", "stats", "--json").out)
    assert told["by_reason"] == {"mailbox-full": 1}
