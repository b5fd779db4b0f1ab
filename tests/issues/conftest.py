"""A newsroom in a database: articles with stories, put there without any feed."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy.orm import Session, sessionmaker

from digest.models import ArticleRow, StoryRow
from digest.settings import Settings, load
from subscribers.database import Base, open_engine, session_factory

NOW = datetime(2026, 3, 10, 3, 0, tzinfo=UTC)  # 07:00 in Dubai
HOUR = timedelta(hours=1)

NEWSLETTER = """
[newsletter]
name = "The Lagoon"
url = "https://lagoon.example"
sender = "The Lagoon <daily@lagoon.example>"
postal_address = "1 Quay Street"
timezone = "Asia/Dubai"

[[sources]]
name = "lagoon"
url = "https://lagoon.example/feed"

[[sources]]
name = "harbour"
url = "https://harbour.example/feed"

[[sections]]
key = "world"
name = "World"
max = 3

[[sections]]
key = "business"
name = "Business"
max = 2

[[sections]]
key = "culture"
name = "Culture"

[dont_miss]
count = 2

[editions.daily]
sections = ["world", "business"]
min_articles = 2
"""


@dataclass
class Newsroom:
    """Articles, settings and sessions of one small newsletter."""

    sessions: sessionmaker[Session]
    folder: Path
    settings: Settings
    counter: int = 0
    articles: list[int] = field(default_factory=list)

    def configure(self, text: str) -> Settings:
        """Other settings for the same database."""
        (self.folder / "newsletter.toml").write_text(text, encoding="utf-8")
        self.settings = load(self.folder)
        return self.settings

    def article(
        self,
        title: str,
        category: str | Sequence[str] = "World",
        *,
        at: datetime = NOW - 2 * HOUR,
        source: str = "lagoon",
        story: int | None = None,
        **values: Any,
    ) -> int:
        """Put one article into the stock; its number."""
        self.counter += 1
        address = f"https://{source}.example/{self.counter}"
        categories = [category] if isinstance(category, str) else list(category)
        with self.sessions.begin() as session:
            if story is None:
                row = StoryRow(first_seen_at=at)
                session.add(row)
                session.flush()
                story = row.id
            article = ArticleRow(
                **{
                    "story_id": story,
                    "source": source,
                    "guid": address,
                    "identity_url": address,
                    "link_url": address,
                    "title": title,
                    "title_key": hashlib.sha256(title.encode()).hexdigest()[:32],
                    "published_at": at,
                    "first_seen_at": at,
                    "last_seen_at": at,
                    "categories": [name for name in categories if name],
                    "summary": f"What is known of this so far: {title}. More is expected during the day.",
                    "word_count": 300,
                    "language": "en",
                    **values,
                }
            )
            session.add(article)
            session.flush()
            story_row = session.get_one(StoryRow, story)
            if story_row.representative_id is None:
                story_row.representative_id = article.id
            self.articles.append(article.id)
            return article.id

    def some(self, number: int, category: str = "World", **values: Any) -> list[int]:
        """Several articles whose headlines share no word."""
        return [
            self.article(f"{category} {word(self.counter)} {word(self.counter + 1000)}", category, **values)
            for _ in range(number)
        ]


def word(number: int) -> str:
    """A word that is like no other one."""
    return "".join(
        "bcdfghklmn"[int(digit)] + "aeiou"[int(digit) % 5] for digit in f"{number * 7919 % 99991:05d}"
    )


@pytest.fixture
def newsroom(database_url: str, tmp_path: Path) -> Iterator[Newsroom]:
    engine = open_engine(database_url)
    Base.metadata.create_all(engine)
    folder = tmp_path / "newsletter"
    folder.mkdir()
    (folder / "newsletter.toml").write_text(NEWSLETTER, encoding="utf-8")
    try:
        yield Newsroom(session_factory(engine), folder, load(folder))
    finally:
        engine.dispose()


Builder = Callable[..., Any]
