"""What all tests share: the shared data, databases that are real, and a newsletter's folder."""

from __future__ import annotations

import os
import shutil
import signal
import socket
import subprocess
import sys
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from sqlalchemy import Engine

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page

# Who starts the tests in the background of a shell passes on that SIGINT is ignored; the commands that
# the tests start must hear it.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)

ROOT = Path(__file__).resolve().parent.parent


def required(what: str) -> None:
    """Skip for want of ``what``; where services are required (CI), fail instead."""
    if os.environ.get("DONTMISS_REQUIRE_SERVICES"):
        pytest.fail(f"{what} is missing, and DONTMISS_REQUIRE_SERVICES is set")
    pytest.skip(f"{what} is missing")


@pytest.fixture(scope="session")
def test_data() -> Path:
    """The shared test data: absent by default → skipped; named by DONTMISS_TEST_DATA and absent → failed."""
    named = os.environ.get("DONTMISS_TEST_DATA")
    folder = Path(named) if named else ROOT.parent / "shared" / "data"
    if not folder.is_dir():
        if named:
            pytest.fail(f"DONTMISS_TEST_DATA names {folder}, which does not exist")
        pytest.skip("the shared test data is not here (DONTMISS_TEST_DATA)")
    return folder


def free_port() -> int:
    """A TCP port on loopback that was free a moment ago."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def _postgres_programs() -> Path | None:
    found = shutil.which("initdb")
    if found:
        return Path(found).resolve().parent
    versions = sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb"))
    return versions[-1].parent if versions else None


class Cluster:
    """A PostgreSQL cluster of the tests' own on a free port; ``url`` names no database."""

    def __init__(self, programs: Path, home: Path, user: dict[str, str]) -> None:
        self.port = free_port()
        self.url = f"postgresql+psycopg://digest@127.0.0.1:{self.port}"
        self._pg_ctl = [str(programs / "pg_ctl"), "-D", str(home / "data")]
        self._log = str(home / "log")
        self._run: dict[str, Any] = {"check": True, "stdout": subprocess.DEVNULL, "cwd": "/", **user}
        self._options = (
            f"-c port={self.port} -c listen_addresses=127.0.0.1 "
            f"-c unix_socket_directories={home} -c max_connections=60 -c fsync=on"
        )
        subprocess.run(
            [str(programs / "initdb"), "-D", str(home / "data"), "-U", "digest", "-A", "trust", "-E", "UTF8",
             "--locale=C.UTF-8"],
            **self._run,
        )  # fmt: skip

    def start(self) -> None:
        subprocess.run([*self._pg_ctl, "-l", self._log, "-o", self._options, "-w", "start"], **self._run)

    def stop(self) -> None:
        """At once, as a machine that loses power."""
        subprocess.run([*self._pg_ctl, "-m", "immediate", "stop"], **self._run)


@contextmanager
def running_cluster() -> Iterator[Cluster]:
    """A new cluster that runs; skips where there is no PostgreSQL."""
    programs = _postgres_programs()
    if programs is None:
        required("PostgreSQL (initdb)")
        return
    # The server refuses to run as root, and its user must reach the folder.
    home = Path("/tmp") / f"dontmiss-pg-{os.getpid()}-{uuid.uuid4().hex[:8]}"
    home.mkdir(mode=0o700)
    user: dict[str, str] = {}
    if os.geteuid() == 0:
        shutil.chown(home, "postgres", "postgres")
        user = {"user": "postgres"}
    cluster = Cluster(programs, home, user)
    cluster.start()
    try:
        yield cluster
    finally:
        with suppress(subprocess.CalledProcessError):  # a test may have stopped it
            cluster.stop()
        shutil.rmtree(home, ignore_errors=True)


@pytest.fixture(scope="session")
def postgres_server() -> Iterator[str]:
    """A PostgreSQL cluster for all tests of this process; the URL without a database name."""
    with running_cluster() as cluster:
        yield cluster.url


@pytest.fixture
def postgres_url(postgres_server: str) -> Iterator[str]:
    """A new, empty PostgreSQL database."""
    import psycopg

    name = f"t{uuid.uuid4().hex}"
    admin = postgres_server.replace("+psycopg", "") + "/postgres"
    with psycopg.connect(admin, autocommit=True) as connection:
        connection.execute(f'CREATE DATABASE "{name}"')
    yield f"{postgres_server}/{name}"
    with psycopg.connect(admin, autocommit=True) as connection:
        connection.execute(f'DROP DATABASE "{name}" WITH (FORCE)')


@pytest.fixture(params=["sqlite", pytest.param("postgresql", marks=pytest.mark.service)])
def database_url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """A new, empty database without tables: SQLite always, PostgreSQL under the marker ``service``."""
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path / 'digest.sqlite3'}"
    return str(request.getfixturevalue("postgres_url"))


@pytest.fixture
def open_database() -> Iterator[Callable[[str], Engine]]:
    """Opens engines and gives their connections back when the test is over."""
    from subscribers.database import open_engine

    opened: list[Engine] = []

    def opener(url: str) -> Engine:
        opened.append(open_engine(url))
        return opened[-1]

    yield opener
    for engine in opened:
        engine.dispose()


@pytest.fixture(scope="session")
def migrated_sqlite(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A migrated, empty SQLite file, made once; tests work on copies."""
    from digest.migrations import ensure_schema
    from subscribers.database import open_engine

    path = tmp_path_factory.mktemp("migrated") / "digest.sqlite3"
    made = open_engine(f"sqlite:///{path}")
    ensure_schema(made)
    made.dispose()
    return path


@pytest.fixture
def engine(open_database: Callable[[str], Engine], database_url: str, migrated_sqlite: Path) -> Engine:
    """An empty database with all tables: SQLite always, PostgreSQL under the marker ``service``."""
    from digest.migrations import ensure_schema

    if database_url.startswith("sqlite:///"):
        shutil.copy(migrated_sqlite, database_url.removeprefix("sqlite:///"))
    made = open_database(database_url)
    ensure_schema(made)
    return made


@pytest.fixture(scope="session")
def chromium() -> Iterator[Browser]:
    """Debian's Chromium (or the one that CHROMIUM names), headless; it asks nothing of the internet."""
    from playwright.sync_api import sync_playwright

    program = os.environ.get("CHROMIUM") or shutil.which("chromium")
    if not program:
        required("Chromium")
        return
    quiet = ["background-networking", "component-update", "sync", "gpu", "default-apps"]
    flags = ["--no-sandbox", "--no-first-run", *(f"--disable-{what}" for what in quiet)]
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=program, args=flags)
        yield browser
        browser.close()


AXE = "4.10.3"


@pytest.fixture(scope="session")
def axe() -> str:
    """axe-core's script, which looks for barriers in a page; npm brings it once, for tests only."""
    home = ROOT / ".pytest_cache" / "axe"
    script = home / "node_modules" / "axe-core" / "axe.min.js"
    if not script.is_file():
        npm = shutil.which("npm")
        if npm is None:
            required("npm (for axe-core)")
            return ""
        home.mkdir(parents=True, exist_ok=True)
        (home / "package.json").write_text("{}")
        command = [npm, "install", "--silent", "--no-audit", "--no-fund", f"axe-core@{AXE}"]
        subprocess.run(command, cwd=home, check=True, capture_output=True, timeout=120)
    return script.read_text(encoding="utf-8")


def barriers(page: Page, axe: str, **options: object) -> list[str]:
    """What axe finds in the page: a line for each, with the first place. ``options`` are axe's own."""
    page.evaluate(axe)
    found = page.evaluate("options => axe.run(document, options)", {"resultTypes": ["violations"], **options})
    return [f"{one['id']}: {one['help']} at {one['nodes'][0]['target']}" for one in found["violations"]]


@pytest.fixture
def run_digest() -> type[Runner]:
    """Runs the installed ``digest`` command as a process of its own."""
    return Runner


class Runner:
    """``Runner.run("issue", "list", cwd=folder)`` → the completed process, text mode."""

    @staticmethod
    def run(
        *arguments: str, cwd: Path, timeout: float = 120, **environment: str
    ) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [sys.executable, "-m", "digest", *arguments],
            cwd=cwd,
            capture_output=True,
            text=True,
            timeout=timeout,
            env={**os.environ, "PYTHONPATH": str(ROOT), **environment},
            check=False,
        )
