"""Building and explaining an issue from a large stock: CPU seconds and memory, each in its own process.

    python benchmarks/build.py [STORIES]

The stock has the given number of stories (default 50,000) of the last week in one SQLite file, clustered
as the ingest leaves them. What is measured is the whole command as people run it, the interpreter's start,
all imports and the output included. The limits: build under 2 s CPU and 300 MB, explain under 3 s.
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


COMMANDS = {
    "issue explain daily": 3.0,
    "issue explain daily --json": 3.0,
    "issue build daily": 2.0,
    "issue build daily --rebuild": 2.0,
    "issue explain 1": 3.0,
}
"""What is measured, in this order, and the CPU seconds that it may take."""
MEGABYTES = 300


def main() -> int:
    """Make the stock, then measure each command in a process of its own; exit 1 when a bound is broken."""
    stories = int(sys.argv[1]) if len(sys.argv) > 1 else 50_000
    good = True
    with tempfile.TemporaryDirectory() as name:
        make(Path(name), stories)
        for command, limit in COMMANDS.items():
            line = [sys.executable, __file__, "--measure", name, *command.split()]
            done = subprocess.run(line, check=True, capture_output=True, text=True)
            found = json.loads(done.stderr.splitlines()[-1])
            kept = found["cpu"] < limit and found["megabytes"] < MEGABYTES
            good &= kept
            print(
                f"{command:28} {stories:,} candidates: {found['cpu']:.2f} s CPU (limit {limit:g}), "
                f"{found['megabytes']:.0f} MB, {len(done.stdout) / 1e6:.1f} MB of output   "
                f"{'ok' if kept else 'TOO MUCH'}"
            )
    return 0 if good else 1


def make(folder: Path, stories: int) -> None:
    """A newsletter's folder with a stock of ``stories`` stories, one in ten told by two articles."""
    from sqlalchemy import insert

    from digest.migrations import ensure_schema
    from digest.models import ArticleRow, StoryLinkRow, StoryRow
    from subscribers.database import open_engine

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
    ensure_schema(engine)
    told, articles = [], []
    for number in range(1, stories + 1):
        at = NOW - timedelta(seconds=chance.randint(60, 7 * 86400 - 60))
        told.append({"id": number, "representative_id": number, "sources": chance.choice([1, 1, 1, 2, 3]),
                     "also": [], "first_seen_at": at})  # fmt: skip
        source = chance.choice(names)
        title = " ".join(chance.choices(words, k=9)).capitalize()
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


def measure(folder: str, command: list[str]) -> None:
    """Run one command in this process, and say on the last line of stderr what all of it took."""
    from digest.cli.edge import run

    code = run(["--now", NOW.isoformat(), "-C", folder, *command])
    taken = {"cpu": time.process_time(), "megabytes": peak_megabytes()}
    print(json.dumps(taken), file=sys.stderr)
    sys.exit(code)


def peak_megabytes() -> float:
    """The most memory that this process had (getrusage would count what its parent had before the exec)."""
    status = Path("/proc/self/status").read_text(encoding="ascii")
    return next(int(line.split()[1]) / 1024 for line in status.splitlines() if line.startswith("VmHWM:"))


if __name__ == "__main__":
    if len(sys.argv) > 3 and sys.argv[1] == "--measure":
        measure(sys.argv[2], sys.argv[3:])
    else:
        sys.exit(main())
