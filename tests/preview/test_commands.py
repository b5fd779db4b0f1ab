"""``digest preview`` and ``digest inbox`` as processes: they tell where they are, and end on Ctrl-C."""

from __future__ import annotations

import json
import os
import signal
import smtplib
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import httpx2

from tests.conftest import ROOT, Runner


@contextmanager
def running(*arguments: str, cwd: Path) -> Iterator[dict[str, Any]]:
    """The command's first JSON document, while it runs; at the end Ctrl-C, which it must take well."""
    process = subprocess.Popen(
        [sys.executable, "-m", "digest", *arguments, "--json"],
        cwd=cwd,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
    )
    assert process.stdout is not None
    told = ""
    for line in process.stdout:
        told += line
        if line == "}\n":
            break
    try:
        yield json.loads(told)
    finally:
        process.send_signal(signal.SIGINT)
        _, faults = process.communicate(timeout=30)
    assert process.returncode == 130
    assert "Traceback" not in faults


def test_the_inbox_command_catches_mail_until_ctrl_c(tmp_path: Path) -> None:
    with running("inbox", "--smtp-port", "0", "--port", "0", cwd=tmp_path) as told:
        port = urlsplit(told["smtp"]).port
        assert port is not None
        with smtplib.SMTP("127.0.0.1", port) as server:
            server.sendmail("a@x.example", ["b@x.example"], "Subject: Caught\r\n\r\nx\r\n")
        assert "Caught" in httpx2.get(told["url"]).text


def test_the_preview_command_shows_the_issue_until_ctrl_c(stocked: Path) -> None:
    with running("preview", "daily", cwd=stocked) as told:
        assert told["issue"] == 1
        assert "The desk" in httpx2.get(told["url"]).text
        assert httpx2.get(told["url"].replace("/issue/1", "x/issue/1")).status_code == 404


def test_a_port_that_is_taken_is_one_line(tmp_path: Path, run_digest: type[Runner]) -> None:
    with running("inbox", "--smtp-port", "0", "--port", "0", cwd=tmp_path) as told:
        taken = str(urlsplit(told["url"]).port)
        done = run_digest.run("inbox", "--smtp-port", "0", "--port", taken, cwd=tmp_path)
    assert done.returncode == 1
    assert done.stderr.startswith(f"digest: port {taken} on 127.0.0.1: ")
    assert "--port" in done.stderr
    assert len(done.stderr.splitlines()) == 1


def test_an_issue_that_is_not_there_is_one_line(stocked: Path, run_digest: type[Runner]) -> None:
    done = run_digest.run("preview", "99", cwd=stocked)
    assert done.returncode == 1
    assert done.stderr.splitlines() == ["digest: there is no issue 99 — `digest issue list` shows them"]
