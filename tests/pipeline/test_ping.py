"""The dead-man's switch: told of start, success and failure, and never in the way of a run."""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from digest.clock import SystemClock
from digest.errors import DigestError
from digest.pipeline import ping
from digest.pipeline.ping import Switch
from digest.pipeline.run import Ending
from digest.sources.http import Fetcher
from tests.web.newsdesk import GOES_OUT, NewsDesk


class Service:
    """A monitor on loopback that answers ``status``, after ``hangs`` was set free if there is one."""

    def __init__(self, status: int, hangs: threading.Event | None) -> None:
        self.asked: list[str] = []
        service = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                service.asked.append(self.path)
                if hangs is not None:
                    hangs.wait(30)
                self.send_response(status)
                self.send_header("Content-Length", "2")
                self.end_headers()
                self.wfile.write(b"OK")

            def log_message(self, format: str, *args: object) -> None: ...  # noqa: A002

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_address[1]}/ping/daily"


@contextmanager
def monitor(status: int = 200, hangs: threading.Event | None = None) -> Iterator[Service]:
    service = Service(status, hangs)
    thread = threading.Thread(target=service.server.serve_forever, args=(0.02,))
    thread.start()
    try:
        yield service
    finally:
        if hangs is not None:
            hangs.set()
        service.server.shutdown()
        thread.join()
        service.server.server_close()


def opened(folder: Path, url: str, waits: str = "") -> NewsDesk:
    return NewsDesk(folder, own=f'ping_url = "{url}"\n', waits=waits)


def test_a_run_tells_its_start_and_its_success(tmp_path: Path) -> None:
    with monitor() as service:
        desk = opened(tmp_path, service.url)
        assert desk.run().ending is Ending.SENT
        assert desk.run().ending is Ending.ALREADY_SENT
        desk.close()
    assert service.asked == ["/ping/daily/start", "/ping/daily"]


def test_a_run_that_fails_tells_it(tmp_path: Path) -> None:
    with monitor() as service:
        desk = opened(tmp_path, service.url)

        def away(*_: object, **__: object) -> None:
            raise DigestError("the mail server is away")

        desk.app.deliver = away  # type: ignore[method-assign, assignment]
        with pytest.raises(DigestError):
            desk.run()
        desk.close()
    assert service.asked == ["/ping/daily/start", "/ping/daily/fail"]


def test_an_issue_that_waits_is_told_when_it_goes_out(tmp_path: Path) -> None:
    with monitor() as service:
        desk = opened(tmp_path, service.url, waits='approve = true\nsend_at = "07:00"\n')
        desk.run()
        desk.run()
        desk.client.post(f"{desk.link()}/do/approve")
        desk.run()
        desk.clock.move(GOES_OUT)
        assert desk.run().ending is Ending.SENT
        desk.close()
    assert service.asked == ["/ping/daily/start", "/ping/daily/start", "/ping/daily"]


def test_a_monitor_that_answers_500_fails_no_run(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    with monitor(500) as service:
        desk = opened(tmp_path, service.url)
        assert desk.run().ending is Ending.SENT
        desk.close()
    assert service.asked[-1] == "/ping/daily"
    assert "the server answers 500" in caplog.text
    assert desk.copies == ["ada@readers.example"]


def test_a_monitor_that_hangs_delays_no_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ping, "LAST_WORD", 0.5)
    with monitor(hangs=threading.Event()) as service:
        desk = opened(tmp_path, service.url)
        began = time.monotonic()
        assert desk.run().ending is Ending.SENT
        took = time.monotonic() - began
        ended = time.monotonic()
        desk.close()
        assert time.monotonic() - ended < 3
        assert service.asked == ["/ping/daily/start"]  # and is still being asked
    assert took < ping.SECONDS / 2
    assert desk.copies == ["ada@readers.example"]


def test_a_monitor_that_is_not_there_fails_no_run(tmp_path: Path) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        desk = opened(tmp_path, f"http://127.0.0.1:{taken.getsockname()[1]}")
        assert desk.run().ending is Ending.SENT
        desk.close()


def test_what_is_said_is_told_in_its_order() -> None:
    with monitor() as service, Fetcher(SystemClock()) as http:
        switch = Switch(lambda: http, service.url + "/")
        for _ in range(3):
            switch("start")
            switch("fail")
        switch.close()
    assert service.asked == ["/ping/daily/start", "/ping/daily/fail"] * 3


def test_without_an_address_nobody_is_told() -> None:
    def nobody() -> Fetcher:
        raise AssertionError("no client is needed")

    switch = Switch(nobody, None)
    switch("start")
    switch.close()
