"""The bundled sample newsroom, served on loopback: two feeds, pictures, story pages; as fresh as the clock.

Its files hold places that are filled when they are served: ``{{base}}`` is the newsroom's own address,
``{{rss 3h20min}}`` and ``{{iso 26h}}`` are times that long ago, as RSS (RFC 822) and JSON Feed (RFC 3339)
write them.
"""

from __future__ import annotations

import json
import re
import threading
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from functools import cached_property
from html import escape
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from types import TracebackType
from typing import Self

from digest.clock import Clock

_PLACE = re.compile(r"\{\{(base|rss|iso)(?: ([\dhmin]+))?\}\}")
_AGE = re.compile(r"(?:(\d+)h)?(?:(\d+)min)?")
_TYPES = {
    ".rss": "application/rss+xml",
    ".json": "application/feed+json",
    ".png": "image/png",
    ".jpg": "image/jpeg",
    ".css": "text/css; charset=utf-8",
}
_PICTURE = re.compile(r"/pictures/[a-z-]+\.(?:png|jpg)")


def fill(text: str, *, base: str, now: datetime) -> str:
    """``text`` with its places filled."""

    def filled(place: re.Match[str]) -> str:
        if place[1] == "base":
            return base
        moment = now.astimezone(UTC).replace(microsecond=0) - _age(place[2] or "0min")
        return format_datetime(moment) if place[1] == "rss" else moment.isoformat()

    return _PLACE.sub(filled, text)


def _age(text: str) -> timedelta:
    match = _AGE.fullmatch(text)
    if match is None:
        raise ValueError(f"{text!r} is no age such as 3h20min")
    return timedelta(hours=int(match[1] or 0), minutes=int(match[2] or 0))


@dataclass(frozen=True)
class _Story:
    title: str
    language: str
    body: str


class Newsroom:
    """The web server while it runs: ``with Newsroom(folder, clock) as newsroom: newsroom.base``."""

    def __init__(self, folder: Path, clock: Clock) -> None:
        self.folder = folder
        self._clock = clock
        # Times are told from here on, so that a feed that is fetched again has not changed.
        self._opened_at = clock.now()
        newsroom = self

        class Answers(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                newsroom._answer(self)

            def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - its name
                """Nobody watches."""

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Answers)
        self._server.daemon_threads = True
        self._thread = threading.Thread(target=self._server.serve_forever, name="newsroom", daemon=True)

    @property
    def base(self) -> str:
        """Its address, without a slash at its end."""
        return f"http://127.0.0.1:{self._server.server_port}"

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()

    def filled(self, name: str) -> str:
        """A text file of the newsroom with its places filled."""
        return fill((self.folder / name).read_text(encoding="utf-8"), base=self.base, now=self._opened_at)

    def _answer(self, request: BaseHTTPRequestHandler) -> None:
        path = request.path.partition("?")[0]
        kind = "text/html; charset=utf-8"
        status = 200
        if path in {"/post.rss", "/tideline.json"}:
            kind, body = _TYPES[Path(path).suffix], self.filled(path[1:]).encode()
        elif _PICTURE.fullmatch(path) and (self.folder / path[1:]).is_file():
            kind, body = _TYPES[Path(path).suffix], (self.folder / path[1:]).read_bytes()
        elif path in self.stories:
            body = _page(self.stories[path]).encode()
        elif path == "/":
            body = _page(self._front_page()).encode()
        else:
            status, body = (
                404,
                _page(_Story("No such page", "en", "<p>The newsroom knows no such page.</p>")).encode(),
            )
        request.send_response(status)
        request.send_header("Content-Type", kind)
        request.send_header("Content-Length", str(len(body)))
        request.end_headers()
        request.wfile.write(body)

    @cached_property
    def stories(self) -> dict[str, _Story]:
        """Story pages by path: of both feeds and the notebook."""
        from xml.etree import ElementTree

        from digest.sources.stories import read_story

        found = {}
        content = "{http://purl.org/rss/1.0/modules/content/}encoded"
        for item in ElementTree.fromstring(self.filled("post.rss")).iter("item"):  # noqa: S314 - our own file
            path = (item.findtext("link") or "").removeprefix(self.base)
            found[path] = _Story(item.findtext("title") or "", "en", item.findtext(content) or "")
        for item in json.loads(self.filled("tideline.json"))["items"]:
            found[item["url"].removeprefix(self.base)] = _Story(item["title"], "en", item["content_html"])
        for file in sorted((self.folder / "notebook").glob("*.md")):
            story = read_story(
                self.filled(f"notebook/{file.name}"),
                path=file.name,
                base=self.base,
                source="notebook",
                now=self._opened_at,
                zone=UTC,
            )
            if story is not None:
                path = story.link_url.removeprefix(self.base)
                found[path] = _Story(story.title, story.language or "en", story.body)
        return found

    def _front_page(self) -> _Story:
        links = "".join(
            f'<li><a href="{escape(path)}">{escape(story.title)}</a></li>'
            for path, story in self.stories.items()
        )
        return _Story("Marenholt: all that is told today", "en", f"<ul>{links}</ul>")


def _page(story: _Story) -> str:
    from digest.resources import templates_dir

    style = (templates_dir() / "web" / "paper.css").read_text(encoding="utf-8")
    direction = "rtl" if story.language[:2] in {"ar", "fa", "he", "ur"} else "ltr"
    return (
        f'<!doctype html><html lang="{escape(story.language)}" dir="{direction}"><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        f"<title>{escape(story.title)}</title><style>{style} img {{ max-width: 100%; height: auto }}</style>"
        f'<body><main class="page"><header><p class="meta">An invented story of the sample newsroom</p>'
        f"<h1>{escape(story.title)}</h1></header>{story.body}</main></body></html>"
    )
