"""A simulated year: downtime, weekends, late feeds, changed GUIDs, revisions, cancelled issues, and two
editions that share a ledger. Each day the invariants of the ledger are looked at.

The seed is in the test's name; DONTMISS_YEAR_SEED takes another one.
"""

from __future__ import annotations

import os
import random
from collections import Counter
from datetime import datetime, timedelta

import pytest
from sqlalchemy import func, select, update

from digest.errors import EmptyIssue
from digest.issues.lifecycle import cancel, freeze, publish
from digest.issues.view import issue_view
from digest.models import (
    ArticleRow,
    IssueItemRow,
    IssueRow,
    IssueStatus,
    LedgerEntryRow,
    LedgerState,
    StoryRow,
)
from digest.pipeline.build import build_issue
from digest.pipeline.explain import explain_issue
from tests.issues.conftest import NOW, Newsroom

DAY = timedelta(days=1)
HOUR = timedelta(hours=1)
DAYS = 365
YEAR = """
[newsletter]
name = "The Lagoon"
url = "https://lagoon.example"
sender = "daily@lagoon.example"

[[sources]]
name = "lagoon"
url = "https://lagoon.example/feed"
[[sources]]
name = "harbour"
url = "https://harbour.example/feed"

[[sections]]
name = "World"
max = 40
[[sections]]
name = "Business"
max = 40
min = 2
[[sections]]
name = "Culture"

[editions.daily]
sections = ["world", "business"]
min_articles = 2
ledger = "all"

[editions.evening]
sections = ["business", "world"]
min_articles = 3
ledger = "all"
"""


class Year:
    """One newsletter through one year."""

    def __init__(self, newsroom: Newsroom, seed: int) -> None:
        self.chance = random.Random(seed)
        self.room = newsroom
        self.settings = newsroom.configure(YEAR)
        self.now = NOW
        self.late: list[tuple[datetime, datetime, str]] = []  # (arrives, published, section)
        self.last: dict[str, datetime] = {}  # edition → when its last sent issue was built
        self.published: dict[int, datetime] = {}  # by article
        self.sending: list[int] = []
        self.seen: Counter[str] = Counter()

    def live(self) -> None:
        """One day after the other."""
        down_until = self.now
        for day in range(DAYS):
            self.now = NOW + day * DAY + self.chance.random() * HOUR
            self.news()
            if self.chance.random() < 0.03:
                down_until = self.now + self.chance.randint(1, 6) * DAY
                self.seen["downtime"] += 1
            weekend = self.now.weekday() >= 5
            if self.now < down_until or (weekend and day > 180):  # Monday to Friday in the second half
                continue
            self.take_in()
            for edition in ["daily", *(["evening"] if self.chance.random() < 0.3 else [])]:
                self.print(edition)
            self.hold()

    def news(self) -> None:
        """What happens in the world today; a feed may be late by some days."""
        for _ in range(self.chance.choice([0, 1, 4, 6, 8])):
            delay = self.chance.choice([0, 0, 0, 0, 1, 2, 4]) * DAY
            at = self.now - self.chance.random() * 20 * HOUR
            section = self.chance.choice(["World", "World", "Business", "Culture", ""])
            self.late.append((self.now + delay, at, section))

    def take_in(self) -> None:
        """Fetch: new stories; now and then a known one under a new GUID, or in a new revision."""
        arrived = [news for news in self.late if news[0] <= self.now]
        self.late = [news for news in self.late if news[0] > self.now]
        for _, at, section in arrived:
            source = self.chance.choice(["lagoon", "harbour"])
            number = self.room.some(1, section, at=at, source=source, first_seen_at=self.now)[0]
            self.published[number] = at
        with self.room.sessions() as session:
            known = session.execute(
                select(ArticleRow.id, ArticleRow.story_id).order_by(ArticleRow.id.desc()).limit(40)
            ).all()
        if known and self.chance.random() < 0.4:
            _, story = self.chance.choice(known)
            other = self.room.article(
                f"Again {self.now:%j}", "World", at=self.now - HOUR, story=story, first_seen_at=self.now
            )
            self.published[other] = self.now - HOUR
            self.seen["changed guid"] += 1
        if known and self.chance.random() < 0.4:
            article, _ = self.chance.choice(known)
            with self.room.sessions.begin() as session:
                session.execute(
                    update(ArticleRow)
                    .where(ArticleRow.id == article)
                    .values(revision=ArticleRow.revision + 1, title=f"Revised {self.now:%j}")
                )
            self.seen["revision"] += 1

    def print(self, edition: str) -> None:
        """Build; some issues are cancelled and built again, some are still being sent tomorrow."""
        for _ in range(2):
            try:
                view = build_issue(self.room.sessions, self.settings, edition, now=self.now)
            except EmptyIssue:
                self.seen["empty"] += 1
                return
            assert view.id is not None
            assert build_issue(self.room.sessions, self.settings, edition, now=self.now) == view
            if self.chance.random() >= 0.08:
                break
            with self.room.sessions.begin() as session:
                cancel(session, view.id, now=self.now)
            self.seen["cancelled"] += 1
            self.ledger_has_nothing_of(view.id)
        else:
            return
        self.nothing_fresh_is_lost(edition, view.id)
        for issue in self.sending:
            self.finish(issue)
        self.sending = [view.id]
        if self.chance.random() < 0.8:
            self.finish(self.sending.pop())
        else:
            self.seen["long send"] += 1

    def finish(self, issue_id: int) -> None:
        with self.room.sessions.begin() as session:
            freeze(session, issue_id, now=self.now)
            publish(session, issue_id, now=self.now)
            view = issue_view(session, issue_id)
            self.last[view.edition] = max(self.last.get(view.edition, view.built_at), view.built_at)

    def nothing_fresh_is_lost(self, edition: str, issue_id: int) -> None:
        """Since the last sent issue every story of the sections is printed, or there was no room."""
        since = max(self.last.get(edition, self.now), self.now - 7 * DAY)
        window = max(36 * HOUR, self.now - since)
        excuses = (
            "printed in issue",
            "the same story as",
            "much like",
            "section world is full",
            "section business",
        )
        for verdict in explain_issue(self.room.sessions, self.settings, issue_id):
            if verdict.decision == "in" or verdict.section not in {"world", "business"}:
                continue
            if self.now - self.published[verdict.article] <= window:
                assert verdict.reason.startswith(excuses), (verdict, self.now)

    def ledger_has_nothing_of(self, issue_id: int) -> None:
        with self.room.sessions() as session:
            assert session.scalar(select(func.count()).where(LedgerEntryRow.issue_id == issue_id)) == 0

    def hold(self) -> None:
        """The invariants, whatever happened today."""
        with self.room.sessions() as session:
            printed = session.scalars(
                select(IssueItemRow.story_id)
                .join(IssueRow)
                .where(IssueRow.status != IssueStatus.CANCELLED, IssueItemRow.story_id.is_not(None))
            ).all()
            entries = session.execute(
                select(LedgerEntryRow.story_id, LedgerEntryRow.state, IssueRow.status).join(
                    IssueRow, IssueRow.id == LedgerEntryRow.issue_id
                )
            ).all()
            numbers = session.execute(
                select(IssueRow.edition, IssueRow.number)
                .where(IssueRow.number.is_not(None))
                .order_by(IssueRow.id)
            ).all()
        assert max(Counter(printed).values(), default=1) == 1  # one story once per ledger
        assert {story for story, *_ in entries} == set(printed)
        for _, state, status in entries:
            assert (state is LedgerState.PUBLISHED) is (status is IssueStatus.SENT)
        for edition in ("daily", "evening"):
            given = [number for name, number in numbers if name == edition]
            assert given == list(range(1, len(given) + 1))


@pytest.mark.parametrize("seed", [int(os.environ.get("DONTMISS_YEAR_SEED", "2026"))])
def test_a_year_prints_every_story_at_most_once_and_loses_none(newsroom: Newsroom, seed: int) -> None:
    year = Year(newsroom, seed)
    year.live()
    with newsroom.sessions() as session:
        sent = session.scalar(select(func.count()).where(IssueRow.status == IssueStatus.SENT)) or 0
        told = session.scalar(select(func.count()).select_from(StoryRow)) or 0
    assert sent > 150
    assert told > 800
    for event in ("downtime", "changed guid", "revision", "cancelled", "long send", "empty"):
        assert year.seen[event] > 3, event
