"""What people and programs see while an issue goes out."""

from __future__ import annotations

import json
import os
import pty
import re
import select
import subprocess
import sys
from collections import Counter
from pathlib import Path

import pytest

from tests.conftest import ROOT
from tests.smtp.scripted import Action, Stage, Transaction
from tests.whole.harbour import PEOPLE, Newsletter, mixed, slow

# One prepared newsletter for all of them.
pytestmark = [pytest.mark.slow, pytest.mark.xdist_group("sending")]


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


def test_who_asks_for_words_sees_who_was_not_reached_and_others_see_no_address(
    newsletter: Newsletter,
) -> None:
    with newsletter.server(mixed(1)):
        copied = newsletter.copy(newsletter.folder.with_name("second"))
        quiet = newsletter.digest("send", "1")
        talking = copied.digest("-v", "send", "1")
    assert quiet.returncode == talking.returncode == 0
    assert "@readers.example" not in quiet.stdout + quiet.stderr
    line = next(line for line in talking.stderr.splitlines() if "status=refused" in line)
    assert re.search(r"delivery=\d+ subscriber=\d+ status=refused outcome=Refused reply='550 5.1.1", line)
    assert "address=r0@readers.example" in talking.stderr
    assert Counter(re.findall(r"r\d+@readers.example", talking.stderr)) == {"r0@readers.example": 1}
