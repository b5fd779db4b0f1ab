"""A small newsletter in a folder of its own: commands are given in it, and a mail server answers them."""

from __future__ import annotations

import json
import os
import shutil
import sqlite3
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from tests.conftest import ROOT, Runner
from tests.smtp.scripted import Action, Decide, Say, ScriptedServer, Stage, Transaction, Wait

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
min_articles = 1
"""
STORIES = {
    "Harbour wall stands again after the storm": "Masons laid the last stone on Friday, and boats are back.",
    "Library lends out its ladders": "Whoever paints a ceiling this spring need not buy anything at all.",
    "Market moves indoors for the winter": "Forty stalls found room under the old station roof this week.",
    "Bridge tolls end at midnight": "The council voted nine to two; drivers will save a coin each way.",
}
Done = subprocess.CompletedProcess[str]


def prepare(folder: Path) -> None:
    """Make a newsletter in ``folder``, with confirmed readers and a built issue, number 1."""
    assert Runner.run("init", "--json", cwd=folder).returncode == 0
    (folder / "stories").mkdir()
    for place, (title, text) in enumerate(STORIES.items()):
        (folder / "stories" / f"{place}.md").write_text(
            f"---\ntitle: {title}\nsection: City\nurl: https://harbour.example/{place}\n---\n\n{text}\n"
        )
    (folder / "newsletter.toml").write_text(TOML)
    (folder / "people.csv").write_text("email\n" + "".join(f"r{n}@readers.example\n" for n in range(PEOPLE)))
    for arguments in (["subscribers", "import", "people.csv"], ["fetch"], ["issue", "build", "daily"]):
        done = Runner.run(*arguments, cwd=folder)
        assert done.returncode == 0, done.stderr


@dataclass(frozen=True)
class Newsletter:
    """A folder with people and a built issue, and the commands that are given in it."""

    folder: Path

    def copy(self, folder: Path) -> Newsletter:
        """The same again in ``folder``, which is made."""
        shutil.copytree(self.folder, folder)
        return Newsletter(folder)

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


def until(condition: Callable[[], bool], seconds: float = 30) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.02)


def once_each(server: ScriptedServer, people: int = PEOPLE) -> bool:
    got = server.recipients
    return len(got) == people and set(got.values()) == {1}


def slow(stage: Stage, _transaction: Transaction) -> Action | None:
    return Wait(0.05) if stage == "dot" else None


def mixed(refused: int) -> Decide:
    def decide(stage: Stage, transaction: Transaction) -> Action | None:
        number = int(transaction.recipient[1:].partition("@")[0]) if transaction.recipient else PEOPLE
        return Say("550 5.1.1 no such user") if stage == "rcpt" and number < refused else None

    return decide
