"""A newsroom in a database: articles with stories, put there without any feed."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import func, select
from sqlalchemy.orm import Session, sessionmaker

from digest.issues.drafts import load_draft
from digest.issues.lifecycle import freeze, publish
from digest.issues.view import IssueView, issue_view
from digest.models import ArticleRow, DeliveryRow, DeliveryStatus, LedgerEntryRow, LedgerState, StoryRow
from digest.pipeline.build import build_issue
from digest.pipeline.render import render_issue, store_rendition
from digest.settings import Settings, load
from subscribers.database import Base, open_engine, session_factory
from subscribers.models import MailingListRow, SubscriberRow, SubscriptionRow, SubscriptionStatus

NOW = datetime(2026, 3, 10, 3, 0, tzinfo=UTC)  # 07:00 in Dubai
HOUR = timedelta(hours=1)

PAPER = """
[newsletter]
name = "The Lagoon"
url = "https://lagoon.example"
sender = "The Lagoon <daily@lagoon.example>"
postal_address = "1 Quay Street"
timezone = "Asia/Dubai"

[[sources]]
name = "lagoon"
url = "https://lagoon.example/feed"
"""
"""What every newsletter of these tests begins with."""

NEWSLETTER = f"""{PAPER}
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

    def readers(self, number: int) -> list[int]:
        """So many confirmed readers of the list ``daily``, ``reader0@mail.example`` and on; their numbers."""
        with self.sessions.begin() as session:
            mailing = session.scalar(select(MailingListRow)) or MailingListRow(
                name="daily", title="The Lagoon", created_at=NOW
            )
            session.add(mailing)
            known = session.scalar(select(func.count()).select_from(SubscriberRow)) or 0
            addresses = [f"reader{known + one}@mail.example" for one in range(number)]
            people = [
                SubscriberRow(
                    address=address, normalized=address, domain="mail.example",
                    suppression_hash=address.encode(), created_at=NOW, updated_at=NOW,
                )
                for address in addresses
            ]  # fmt: skip
            session.add_all(people)
            session.flush()
            session.add_all(
                SubscriptionRow(
                    subscriber_id=person.id, list_id=mailing.id, status=SubscriptionStatus.CONFIRMED,
                    created_at=NOW, confirmed_at=NOW,
                )
                for person in people
            )  # fmt: skip
            return [person.id for person in people]


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


@pytest.fixture
def issue(newsroom: Newsroom) -> IssueView:
    """Today's issue, built from fourteen stories of the world and three of culture."""
    newsroom.some(14)
    newsroom.some(3, "Culture")
    return build_issue(newsroom.sessions, newsroom.settings, "daily", now=NOW)


def sent(newsroom: Newsroom, issue_id: int | None) -> None:
    """Freeze and publish, as a send without trouble does."""
    number = issue_id or 0
    with newsroom.sessions.begin() as session:
        at = issue_view(session, number).built_at + HOUR / 2
        freeze(session, number, now=at)
        publish(session, number, now=at)
        states = set(session.scalars(select(LedgerEntryRow.state).where(LedgerEntryRow.issue_id == number)))
        assert states <= {LedgerState.PUBLISHED}


def being_sent(newsroom: Newsroom, *, got: int, waiting: int) -> int:
    """An issue in the middle of a send: some have it, some wait, one is claimed, one on the wire, one
    is refused."""
    people = newsroom.readers(got + waiting + 3)
    with newsroom.sessions.begin() as session:
        freeze(session, 1, now=NOW)
        rendered = render_issue(load_draft(session, newsroom.settings, 1), newsroom.settings)
        rendition = store_rendition(session, 1, rendered, now=NOW)
        states = [DeliveryStatus.SENT] * got + [DeliveryStatus.QUEUED] * waiting
        states += [DeliveryStatus.CLAIMED, DeliveryStatus.SENDING, DeliveryStatus.REFUSED]
        session.add_all(
            DeliveryRow(issue_id=1, subscriber_id=person, status=status, rendition_id=rendition, fence=1)
            for person, status in zip(people, states, strict=True)
        )
    return rendition
