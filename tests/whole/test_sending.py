"""Sending from the command line, as people do it: again, from two terminals, paused, killed, resumed."""

from __future__ import annotations

import base64
import json
import os
import pty
import re
import select
import shutil
import signal
import sqlite3
import ssl
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from email import message_from_bytes
from email.policy import default
from pathlib import Path
from typing import Any

import pytest
import trustme

from tests.conftest import ROOT, Runner
from tests.smtp.scripted import Action, Decide, Drop, Say, ScriptedServer, Stage, Transaction, Wait

# One prepared newsletter for all of them.
pytestmark = [pytest.mark.slow, pytest.mark.xdist_group("sending")]

PEOPLE = 300
TOML = """
[newsletter]
name = "Harbour"
url = "https://harbour.example"
sender = "daily@harbour.example"
postal_address = "1 Quay"
[smtp]
host = "127.0.0.1"
port = 2525
connections = 4
rate = "unlimited"
[[sources]]
name = "stories"
url = "stories"
[[sections]]
name = "City"
[editions.daily]
list = "daily"
min_articles = 1
"""
Done = subprocess.CompletedProcess[str]
STORIES = ("Harbour wall stands again", "Library lends out its ladders", "Market moves indoors")
COUNTS = {
    "issue", "recipients", "sent", "deferred", "refused", "uncertain", "suppressed", "expired", "cancelled",
    "seconds", "rate",
}  # fmt: skip


@dataclass(frozen=True)
class Newsletter:
    """A folder with people and a built issue, and the commands that are given in it."""

    folder: Path

    def digest(self, *arguments: str, after: timedelta | None = None, **environment: str) -> Done:
        """Run one command; ``after`` sets its clock that much ahead."""
        shift = ("--now", (datetime.now(UTC) + after).isoformat()) if after else ()
        return Runner.run(*shift, *arguments, cwd=self.folder, timeout=120, **environment)

    def json(self, *arguments: str, code: int = 0, after: timedelta | None = None) -> Any:
        """What a command prints with ``--json``."""
        done = self.digest(*arguments, "--json", after=after)
        assert done.returncode == code, done.stderr
        return json.loads(done.stdout)

    def start(self, *arguments: str) -> subprocess.Popen[str]:
        """A command in another terminal."""
        return subprocess.Popen(
            [sys.executable, "-m", "digest", *arguments], cwd=self.folder, text=True,
            env={**os.environ, "PYTHONPATH": str(ROOT)}, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
        )  # fmt: skip

    def set(self, old: str, new: str) -> None:
        """Change newsletter.toml."""
        toml = self.folder / "newsletter.toml"
        text = toml.read_text()
        assert old in text
        toml.write_text(text.replace(old, new))

    def statuses(self) -> dict[str, int]:
        with sqlite3.connect(self.folder / "digest.sqlite3") as connection:
            return dict(connection.execute("SELECT status, count(*) FROM deliveries GROUP BY status"))

    @contextmanager
    def server(self, decide: Decide | None = None, **options: Any) -> Iterator[ScriptedServer]:
        """The mail server that newsletter.toml names."""
        with ScriptedServer(decide, **options) as server:
            self.set("port = 2525", f"port = {server.port}")
            yield server
            self.set(f"port = {server.port}", "port = 2525")


@pytest.fixture(scope="module")
def prepared(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("harbour")
    assert Runner.run("init", "--json", cwd=folder).returncode == 0
    (folder / "stories").mkdir()
    for place, title in enumerate(STORIES):
        (folder / "stories" / f"{place}.md").write_text(
            f"---\ntitle: {title}\nsection: City\nurl: https://harbour.example/{place}\n---\n\nThe {title}.\n"
        )
    (folder / "newsletter.toml").write_text(TOML)
    (folder / "people.csv").write_text("email\n" + "".join(f"r{n}@readers.example\n" for n in range(PEOPLE)))
    for arguments in (
        ["subscribers", "import", "people.csv"], ["fetch"],
        ["issue", "build", "daily"],
    ):  # fmt: skip
        done = Runner.run(*arguments, cwd=folder)
        assert done.returncode == 0, done.stderr
    return folder


@pytest.fixture
def newsletter(prepared: Path, tmp_path: Path) -> Newsletter:
    copied = tmp_path / "newsletter"
    shutil.copytree(prepared, copied)
    return Newsletter(copied)


def slow(stage: Stage, _transaction: Transaction) -> Action | None:
    return Wait(0.05) if stage == "dot" else None


def until(condition: Callable[[], bool], seconds: float = 30) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.02)


def once_each(server: ScriptedServer, people: int = PEOPLE) -> bool:
    got = server.recipients
    return len(got) == people and set(got.values()) == {1}


def test_send_again_and_missing(newsletter: Newsletter) -> None:
    with newsletter.server() as server:
        told = newsletter.json("send", "daily@latest")
        assert set(told) >= COUNTS
        assert (told["recipients"], told["sent"], told["status"]) == (PEOPLE, PEOPLE, "sent")
        assert told["rate"] > 0
        assert once_each(server)
        assert newsletter.json("send", "1")["sent"] == PEOPLE
        assert once_each(server), "again sends nothing"
        assert (
            newsletter.digest("subscribers", "add", "new@readers.example", "--list", "daily").returncode == 0
        )
        assert newsletter.json("send", "1")["sent"] == PEOPLE, "who came since is not reached unasked"
        told = newsletter.json("send", "1", "--missing")
        assert (told["recipients"], told["sent"], told["delivered"]) == (PEOPLE + 1, PEOPLE + 1, 1)
        assert server.recipients["new@readers.example"] == 1
        assert once_each(server, PEOPLE + 1)
    assert newsletter.json("issue", "show", "1")["deliveries"]["sent"] == PEOPLE + 1
    shown = newsletter.digest("issue", "show", "1").stdout
    assert "· sent" in shown
    assert f"{PEOPLE + 1} recipients: {PEOPLE + 1} sent" in shown


@pytest.mark.parametrize("command", [["send", "1"], ["run", "daily"]], ids=["send", "run"])
def test_what_is_put_off_is_told_and_a_later_command_goes_on(
    newsletter: Newsletter, command: list[str]
) -> None:
    def greylist(stage: Stage, transaction: Transaction) -> Action | None:
        first = stage == "rcpt" and transaction.visit == 1
        return Say("450 4.2.0 come again") if first and transaction.recipient.startswith("r1") else None

    later = sum(str(n).startswith("1") for n in range(PEOPLE))
    with newsletter.server(greylist) as server:
        done = newsletter.digest("send", "1")
        assert done.returncode == 5
        assert f"{PEOPLE - later} sent, {later} deferred" in done.stdout
        assert f"{later} × 450 4.2.0 come again" in done.stdout
        assert re.search(r"Not finished: `digest send 1` goes on with what is due \(next: 20", done.stdout)
        assert newsletter.digest("send", "1").returncode == 5, "nothing is due yet"
        assert f"{later} deferred" in newsletter.digest("issue", "show", "1").stdout
        if command[0] == "run":  # it may be past midnight by then
            command = [*command, "--date", newsletter.json("issue", "show", "1")["date"]]
        assert newsletter.digest(*command, after=timedelta(minutes=10)).returncode == 0
        assert once_each(server)
    assert newsletter.statuses() == {"sent": PEOPLE}


def test_pause_and_resume_from_another_terminal_within_two_seconds(newsletter: Newsletter) -> None:
    with newsletter.server(slow) as server:
        sending = newsletter.start("send", "1", "--json-progress")
        until(lambda: len(server.taken) > 20)
        assert newsletter.json("pause", "1") == {"issue": 1, "status": "paused"}
        time.sleep(2)
        at_pause = len(server.taken)
        time.sleep(1)
        assert len(server.taken) == at_pause < PEOPLE
        assert sending.poll() is None, "it waits"
        assert "claimed" not in newsletter.statuses()
        assert "Paused: `digest resume 1` goes on" in newsletter.digest("issue", "show", "1").stdout
        done = newsletter.digest("send", "1")
        assert (done.returncode, "`digest resume 1`" in done.stderr) == (1, True)
        assert newsletter.json("resume", "1")["status"] == "sending"
        resumed = time.monotonic()
        until(lambda: len(server.taken) > at_pause, 2)
        assert time.monotonic() - resumed < 2
        _, errors = sending.communicate(timeout=60)
        assert sending.returncode == 0
        assert any("paused" in line.get("note", "") for line in map(json.loads, errors.splitlines()))
        assert once_each(server)
    assert newsletter.json("issue", "show", "1")["status"] == "sent"


def test_resume_sends_by_itself_when_nobody_waits(newsletter: Newsletter) -> None:
    with newsletter.server(slow) as server:
        sending = newsletter.start("send", "1")
        until(lambda: len(server.taken) > 20)
        assert newsletter.digest("pause", "1").returncode == 0
        sending.send_signal(signal.SIGTERM)
        sending.communicate(timeout=30)
        assert sending.returncode == 130
        assert newsletter.json("resume", "1")["status"] == "sent"
        assert once_each(server)


def test_cancel_from_another_terminal_ends_it_within_two_seconds(newsletter: Newsletter) -> None:
    with newsletter.server(slow) as server:
        sending = newsletter.start("send", "1", "--json")
        until(lambda: len(server.taken) > 20)
        assert newsletter.digest("issue", "cancel", "1").returncode == 0
        cancelled = time.monotonic()
        out, errors = sending.communicate(timeout=30)
        assert time.monotonic() - cancelled < 4, "two seconds and the interpreter's end"
        told = json.loads(out)
        assert (sending.returncode, told["status"]) == (0, "cancelled"), errors
        assert told["sent"] == len(server.taken) < PEOPLE
        assert told["cancelled"] == PEOPLE - told["sent"]
        assert newsletter.digest("send", "1").returncode == 1
        assert len(server.taken) == told["sent"]


@pytest.mark.parametrize("again", [[], ["--workers", "2"]], ids=["one", "two workers"])
def test_killed_from_outside_and_sent_again(newsletter: Newsletter, again: list[str]) -> None:
    with newsletter.server(slow) as server:
        sending = newsletter.start("send", "1")
        until(lambda: len(server.taken) > 20)
        sending.kill()
        sending.communicate(timeout=30)
        assert newsletter.statuses()["sent"] < PEOPLE
        told = newsletter.json("send", "1", *again, code=5)
        doubt = told["uncertain"]
        assert 0 < doubt <= 4
        assert told["sent"] == PEOPLE - doubt
        assert len(server.recipients) >= PEOPLE - doubt
        assert "in doubt" not in newsletter.digest("issue", "show", "1").stdout, "nobody need decide"
        told = newsletter.json("send", "1", after=timedelta(minutes=20))
        assert (told["sent"], told["status"]) == (PEOPLE, "sent")
        got = server.recipients
        assert len(got) == PEOPLE
        assert sum(got.values()) - PEOPLE <= doubt
        copies = {copy.recipient: copy for copy in server.taken}
        twice = [copy for copy in server.taken if got[copy.recipient] > 1]
        assert all(copy.sha256 == copies[copy.recipient].sha256 for copy in twice), "the very same bytes"


def test_copies_in_doubt_wait_for_a_word_where_they_are_held(newsletter: Newsletter) -> None:
    newsletter.set("[editions.daily]", '[editions.daily]\nin_doubt = "hold"')

    def swallow(stage: Stage, transaction: Transaction) -> Action | None:
        lost = transaction.recipient in {"r7@readers.example", "r8@readers.example", "r9@readers.example"}
        return Drop(taken=True) if stage == "dot" and lost and transaction.visit == 1 else None

    with newsletter.server(swallow) as server:
        done = newsletter.digest("send", "1")
        assert done.returncode == 0
        assert f"{PEOPLE - 3} sent, 3 uncertain" in done.stdout
        assert "3 in doubt" in done.stdout
        assert "`digest send 1 --uncertain resend` or `--uncertain drop`" in done.stdout
        assert "3 in doubt" in newsletter.digest("issue", "show", "1").stdout
        assert once_each(server)
        dropped = Newsletter(newsletter.folder.with_name("dropped"))
        shutil.copytree(newsletter.folder, dropped.folder)
        told = dropped.json("send", "1", "--uncertain", "drop")
        assert (told["sent"], told["cancelled"], told["uncertain"]) == (PEOPLE - 3, 3, 0)
        assert once_each(server)
        told = newsletter.json("send", "1", "--uncertain", "resend")
        assert (told["sent"], told["uncertain"], told["status"]) == (PEOPLE, 0, "sent")
        assert sum(server.recipients.values()) == PEOPLE + 3


def test_what_waits_beyond_its_time_expires(newsletter: Newsletter) -> None:
    newsletter.set("[editions.daily]", '[editions.daily]\nexpire_after = "1h"')

    def busy(stage: Stage, transaction: Transaction) -> Action | None:
        full = stage == "rcpt" and transaction.recipient == "r5@readers.example"
        return Say("450 4.2.1 busy") if full else None

    with newsletter.server(busy) as server:
        assert newsletter.json("send", "1", code=5)["deferred"] == 1
        told = newsletter.json("send", "1", after=timedelta(hours=2))
        assert (told["sent"], told["expired"], told["status"]) == (PEOPLE - 1, 1, "sent")
        assert len(server.recipients) == PEOPLE - 1


def test_workers_share_an_issue(newsletter: Newsletter) -> None:
    def decide(stage: Stage, transaction: Transaction) -> Action | None:
        return mixed(2)(stage, transaction) or slow(stage, transaction)

    with newsletter.server(decide) as server:
        done = newsletter.digest("send", "1", "--workers", "3", "--json", "--json-progress")
        assert done.returncode == 0, done.stderr
        told = json.loads(done.stdout)
        assert (told["sent"], told["delivered"], told["refused"]) == (PEOPLE - 2, PEOPLE - 2, 2)
        assert once_each(server, PEOPLE - 2)
        assert server.connections >= 3
    progress = [json.loads(line) for line in done.stderr.splitlines()]
    assert max(line.get("done", 0) for line in progress) == PEOPLE
    assert any(line.get("refused") == 2 and line.get("sent", 0) > 100 for line in progress)


def test_two_terminals_share_an_issue(newsletter: Newsletter) -> None:
    with newsletter.server(slow) as server:
        first = newsletter.start("send", "1", "--json")
        until(lambda: len(server.taken) > 10)
        second = newsletter.start("send", "1", "--json")
        told = []
        for sending in (first, second):
            out, errors = sending.communicate(timeout=60)
            assert sending.returncode == 0, errors
            told.append(json.loads(out))
        assert [one["sent"] for one in told] == [PEOPLE, PEOPLE]
        assert sum(one["delivered"] for one in told) == PEOPLE
        assert all(one["delivered"] > 0 for one in told)
        assert once_each(server)


def test_two_issues_go_out_at_once(newsletter: Newsletter) -> None:
    (newsletter.folder / "stories" / "9.md").write_text(
        "---\ntitle: Bridge closed after a collision\nsection: City\nurl: https://harbour.example/9\n---\n\nNow.\n"
    )
    assert newsletter.digest("fetch").returncode == 0
    extra = newsletter.json("issue", "build", "daily", "--extra")["id"]
    with newsletter.server(slow) as server:
        both = [newsletter.start("send", str(issue), "--json") for issue in (1, extra)]
        for sending in both:
            out, errors = sending.communicate(timeout=60)
            assert sending.returncode == 0, errors
            assert json.loads(out)["sent"] == PEOPLE
        assert set(server.recipients.values()) == {2}
        assert len({copy.message_id for copy in server.taken}) == 2 * PEOPLE


def test_progress_for_programs_is_lines_of_json(newsletter: Newsletter) -> None:
    with newsletter.server(mixed(1)):
        done = newsletter.digest("send", "1", "--json-progress")
    assert done.returncode == 0
    lines = [json.loads(line) for line in done.stderr.splitlines()]
    assert lines[0] == {"task": "send", "done": 0, "total": PEOPLE}
    counted = [line for line in lines if "sent" in line]
    assert [line["done"] for line in counted] == sorted(line["done"] for line in counted)
    last = counted[-1]
    assert (last["done"], last["sent"], last["refused"]) == (PEOPLE, PEOPLE - 1, 1)
    assert lines[-1] == {"task": "send", "finished": True}


def mixed(refused: int) -> Decide:
    def decide(stage: Stage, transaction: Transaction) -> Action | None:
        number = int(transaction.recipient[1:].partition("@")[0]) if transaction.recipient else PEOPLE
        return Say("550 5.1.1 no such user") if stage == "rcpt" and number < refused else None

    return decide


def test_people_see_a_bar_with_rate_time_left_and_counts(newsletter: Newsletter) -> None:
    def decide(stage: Stage, transaction: Transaction) -> Action | None:
        return mixed(2)(stage, transaction) or slow(stage, transaction)

    with newsletter.server(decide):
        screen, code = on_a_terminal(newsletter.folder, "send", "1")
    assert code == 0
    assert re.search(rf"send .*\d+/{PEOPLE} +\d+/s +0:00:\d\d +\d+ sent · 2 refused", screen), screen[-2000:]
    assert f"Issue 1: {PEOPLE} recipients: {PEOPLE - 2} sent, 2 refused" in screen
    assert "2 × 550 5.1.1 no such user" in screen
    assert "invalid addresses are suppressed" in screen


def on_a_terminal(folder: Path, *arguments: str) -> tuple[str, int]:
    """What a command writes to a terminal of 120 columns, without colours and movements."""
    ours, theirs = pty.openpty()
    process = subprocess.Popen(
        [sys.executable, "-m", "digest", *arguments], cwd=folder, stdin=theirs, stdout=theirs, stderr=theirs,
        env={**os.environ, "PYTHONPATH": str(ROOT), "TERM": "xterm", "COLUMNS": "120"}, close_fds=True,
    )  # fmt: skip
    os.close(theirs)
    written = b""
    while True:
        ready, _, _ = select.select([ours], [], [], 60)
        assert ready, "the command hangs"
        try:
            read = os.read(ours, 65536)
        except OSError:  # Linux says so when the other end is closed
            break
        if not read:
            break
        written += read
    os.close(ours)
    code = process.wait(30)
    return re.sub(r"\x1b\[[0-9;?]*[a-zA-Z]", "", written.decode("utf-8", "replace")), code


def test_an_issue_that_is_refused_too_often_is_paused_and_what_to_do_is_said(newsletter: Newsletter) -> None:
    def decide(stage: Stage, transaction: Transaction) -> Action | None:
        put_off = stage == "rcpt" and transaction.recipient == "r299@readers.example"
        return Say("450 4.2.1 busy") if put_off else mixed(20)(stage, transaction)

    with newsletter.server(decide):
        done = newsletter.digest("send", "1")
    assert done.returncode == 1
    (line,) = done.stderr.splitlines()
    assert re.search(r"issue 1 is paused: .*\(279 of 300 are sent\) — mend .*`digest resume 1`", line), line
    shown = newsletter.digest("issue", "show", "1").stdout
    assert "· paused" in shown
    assert "279 sent, 1 deferred, 20 refused" in shown


def test_refusals_at_the_end_of_an_issue_leave_nothing_to_pause(newsletter: Newsletter) -> None:
    with newsletter.server(mixed(20)):
        told = newsletter.json("send", "1")
    assert (told["sent"], told["refused"], told["status"]) == (PEOPLE - 20, 20, "sent")
    assert newsletter.json("issue", "show", "1")["status"] == "sent"


def test_a_public_address_that_does_not_answer_is_exit_4(newsletter: Newsletter) -> None:
    with newsletter.server() as server:
        done = newsletter.digest("send", "1", DIGEST_PUBLIC_URL="https://nowhere.invalid")
        assert done.returncode == 4
        (line,) = done.stderr.splitlines()
        assert "https://nowhere.invalid does not answer" in line
        assert not server.taken
        test = newsletter.digest(
            "send", "1", "--test", "me@readers.example", DIGEST_PUBLIC_URL="https://nowhere.invalid"
        )
        assert test.returncode == 0, test.stderr
        assert list(server.recipients) == ["me@readers.example"]
    assert newsletter.statuses() == {}


def test_a_password_with_at_and_percent_signs_arrives_as_it_is(newsletter: Newsletter) -> None:
    with newsletter.server(extensions=("AUTH PLAIN",), keep=True) as server:
        url = f"smtp://user%40harbour.example:p%40ss%25w%2Fo%3Ard@127.0.0.1:{server.port}"
        assert newsletter.digest("send", "1", DIGEST_SMTP_URL=url).returncode == 0
        secrets = {line.split()[-1] for line in server.commands if line.startswith("AUTH PLAIN")}
    assert {base64.b64decode(secret) for secret in secrets} == {b"\0user@harbour.example\0p@ss%w/o:rd"}


def test_a_quota_for_the_day_is_kept_by_the_next_command_too(newsletter: Newsletter) -> None:
    newsletter.set('rate = "unlimited"', 'rate = "120/day"')
    newsletter.set("[editions.daily]", '[editions.daily]\nexpire_after = "5d"')
    with newsletter.server() as server:
        told = newsletter.json("send", "1", code=5)
        assert (told["sent"], told["waiting"]) == (120, PEOPLE - 120)
        assert "quota" in told["reason"]
        assert newsletter.json("send", "1", code=5)["sent"] == 120
        assert len(server.taken) == 120
        told = newsletter.json("send", "1", code=5, after=timedelta(days=1, minutes=1))
        assert told["sent"] == 240


def test_who_asks_for_words_sees_who_was_not_reached_and_others_see_no_address(
    newsletter: Newsletter,
) -> None:
    with newsletter.server(mixed(1)):
        copied = Newsletter(newsletter.folder.with_name("second"))
        shutil.copytree(newsletter.folder, copied.folder)
        quiet = newsletter.digest("send", "1")
        talking = Runner.run("-v", "send", "1", cwd=copied.folder)
    assert quiet.returncode == talking.returncode == 0
    assert "@readers.example" not in quiet.stdout + quiet.stderr
    line = next(line for line in talking.stderr.splitlines() if "status=refused" in line)
    assert re.search(r"delivery=\d+ subscriber=\d+ status=refused outcome=Refused reply='550 5.1.1", line)
    assert "address=r0@readers.example" in talking.stderr
    assert Counter(re.findall(r"r\d+@readers.example", talking.stderr)) == {"r0@readers.example": 1}


@pytest.mark.parametrize(
    ("certificate", "why"), [("right", ""), ("wrong", "mismatch"), ("expired", "expired")]
)
def test_mail_goes_over_a_certificate_that_holds_or_not_at_all(
    newsletter: Newsletter, certificate: str, why: str
) -> None:
    authority = trustme.CA()
    authority.cert_pem.write_to_path(newsletter.folder / "authority.pem")
    issued = {
        "right": lambda: authority.issue_cert("localhost", "127.0.0.1"),
        "wrong": lambda: authority.issue_cert("mail.example.org"),
        "expired": lambda: authority.issue_cert("127.0.0.1", not_after=datetime.now(UTC) - timedelta(days=1)),
    }
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    issued[certificate]().configure_cert(context)
    newsletter.set("[smtp]", '[smtp]\nstarttls = "required"\nca_file = "authority.pem"')
    with newsletter.server(context=context, keep=True) as server:
        done = newsletter.digest("send", "1")
        commands = " ".join(server.commands)
    if not why:
        assert done.returncode == 0, done.stderr
        assert newsletter.statuses() == {"sent": PEOPLE}
        return
    assert done.returncode == 1
    (line,) = done.stderr.splitlines()
    assert "TLS failed" in line
    assert why in line
    assert "MAIL" not in commands
    assert newsletter.statuses() == {"queued": PEOPLE}, "nobody failed: it stopped at once"


def test_hostile_texts_and_names_are_one_whole_message_each(newsletter: Newsletter) -> None:
    bad = "Ships\u2028Bcc: v@x.org\x85Bcc: w@x.org =?utf-8?q?a=0D=0ABcc:_v=40x.org?= home"
    smuggled = "One.\n\n.\n\nMAIL FROM:<a@x.org>\n\n..\n\nRCPT TO:<v@x.org>\n\n.\n"
    (newsletter.folder / "stories" / "bad.md").write_text(
        f"---\ntitle: {json.dumps(bad)}\nsection: City\nurl: https://harbour.example/bad\n---\n\n{smuggled}"
    )
    assert newsletter.digest("fetch").returncode == 0
    assert newsletter.digest("issue", "build", "daily", "--rebuild").returncode == 0
    assert newsletter.digest("issue", "edit", "1", "--subject", bad + "\r\nBcc: y@x.org").returncode == 0
    with sqlite3.connect(newsletter.folder / "digest.sqlite3") as connection:
        connection.execute(
            "UPDATE subscribers SET name = ?", ("Eve\r\n.\r\nMAIL FROM:<e@x.org>\r\nBcc: e@x.org",)
        )
        connection.execute("UPDATE lists SET title = ?", ("Daily\r\nBcc: l@x.org",))
    with newsletter.server(keep=True) as server:
        assert newsletter.digest("send", "1").returncode == 0
        commands = Counter(line.partition(" ")[0].upper() for line in server.commands)
        names: set[str] = set()
        for copy in server.taken:
            message = message_from_bytes(copy.message, policy=default)
            assert not message.defects
            assert [address.addr_spec for address in message["To"].addresses] == [copy.recipient]
            names.update(name.lower() for name in message)
        assert once_each(server)
    assert commands["MAIL"] == commands["RCPT"] == commands["DATA"] == PEOPLE
    assert "bcc" not in names
