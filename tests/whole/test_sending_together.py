"""Sending from several terminals: paused, resumed, cancelled, killed and shared."""

from __future__ import annotations

import json
import signal
import time
from datetime import timedelta

import pytest

from tests.smtp.scripted import Action, Stage, Transaction
from tests.whole.harbour import PEOPLE, Newsletter, mixed, once_each, slow, until

# One prepared newsletter for all of them.
pytestmark = [pytest.mark.slow, pytest.mark.xdist_group("sending")]


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
