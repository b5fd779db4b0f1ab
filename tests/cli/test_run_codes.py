"""`digest run` ends with a code that cron's mail and monitors can act on."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from digest.cli.edge import run
from tests.smtp.scripted import Action, Say, ScriptedServer, Stage, Transaction

PEOPLE = 5
TOML = """
[newsletter]
name = "Harbour"
url = "https://harbour.example"
sender = "daily@harbour.example"
postal_address = "1 Quay"
[smtp]
host = "127.0.0.1"
port = {port}
rate = "unlimited"
[[sources]]
name = "stories"
url = "stories"
[editions.daily]
schedule = "0 7 * * *"
{edition}
"""
BEFORE, DUE, LATER = "2026-11-23T06:00:00Z", "2026-11-23T07:01:00Z", "2026-11-23T12:00:00Z"


@pytest.fixture(scope="module")
def prepared(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("harbour")
    assert run(["init", "--json", str(folder)]) == 0
    (folder / "stories").mkdir()
    for title in ("Harbour wall stands again", "Library lends out its ladders", "Market moves indoors"):
        (folder / "stories" / f"{title[:6]}.md").write_text(
            f"---\ntitle: {title}\ndate: 2026-11-23T01:00:00Z\n---\n\nThe {title}.\n"
        )
    (folder / "people.csv").write_text("email\n" + "".join(f"r{n}@readers.example\n" for n in range(PEOPLE)))
    (folder / "newsletter.toml").write_text(TOML.format(port=2525, edition=""))
    at = ["--now", "2026-11-22T12:00:00Z", "-C", str(folder)]
    assert run([*at, "subscribers", "import", str(folder / "people.csv"), "--json"]) == 0
    assert run([*at, "schedule", "list", "--json"]) == 0
    return folder


@pytest.fixture
def put_off() -> set[str]:
    """Whose mail the server does not take for now."""
    return set()


@pytest.fixture
def server(put_off: set[str]) -> Iterator[ScriptedServer]:
    def decide(stage: Stage, transaction: Transaction) -> Action | None:
        return Say("450 4.2.1 busy") if stage == "rcpt" and transaction.recipient in put_off else None

    with ScriptedServer(decide) as running:
        yield running


class Cron:
    """Calls ``digest run daily`` in a newsletter's folder and reads what it prints."""

    def __init__(self, folder: Path, server: ScriptedServer, capfd: pytest.CaptureFixture[str]) -> None:
        self.folder, self._server, self._capfd = folder, server, capfd
        self.configure("min_articles = 1")

    def configure(self, edition: str) -> None:
        text = TOML.format(port=self._server.port, edition=edition)
        (self.folder / "newsletter.toml").write_text(text)

    def __call__(self, at: str, *options: str) -> tuple[int, dict[str, Any]]:
        self._capfd.readouterr()
        code = run(["--now", at, "-C", str(self.folder), "run", "daily", "--json", *options])
        out = self._capfd.readouterr().out
        return code, json.loads(out)


@pytest.fixture
def cron(prepared: Path, tmp_path: Path, server: ScriptedServer, capfd: pytest.CaptureFixture[str]) -> Cron:
    folder = tmp_path / "newsletter"
    shutil.copytree(prepared, folder)
    return Cron(folder, server, capfd)


def test_0_when_nothing_is_due_when_it_is_sent_and_when_it_was(cron: Cron, server: ScriptedServer) -> None:
    # The first call of all learns of the edition; nothing was owed before that.
    endings = [cron(at, "--if-due") for at in (BEFORE, DUE, DUE, LATER)]
    assert [(code, told["ending"]) for code, told in endings] == [
        (0, "not_due"), (0, "sent"), (0, "already_sent"), (0, "already_sent"),
    ]  # fmt: skip
    assert set(server.recipients.values()) == {1}
    assert len(server.recipients) == PEOPLE


def test_3_when_there_is_too_little_to_print(cron: Cron, server: ScriptedServer) -> None:
    cron.configure("min_articles = 50")
    code, told = cron(DUE)
    assert (code, told["ending"]) == (3, "empty")
    assert not server.recipients


def test_3_while_it_waits_for_an_editor_and_then_for_its_time(cron: Cron, server: ScriptedServer) -> None:
    cron.configure('min_articles = 1\napprove = true\nsend_at = "09:00"')
    code, told = cron(DUE)
    assert (code, told["ending"]) == (3, "waits_for_approval")
    assert run(["--now", DUE, "-C", str(cron.folder), "issue", "approve", "1"]) == 0
    code, told = cron(DUE)
    assert (code, told["ending"]) == (3, "waits_for_time")
    assert not server.recipients
    assert cron("2026-11-23T09:00:00Z")[0] == 0
    assert len(server.recipients) == PEOPLE


def test_4_when_the_preflight_finds_an_error(
    cron: Cron, server: ScriptedServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DIGEST_PUBLIC_URL", "https://nowhere.invalid")
    code, told = cron(DUE)
    assert (code, told["error"]["code"]) == (4, "preflight_failed")
    assert not server.recipients


def test_5_while_copies_are_put_off_and_0_when_they_arrive(
    cron: Cron, server: ScriptedServer, put_off: set[str]
) -> None:
    put_off.add("r1@readers.example")
    code, told = cron(DUE)
    assert (code, told["ending"], told["send"]["deferred"]) == (5, "unfinished", 1)
    put_off.clear()
    code, told = cron(LATER)
    assert (code, told["ending"]) == (0, "sent")
    assert server.recipients == dict.fromkeys((f"r{n}@readers.example" for n in range(PEOPLE)), 1)


def test_1_when_it_cannot_be_done(cron: Cron, server: ScriptedServer) -> None:
    code, told = cron("1970-01-02T00:00:00Z")
    assert (code, told["error"]["code"]) == (1, "clock_unset")
    assert not server.recipients


def test_2_for_an_edition_that_prints_nothing(cron: Cron) -> None:
    cron.configure("more = false")
    code, told = cron(DUE)
    assert code == 2
    assert "editions.daily prints nothing" in told["error"]["message"]


def test_stats_counts_copies_by_state(
    cron: Cron, put_off: set[str], capfd: pytest.CaptureFixture[str]
) -> None:
    put_off |= {"r1@readers.example", "r3@readers.example"}
    cron(DUE)
    assert run(["--now", DUE, "-C", str(cron.folder), "stats"]) == 0
    told = capfd.readouterr().out
    assert "Copies by state: 2 deferred, 3 sent." in told
    assert "The oldest copy that waits was queued" in told
    assert run(["--now", DUE, "-C", str(cron.folder), "stats", "--json"]) == 0
    assert json.loads(capfd.readouterr().out)["deliveries"] == {"deferred": 2, "sent": 3}
