"""What the tests of ingest play with: a web site on loopback and a newsletter's folder."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from functools import partial
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

from sqlalchemy import func, select
from sqlalchemy.orm import Session, sessionmaker

from digest.clock import StoppedClock, SystemClock
from digest.models import ArticleRow, IssueRow, LedgerEntryRow, LedgerState
from digest.pipeline.collect import CollectReport, collect
from digest.settings import load
from digest.sources.http import Fetcher, Request, Response
from digest.sources.workshop import HereReaders, Readers
from subscribers.database import Base, open_engine, session_factory

NOW = datetime(2026, 11, 23, 12, 0, tzinfo=UTC)


@dataclass
class Answer:
    """What the site says to one path. ``drip`` sends one byte each so many seconds, for ever."""

    body: bytes = b""
    status: int = 200
    headers: dict[str, str] = field(default_factory=dict)
    etag: str = ""
    drip: float = 0.0


class Site:
    """A web site on loopback: ``site["/feed"] = b"…"`` or an ``Answer``; ``asked`` lists the requests."""

    def __init__(self) -> None:
        self.answers: dict[str, Answer] = {}
        self.asked: list[tuple[str, dict[str, str]]] = []
        self.at_once = 0
        self.most_at_once = 0
        self.delay = 0.0
        lock = threading.Lock()
        site = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_GET(self) -> None:
                with lock:
                    site.asked.append((self.path, {k.lower(): v for k, v in self.headers.items()}))
                    site.at_once += 1
                    site.most_at_once = max(site.most_at_once, site.at_once)
                try:
                    time.sleep(site.delay)
                    self._answer(site.answers.get(self.path, Answer(b"not here", 404)))
                except (BrokenPipeError, ConnectionResetError):
                    self.close_connection = True
                finally:
                    with lock:
                        site.at_once -= 1

            def _answer(self, answer: Answer) -> None:
                if answer.etag and self.headers.get("If-None-Match") == answer.etag:
                    self.send_response(304)
                    self.end_headers()
                    return
                self.send_response(answer.status)
                for name, value in answer.headers.items():
                    self.send_header(name, value)
                if answer.etag:
                    self.send_header("ETag", answer.etag)
                if answer.drip:
                    self.send_header("Connection", "close")
                    self.end_headers()
                    while True:
                        self.wfile.write(b"<")
                        self.wfile.flush()
                        time.sleep(answer.drip)
                self.send_header("Content-Length", str(len(answer.body)))
                self.end_headers()
                self.wfile.write(answer.body)

            def log_message(self, *_: object) -> None: ...

        class Server(ThreadingHTTPServer):
            request_queue_size = 64

            def handle_error(self, request: object, client_address: object) -> None:
                """Who asked has gone: that is what these tests are about."""

        self._server = Server(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        # Python looks for the end each half second: that would be most of what these tests take.
        serve = partial(self._server.serve_forever, poll_interval=0.01)
        threading.Thread(target=serve, daemon=True).start()
        self.base = f"http://127.0.0.1:{self._server.server_port}"

    def __setitem__(self, path: str, answer: bytes | str | Answer) -> None:
        if isinstance(answer, str):
            answer = answer.encode()
        self.answers[path] = answer if isinstance(answer, Answer) else Answer(answer)

    def paths(self) -> list[str]:
        return [path for path, _ in self.asked]

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()


def item(number: int, *, title: str = "", link: str = "", at: str = "", more: str = "") -> str:
    """An RSS item; every number is another story."""
    words = [
        "harbour",
        "budget",
        "orchestra",
        "volcano",
        "election",
        "glacier",
        "railway",
        "museum",
        "drought",
        "satellite",
    ]
    title = (
        title or f"{words[number % 10].title()} {words[(number // 10) % 10]} plan {number * 37} is weighed"
    )
    link = link or f"https://paper.example/news/{number}"
    at = at or f"Mon, 23 Nov 2026 {number % 11:02d}:00:00 +0000"
    return (
        f"<item><title>{title}</title><link>{link}</link><guid isPermaLink='false'>g{number}</guid>"
        f"<pubDate>{at}</pubDate>"
        f"<description>What happened in case {number} is told here.</description>{more}</item>"
    )


def rss(*items: str, head: str = "") -> str:
    return (
        '<?xml version="1.0"?><rss version="2.0" xmlns:atom="http://www.w3.org/2005/Atom"><channel>'
        f"<title>The Paper</title><link>https://paper.example/</link>{head}{''.join(items)}</channel></rss>"
    )


class Newsletter:
    """A newsletter's folder with a database; ``fetch()`` is one run of ``collect``."""

    def __init__(self, folder: Path, database_url: str) -> None:
        self.folder = folder
        self.engine = open_engine(database_url)
        Base.metadata.create_all(self.engine)
        self.sessions: sessionmaker[Session] = session_factory(self.engine)
        self.clock = StoppedClock(NOW)
        self._sources = ""
        self._rest = ""

    def source(
        self, name: str, url: str, *, full_text: str = "never", more: str = "", private: bool = True
    ) -> None:
        self._sources += (
            f'[[sources]]\nname = "{name}"\nurl = "{url}"\nfull_text = "{full_text}"\n'
            f"allow_private = {str(private).lower()}\n{more}\n"
        )

    def fetch(
        self,
        *only: str,
        readers: Readers | None = None,
        due_only: bool = False,
        fetcher: Callable[[], Fetcher] | None = None,
    ) -> CollectReport:
        text = '[newsletter]\nname = "T"\nurl = "https://t.example"\nsender = "t@t.example"\n'
        text += self._rest + self._sources
        file = self.folder / "newsletter.toml"
        if not file.exists() or file.read_text() != text:
            file.write_text(text)
        make = fetcher or (lambda: Fetcher(_Beside(self.clock), connect_timeout=2, read_timeout=2))
        with make() as http:
            return collect(
                self.sessions,
                load(self.folder),
                clock=self.clock,
                http=http,
                only=only,
                readers=readers or HereReaders(),
                due_only=due_only,
            )

    def articles(self) -> list[ArticleRow]:
        """All that is stored, in the order in which it came in."""
        with self.sessions() as session:
            return list(session.scalars(select(ArticleRow).order_by(ArticleRow.id)))

    def count(self, table: type) -> int:
        with self.sessions() as session:
            return session.scalar(select(func.count()).select_from(table)) or 0

    def print_story(self, story: int) -> None:
        """As if an issue had gone out with it."""
        with self.sessions.begin() as session:
            issue = IssueRow(
                edition="daily", date=NOW.date(),
                ledger="daily", list_name="daily", language="en", timezone="UTC",
                subject="s", preheader="p", built_at=NOW,
            )  # fmt: skip
            session.add(issue)
            session.flush()
            session.add(
                LedgerEntryRow(
                    ledger="daily", story_id=story, issue_id=issue.id, state=LedgerState.PUBLISHED, at=NOW
                )
            )

    def settle(self, text: str) -> None:
        """More tables for newsletter.toml."""
        self._rest += text


def hasty() -> Fetcher:
    """A fetcher that gives each answer two seconds in all."""

    class Hasty(Fetcher):
        def get(self, request: Request) -> Response:
            return super().get(replace(request, deadline=2.0))

    return Hasty(SystemClock(), connect_timeout=2, read_timeout=2)


class _Beside(SystemClock):
    """Civil time of the test, monotonic time of the machine: deadlines are real."""

    def __init__(self, clock: StoppedClock) -> None:
        self._clock = clock

    def now(self) -> datetime:
        return self._clock.now()
