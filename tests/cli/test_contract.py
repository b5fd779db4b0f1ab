"""The contract of the command line: keys and exit codes that scripts rely on."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from digest.cli.edge import run

STORY = "---\ntitle: Ship {n} with lantern {n}\ndate: 2026-11-23T0{n}:00:00Z\nsection: {s}\n---\n{body}\n"
EDITION = """
[[sources]]
name = "notebook"
url = "stories"
kind = "folder"
[[sections]]
key = "city"
name = "City"
[[sections]]
key = "business"
name = "Business"
"""
ISSUE = {
    "id", "edition", "date", "number", "subject", "preheader", "status", "lead", "sections", "dont_miss",
    "top", "sponsor", "corrections", "bottom",
}  # fmt: skip
ARTICLE = {
    "id", "story", "title", "url", "teaser", "section", "published_at", "source", "kind", "label", "image",
    "reading_minutes", "state", "pinned",
}  # fmt: skip
AT = ["--now", "2026-11-23T12:00:00Z"]


@pytest.fixture(scope="module")
def newsletter(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A newsletter of eight stories with one issue, built by commands."""
    folder = tmp_path_factory.mktemp("harbour")
    assert run([*AT, "init", str(folder), "--name", "Harbour", "--json"]) == 0
    toml = folder / "newsletter.toml"
    toml.write_text(toml.read_text() + EDITION)
    (folder / "stories").mkdir()
    for n in range(1, 9):
        section = "City" if n % 2 else "Business"
        text = STORY.format(n=n, s=section, body=f"The crew of ship {n} told of storm number {n}. " * 9)
        (folder / "stories" / f"{n}.md").write_text(text)
    assert run([*AT, "-C", str(folder), "fetch", "--json"]) == 0
    assert run([*AT, "-C", str(folder), "issue", "build", "daily", "--json"]) == 0
    return folder


@pytest.mark.parametrize(
    ("line", "code", "keys"),
    [
        ("fetch", 0, {"sources", "new", "updated"}),
        ("fetch --source nobody", 2, {"error"}),
        ("articles show 1", 0, ARTICLE),
        ("articles pin 1 --slot lead", 0, ARTICLE),
        ("articles unpin 1", 0, ARTICLE),
        ("articles show 99", 1, {"error"}),
        ("issue build daily", 0, ISSUE),
        ("issue build nothing", 2, {"error"}),
        ("issue show daily@latest", 0, ISSUE),
        ("issue edit 1 --subject Lanterns", 0, ISSUE),
        ("issue edit 1", 2, {"error"}),
        ("issue insert 1 --kind intro --to top --text Morning", 0, ISSUE),
        ("issue check nonsense", 2, {"error"}),
        ("issue approve 1", 0, ISSUE),
        ("issue correct 1", 1, {"error"}),
        ("pause 1", 0, {"issue", "status"}),  # held: it has not begun
        ("send 99", 1, {"error"}),
        ("stats 1", 0, {"id", "deliveries", "clicks"}),
        ("bounces process", 2, {"error"}),
        ("templates eject daily", 0, {"files"}),
        ("dkim new --selector one", 0, {"selector", "record"}),
        ("db check", 0, {"version", "problems"}),
        ("run nothing", 2, {"error"}),
    ],
)
def test_an_object_has_its_keys_and_the_command_its_exit_code(
    newsletter: Path, capfd: pytest.CaptureFixture[str], line: str, code: int, keys: set[str]
) -> None:
    shown = _json(newsletter, capfd, line, code)
    assert keys <= set(shown)
    if code:
        assert set(shown["error"]) == {"code", "message", "remedy"}


def test_a_key_is_never_written_over(newsletter: Path, capfd: pytest.CaptureFixture[str]) -> None:
    assert _json(newsletter, capfd, "dkim new --selector kept", 0)["selector"] == "kept"
    key = (newsletter / "dkim-kept.pem").read_bytes()
    assert _json(newsletter, capfd, "dkim new --selector kept", 2)["error"]["code"] == "config_error"
    assert (newsletter / "dkim-kept.pem").read_bytes() == key


@pytest.mark.parametrize(
    ("line", "keys"),
    [
        ("articles list", ARTICLE),
        ("issue list", {"id", "edition", "date", "number", "subject", "status"}),
        (
            "issue explain 1",
            {"article", "story", "title", "decision", "reason", "score", "factors", "duplicate_of"},
        ),
        ("schedule list", {"edition", "next_at", "last_issue", "late"}),
        ("templates list", {"name"}),
    ],
)
def test_a_list_is_an_array_of_summaries(
    newsletter: Path, capfd: pytest.CaptureFixture[str], line: str, keys: set[str]
) -> None:
    shown = _json(newsletter, capfd, line, 0)
    assert shown
    assert all(keys <= set(one) for one in shown)


def _json(folder: Path, capfd: pytest.CaptureFixture[str], line: str, code: int) -> Any:
    """What the command prints on stdout, which is JSON and nothing else."""
    capfd.readouterr()
    assert run([*AT, "-C", str(folder), *line.split(), "--json"]) == code
    return json.loads(capfd.readouterr().out)
