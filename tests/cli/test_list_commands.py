"""Lists and segments at the command line, and their names in the shell."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

from tests.cli.conftest import Digest
from tests.conftest import ROOT

ANN = "ann@example.org"
LIST = {"name", "title", "optin", "confirmed", "pending", "unsubscribed"}


def test_lists_are_made_shown_changed_counted_and_deleted(digest: Digest) -> None:
    made = digest("lists", "create", "weekly", "--title", "The week", "--double-opt-in", "--json").json
    assert made == {
        "name": "weekly", "title": "The week", "optin": "double",
        "confirmed": 0, "pending": 0, "unsubscribed": 0,
    }  # fmt: skip
    digest("subscribers", "add", ANN, "--list", "daily")
    assert digest("lists", "show", "daily", "--json").json["confirmed"] == 1
    assert "The day" in digest("lists", "show", "daily")
    assert [one.keys() >= LIST for one in digest("lists", "list", "--json").json] == [True, True]
    assert "The week" in digest("lists", "list")
    changed = digest("lists", "rename", "daily", "morning", "--title", "Dawn", "--double-opt-in", "--json")
    assert (changed.json["name"], changed.json["title"], changed.json["optin"]) == (
        "morning", "Dawn", "double",
    )  # fmt: skip
    assert 'edition daily still names daily: write list = "morning"' in changed.err
    assert digest("lists", "rename", "morning", "--single-opt-in", "--json").json["optin"] == "single"
    assert "there is a list weekly already" in digest("lists", "rename", "morning", "weekly", code=1).err
    stats = digest("lists", "stats", "morning", "--json").json
    assert stats[0].keys() >= LIST | {"mailable", "joined_30_days", "left_30_days"}
    assert (stats[0]["mailable"], stats[0]["joined_30_days"]) == (1, 1)
    assert "mailable" in digest("lists", "stats")
    assert "1 confirmed" in digest("lists", "delete", "morning", code=2).err
    assert digest("lists", "delete", "morning", "--yes", "--json").json == {"deleted": "morning"}
    assert digest("subscribers", "show", ANN, "--json").json["lists"] == []
    assert "no list is called 'morning'" in digest("lists", "show", "morning", code=1).err


def test_a_list_is_asked_again_and_mailed_nothing_until_it_answers(digest: Digest) -> None:
    for number, city in enumerate(("Delhi", "Quito")):
        digest("subscribers", "add", f"p{number}@x.org", "--attribute", f"city={city}")
    digest("segments", "create", "delhi", "--where", 'attributes.city = "Delhi"')
    assert "Ask 1 people again" in digest("lists", "reconfirm", "daily", "--segment", "delhi", code=2).err
    asked = digest("lists", "reconfirm", "daily", "--segment", "delhi", "--yes", "--json").json
    assert asked == {"list": "daily", "asked": 1, "left_out": 0}
    story = digest("subscribers", "show", "p0@x.org", "--json").json
    assert story["status"] == "pending"
    assert [notice["kind"] for notice in story["notices"]] == ["reconfirm"]
    assert digest("lists", "stats", "--json").json[0]["mailable"] == 1


def test_segments_are_made_counted_listed_and_deleted_and_a_mistake_is_shown_where_it_is(
    digest: Digest,
) -> None:
    digest("subscribers", "add", ANN, "--attribute", "city=Delhi", "--language", "hi")
    where = 'attributes.city = "Delhi" and language in ("en", "hi")'
    whole = {"name": "delhi", "where": where, "count": 1}
    assert digest("segments", "create", "delhi", "--where", where, "--json").json == whole
    assert digest("segments", "count", "delhi", "--json").json == whole
    assert digest("segments", "count", "delhi").strip() == "1"
    assert digest("segments", "list", "--json").json == [whole]
    assert "language in" in digest("segments", "list")
    assert "delhi" in digest("segments", "create", "delhi", "--where", where, code=1).err
    wrong = digest("segments", "create", "x", "--where", "city = = 3", "--json", code=1)
    assert wrong.json["error"]["message"]
    assert "--yes" in digest("segments", "delete", "delhi", code=2).err
    assert digest("segments", "delete", "delhi", "--yes", "--json").json == {"deleted": "delhi"}
    assert "no segment is called" in digest("segments", "count", "delhi", code=1).err
    assert "no segment yet" in digest("segments", "list")


def test_the_shell_completes_lists_and_segments(digest: Digest, newsletter: Path) -> None:
    digest("lists", "create", "weekly")
    digest("segments", "create", "delhi", "--where", 'language = "hi"')

    def completed(line: str, folder: Path) -> list[str]:
        done = subprocess.run(
            [sys.executable, "-m", "digest"],
            cwd=folder,
            env={
                **os.environ,
                "PYTHONPATH": str(ROOT),
                "_DIGEST_COMPLETE": "complete_bash",
                "COMP_WORDS": line,
                "COMP_CWORD": str(len(line.split(" ")) - 1),
            },
            capture_output=True,
            text=True,
            check=False,
        )
        return done.stdout.split()

    assert completed("digest lists show ", newsletter) == ["daily", "weekly"]
    assert completed("digest subscribers add --list we", newsletter) == ["weekly"]
    assert completed("digest segments count d", newsletter) == ["delhi"]
    assert completed(f"digest -C {newsletter} lists show d", newsletter.parent) == ["daily"]
    assert completed("digest lists show ", newsletter.parent) == []
