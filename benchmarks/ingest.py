"""What ingest costs: python benchmarks/ingest.py [--data DIR]. CPU seconds of this process and its workers.

Feeds of 100 kB are made here and served from loopback by a process of its own, whose CPU is not counted.
"""

from __future__ import annotations

import argparse
import os
import random
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from itertools import islice
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

SERVER = """
import hashlib, sys
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
folder = Path(sys.argv[1])
bodies = {"/" + path.name: path.read_bytes() for path in folder.iterdir()}
etags = {name: '"' + hashlib.md5(body).hexdigest() + '"' for name, body in bodies.items()}
class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    def do_GET(self):
        body, etag = bodies.get(self.path), etags.get(self.path)
        status = 404 if body is None else 304 if self.headers.get("If-None-Match") == etag else 200
        body = body if status == 200 else b""
        self.send_response(status)
        self.send_header("ETag", etag or "")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)
    def log_message(self, *_): pass
class Server(ThreadingHTTPServer):
    request_queue_size = 128
server = Server(("127.0.0.1", 0), Handler)
print(server.server_port, flush=True)
server.serve_forever()
"""


def cpu() -> float:
    mine, workers = resource.getrusage(resource.RUSAGE_SELF), resource.getrusage(resource.RUSAGE_CHILDREN)
    return mine.ru_utime + mine.ru_stime + workers.ru_utime + workers.ru_stime


def row(what: str, value: str, limit: str, holds: bool) -> None:
    print(f"{what:62} {value:>22}   {limit:>22}   {'ok' if holds else 'MISSED'}", flush=True)


class Words:
    """Made words in the proportions of real headlines: Zipf and Mandelbrot over 60,000 of them."""

    def __init__(self) -> None:
        chance = random.Random(3)
        letters = "etaoinshrdlucmfwypvbgkqjxz"
        self._words = sorted(
            {"".join(chance.choices(letters, k=chance.randint(2, 10))) for _ in range(62_000)}
        )
        chance.shuffle(self._words)
        total, self._sums = 0.0, []
        for rank in range(len(self._words)):
            total += 1 / (rank + 2.7)
            self._sums.append(total)

    def draw(self, chance: random.Random, count: int) -> list[str]:
        return chance.choices(self._words, cum_weights=self._sums, k=count)


def titles(count: int, words: Words, chance: random.Random) -> list[str]:
    """Headlines of which one in eight tells an earlier story in other words."""
    made: list[str] = []
    for _ in range(count):
        if made and chance.random() < 0.125:
            old = chance.choice(made[-2000:]).split()
            old[chance.randrange(len(old))] = words.draw(chance, 1)[0]
            made.append(" ".join(old))
        else:
            made.append(" ".join(words.draw(chance, chance.randint(6, 11))))
    return made


def feed(number: int, words: Words, chance: random.Random, now: datetime) -> bytes:
    items, size = [], 0
    count = 0
    while size < 100_000:
        text = " ".join(words.draw(chance, 260))
        title = " ".join(words.draw(chance, 9))
        at = (now - timedelta(minutes=17 * count)).strftime("%a, %d %b %Y %H:%M:%S +0000")
        items.append(
            f"<item><title>{title}</title><link>https://site{number}.example/news/{count}</link>"
            f"<guid isPermaLink='false'>{number}-{count}</guid><category>News {count % 5}</category>"
            f"<pubDate>{at}</pubDate><description><![CDATA[<p>{text[:300]}</p>]]></description>"
            f"<content:encoded><![CDATA[<p>{text[:700]}</p><p>{text[700:]}</p>]]></content:encoded></item>"
        )
        size += len(items[-1])
        count += 1
    head = '<?xml version="1.0"?><rss version="2.0" xmlns:content="http://purl.org/rss/1.0/modules/content/">'
    head += f"<channel><title>Site {number}</title><link>https://site{number}.example/</link>"
    return f"{head}{''.join(items)}</channel></rss>".encode()


@contextmanager
def served(folder: Path) -> Iterator[str]:
    server = subprocess.Popen([sys.executable, "-c", SERVER, str(folder)], stdout=subprocess.PIPE, text=True)
    assert server.stdout is not None
    try:
        yield f"http://127.0.0.1:{server.stdout.readline().strip()}"
    finally:
        server.kill()
        server.wait()
        server.stdout.close()


def measured(act: Callable[[], object]) -> tuple[float, float]:
    before, wall = cpu(), time.monotonic()
    act()
    return cpu() - before, time.monotonic() - wall


def fetching(count: int, words: Words) -> None:
    import digest.models  # noqa: F401 - the tables
    from digest.clock import SystemClock
    from digest.pipeline.collect import collect
    from digest.settings import load
    from digest.sources.http import Fetcher
    from subscribers.database import Base, open_engine, session_factory

    chance, now = random.Random(1), datetime.now(UTC)
    with tempfile.TemporaryDirectory() as place:
        home, feeds = Path(place), Path(place) / "feeds"
        feeds.mkdir()
        for number in range(count):
            (feeds / f"{number}.xml").write_bytes(feed(number, words, chance, now))
        with served(feeds) as base:
            toml = '[newsletter]\nname = "B"\nurl = "https://b.example"\nsender = "b@b.example"\n'
            toml += "".join(
                f'[[sources]]\nname = "s{number}"\nurl = "{base}/{number}.xml"\nallow_private = true\n'
                for number in range(count)
            )
            (home / "newsletter.toml").write_text(toml)
            settings = load(home)
            engine = open_engine(settings.database_url)
            Base.metadata.create_all(engine)
            sessions = session_factory(engine)

            def run() -> None:
                with Fetcher(SystemClock()) as http:
                    report = collect(sessions, settings, clock=SystemClock(), http=http)
                failed = [source.error for source in report.sources if source.status == "failed"]
                if failed:
                    print(f"  failed: {len(failed)}, first: {failed[0]}")

            cold, wall = measured(run)
            row(
                f"{count} feeds of 100 kB, cold ({wall:.1f} s wall)",
                f"{cold:.2f} s CPU",
                "< 12 s CPU",
                cold < 12,
            )
            same, wall = measured(run)
            row(
                f"{count} feeds unchanged, 304 ({wall:.1f} s wall)",
                f"{same:.2f} s CPU",
                "< 1 s CPU",
                same < 1,
            )
            engine.dispose()


def likeness(words: Words) -> None:
    from digest.picking.likeness import Headline, cluster
    from digest.sources.likeness_stock import StoryStock, likeness_key

    chance, now = random.Random(2), datetime(2026, 1, 1, tzinfo=UTC)
    made = titles(50_000, words, chance)
    spread = [now - timedelta(seconds=chance.randrange(72 * 3600)) for _ in made]
    spent, _ = measured(
        lambda: cluster(Headline(number, title, spread[number]) for number, title in enumerate(made))
    )
    row("50,000 titles clustered", f"{spent:.2f} s CPU", "< 6 s CPU", spent < 6)
    body = [" ".join(words.draw(chance, 100)) for _ in range(2000)]
    keys = [likeness_key(title, body[number % 2000]) for number, title in enumerate(made)]
    new = [likeness_key(title, "") for title in titles(200, words, chance)]

    kept = []  # a run keeps its stock to its end

    def compare() -> None:
        stock = StoryStock()
        kept.append(stock)
        stock.fill((number, number, "s", spread[number], key) for number, key in enumerate(keys))
        for key in new:
            stock.like(key, now)

    spent = min(measured(compare)[0] for _ in range(3))
    row(
        "200 new titles against 50,000 stored (index built; best of 3)",
        f"{spent:.2f} s CPU",
        "< 0.3 s CPU",
        spent < 0.3,
    )


def stock(articles: int, sources: int, words: Words) -> None:
    """1,000 sources and 200,000 stored articles: an unchanged fetch, lists, a selection."""
    from digest.clock import SystemClock
    from digest.pipeline.collect import collect
    from digest.settings import load
    from digest.sources.http import Request, Response
    from subscribers.database import Base, open_engine, reading, session_factory

    class Unchanged:
        def get(self, request: Request) -> Response:
            return Response(request.url, 304, {})

    now = datetime.now(UTC)
    with tempfile.TemporaryDirectory() as place:
        home = Path(place)
        toml = '[newsletter]\nname = "B"\nurl = "https://b.example"\nsender = "b@b.example"\n'
        toml += "".join(
            f'[[sources]]\nname = "s{number}"\nurl = "https://s{number}.example/feed"\n'
            for number in range(sources)
        )
        toml += "".join(
            f'[[sections]]\nkey = "part-{n}"\nname = "Part {n}"\nmatch = ["News {n}"]\n' for n in range(6)
        )
        (home / "newsletter.toml").write_text(toml)
        settings = load(home)
        engine = open_engine(settings.database_url)
        Base.metadata.create_all(engine)
        fill_stock(session_factory(engine), titles(articles, words, random.Random(4)), sources, now)
        sessions = session_factory(engine)
        spent, wall = measured(lambda: collect(sessions, settings, clock=SystemClock(), http=Unchanged()))
        row(
            f"fetch, {sources} unchanged sources, {articles:,} articles ({wall:.1f} s wall)",
            f"{spent:.2f} s CPU", "(no figure asked)", True,
        )  # fmt: skip
        looks(session_factory(reading(engine)), settings, articles, now)
        engine.dispose()


def fill_stock(sessions: Any, made: list[str], sources: int, now: datetime) -> None:
    """An article each three minutes: one in ten printed, some reserved, hidden or withdrawn."""
    from sqlalchemy import insert

    from digest.models import (
        ArticleRow,
        Decision,
        EditorialDecisionRow,
        IssueRow,
        LedgerEntryRow,
        LedgerState,
        SourceStateRow,
        StoryLinkRow,
        StoryRow,
    )
    from digest.sources.likeness_stock import likeness_key

    def at_once(table: type, rows: Iterable[dict[str, object]]) -> None:
        with sessions.begin() as session:
            while part := list(islice(rows, 20_000)):
                session.execute(insert(table), part)

    count = len(made)
    at_once(
        StoryRow,
        ({"id": n, "representative_id": n, "first_seen_at": now, "also": []} for n in range(1, count + 1)),
    )
    at_once(
        ArticleRow,
        (
            {
                "id": n + 1,
                "story_id": n + 1,
                "source": f"s{n % sources}",
                "guid": f"g{n}",
                "identity_url": f"https://s{n % sources}.example/{n}",
                "link_url": f"https://s{n % sources}.example/{n}",
                "title": made[n],
                "title_key": f"{n:032x}",
                "text_digest": f"{n:032x}",
                "likeness": likeness_key(made[n], ""),
                "published_at": now - timedelta(minutes=3 * n + 10),
                "first_seen_at": now,
                "last_seen_at": now,
                "categories": [f"News {n % 40}"],
                "body": "x" * 2000,
                "withdrawn_at": now if n % 4001 == 7 else None,
            }
            for n in range(count)
        ),
    )
    at_once(
        StoryLinkRow,
        ({"low_id": n, "high_id": n + 3, "likeness": 0.7} for n in range(1, count - 3, 8)),
    )
    issue = {
        "id": 1, "edition": "daily", "date": now.date(), "ledger": "daily", "list_name": "daily",
        "language": "en", "timezone": "UTC", "subject": "s", "preheader": "p", "built_at": now,
    }  # fmt: skip
    at_once(IssueRow, iter([issue]))
    at_once(
        LedgerEntryRow,
        (
            {
                "ledger": "daily",
                "story_id": n,
                "issue_id": 1,
                "state": LedgerState.RESERVED if n <= 300 else LedgerState.PUBLISHED,
                "at": now,
            }
            for n in range(10, count, 10)
        ),
    )
    at_once(
        EditorialDecisionRow,
        ({"article_id": n, "decision": Decision.HIDE, "at": now} for n in range(5, count, 997)),
    )
    at_once(
        SourceStateRow,
        ({"name": f"s{n}", "url": f"https://s{n}.example/feed", "etag": "e"} for n in range(sources)),
    )


def looks(readers: Any, settings: Any, articles: int, now: datetime) -> None:
    """What editors and builds ask of the stock."""
    from digest.issues.articles import STATES, list_articles
    from digest.issues.stock import load_candidates
    from digest.picking.matching import Matcher

    matcher = Matcher(settings.file.sections)

    def listed(what: str, **filters: Any) -> None:
        with readers() as session:
            spent, _ = measured(lambda: list_articles(session, matcher, now=now, **filters))
        row(f"articles list {what}", f"{spent * 1000:.0f} ms CPU", "(no figure asked)", True)

    listed("(of all)")
    for state in STATES:
        listed(f"--state {state}", state=state)
    listed("--source s7", source="s7")
    listed("--section part-3", section="part-3")
    listed("--section part-3 --state published", section="part-3", state="published")
    with readers() as session:
        since = now - timedelta(days=7)
        spent, _ = measured(lambda: load_candidates(session, ledger="daily", since=since, now=now))
    what = f"candidates of a week of {articles:,} articles"
    row(what, f"{spent * 1000:.0f} ms CPU", "(no figure asked)", True)


def pages(data: Path) -> None:
    import json

    from digest.sources.parsing import Task, parse

    folder = data / "ingest" / "pages"
    expected = json.loads((folder / "expected.json").read_text())
    now = datetime(2026, 11, 23, tzinfo=UTC)
    tasks = [
        Task(body=(folder / name).read_bytes(), url=page["url"], source="s", now=now, kind="page")
        for name, page in expected.items()
    ]
    parse(tasks[0])
    best = min(measured(lambda: [parse(task) for task in tasks])[0] for _ in range(3)) / len(tasks) * 1000
    row(f"a page, on average of {len(tasks)} (best of 3)", f"{best:.1f} ms CPU", "<= 15 ms CPU", best <= 15)


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument(
        "--data", type=Path, default=None, help="the test data (default: DONTMISS_TEST_DATA)"
    )
    options.add_argument("--feeds", type=int, default=200)
    options.add_argument("--articles", type=int, default=200_000)
    chosen = options.parse_args()
    data = chosen.data or Path(os.environ.get("DONTMISS_TEST_DATA", ROOT.parent / "shared" / "data"))
    words = Words()
    print(f"{'what':62} {'measured':>22}   {'asked':>22}")
    likeness(words)
    if data.is_dir():
        pages(data)
    fetching(chosen.feeds, words)
    stock(chosen.articles, 1000, words)


if __name__ == "__main__":
    main()
