"""How the public pages are served: whom a proxy's word is believed, who sees figures, who waits how long."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import httpx2
import pytest
from sqlalchemy import Engine
from starlette.requests import Request
from starlette.responses import PlainTextResponse
from starlette.testclient import TestClient

from digest.cli import connections
from digest.cli.serving import serving
from digest.models import SourceStateRow
from digest.web import application
from digest.web.pages import protection_for
from tests.conftest import ROOT, free_port
from tests.web.site import NOW, Site


@pytest.mark.parametrize(
    ("proxies", "believed"), [((), False), (("127.0.0.1",), True), (("10.9.9.9",), False)]
)
def test_only_a_configured_proxy_says_where_a_request_came_from(
    proxies: tuple[str, ...], believed: bool
) -> None:
    async def who(scope, receive, send) -> None:  # type: ignore[no-untyped-def]
        request = Request(scope)
        assert request.client is not None
        await PlainTextResponse(request.client.host)(scope, receive, send)

    with serving(who, proxies=proxies) as url:
        answer = httpx2.get(url, headers={"X-Forwarded-For": "203.0.113.9"})
    assert answer.text == ("203.0.113.9" if believed else "127.0.0.1")
    assert "server" not in answer.headers


def test_a_body_that_does_not_come_is_waited_for_only_so_long(
    site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(application, "LONGEST_WAIT", 0.2)
    with serving(site.client.app) as url:
        host, _, port = url.removeprefix("http://").partition(":")
        with socket.create_connection((host, int(port)), timeout=10) as slow:
            slow.sendall(b"POST /subscribe HTTP/1.1\r\nHost: x\r\nContent-Length: 100\r\n\r\nemail=")
            answer = slow.recv(4096)
    assert answer.startswith(b"HTTP/1.1 408")


def test_who_takes_nothing_of_an_answer_is_cut_off_and_who_reads_slowly_is_not(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(connections, "LONGEST_STANDSTILL", 0.6)
    large = 64 * 1024 * 1024  # more than both sockets keep

    async def whole(scope, receive, send) -> None:  # type: ignore[no-untyped-def]
        await PlainTextResponse(b"x" * large)(scope, receive, send)

    def ask(reader: socket.socket, address: tuple[str, int]) -> None:
        reader.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 65536)
        reader.settimeout(10)
        reader.connect(address)
        reader.sendall(b"GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")

    with serving(whole) as url:
        host, _, port = url.removeprefix("http://").partition(":")
        with socket.socket() as still, socket.socket() as slow:
            ask(still, (host, int(port)))
            ask(slow, (host, int(port)))
            got = 0
            for _ in range(8):  # takes something every 0.2 s, for longer than the limit
                time.sleep(0.2)
                wanted = got + 4 * 1024 * 1024
                while got < wanted and (piece := slow.recv(65536)):
                    got += len(piece)
            while piece := slow.recv(1024 * 1024):
                got += len(piece)
            assert got > large
            kept = 0
            with suppress(ConnectionResetError):
                while piece := still.recv(65536):
                    kept += len(piece)
            assert kept < large // 2


def test_https_is_demanded_from_then_on_where_it_is_public(site: Site) -> None:
    assert "max-age=31536000" in site.client.get("/healthz").headers["strict-transport-security"]


@pytest.fixture
def local(site: Site) -> Iterator[TestClient]:
    with TestClient(site.client.app, client=("127.0.0.1", 50000)) as client:
        yield client


def test_figures_are_shown_on_loopback_and_not_through_a_proxy(site: Site, local: TestClient) -> None:
    with site.sessions.begin() as session:
        session.add(SourceStateRow(name="gone", url="x", failures=3))
    answer = local.get("/metrics")
    assert answer.status_code == 200
    assert 'dontmiss_deliveries{state="queued"} 0\n' in answer.text
    assert "dontmiss_notices_waiting 0\n" in answer.text
    assert "gone" not in answer.text
    assert local.get("/metrics", headers={"X-Forwarded-For": "203.0.113.9"}).status_code == 404
    assert site.client.get("/metrics").status_code == 404


def test_figures_count_what_waits(site: Site, local: TestClient) -> None:
    site.client.post("/subscribe", json={"email": "bob@readers.example"})
    site.sign_ups.settle()
    assert site.clock.now() == NOW
    assert "dontmiss_notices_waiting 1\n" in local.get("/metrics").text


def test_with_a_token_only_the_token_opens_them(
    engine: Engine, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DIGEST_METRICS_TOKEN", "s3cret")
    site = Site(engine, tmp_path)
    local = TestClient(site.client.app, client=("127.0.0.1", 50000))
    assert local.get("/metrics").status_code == 404
    assert local.get("/metrics", headers={"Authorization": "Bearer s3cre"}).status_code == 404
    assert local.get("/metrics", headers={"Authorization": "Bearer s3cret"}).status_code == 200
    site.close()


@pytest.mark.parametrize("place", ["environment", ".env"])
def test_the_token_may_be_in_another_variable(
    engine: Engine, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, place: str
) -> None:
    site = Site(engine, tmp_path, web='metrics_token_env = "MONITOR"')
    if place == "environment":
        monkeypatch.setenv("MONITOR", "0ther")
    else:
        with (tmp_path / ".env").open("a") as file:
            file.write("MONITOR=0ther\n")
    local = TestClient(site.client.app, client=("127.0.0.1", 50000))
    assert local.get("/metrics").status_code == 404
    assert local.get("/metrics", headers={"Authorization": "Bearer 0ther"}).status_code == 200
    site.close()


def test_json_answers_are_never_cached(site: Site) -> None:
    answer = site.client.post(
        "/subscribe", content=json.dumps({"email": "x"}), headers={"content-type": "application/json"}
    )
    assert answer.headers["cache-control"] == "no-store"


def test_the_scheduler_serves_the_pages_beside_its_work(tmp_path: Path) -> None:
    port = free_port()
    folder = tmp_path / "newsletter"
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    digest = [sys.executable, "-m", "digest"]
    subprocess.run([*digest, "init", "--json", str(folder)], env=environment, check=True, capture_output=True)
    (folder / "newsletter.toml").write_text(
        '[newsletter]\nname = "Harbour"\nurl = "https://harbour.example"\nsender = "d@harbour.example"\n'
        f"[web]\nserve = true\nport = {port}\n"
    )
    running = subprocess.Popen(
        [*digest, "schedule", "run"],
        cwd=folder,
        env=environment,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        deadline = time.monotonic() + 30
        while True:
            try:
                answer = httpx2.get(f"http://127.0.0.1:{port}/readyz", timeout=5)
                break
            except httpx2.TransportError:
                assert running.poll() is None
                assert time.monotonic() < deadline
                time.sleep(0.1)
        assert answer.text == "ready\n"
    finally:
        running.terminate()
    assert running.wait(15) == 0


@pytest.mark.parametrize(
    ("public_url", "near"),
    [
        ("https://news.example.org", False),
        ("http://127.0.0.1:8000", True),
        ("http://localhost:8000", True),
        ("http://127.0.0.1.evil.example", False),
        ("http://localhost.evil.example:80", False),
        ("", False),
    ],
)
def test_pictures_from_loopback_are_shown_only_by_pages_on_loopback(public_url: str, near: bool) -> None:
    policy = protection_for(public_url)["Content-Security-Policy"]
    assert ("http://127.0.0.1:*" in policy) is near
    assert policy.startswith("default-src 'none'; img-src https:")
