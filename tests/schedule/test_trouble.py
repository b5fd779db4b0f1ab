"""The real process in trouble: told to end, a database that goes away, a full disk, a clock that is unset."""

from __future__ import annotations

import logging
import os
import shutil
import signal
import subprocess
import sys
import threading
import time
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path

import httpx2
import pytest
from aiosmtpd.controller import Controller

from digest.app import App
from digest.clock import SystemClock
from digest.pipeline.leadership import Lease
from digest.schedule import Office
from digest.schedule.jobs import jobs_of
from digest.settings import load
from tests.conftest import ROOT, Runner, _postgres_programs, free_port, required

pytestmark = pytest.mark.storm

STORIES = {
    "Harbour wall stands again after the storm": "Masons laid the last stone on Friday, and boats are back.",
    "Library lends out its ladders": "Whoever paints a ceiling this spring need not buy anything at all.",
    "Market moves indoors for the winter": "Forty stalls found room under the old station roof this week.",
}


class Box:
    """Keeps who got a copy; each message takes ``seconds``."""

    def __init__(self) -> None:
        self.got: list[str] = []
        self.seconds = 0.0

    async def handle_DATA(self, server: object, session: object, envelope: object) -> str:  # noqa: N802
        import asyncio

        await asyncio.sleep(self.seconds)
        self.got += envelope.rcpt_tos  # type: ignore[attr-defined]
        return "250 OK"


@pytest.fixture
def box() -> Iterator[tuple[Box, int]]:
    kept, port = Box(), free_port()
    controller = Controller(kept, hostname="127.0.0.1", port=port)
    controller.start()
    yield kept, port
    controller.stop()


def newsletter(folder: Path, smtp: int, *, url: str = "", people: int = 1, web: str = "") -> None:
    """Three stories, one edition at seven in UTC."""
    folder.mkdir(exist_ok=True)
    environment = {"DIGEST_DATABASE_URL": url} if url else {}
    (folder / "stories").mkdir()
    for place, (title, text) in enumerate(STORIES.items()):
        (folder / "stories" / f"{place}.md").write_text(
            f"---\ntitle: {title}\ncategories: [News]\nurl: https://harbour.example/{place}\n---\n\n{text}\n"
        )
    (folder / ".env").write_text(
        "DIGEST_SECRET_KEY=a secret key for these tests\nDIGEST_SUPPRESSION_KEY=another key for these tests\n"
        "DIGEST_PUBLIC_URL=http://127.0.0.1:1\n"
    )
    (folder / ".env").chmod(0o600)
    (folder / "newsletter.toml").write_text(
        '[newsletter]\nname = "Harbour"\nurl = "https://harbour.example"\nsender = "daily@harbour.example"\n'
        'postal_address = "1 Quay"\ntimezone = "UTC"\n'
        f'[smtp]\nhost = "127.0.0.1"\nport = {smtp}\nconnections = 2\nrate = "unlimited"\n'
        '[[sources]]\nname = "stories"\nurl = "stories"\n[[sections]]\nname = "News"\n'
        f'[editions.daily]\nschedule = "0 7 * * *"\nlate = "always"\n{web}'
    )
    (folder / "people.csv").write_text("email\n" + "".join(f"r{n}@readers.example\n" for n in range(people)))
    for arguments in (["lists", "create", "daily"], ["subscribers", "import", "people.csv"]):
        done = Runner.run(*arguments, cwd=folder, **environment)
        assert done.returncode == 0, done.stderr


def make_due(folder: Path, url: str = "") -> None:
    """Let the edition be known since yesterday, so that today's issue is due."""
    app = App(load(folder), SystemClock())
    from digest.pipeline.timetable import remember

    with app.sessions.begin() as session:
        remember(session, "daily", now=datetime.now(UTC) - timedelta(days=2))
    app.close()


class Scheduler:
    """``digest schedule run`` as a process, and what it says."""

    def __init__(self, folder: Path, *before: str, url: str = "") -> None:
        self.log = folder / "log"
        environment = {**os.environ, "PYTHONPATH": str(ROOT), "PYTHONFAULTHANDLER": "1"}
        if url:
            environment["DIGEST_DATABASE_URL"] = url
        with self.log.open("a") as log:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "digest", *before, "schedule", "run"],
                cwd=folder, env=environment, stdout=subprocess.DEVNULL, stderr=log, text=True,
            )  # fmt: skip

    @property
    def said(self) -> str:
        return self.log.read_text()

    def end(self, number: int = signal.SIGTERM, seconds: float = 30) -> int:
        self.process.send_signal(number)
        try:
            return self.process.wait(seconds)
        except subprocess.TimeoutExpired:
            self.process.send_signal(signal.SIGABRT)  # faulthandler tells where each thread stands
            self.process.wait(10)
            raise AssertionError(self.said[-6000:]) from None


@contextmanager
def scheduler(folder: Path, *before: str, url: str = "") -> Iterator[Scheduler]:
    running = Scheduler(folder, *before, url=url)
    try:
        yield running
    finally:
        with suppress(ProcessLookupError):
            running.process.kill()
        running.process.wait()


def wait_for(condition: Callable[[], bool], seconds: float, running: Scheduler) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, running.said[-3000:]
        assert running.process.poll() is None, running.said[-3000:]
        time.sleep(0.05)


@pytest.mark.parametrize(("number", "code"), [(signal.SIGTERM, 0), (signal.SIGINT, 130)])
def test_told_to_end_in_the_middle_it_ends_within_the_time_of_a_message(
    tmp_path: Path, box: tuple[Box, int], number: int, code: int
) -> None:
    kept, port = box
    kept.seconds = 1.0
    newsletter(tmp_path, port, people=200)
    make_due(tmp_path)
    with scheduler(tmp_path) as running:
        wait_for(lambda: len(kept.got) >= 2, 60, running)
        began = time.monotonic()
        assert running.end(number) == code
        assert time.monotonic() - began < 6  # a message of one second, and room for a busy machine
        assert "Traceback" not in running.said
    before = len(kept.got)
    assert before < 50
    kept.seconds = 0.0
    with scheduler(tmp_path) as running:  # the next one goes on: nobody is left out, nobody has two
        wait_for(lambda: len(kept.got) >= 200, 60, running)
        running.end()
    assert sorted(kept.got) == sorted(f"r{n}@readers.example" for n in range(200))


def test_the_public_pages_run_beside_it_and_end_with_it(tmp_path: Path, box: tuple[Box, int]) -> None:
    port = free_port()
    newsletter(tmp_path, box[1], web=f"[web]\nserve = true\nport = {port}\n")

    def answers() -> bool:
        with suppress(httpx2.TransportError):
            return httpx2.get(f"http://127.0.0.1:{port}/readyz", timeout=5).status_code == 200
        return False

    with scheduler(tmp_path) as running:
        wait_for(answers, 60, running)
        assert running.end() == 0
    assert not answers()


def test_a_clock_in_1970_sends_nothing_and_says_so_once(tmp_path: Path, box: tuple[Box, int]) -> None:
    newsletter(tmp_path, box[1])
    make_due(tmp_path)
    with scheduler(tmp_path, "--now", "1970-01-01T07:00:30Z") as running:
        wait_for(lambda: "the clock says 1970-01-01" in running.said, 60, running)
        time.sleep(11)
        assert running.end() == 0
        assert running.said.count("the clock says") == 1
    assert box[0].got == []
    done = Runner.run("--now", "1970-01-01T07:00:30Z", "run", "daily", cwd=tmp_path)
    assert done.returncode == 1
    assert done.stderr.startswith("digest: the clock says 1970-01-01")
    assert len(done.stderr.splitlines()) == 1


def test_a_wrong_schedule_is_shown_with_a_caret_at_the_start(tmp_path: Path, box: tuple[Box, int]) -> None:
    newsletter(tmp_path, box[1])
    settings = tmp_path / "newsletter.toml"
    settings.write_text(settings.read_text().replace("0 7 * * *", "0 7 * * 1-9"))
    for command in (["schedule", "run"], ["schedule", "list"], ["run", "daily"]):
        done = Runner.run(*command, cwd=tmp_path)
        assert done.returncode == 2
        first, line, caret = done.stderr.splitlines()
        assert "bad day of week" in first
        assert line.index("1-9") == caret.index("^")


def test_a_full_disk_is_said_once_and_when_there_is_room_the_issue_goes_out(
    tmp_path: Path, box: tuple[Box, int]
) -> None:
    disk = tmp_path / "disk"
    disk.mkdir()
    if subprocess.run(["mount", "-t", "tmpfs", "-o", "size=8m", "none", str(disk)], check=False).returncode:
        pytest.skip("no small disk can be mounted here")
    try:
        newsletter(tmp_path / "news", box[1])
        url = f"sqlite:///{disk}/digest.sqlite3"
        environment = {"DIGEST_DATABASE_URL": url}
        for arguments in (["lists", "create", "daily"], ["subscribers", "import", "people.csv"]):
            assert Runner.run(*arguments, cwd=tmp_path / "news", **environment).returncode == 0
        os.environ["DIGEST_DATABASE_URL"] = url
        try:
            make_due(tmp_path / "news")
        finally:
            del os.environ["DIGEST_DATABASE_URL"]
        ballast = disk / "ballast"
        with ballast.open("wb", buffering=0) as file, suppress(OSError):
            while True:
                file.write(b"x" * 4096)
        with scheduler(tmp_path / "news", url=url) as running:
            wait_for(lambda: "full" in running.said, 60, running)
            time.sleep(12)
            assert running.process.poll() is None
            assert "Traceback" not in running.said
            lines = [line for line in running.said.splitlines() if "full" in line]
            assert len(lines) == 1, lines
            assert box[0].got == []
            ballast.unlink()
            wait_for(lambda: box[0].got == ["r0@readers.example"], 90, running)
            assert "works again" in running.said
            assert running.end() == 0
    finally:
        subprocess.run(["umount", str(disk)], check=True)


class Cluster:
    """A PostgreSQL of this test's own, which may be stopped and started."""

    def __init__(self) -> None:
        programs = _postgres_programs()
        if programs is None:
            required("PostgreSQL (initdb)")
        assert programs is not None
        self.home = Path("/tmp") / f"dontmiss-pg-{os.getpid()}-{uuid.uuid4().hex[:8]}"
        self.home.mkdir(mode=0o700)
        self.user = {}
        if os.geteuid() == 0:
            shutil.chown(self.home, "postgres", "postgres")
            self.user = {"user": "postgres"}
        self.port = free_port()
        self.pg_ctl = str(programs / "pg_ctl")
        self._run(str(programs / "initdb"), "-D", str(self.home / "data"), "-U", "digest", "-A", "trust",
                  "-E", "UTF8", "--locale=C.UTF-8")  # fmt: skip
        self.start()
        self.url = f"postgresql+psycopg://digest@127.0.0.1:{self.port}/postgres"

    def start(self) -> None:
        options = f"-c port={self.port} -c listen_addresses=127.0.0.1 -c unix_socket_directories={self.home}"
        self._run(self.pg_ctl, "-D", str(self.home / "data"), "-l", str(self.home / "log"), "-o", options,
                  "-w", "start")  # fmt: skip

    def stop(self) -> None:
        self._run(self.pg_ctl, "-D", str(self.home / "data"), "-m", "immediate", "-w", "stop")

    def remove(self) -> None:
        with suppress(subprocess.CalledProcessError):
            self.stop()
        shutil.rmtree(self.home, ignore_errors=True)

    def _run(self, *command: str) -> None:
        subprocess.run(command, check=True, cwd="/", stdout=subprocess.DEVNULL,
                       stderr=subprocess.DEVNULL, **self.user)  # type: ignore[call-overload]  # fmt: skip


@pytest.fixture
def cluster() -> Iterator[Cluster]:
    made = Cluster()
    yield made
    made.remove()


@pytest.mark.service
def test_a_database_that_is_away_is_said_once_and_what_came_due_meanwhile_goes_out(
    tmp_path: Path, box: tuple[Box, int], cluster: Cluster, monkeypatch: pytest.MonkeyPatch
) -> None:
    newsletter(tmp_path, box[1], url=cluster.url, people=20)
    with scheduler(tmp_path, url=cluster.url) as running:
        wait_for(lambda: "this process leads" in running.said, 60, running)
        monkeypatch.setenv("DIGEST_DATABASE_URL", cluster.url)
        time.sleep(6)
        cluster.stop()
        wait_for(lambda: "the database cannot be used" in running.said, 60, running)
        time.sleep(20)
        assert running.process.poll() is None
        trouble = [line for line in running.said.splitlines() if "cannot" in line or "failed" in line]
        assert len(trouble) == 1, trouble
        assert "Traceback" not in running.said
        cluster.start()
        wait_for(lambda: "works again" in running.said, 30, running)
        make_due(tmp_path)
        from sqlalchemy import create_engine, text

        engine = create_engine(cluster.url)
        with engine.begin() as connection:  # the edition was seen first today: let it be due
            connection.execute(text("DELETE FROM facts WHERE name = 'edition:daily'"))
        engine.dispose()
        make_due(tmp_path)
        wait_for(lambda: len(box[0].got) == 20, 60, running)
        assert running.end() == 0


@pytest.mark.service
def test_it_waits_at_its_start_for_a_database_that_is_away(
    tmp_path: Path, box: tuple[Box, int], cluster: Cluster
) -> None:
    newsletter(tmp_path, box[1], url=cluster.url)
    cluster.stop()
    with scheduler(tmp_path, url=cluster.url) as running:
        wait_for(lambda: "waiting for it" in running.said, 60, running)
        time.sleep(11)
        assert running.said.count("the database cannot be used") == 1
        cluster.start()
        wait_for(lambda: "this process leads" in running.said, 30, running)
        cluster.stop()
        assert running.end(seconds=15) == 0  # also without a database


class Hurried(SystemClock):
    """Goes on from ``start`` by what it is told; a wait is no wait."""

    def __init__(self, start: datetime) -> None:
        self._at = start
        self._since = 0.0

    def now(self) -> datetime:
        return self._at

    def monotonic(self) -> float:
        return self._since

    def move(self, by: timedelta) -> None:
        self._at += by
        self._since += by.total_seconds()


@pytest.mark.service
def test_ten_minutes_without_a_database_are_one_line(
    tmp_path: Path,
    box: tuple[Box, int],
    cluster: Cluster,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    """A server that is really stopped, and a clock on which 120 looks are ten minutes."""
    newsletter(tmp_path, box[1], url=cluster.url)
    monkeypatch.setenv("DIGEST_DATABASE_URL", cluster.url)
    clock = Hurried(datetime(2026, 11, 23, 6, 55, tzinfo=UTC))
    app = App(load(tmp_path), clock)
    jobs = jobs_of(app)
    office = Office(jobs, Lease(app.sessions, "schedule", "tests"), clock)
    stop = threading.Event()
    with caplog.at_level(logging.INFO, logger="digest"):
        office.look(stop)
        assert all(job.wait(30) for job in jobs)
        cluster.stop()
        caplog.clear()
        for _ in range(120):
            clock.move(timedelta(seconds=5))
            office.look(stop)
        assert [record.levelname for record in caplog.records] == ["ERROR"]
        cluster.start()
        for _ in range(3):
            clock.move(timedelta(seconds=60))
            office.look(stop)
            assert all(job.wait(60) for job in jobs)
    assert "works again" in caplog.text
    assert box[0].got == ["r0@readers.example"]  # due at seven, while the database was away
    app.close()
