"""The desk on the command line: shapes, exit codes, one clear line for what is wrong."""

from __future__ import annotations

import io
import json
import shutil
import sqlite3
from contextlib import redirect_stderr, redirect_stdout
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from digest.cli.edge import run
from tests.issues.conftest import NEWSLETTER

STORY = """---
title: {title}
date: 2026-03-10T0{hour}:00:00+04:00
categories: [World]
---
{text}
"""
STORIES = {
    "Old whale": "A whale that fishermen have known for forty years came back to the bay at dawn.",
    "Blue boat": "The ferry company bought its first electric vessel from a yard in the far north.",
    "Red crane": "Workers took down the last crane of the old quay after a night of strong wind and rain.",
    "Tall ship": "Cadets from nine nations climbed the masts while thousands watched from the promenade.",
}
ISSUE_KEYS = set(
    "id edition date number subject preheader status lead sections dont_miss top sponsor corrections "
    "bottom".split()
)
ITEM_KEYS = set("item article kind headline teaser url image label published_at reading_minutes also".split())
ARTICLE_KEYS = set(
    "id story title url teaser section published_at source kind label image reading_minutes state "
    "pinned".split()
)
NOW = "2026-03-10T09:00+04:00"


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A newsletter whose only source is a folder of four stories, fetched."""
    made = tmp_path_factory.mktemp("newsletter")
    stories = made / "stories"
    stories.mkdir()
    for hour, (title, text) in enumerate(STORIES.items(), start=1):
        page = STORY.format(title=title, hour=hour, text=text)
        (stories / f"{hour}.md").write_text(page, encoding="utf-8")
    head, _, sections = NEWSLETTER.partition("[[sources]]")
    local = (
        '[[sources]]\nname = "desk"\nurl = "stories"\n\n[[sections]]' + sections.partition("[[sections]]")[2]
    )
    (made / "newsletter.toml").write_text(head + local, encoding="utf-8")
    assert digest(made, "fetch").returncode == 0
    return made


@dataclass(frozen=True)
class Done:
    """What a command left behind. It runs in this process: a start of Python for each would cost a minute."""

    returncode: int
    stdout: str
    stderr: str


def digest(folder: Path, *arguments: str) -> Done:
    with redirect_stdout(io.StringIO()) as out, redirect_stderr(io.StringIO()) as err:
        code = run(["--now", NOW, "-C", str(folder), *arguments])
    return Done(code, out.getvalue(), err.getvalue())


def shown(folder: Path, *arguments: str) -> Any:
    done = digest(folder, *arguments, "--json")
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def test_an_issue_is_built_edited_and_explained(folder: Path) -> None:
    built = shown(folder, "issue", "build", "daily")
    assert set(built) >= ISSUE_KEYS
    assert set(built["lead"]) >= ITEM_KEYS
    assert built["lead"]["headline"] == "Tall ship"
    assert shown(folder, "issue", "build", "daily") == built
    assert built.items() <= shown(folder, "issue", "show", "daily@latest").items()
    moved = shown(folder, "issue", "move", "1", str(built["sections"][0]["items"][0]["item"]), "--to", "lead")
    assert moved["lead"]["headline"] == "Red crane"
    told = shown(folder, "issue", "explain", "daily@2026-03-10")
    assert set(told[0]) >= {
        "article",
        "story",
        "title",
        "decision",
        "reason",
        "score",
        "factors",
        "duplicate_of",
    }
    assert [one["id"] for one in shown(folder, "issue", "list")] == [1]
    stock = shown(folder, "articles", "list", "--state", "reserved", "--limit", "1")
    assert set(stock[0]) == ARTICLE_KEYS


@pytest.mark.parametrize(
    ("arguments", "code", "line"),
    [
        (("issue", "build", "weekly"), 2, "there is no edition 'weekly' — known: daily"),
        (("issue", "build", "daily", "--date", "2026-13-01"), 2, "2026-13-01"),
        (
            ("issue", "build", "daily", "--extra", "--dry-run", "--date", "2026-03-11"),
            3,
            "has 0 stories; it needs 1",
        ),
        (("issue", "show", "nothing"), 2, "'nothing' names no issue"),
        (("issue", "show", "daily@2026-13-01"), 2, "'2026-13-01' is no date"),
        (("issue", "show", "99"), 1, "there is no issue 99"),
        (("issue", "show", "weekly@latest"), 1, "there is no issue weekly@latest"),
        (("issue", "move", "1", "1", "--to", "nowhere/1"), 2, "'nowhere' is no slot and no section"),
        (("issue", "move", "1", "1", "--to", "world/0"), 2, "'world/0' is no place"),
        (("issue", "insert", "1", "--kind", "advert", "--to", "top"), 2, "'advert' is no kind of item"),
        (("issue", "insert", "1", "--kind", "note", "--to", "top"), 1, "give --headline or --text"),
        (("issue", "drop", "1", "99"), 1, "issue 1 has no item 99"),
        (("issue", "edit", "1", "--subject", " "), 1, "the subject of issue 1 cannot be empty"),
        (("issue", "correct", "1"), 1, "`digest issue edit 1` changes it"),
        (("resume", "1"), 1, "`digest send 1` sends it"),
        (("articles", "pin", "1", "--slot", "wrld"), 2, "did you mean 'world'?"),
        (("articles", "pin", "x"), 2, "valid integer"),
        (("articles", "edit", "1", "--section", "wrld"), 2, "did you mean 'world'?"),
        (("issue", "edit", "1"), 2, "--subject"),
        (("articles", "pin", "99"), 1, "there is no article 99"),
        (("articles", "list", "--section", "wrld"), 2, "did you mean 'world'?"),
    ],
)
def test_what_is_wrong_is_one_clear_line(
    folder: Path, arguments: tuple[str, ...], code: int, line: str
) -> None:
    digest(folder, "issue", "build", "daily")
    done = digest(folder, *arguments)
    assert done.returncode == code
    assert line in done.stderr
    assert "Traceback" not in done.stderr
    assert len(done.stderr.strip().splitlines()) == 1


@pytest.fixture
def copy(folder: Path, tmp_path: Path) -> Path:
    """The newsletter with its stories, to be configured otherwise."""
    made = tmp_path / "newsletter"
    shutil.copytree(folder, made)
    return made


def configure(folder: Path, old: str, new: str) -> None:
    settings = folder / "newsletter.toml"
    text = settings.read_text(encoding="utf-8")
    assert old in text
    settings.write_text(text.replace(old, new, 1), encoding="utf-8")


EXPLODING = """key = "exploding"
name = "Exploding"
match_title = ["^(a|a|aa)+$"]

[[sections]]
key = "world"
name = "World\""""
BUSINESS = 'key = "business"\nname = "Business"'


@pytest.mark.parametrize(
    ("new", "line"),
    [
        ('key = "world"\nname = "Business"', "world"),
        (f"{BUSINESS}\nmatch_title = ['(unclosed']", "sections[business].match_title = '(unclosed'"),
        (f"{BUSINESS}\nmatch_url = ['{'a' * 501}']", "longer than 500 characters"),
    ],
)
def test_a_section_that_cannot_be_used_is_one_line_and_usage(copy: Path, new: str, line: str) -> None:
    configure(copy, BUSINESS, new)
    for command in (("issue", "build", "daily", "--dry-run"), ("articles", "list")):
        done = digest(copy, *command)
        assert done.returncode == 2
        assert line in done.stderr
        assert len(done.stderr.strip().splitlines()) == 1


def test_an_exploding_expression_is_one_warning_and_the_issue_is_built(copy: Path) -> None:
    configure(copy, 'key = "world"\nname = "World"', EXPLODING)
    configure(copy, 'sections = ["world"', 'sections = ["exploding", "world"')
    with sqlite3.connect(copy / "digest.sqlite3") as database:
        database.execute("UPDATE articles SET title = ? WHERE title = 'Red crane'", ("a" * 60 + "!",))
    database.close()
    done = digest(copy, "issue", "build", "daily", "--rebuild")
    assert done.returncode == 0
    (line,) = done.stderr.strip().splitlines()
    assert line.startswith("warning: sections[exploding].match_title = ")
    assert "takes too long" in line
    assert "left out of this build" in line
    again = digest(copy, "issue", "explain", "daily")
    assert again.returncode == 0


def test_a_pin_of_what_is_printed_and_an_edit_of_what_is_sent_are_one_line(copy: Path) -> None:
    assert digest(copy, "issue", "build", "daily").returncode == 0
    with sqlite3.connect(copy / "digest.sqlite3") as database:
        database.execute("UPDATE issues SET status = 'sent'")
        database.execute("UPDATE ledger_entries SET state = 'published'")
        (article,) = database.execute("SELECT article_id FROM issue_items").fetchone()
    database.close()
    for arguments, line in (
        (("articles", "pin", str(article)), "was printed in issue 1 — `--again` prints it once more"),
        (("issue", "edit", "1", "--subject", "Late"), "issue 1 is sent and can no longer be edited"),
        (("issue", "drop", "1", "1"), "issue 1 is sent and can no longer be edited"),
        (("issue", "build", "daily", "--rebuild"), "issue 1 is sent"),
    ):
        done = digest(copy, *arguments)
        assert done.returncode == 1
        assert line in done.stderr
        assert len(done.stderr.strip().splitlines()) == 1


def test_a_decision_names_the_open_issue(copy: Path) -> None:
    built = shown(copy, "issue", "build", "daily")
    item = built["lead"]
    done = digest(copy, "articles", "edit", str(item["article"]), "--headline", "Better words", "--json")
    assert done.returncode == 0
    assert "note: issue 1 is open: its headline there changed" in done.stderr
    assert json.loads(done.stdout)["open_issues"] == [
        {"issue": 1, "item": item["item"], "changed": ["headline"], "advice": ""}
    ]
    assert shown(copy, "issue", "show", "1")["lead"]["headline"] == "Better words"
