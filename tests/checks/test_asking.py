"""What ``--links`` asks: a real server on loopback, asked by the safe fetcher."""

from __future__ import annotations

import struct
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from digest.checks import LinkState, PictureState
from digest.clock import SystemClock
from digest.pipeline.asking import ask_all, ask_pictures_through, ask_through
from digest.sources.http import Fetcher
from digest.values import Silent

PNG = b"\x89PNG\r\n\x1a\n" + b"\0\0\0\rIHDR" + struct.pack(">II", 1200, 675) + b"\0" * 40
ANSWERS = {
    "/small.png": (200, "image/png", PNG),
    "/heavy.jpg": (200, "image/jpeg", b"\xff\xd8\xff\xe0" + b"\0" * 2_400_000),
    "/lies.png": (200, "image/png", b"<html>no picture here</html>"),
    "/page": (200, "text/html", b"<p>x</p>" * 10_000),
    "/drawn.svg": (200, "image/svg+xml", b"<svg/>"),
    "/gone.png": (410, "text/plain", b""),
    "/shy.png": (403, "text/plain", b""),
}


@pytest.fixture(scope="module")
def site() -> Iterator[str]:
    class Answers(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            status, kind, body = ANSWERS.get(self.path, (404, "text/plain", b""))
            self.send_response(status)
            self.send_header("Content-Type", kind)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - its name
            """Nobody watches."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Answers)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    server.server_close()
    thread.join()


@pytest.fixture
def http() -> Iterator[Fetcher]:
    with Fetcher(SystemClock()) as fetcher:
        yield fetcher


@pytest.mark.parametrize(
    ("path", "state"),
    [
        ("/small.png", PictureState(200, "", "image/png", len(PNG), shown=True)),
        ("/heavy.jpg", PictureState(200, "", "image/jpeg", 2_400_004, shown=True)),
        ("/lies.png", PictureState(200, "", "image/png", 28, shown=False)),
        ("/page", PictureState(200, "", "text/html", 80_000, shown=False)),
        ("/drawn.svg", PictureState(200, "", "image/svg+xml", 6, shown=False)),
    ],
)
def test_a_picture_tells_type_and_weight(path: str, state: PictureState, site: str, http: Fetcher) -> None:
    assert ask_pictures_through(http, site=site)(site + path) == state


@pytest.mark.parametrize(("path", "status"), [("/gone.png", 410), ("/none.png", 404), ("/shy.png", 403)])
def test_a_picture_that_is_not_there_tells_its_status(
    path: str, status: int, site: str, http: Fetcher
) -> None:
    found = ask_pictures_through(http, site=site)(site + path)
    assert (found.status, found.shown) == (status, False)


def test_a_page_is_asked_and_not_read_to_its_end(site: str, http: Fetcher) -> None:
    ask = ask_through(http, site=site)
    assert ask(site + "/page") == LinkState(200)
    assert ask(site + "/none").status == 404
    assert ask(site + "/gone.png").dead


def test_this_machine_is_asked_only_for_a_newsletter_that_stands_on_it(site: str, http: Fetcher) -> None:
    for own in ("", "https://paper.example"):
        assert ask_through(http, site=own)(site + "/page").status == 0
        assert ask_pictures_through(http, site=own)(site + "/small.png").status == 0
    # Nor is anything else that is private, wherever the newsletter stands.
    assert ask_through(http, site=site)("http://10.0.0.1/").status == 0


def test_an_address_is_asked_once() -> None:
    asked: list[str] = []

    def ask(url: str) -> LinkState:
        asked.append(url)
        return LinkState(200)

    found = ask_all(["https://a.example", "https://b.example", "https://a.example"], ask, Silent(), "links")
    assert list(found) == ["https://a.example", "https://b.example"]
    assert sorted(asked) == ["https://a.example", "https://b.example"]
