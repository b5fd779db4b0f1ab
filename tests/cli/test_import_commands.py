"""Files of people at the command line: tried, imported, stopped, exported."""

from __future__ import annotations

import contextlib
import os
import pty
import re
import signal
import sqlite3
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tests.cli.conftest import Digest
from tests.conftest import ROOT

ANN = "ann@example.org"
IMPORT = {"rows", "added", "updated", "unchanged", "suppressed", "rejected", "errors_file", "seconds"}


def test_a_file_is_tried_imported_and_exported(digest: Digest, newsletter: Path) -> None:
    (newsletter / "in.csv").write_text(f"email,name\n{ANN},Ann\nnobody,Bob\n")
    tried = digest("subscribers", "import", "in.csv", "--dry-run", "--json").json
    assert (tried["dry_run"], tried["added"]) == (True, 1)
    assert digest("subscribers", "count", "--json").json["people"] == 0
    brought = digest("subscribers", "import", "in.csv", "--json").json
    assert brought.keys() >= IMPORT
    assert (brought["rows"], brought["added"], brought["rejected"]) == (2, 1, 1)
    assert Path(brought["errors_file"]).read_text().splitlines()[1].startswith("3,")
    assert "line 3:" in digest("subscribers", "import", "in.csv")
    assert digest("subscribers", "export", "out.csv", "--json").json == {"rows": 1}
    assert ANN in (newsletter / "out.csv").read_text()
    (newsletter / "bad.csv").write_text("email\nnobody\n")
    assert "no row was imported" in digest("subscribers", "import", "bad.csv", code=1).err
    digest("subscribers", "import", "absent.csv", code=1)


def test_an_import_shows_how_far_it_is_and_how_long_it_will_take(digest: Digest, newsletter: Path) -> None:
    (newsletter / "in.csv").write_text("email\n" + "".join(f"p{n}@x.org\n" for n in range(2000)))
    ours, theirs = pty.openpty()
    done = subprocess.run(
        [sys.executable, "-m", "digest", "subscribers", "import", "in.csv"],
        stdout=subprocess.PIPE,
        stderr=theirs,
        env={**os.environ, "PYTHONPATH": str(ROOT), "COLUMNS": "140", "TERM": "xterm"},
        check=True,
    )
    os.close(theirs)
    shown = b""
    with contextlib.suppress(OSError):  # Linux says so at the end of a terminal
        while more := os.read(ours, 65_536):
            shown += more
    os.close(ours)
    assert b"importing" in shown
    assert re.search(rb"[\d-]:[\d-]{2}:[\d-]{2}", shown), "no time remaining"
    assert b"2,000 rows" in done.stdout


@pytest.mark.slow
def test_ctrl_c_leaves_whole_chunks_and_one_line(digest: Digest, newsletter: Path) -> None:
    rows = "email\n" + "".join(f"p{n}@x.org\n" for n in range(150_000))
    with subprocess.Popen(
        [sys.executable, "-m", "digest", "subscribers", "import", "-"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
    ) as run:
        assert run.stdin is not None
        run.stdin.write(rows.encode())
        run.stdin.flush()  # and it goes on waiting for more
        while people(newsletter) == 0:
            assert run.poll() is None
            time.sleep(0.05)
        run.send_signal(signal.SIGINT)
        _out, said = run.communicate()
    assert run.returncode == 130
    assert b"Traceback" not in said
    there = people(newsletter)
    assert there > 0
    assert there % 20_000 == 0
    with contextlib.closing(sqlite3.connect(newsletter / "digest.sqlite3")) as raw:
        assert raw.execute("SELECT status, added FROM import_runs").fetchall() == [("stopped", there)]
        assert raw.execute("SELECT count(*) FROM subscriptions").fetchone() == (there,)
        assert raw.execute("SELECT count(*) FROM consent_events").fetchone() == (there,)


def people(newsletter: Path) -> int:
    with contextlib.closing(sqlite3.connect(newsletter / "digest.sqlite3")) as raw:
        return int(raw.execute("SELECT count(*) FROM subscribers").fetchone()[0])
