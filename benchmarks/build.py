"""Building and explaining an issue from a large stock: CPU seconds and memory, each in its own process.

    python benchmarks/build.py [STORIES]

The stock has the given number of stories (default 50,000) of the last week in one SQLite file, clustered
as the ingest leaves them. What is measured is the CPU time of a fresh process: its imports apart, then the
use case with opening the database. The limit of the house: build under 2 s and 300 MB, explain under 3 s.
"""

from __future__ import annotations

import json
import random
import subprocess
import sys
import tempfile
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path

NOW = datetime(2026, 3, 10, 7, 0, tzinfo=UTC)
SECTIONS = ["World", "Business", "Culture", "Sport", "Science", "Travel", "Food", "Opinion"]
TOML = """
[newsletter]
name = "Bench"
url = "https://bench.example"
sender = "daily@bench.example"

{sources}
{sections}
[editions.daily]
sections = ["world", "business", "culture", "sport", "science"]
"""


def main() -> None:
    """Make the stock, then measure both use cases in processes of their own."""
    stories = int(sys.argv[1]) if len(sys.argv) > 1 else 50_000
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        make(folder, stories)
        for what in ("build", "explain"):
            found = json.loads(
                subprocess.run(
                    [sys.executable, __file__, "--measure", what, name],
                    check=True,
                    capture_output=True,
                    text=True,
                ).stdout
            )
            print(
                f"{what:8} {stories:,} candidates: {found['cpu']:.2f} s CPU beside "
                f"{found['imports']:.2f} s of imports, {found['wall']:.2f} s wall, "
                f"{found['megabytes']:.0f} MB at most; {found['result']}"
            )


def make(folder: Path, stories: int) -> None:
    """A newsletter's folder with a stock of ``stories`` stories, one in ten told by two articles."""
    from sqlalchemy import insert

    from digest.models import ArticleRow, StoryLinkRow, StoryRow
    from subscribers.database import Base, open_engine

    chance = random.Random(1)
    names = [f"source{number}" for number in range(20)]
    sources = "\n".join(
        f'[[sources]]\nname = "{name}"\nurl = "https://{name}.example/feed"' for name in names
    )
    sections = "\n".join(f'[[sections]]\nname = "{name}"' for name in SECTIONS[:-2])
    (folder / "newsletter.toml").write_text(TOML.format(sources=sources, sections=sections), encoding="utf-8")
    words = [
        "".join(chance.choices("abcdefghijklmnopqrstuvwxyz", k=chance.randint(3, 9))) for _ in range(5000)
    ]
    engine = open_engine(f"sqlite:///{folder / 'digest.sqlite3'}")
    Base.metadata.create_all(engine)
    told, articles = [], []
    for number in range(1, stories + 1):
        at = NOW - timedelta(seconds=chance.randint(60, 7 * 86400 - 60))
        told.append({"id": number, "representative_id": number, "sources": chance.choice([1, 1, 1, 2, 3]),
                     "also": [], "first_seen_at": at})  # fmt: skip
        source = chance.choice(names)
        title = " ".join(chance.choices(words, k=9)).capitalize()
        address = f"https://{source}.example/{number}"
        address = f"https://{source}.example/{number}"
        articles.append({
            "id": number, "story_id": number, "source": source, "guid": str(number),
            "identity_url": address, "link_url": address, "title": title, "title_key": str(number),
            "published_at": at, "first_seen_at": at, "last_seen_at": at,
            "categories": [chance.choice(SECTIONS), chance.choice(words)], "summary": f"{title}. {title}.",
            "body": f"<p>{title}.</p>" * 20, "word_count": 400, "language": "en",
        })  # fmt: skip
    links = [{"low_id": n, "high_id": n + 1, "likeness": 0.7} for n in range(1, stories, 10)]
    with engine.begin() as connection:
        connection.execute(insert(StoryRow), told)
        connection.execute(insert(ArticleRow), articles)
        connection.execute(insert(StoryLinkRow), links)
    engine.dispose()


def measure(what: str, folder: Path) -> None:
    """Run one use case in this process and print what it took."""
    from digest.pipeline.build import build_issue
    from digest.pipeline.explain import explain_edition
    from digest.settings import load
    from subscribers.database import open_engine, reading, session_factory

    imports = time.process_time()
    wall = time.perf_counter()
    settings = load(folder)
    engine = open_engine(settings.database_url)
    if what == "build":
        view = build_issue(session_factory(engine), settings, "daily", now=NOW)
        result = f"{len(view.items)} items"
    else:
        verdicts = explain_edition(session_factory(reading(engine)), settings, "daily", now=NOW)
        text = json.dumps([one.as_json() for one in verdicts])
        result = f"{len(verdicts):,} verdicts, {len(text) / 1e6:.1f} MB of JSON"
    print(json.dumps({
        "imports": imports,
        "cpu": time.process_time() - imports,
        "wall": time.perf_counter() - wall,
        "megabytes": peak_megabytes(),
        "result": result,
    }))  # fmt: skip


def peak_megabytes() -> float:
    """The most memory that this process had (getrusage would count what its parent had before the exec)."""
    status = Path("/proc/self/status").read_text(encoding="ascii")
    return next(int(line.split()[1]) / 1024 for line in status.splitlines() if line.startswith("VmHWM:"))


if __name__ == "__main__":
    if len(sys.argv) == 4 and sys.argv[1] == "--measure":
        measure(sys.argv[2], Path(sys.argv[3]))
    else:
        main()
