"""People at the command line: every command, its JSON, its words, its exit codes."""

from __future__ import annotations

import contextlib
import json
import os
import pty
import sqlite3
import subprocess
import sys
from pathlib import Path

from tests.cli.conftest import Digest, Said
from tests.conftest import ROOT, Runner

ANN = "ann@example.org"
PERSON = {
    "email", "name", "status", "language", "timezone", "lists", "attributes", "consent", "suppressed",
}  # fmt: skip


def standing(said: Said, list_name: str = "daily") -> str:
    return {one["list"]: str(one["status"]) for one in said.json["lists"]}[list_name]


def test_a_person_is_added_with_all_that_is_known_of_them_and_shown_whole(digest: Digest) -> None:
    options = ["--name", "Ann", "--language", "hi", "--timezone", "Asia/Kolkata"]
    added = digest("subscribers", "add", ANN, *options, "--attribute", "city=Delhi", "--json").json
    assert added.keys() >= PERSON
    assert added["outcome"] == "confirmed"
    shown = digest("subscribers", "show", "ANN@example.org", "--json").json
    assert shown.keys() >= PERSON
    assert (shown["email"], shown["name"], shown["status"]) == (ANN, "Ann", "confirmed")
    assert (shown["language"], shown["timezone"]) == ("hi", "Asia/Kolkata")
    assert shown["attributes"] == {"city": "Delhi"}
    assert shown["suppressed"] is None
    [on_daily] = shown["lists"]
    assert on_daily.keys() == {"list", "status", "since", "sections"}
    assert [(line["what"], line["how"]) for line in shown["consent"]] == [("confirmed", "command")]
    text = digest("subscribers", "show", ANN)
    assert "daily: confirmed since" in text
    assert "city: Delhi" in text
    assert digest("subscribers", "add", ANN).strip() == f"{ANN} is on daily already"


def test_a_person_is_changed_and_an_attribute_without_a_value_goes(digest: Digest) -> None:
    digest("subscribers", "add", ANN, "--attribute", "city=Delhi", "--attribute", "age=40")
    digest("subscribers", "add", "bob@example.org")
    changed = digest(
        "subscribers", "update", ANN, "--email", "anna@example.org", "--name", "Anna",
        "--attribute", "city=", "--section", "world", "--json",
    )  # fmt: skip
    assert changed.json["email"] == "anna@example.org"
    assert changed.json["name"] == "Anna"
    assert changed.json["attributes"] == {"age": "40"}
    assert changed.json["lists"][0]["sections"] == ["world"]
    everything = digest("subscribers", "update", "anna@example.org", "--all-sections", "--json").json
    assert everything["lists"][0]["sections"] is None
    assert "anna@example.org is changed" in digest("subscribers", "update", "anna@example.org", "--name", "A")
    taken = digest("subscribers", "update", "anna@example.org", "--email", "bob@example.org", code=1)
    assert "somebody else has the address bob@example.org" in taken.err
    assert "nobody has the address" in digest("subscribers", "update", ANN, "--name", "X", code=1).err
    digest("subscribers", "update", "bob@example.org", "--timezone", "Mars/Base", code=1)
    digest("subscribers", "update", "bob@example.org", "--attribute", "city", code=2)


def test_on_a_double_opt_in_list_one_is_pending_until_the_desk_or_a_click_confirms(two_lists: Digest) -> None:
    digest = two_lists
    pending = digest("subscribers", "add", ANN, "--list", "weekly", "--json")
    assert standing(pending, "weekly") == "pending"
    assert pending.json["notice"] is True
    again = digest("subscribers", "add", ANN, "--list", "weekly")
    assert "a confirm notice went to them lately" in again
    confirmed = digest("subscribers", "confirm", ANN, "--list", "weekly", "--json")
    assert standing(confirmed, "weekly") == "confirmed"
    assert "was confirmed on weekly already" in digest("subscribers", "confirm", ANN, "--list", "weekly")
    assert "never joined" in digest("subscribers", "confirm", ANN, "--list", "daily", code=1).err
    at_once = digest("subscribers", "add", "bob@example.org", "--list", "weekly", "--confirmed", "--json")
    assert standing(at_once, "weekly") == "confirmed"
    digest("subscribers", "unsubscribe", ANN, "--list", "weekly")
    gone = digest("subscribers", "confirm", ANN, "--list", "weekly", code=1)
    assert f"{ANN} left weekly" in gone.err


def test_without_a_public_url_a_double_opt_in_list_says_so_and_adds_nobody(
    two_lists: Digest, newsletter: Path
) -> None:
    secrets = newsletter / ".env"
    secrets.write_text("\n".join(secrets.read_text().splitlines()[:2]))
    refused = two_lists("subscribers", "add", ANN, "--list", "weekly", code=2)
    assert "needs a link" in refused.err
    assert "DIGEST_PUBLIC_URL" in refused.err
    assert two_lists("subscribers", "list", "--json").json == []


def test_among_several_lists_one_must_be_named(two_lists: Digest) -> None:
    said = two_lists("subscribers", "add", ANN, code=2)
    assert "there are several lists" in said.err
    assert "daily, weekly" in said.err
    error = two_lists("subscribers", "add", ANN, "--json", code=2).json["error"]
    assert error.keys() == {"code", "message", "remedy"}
    assert two_lists("subscribers", "add", ANN, "--list", "dayly", "--json", code=1).json["error"]["remedy"]


def test_one_leaves_one_list_or_all(two_lists: Digest) -> None:
    for name in ("daily", "weekly"):
        two_lists("subscribers", "add", ANN, "--list", name, "--confirmed")
    left = two_lists("subscribers", "unsubscribe", ANN, "--list", "daily", "--json")
    assert (standing(left), standing(left, "weekly")) == ("unsubscribed", "confirmed")
    everywhere = two_lists("subscribers", "unsubscribe", ANN, "--all", "--json")
    assert standing(everywhere, "weekly") == "unsubscribed"
    assert "was not subscribed" in two_lists("subscribers", "unsubscribe", ANN, "--all")


def test_people_are_found_by_a_part_of_the_address_by_standing_and_by_segment(digest: Digest) -> None:
    for number, city in enumerate(("Delhi", "Quito", "Delhi")):
        digest("subscribers", "add", f"p{number}@x.org", "--attribute", f"city={city}")
    digest("subscribers", "unsubscribe", "p2@x.org")
    digest("segments", "create", "delhi", "--where", 'attributes.city = "Delhi"')
    found = digest("subscribers", "list", "--json").json
    assert [one["email"] for one in found] == ["p0@x.org", "p1@x.org", "p2@x.org"]
    assert found[0].keys() == {"email", "name", "status", "language", "timezone", "lists"}

    def emails(*options: str) -> list[str]:
        return [one["email"] for one in digest("subscribers", "list", *options, "--json").json]

    assert emails("--search", "P1@") == ["p1@x.org"]
    assert emails("--status", "unsubscribed") == ["p2@x.org"]
    assert emails("--segment", "delhi", "--list", "daily") == ["p0@x.org", "p2@x.org"]
    assert emails("--limit", "2") == ["p0@x.org", "p1@x.org"]
    assert "the first 2; --limit shows more" in digest("subscribers", "list", "--limit", "2")
    counts = digest("subscribers", "count", "--json").json
    assert counts == {"people": 3, "confirmed": 2, "pending": 0, "unsubscribed": 1, "mailable": 2}
    assert digest("subscribers", "count", "--segment", "delhi", "--json").json["mailable"] == 1
    assert "mailable" in digest("subscribers", "count")
    assert "no segment is called" in digest("subscribers", "list", "--segment", "x", code=1).err


def test_suppressing_and_lifting_it_need_a_reason_and_tell_what_changed(digest: Digest) -> None:
    digest("subscribers", "add", ANN)
    assert digest("subscribers", "suppress", ANN, "--reason", "asked", "--json").json == {
        "subject": ANN, "suppressed": True, "changed": True,
    }  # fmt: skip
    shown = digest("subscribers", "show", ANN, "--json").json
    assert shown["status"] == "suppressed"
    assert (shown["suppressed"]["cause"], shown["suppressed"]["reason"]) == ("desk", "asked")
    assert "was suppressed already" in digest("subscribers", "suppress", ANN, "--reason", "asked")
    assert "suppressed" in digest("subscribers", "add", ANN, code=1).err
    digest("subscribers", "unsuppress", ANN, code=2)
    assert "needs a reason" in digest("subscribers", "unsuppress", ANN, "--reason", " ", code=2).err
    lifted = digest("subscribers", "unsuppress", ANN, "--reason", "wrote to us", "--json").json
    assert lifted == {"subject": ANN, "suppressed": False, "changed": True}
    assert "was not suppressed" in digest("subscribers", "unsuppress", ANN, "--reason", "again")
    consent = digest("subscribers", "show", ANN, "--json").json["consent"]
    assert [line["what"] for line in consent][-2:] == ["suppressed", "unsuppressed"]
    assert consent[-1]["note"] == "wrote to us"
    digest("subscribers", "suppress", "@example.org", "--reason", "their postmaster")
    assert digest("subscribers", "show", ANN, "--json").json["suppressed"]["kind"] == "domain"


def test_erasing_asks_first_and_leaves_nobody(digest: Digest) -> None:
    digest("subscribers", "add", ANN)
    assert "--yes" in digest("subscribers", "erase", ANN, code=2).err
    erased = digest("subscribers", "erase", ANN, "--yes", "--json").json
    assert erased == {"erased": True, "suppressed": True, "files_rewritten": True}
    assert digest("subscribers", "show", ANN, "--json", code=1).json["error"]["code"] == "unknown_subscriber"
    assert "was not known" in digest("subscribers", "erase", ANN, "--yes")


def test_erasing_leaves_nothing_of_a_person_in_any_table_or_file_of_the_database(
    two_lists: Digest, newsletter: Path
) -> None:
    digest = two_lists
    email, other = "zanzibar.quill@erased.example", "zanzibar.plume@erased.example"
    (newsletter / "in.csv").write_text(f"email,name,nick\n{email},Xanthippe Quillfeather,Nickelodeon\n")
    digest("subscribers", "import", "in.csv", "--list", "daily")
    digest("subscribers", "add", email, "--list", "weekly")  # a confirm notice waits in the outbox
    digest("subscribers", "update", email, "--email", other, "--name", "Xanthippe Q.")
    digest("subscribers", "update", other, "--email", email)
    digest("subscribers", "add", "bob@x.org", "--list", "daily")
    with contextlib.closing(sqlite3.connect(newsletter / "digest.sqlite3")) as opened, opened:
        opened.execute("UPDATE subscribers SET new_address = ? WHERE normalized = 'bob@x.org'", (email,))
    digest("subscribers", "suppress", email, "--reason", f"{email} wrote: Xanthippe is angry")
    digest("subscribers", "unsuppress", email, "--reason", f"Xanthippe ({email}) is fine again")
    digest("subscribers", "unsubscribe", email, "--all")
    digest("lists", "reconfirm", "daily", "--yes")
    for one in (email, other):
        assert digest("subscribers", "erase", one, "--yes", "--json").json["files_rewritten"] is True
    files = [file for file in newsletter.iterdir() if file.name.startswith("digest.sqlite3")]
    assert newsletter / "digest.sqlite3" in files
    for file in files:
        content = file.read_bytes().lower()
        for trace in (b"zanzibar", b"erased.example", b"xanthippe", b"quillfeather", b"nickelodeon"):
            assert trace not in content, f"{trace!r} is in {file.name}"
    again = digest("subscribers", "import", "in.csv", "--list", "daily", "--json").json
    assert (again["added"], again["suppressed"]) == (0, 1)


def test_a_name_that_would_steer_the_terminal_is_stored_without_its_power(digest: Digest) -> None:
    added = digest("subscribers", "add", ANN, "--name", "\x1b[31mAnn\x07\r\nBcc: x@y.z\u202e", "--json")
    assert added.json["name"] == "[31mAnn Bcc: x@y.z"
    digest("subscribers", "update", ANN, "--name", "A\x1b]0;owned\x07nn", "--attribute", "city=\x1b[2JDelhi")
    assert digest("subscribers", "show", ANN, "--json").json["name"] == "A ]0;owned nn"
    assert "\x1b[2J" not in digest("subscribers", "show", ANN)
    titled = digest("lists", "create", "odd", "--title", "\x1b[31mOdd", "--json").json
    assert titled["title"] == "[31mOdd"


def test_many_people_come_in_a_pager(digest: Digest, newsletter: Path) -> None:
    (newsletter / "in.csv").write_text("email\n" + "".join(f"p{n}@x.org\n" for n in range(40)))
    digest("subscribers", "import", "in.csv")
    ours, theirs = pty.openpty()
    pager = newsletter / "pager"
    pager.write_text(f"#!/bin/sh\ncat > {newsletter / 'paged'}\n")
    pager.chmod(0o755)
    done = subprocess.run(
        [sys.executable, "-m", "digest", "subscribers", "list"],
        stdin=theirs,
        stdout=theirs,
        stderr=theirs,
        env={**os.environ, "PYTHONPATH": str(ROOT), "PAGER": str(pager), "LINES": "20", "TERM": "xterm"},
        check=False,
    )
    os.close(theirs)
    os.close(ours)
    assert done.returncode == 0
    assert "p39@x.org" in (newsletter / "paged").read_text()


def test_json_goes_to_stdout_and_nothing_else_does(
    digest: Digest, newsletter: Path, run_digest: type[Runner]
) -> None:
    digest("subscribers", "add", ANN)
    done = run_digest.run("-v", "subscribers", "show", ANN, "--json", cwd=newsletter)
    assert json.loads(done.stdout)["email"] == ANN
    done = run_digest.run("subscribers", "export", "-", cwd=newsletter)
    assert done.stdout.splitlines()[1].startswith(ANN)
    assert done.stderr == "1 rows\n"
