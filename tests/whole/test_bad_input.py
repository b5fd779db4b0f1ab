"""What goes wrong around the main job: one clear line, the right exit code, nothing lost, and the same
command again finishes the work."""

from __future__ import annotations

import os
import shutil
import signal
import sqlite3
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.conftest import ROOT, Runner, free_port
from tests.smtp.scripted import Action, Say, ScriptedServer, Stage, Transaction, Wait

if TYPE_CHECKING:
    from collections.abc import Mapping

PEOPLE = 40
STORIES = {
    "Harbour wall stands again after the storm": "Masons laid the last stone on Friday, and boats are back.",
    "Library lends out its ladders": "Whoever paints a ceiling this spring need not buy anything at all.",
    "Market moves indoors for the winter": "Forty stalls found room under the old station roof this week.",
    "Bridge tolls end at midnight": "The council voted nine to two; drivers will save a coin each way.",
}

# One prepared newsletter for all of them.
pytestmark = [pytest.mark.slow, pytest.mark.xdist_group("bad input")]


@pytest.fixture(scope="module")
def prepared(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A newsletter with people and a built issue, made once; tests work on copies."""
    folder = tmp_path_factory.mktemp("prepared")
    assert Runner.run("init", "--json", cwd=folder).returncode == 0
    (folder / "stories").mkdir()
    for place, (title, text) in enumerate(STORIES.items()):
        (folder / "stories" / f"{place}.md").write_text(
            f"---\ntitle: {title}\nsection: City\nurl: https://harbour.example/{place}\n---\n\n{text}\n"
        )
    (folder / "newsletter.toml").write_text(
        """
[newsletter]
name = "Harbour"
url = "https://harbour.example"
sender = "daily@harbour.example"
postal_address = "1 Quay"
[smtp]
host = "127.0.0.1"
port = 2525
connections = 2
rate = "unlimited"
[[sources]]
name = "stories"
url = "stories"
[[sections]]
name = "City"
[editions.daily]
"""
    )
    (folder / "people.csv").write_text("email\n" + "".join(f"r{n}@readers.example\n" for n in range(PEOPLE)))
    for arguments in (["subscribers", "import", "people.csv"], ["fetch"], ["issue", "build", "daily"]):
        done = Runner.run(*arguments, cwd=folder)
        assert done.returncode == 0, done.stderr
    return folder


@pytest.fixture
def folder(prepared: Path, tmp_path: Path) -> Path:
    copied = tmp_path / "newsletter"
    shutil.copytree(prepared, copied)
    return copied


def said(done: subprocess.CompletedProcess[str], code: int, *words: str) -> None:
    """One line, the right exit code, no traceback."""
    lines = [line for line in done.stderr.splitlines() if line.startswith("digest: ")]
    assert (done.returncode, len(lines)) == (code, 1), done.stderr
    assert "Traceback" not in done.stderr
    assert "this is a bug" not in done.stderr
    for word in words:
        assert word in lines[0], lines[0]


def point_at(folder: Path, port: int) -> None:
    toml = folder / "newsletter.toml"
    toml.write_text(toml.read_text().replace("port = 2525", f"port = {port}"))


def deliveries(folder: Path) -> Mapping[str, int]:
    with sqlite3.connect(folder / "digest.sqlite3") as connection:
        rows = connection.execute("SELECT status, count(*) FROM deliveries GROUP BY status").fetchall()
    return dict(rows)


def test_without_keys_the_first_send_stops_and_says_so(folder: Path) -> None:
    (folder / ".env").unlink()
    done = Runner.run("send", "daily@latest", cwd=folder, DIGEST_PUBLIC_URL="http://127.0.0.1:1")
    said(done, 2, "DIGEST_SECRET_KEY is not set")


def test_without_a_public_address_nothing_is_sent(folder: Path) -> None:
    env = folder / ".env"
    lines = env.read_text().splitlines(keepends=True)
    env.write_text("".join(line for line in lines if "PUBLIC_URL" not in line))
    said(Runner.run("send", "daily@latest", cwd=folder), 4, "DIGEST_PUBLIC_URL")
    assert deliveries(folder) == {}


def test_a_trial_address_with_a_real_server_is_refused(folder: Path) -> None:
    toml = folder / "newsletter.toml"
    toml.write_text(toml.read_text().replace('host = "127.0.0.1"', 'host = "smtp.harbour.example"'))
    said(Runner.run("send", "daily@latest", cwd=folder), 4, "this machine", "smtp.harbour.example")


def test_a_server_that_refuses_loses_nobody_and_the_same_command_finishes(folder: Path) -> None:
    point_at(folder, free_port())
    done = Runner.run("send", "daily@latest", cwd=folder)
    said(done, 1, "refused")
    with ScriptedServer() as server:
        toml = folder / "newsletter.toml"
        text = toml.read_text()
        port = text.partition("port = ")[2].split("\n")[0]
        toml.write_text(text.replace(f"port = {port}", f"port = {server.port}"))
        assert Runner.run("send", "daily@latest", cwd=folder).returncode == 0
    assert deliveries(folder) == {"sent": PEOPLE}


def test_a_wrong_password_stops_at_once_and_fails_nobody(folder: Path) -> None:
    def refuse(stage: Stage, _transaction: Transaction) -> Action | None:
        return Say("535 5.7.8 authentication failed") if stage == "auth" else None

    with ScriptedServer(refuse, extensions=("AUTH PLAIN LOGIN",)) as server:
        done = Runner.run(
            "send", "daily@latest", cwd=folder, DIGEST_SMTP_URL=f"smtp://u:p%40ss@127.0.0.1:{server.port}"
        )
    said(done, 1, "535")
    assert "p@ss" not in done.stderr
    assert "p%40ss" not in done.stderr
    assert set(deliveries(folder)) == {"queued"}


def test_ctrl_c_in_the_middle_of_a_send_loses_nobody(folder: Path) -> None:
    def slow(stage: Stage, _transaction: Transaction) -> Action | None:
        return Wait(0.1) if stage == "dot" else None

    with ScriptedServer(slow) as server:
        point_at(folder, server.port)
        process = started(folder, "send", "daily@latest")
        wait_until(lambda: len(server.taken) >= 5)
        process.send_signal(signal.SIGINT)
        _, errors = process.communicate(timeout=30)
        assert process.returncode == 130, errors
        assert "Traceback" not in errors
        first = len(server.taken)
        assert first < PEOPLE
        assert Runner.run("send", "daily@latest", cwd=folder).returncode == 0
        got = Counter(message.recipient for message in server.taken)
    assert deliveries(folder) == {"sent": PEOPLE}
    assert got == {f"r{n}@readers.example": 1 for n in range(PEOPLE)}


def test_ctrl_c_in_the_middle_of_a_fetch_leaves_nothing_half_done(folder: Path, slow_feed: str) -> None:
    toml = folder / "newsletter.toml"
    toml.write_text(
        toml.read_text().replace(
            "[[sections]]",
            f'[[sources]]\nname = "slow"\nurl = "{slow_feed}"\nallow_private = true\n[[sections]]',
        )
    )
    process = started(folder, "fetch")
    time.sleep(3)
    process.send_signal(signal.SIGINT)
    _, errors = process.communicate(timeout=30)
    assert process.returncode == 130, errors
    assert "Traceback" not in errors
    assert Runner.run("fetch", "--source", "stories", cwd=folder).returncode == 0
    assert Runner.run("db", "check", cwd=folder).returncode == 0


def test_a_database_that_somebody_holds_is_named(folder: Path) -> None:
    holder = sqlite3.connect(folder / "digest.sqlite3", isolation_level=None)
    holder.execute("BEGIN IMMEDIATE")
    done = Runner.run("articles", "hide", "1", cwd=folder)
    said(done, 1, "locked")
    holder.execute("ROLLBACK")
    holder.close()
    assert Runner.run("articles", "hide", "1", cwd=folder).returncode == 0


def test_a_database_that_may_only_be_read_is_named(folder: Path, small_disk: Path) -> None:
    """On a disk that is mounted read-only, since root may write whatever a file's mode says."""
    subprocess.run(["mount", "-o", "remount,size=8m", str(small_disk)], check=True)
    shutil.copytree(folder, small_disk / "newsletter")
    subprocess.run(["mount", "-o", "remount,ro", str(small_disk)], check=True)
    done = Runner.run("articles", "hide", "1", cwd=small_disk / "newsletter")
    said(done, 1, "read")


def test_a_database_of_a_newer_program_is_refused(folder: Path) -> None:
    with sqlite3.connect(folder / "digest.sqlite3") as connection:
        connection.execute("UPDATE alembic_version SET version_num = '9999'")
    said(Runner.run("issue", "list", cwd=folder), 1, "9999")


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A disk of 64 KiB."""
    disk = tmp_path / "disk"
    disk.mkdir()
    mounted = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=64k", "none", str(disk)], check=False)
    if mounted.returncode != 0:
        pytest.skip("no small disk can be mounted here")
    yield disk
    subprocess.run(["umount", str(disk)], check=True)


def test_a_full_disk_while_rendering_is_one_line(folder: Path, small_disk: Path) -> None:
    (small_disk / "ballast").write_bytes(b"x" * 60_000)
    done = Runner.run("issue", "render", "daily@latest", "--out", str(small_disk / "out"), cwd=folder)
    said(done, 1, "No space left")
    (small_disk / "ballast").unlink()
    shutil.rmtree(small_disk / "out", ignore_errors=True)
    again = Runner.run("issue", "render", "daily@latest", "--out", str(folder / "out"), cwd=folder)
    assert again.returncode == 0, again.stderr
    assert sorted(path.name for path in (folder / "out").iterdir()) == [
        "issue.eml",
        "issue.html",
        "issue.mjml",
        "issue.txt",
    ]


def started(folder: Path, *arguments: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-m", "digest", *arguments],
        cwd=folder,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
    )


def wait_until(condition: Callable[[], bool], seconds: float = 30) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.02)


@pytest.fixture
def slow_feed() -> Iterator[str]:
    gate = threading.Event()

    class Slow(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(200)
            self.end_headers()
            gate.wait(30)

        def log_message(self, *_: object) -> None: ...

    server = ThreadingHTTPServer(("127.0.0.1", 0), Slow)
    server.daemon_threads = True
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield f"http://127.0.0.1:{server.server_address[1]}/feed"
    gate.set()
    server.shutdown()
    thread.join()
    server.server_close()
