"""What goes wrong around the main job: one clear line, the right exit code, nothing lost, and the same
command again finishes the work."""

from __future__ import annotations

import shutil
import signal
import sqlite3
import subprocess
import threading
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from tests.conftest import Runner, free_port
from tests.smtp.scripted import Action, Say, Stage, Transaction
from tests.whole.harbour import PEOPLE, Newsletter, slow, until

# One prepared newsletter for all of them.
pytestmark = [pytest.mark.slow, pytest.mark.xdist_group("bad input")]


@pytest.fixture
def folder(newsletter: Newsletter) -> Path:
    return newsletter.folder


def said(done: subprocess.CompletedProcess[str], code: int, *words: str) -> None:
    """One line, the right exit code, no traceback."""
    lines = [line for line in done.stderr.splitlines() if line.startswith("digest: ")]
    assert (done.returncode, len(lines)) == (code, 1), done.stderr
    assert "Traceback" not in done.stderr
    assert "this is a bug" not in done.stderr
    for word in words:
        assert word in lines[0], lines[0]


def test_without_keys_the_first_send_stops_and_says_so(folder: Path) -> None:
    (folder / ".env").unlink()
    done = Runner.run("send", "daily@latest", cwd=folder, DIGEST_PUBLIC_URL="http://127.0.0.1:1")
    said(done, 2, "DIGEST_SECRET_KEY is not set")


def test_without_a_public_address_nothing_is_sent(newsletter: Newsletter) -> None:
    env = newsletter.folder / ".env"
    lines = env.read_text().splitlines(keepends=True)
    env.write_text("".join(line for line in lines if "PUBLIC_URL" not in line))
    said(newsletter.digest("send", "daily@latest"), 4, "DIGEST_PUBLIC_URL")
    assert newsletter.statuses() == {}


def test_a_trial_address_with_a_real_server_is_refused(newsletter: Newsletter) -> None:
    newsletter.set('host = "127.0.0.1"', 'host = "smtp.harbour.example"')
    said(newsletter.digest("send", "daily@latest"), 4, "this machine", "smtp.harbour.example")


def test_a_server_that_refuses_loses_nobody_and_the_same_command_finishes(newsletter: Newsletter) -> None:
    dead = f"port = {free_port()}"
    newsletter.set("port = 2525", dead)
    said(newsletter.digest("send", "daily@latest"), 1, "refused")
    newsletter.set(dead, "port = 2525")
    with newsletter.server():
        assert newsletter.digest("send", "daily@latest").returncode == 0
    assert newsletter.statuses() == {"sent": PEOPLE}


def test_a_wrong_password_stops_at_once_and_fails_nobody(newsletter: Newsletter) -> None:
    def refuse(stage: Stage, _transaction: Transaction) -> Action | None:
        return Say("535 5.7.8 authentication failed") if stage == "auth" else None

    with newsletter.server(refuse, extensions=("AUTH PLAIN LOGIN",)) as server:
        url = f"smtp://u:p%40ss@127.0.0.1:{server.port}"
        done = newsletter.digest("send", "daily@latest", DIGEST_SMTP_URL=url)
    said(done, 1, "535")
    assert "p@ss" not in done.stderr
    assert "p%40ss" not in done.stderr
    assert set(newsletter.statuses()) == {"queued"}


def test_ctrl_c_in_the_middle_of_a_send_loses_nobody(newsletter: Newsletter) -> None:
    with newsletter.server(slow) as server:
        process = newsletter.start("send", "daily@latest")
        until(lambda: len(server.taken) >= 5)
        process.send_signal(signal.SIGINT)
        _, errors = process.communicate(timeout=30)
        assert process.returncode == 130, errors
        assert "Traceback" not in errors
        assert len(server.taken) < PEOPLE
        assert newsletter.digest("send", "daily@latest").returncode == 0
    assert server.recipients == {f"r{n}@readers.example": 1 for n in range(PEOPLE)}
    assert newsletter.statuses() == {"sent": PEOPLE}


def test_ctrl_c_in_the_middle_of_a_fetch_leaves_nothing_half_done(
    newsletter: Newsletter, slow_feed: str
) -> None:
    source = f'[[sources]]\nname = "slow"\nurl = "{slow_feed}"\nallow_private = true\n'
    newsletter.set("[[sections]]", f"{source}[[sections]]")
    process = newsletter.start("fetch")
    time.sleep(3)
    process.send_signal(signal.SIGINT)
    _, errors = process.communicate(timeout=30)
    assert process.returncode == 130, errors
    assert "Traceback" not in errors
    assert newsletter.digest("fetch", "--source", "stories").returncode == 0
    assert newsletter.digest("db", "check").returncode == 0


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
