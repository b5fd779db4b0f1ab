"""`articles list`: each state is decided by the database, through indexes, however large the stock is."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from sqlalchemy import Engine, event, insert
from sqlalchemy.orm import Session

from digest.issues.articles import STATES, list_articles
from digest.issues.stock import load_candidates
from digest.models import (
    ArticleRow,
    Decision,
    EditorialDecisionRow,
    IssueRow,
    LedgerEntryRow,
    LedgerState,
    StoryLinkRow,
    StoryRow,
)
from digest.picking.matching import Matcher
from digest.settings.model import Section
from digest.sources.likeness_stock import StoryStock
from subscribers.database import Base, open_engine, session_factory

NOW = datetime(2026, 11, 23, 12, 0, tzinfo=UTC)
COUNT = 1200
MATCHER = Matcher([Section(name="Sport", match=["Sport"])])


def fill(session: Session) -> None:
    """Articles 1 (the newest) to 1200: tens are printed, 5 and 105 hidden, 7 withdrawn, some Sport."""
    numbers = range(1, COUNT + 1)
    session.execute(
        insert(StoryRow),
        [{"id": n, "representative_id": n, "first_seen_at": NOW, "also": []} for n in numbers],
    )
    session.execute(
        insert(ArticleRow),
        [
            {
                "id": n,
                "story_id": n,
                "source": f"s{n % 3}",
                "identity_url": f"https://s.example/{n}",
                "link_url": f"https://s.example/{n}",
                "title": f"Story number {n}",
                "published_at": NOW - timedelta(minutes=n),
                "first_seen_at": NOW,
                "last_seen_at": NOW,
                "categories": ["Sport"] if n % 100 == 50 else ["News"],
                "withdrawn_at": NOW if n == 7 else None,
            }
            for n in numbers
        ],
    )
    issue = IssueRow(
        edition="daily", date=NOW.date(), ledger="daily", list_name="daily", language="en", timezone="UTC",
        subject="s", preheader="p", built_at=NOW,
    )  # fmt: skip
    session.add(issue)
    session.flush()
    session.execute(
        insert(LedgerEntryRow),
        [
            {
                "ledger": "daily",
                "story_id": n,
                "issue_id": issue.id,
                "state": LedgerState.RESERVED if n == 10 else LedgerState.PUBLISHED,
                "at": NOW,
            }
            for n in range(10, COUNT, 10)
        ],
    )
    # A story that one ledger has printed is printed, whatever another one holds.
    session.add(
        LedgerEntryRow(ledger="weekly", story_id=20, issue_id=issue.id, state=LedgerState.RESERVED, at=NOW)
    )
    for number in (5, 105, 7, 30):
        session.add(EditorialDecisionRow(article_id=number, decision=Decision.HIDE, at=NOW))
    session.add(EditorialDecisionRow(article_id=6, decision=Decision.HIDE, at=NOW, ended_at=NOW))
    session.add(EditorialDecisionRow(article_id=1000, decision=Decision.EDIT, section="sport", at=NOW))
    session.add(StoryLinkRow(low_id=1, high_id=2, likeness=0.7))


@pytest.fixture
def stock(database_url: str) -> Engine:
    engine = open_engine(database_url)
    Base.metadata.create_all(engine)
    with session_factory(engine).begin() as session:
        fill(session)
    return engine


def listed(engine: Engine, **filters: object) -> list[int]:
    with session_factory(engine)() as session:
        return [one.id for one in list_articles(session, MATCHER, now=NOW, **filters)]  # type: ignore[arg-type]


def test_the_newest_come_first_and_each_in_one_state(stock: Engine) -> None:
    assert listed(stock, limit=5) == [1, 2, 3, 4, 5]
    assert listed(stock, state="unused", limit=7) == [1, 2, 3, 4, 6, 8, 9]
    assert listed(stock, state="reserved") == [10]
    assert listed(stock, state="published", limit=3) == [20, 40, 50], "a hidden one is hidden"
    assert listed(stock, state="hidden") == [5, 30, 105], (
        "a withdrawn one is withdrawn, an ended hide is over"
    )
    assert listed(stock, state="withdrawn") == [7]
    states = [number for state in STATES for number in listed(stock, state=state, limit=COUNT)]
    assert sorted(states) == list(range(1, COUNT + 1))
    stock.dispose()


def test_what_is_listed_says_the_state_that_was_asked_for(stock: Engine) -> None:
    with session_factory(stock)() as session:
        for state in STATES:
            found = list_articles(session, MATCHER, now=NOW, state=state, limit=COUNT)
            assert {one.state for one in found} == {state}
    stock.dispose()


def test_a_section_is_found_through_the_whole_stock(stock: Engine) -> None:
    sport = [*range(50, 1000, 100), 1000, 1050, 1150]
    assert listed(stock, section="sport") == sport
    assert listed(stock, section="sport", limit=2) == [50, 150]
    assert listed(stock, section="sport", state="published") == sport
    assert listed(stock, source="s1", limit=2) == [1, 4]
    assert listed(stock, since=NOW - timedelta(minutes=2)) == [1, 2]
    stock.dispose()


def test_no_question_reads_the_whole_stock(tmp_path: Path) -> None:
    """SQLite's plans: whatever is asked of articles is searched by an index, or read in an index's order."""
    engine = open_engine(f"sqlite:///{tmp_path}/stock.sqlite3")
    Base.metadata.create_all(engine)
    asked: list[tuple[str, object]] = []
    with session_factory(engine).begin() as session:
        fill(session)

    @event.listens_for(engine, "before_cursor_execute")
    def note(_connection: object, _cursor: object, statement: str, given: object, *_: object) -> None:
        if statement.startswith("SELECT"):
            asked.append((statement, given))

    with session_factory(engine)() as session:
        for state in ("", *STATES):
            list_articles(session, MATCHER, now=NOW, state=state)
        list_articles(session, MATCHER, now=NOW, source="s1")
        list_articles(session, MATCHER, now=NOW, section="sport", since=NOW - timedelta(days=1))
        load_candidates(session, ledger="daily", since=NOW - timedelta(days=1), now=NOW)
        StoryStock().load(session, since=NOW)
        raw = session.connection().connection.dbapi_connection
        assert raw is not None
        plans = [
            step[3]
            for statement, given in asked
            for step in raw.cursor().execute(f"EXPLAIN QUERY PLAN {statement}", given).fetchall()
        ]
    assert len(asked) >= 20
    assert [step for step in plans if step in {"SCAN articles", "SCAN stories"}] == []
    engine.dispose()
