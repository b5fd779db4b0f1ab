"""Only when `doctor` has seen its own mail come back do copies carry a VERP return path and the mailto."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.bounces.dovecot import PASSWORD, Dovecot, dovecot
from tests.bounces.postfix import Postfix, postfix
from tests.conftest import Runner

pytestmark = pytest.mark.service

TOML = """
[newsletter]
name = "Daily"
url = "https://daily.example"
sender = "editor@daily.example"
postal_address = "1 Quay"
[smtp]
host = "127.0.0.1"
port = {smtp}
rate = "unlimited"
[bounces]
address = "bounce@daily.example"
mailbox = "imap://user@127.0.0.1:{imap}/INBOX"
[[sources]]
name = "stories"
url = "stories"
[[sections]]
name = "City"
[editions.daily]
list = "daily"
min_articles = 1
"""


@pytest.fixture
def server() -> Iterator[Postfix]:
    with postfix() as running:
        running.send("", "bounce@daily.example")  # Postfix makes the Maildir, and somebody's mail lies there
        running.wait_for(1)
        yield running


@pytest.fixture
def mailbox(server: Postfix) -> Iterator[Dovecot]:
    with dovecot(maildir=server.maildir) as running:
        yield running


@pytest.fixture
def newsroom(server: Postfix, mailbox: Dovecot, tmp_path: Path) -> Path:
    assert Runner.run("init", "--json", cwd=tmp_path).returncode == 0
    (tmp_path / "stories").mkdir()
    (tmp_path / "stories" / "1.md").write_text(
        "---\ntitle: Harbour wall stands again\nsection: City\nurl: https://daily.example/1\n---\n\nYes.\n"
    )
    (tmp_path / "newsletter.toml").write_text(TOML.format(smtp=server.port, imap=mailbox.port))
    (tmp_path / "people.csv").write_text("email\nann@daily.example\nbob@gone.example\n")
    with (tmp_path / ".env").open("a") as env:
        env.write(f"DIGEST_MAILBOX_PASSWORD={PASSWORD}\n")
    for arguments in (["subscribers", "import", "people.csv"], ["fetch"], ["issue", "build", "daily"]):
        done = Runner.run(*arguments, cwd=tmp_path)
        assert done.returncode == 0, done.stderr
    return tmp_path


def bounces_of_doctor(newsroom: Path) -> dict[str, Any]:
    done = Runner.run("doctor", "--json", cwd=newsroom, timeout=180)
    (check,) = [one for one in json.loads(done.stdout)["checks"] if one["name"] == "bounces"]
    return dict(check)


def copy_to_ann(server: Postfix, newsroom: Path, issue: str) -> str:
    """What Ann gets of an issue: its header block, with the return path that Postfix noted."""
    done = Runner.run("send", issue, "--json", cwd=newsroom, timeout=120)
    assert done.returncode == 0, done.stderr
    server.wait_for(2)
    heads = [path.read_text().partition("\n\n")[0] for path in server.letters()]
    (head,) = [head for head in heads if "\nTo: ann@daily.example" in head]
    return re.sub(r"\n[ \t]+", " ", head)


def test_before_the_round_trip_copies_have_a_plain_return_path_and_no_mailto(
    server: Postfix, newsroom: Path
) -> None:
    head = copy_to_ann(server, newsroom, "1")
    assert "Return-Path: <bounce@daily.example>" in head
    assert "List-Unsubscribe: <http" in head
    assert "mailto:bounce" not in head


def test_after_it_they_carry_both_and_what_comes_back_is_judged_by_its_token(
    server: Postfix, newsroom: Path
) -> None:
    check = bounces_of_doctor(newsroom)
    assert (check["status"], "came back: VERP and mailto are on" in check["detail"]) == ("ok", True), check
    head = copy_to_ann(server, newsroom, "1")
    assert re.search(r"Return-Path: <bounce\+[a-z2-7]{47}@daily\.example>", head)
    assert re.search(r"List-Unsubscribe: .*<mailto:bounce\+u-[a-z2-7]{47}@daily\.example>", head)
    server.wait_for(3)  # the letter that lay there, Ann's copy, and the report about Bob
    counts = json.loads(Runner.run("bounces", "process", "--json", cwd=newsroom).stdout)
    assert (counts["read"], counts["hard"], counts["suppressed"]) == (3, 1, 1)
    (event,) = json.loads(Runner.run("bounces", "list", "--kind", "hard", "--json", cwd=newsroom).stdout)
    assert (event["email"], event["how"], event["issue"]) == ("bob@gone.example", "verp", 1)


def test_a_round_trip_that_fails_later_switches_both_off_again(
    server: Postfix, mailbox: Dovecot, newsroom: Path
) -> None:
    assert bounces_of_doctor(newsroom)["status"] == "ok"
    server.refuse_details()
    check = bounces_of_doctor(newsroom)
    assert (check["status"], "recipient_delimiter" in check["remedy"]) == ("fail", True), check
    assert "Return-Path: <bounce@daily.example>" in copy_to_ann(server, newsroom, "1")


def test_a_mailbox_that_does_not_answer_today_changes_nothing(
    server: Postfix, mailbox: Dovecot, newsroom: Path
) -> None:
    assert bounces_of_doctor(newsroom)["status"] == "ok"
    mailbox.stop()
    assert bounces_of_doctor(newsroom)["status"] == "fail"
    assert "mailto:bounce+u-" in copy_to_ann(server, newsroom, "1")
