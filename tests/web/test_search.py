"""Searching the archive: the same words on both databases, no question an error, nothing private found."""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import Engine

from digest.issues.searching import make_findable
from digest.models import IssueItemRow, IssueRow
from digest.pipeline.archiving import FOUND
from digest.searchable import words_asked, words_in
from tests.web.site import Site
from tests.web.test_archive import DAY, add_issue

HEADLINES = ("Bridges open", "Café Müller closes", "وَزِيرُ المالية", "दिल्ली की हवा", "北京天气新闻", "Ёлка")


@pytest.fixture
def library(engine: Engine, tmp_path: Path) -> Iterator[Site]:
    site = Site(engine, tmp_path, web='private_lists = ["secret"]')
    for number, headline in enumerate(HEADLINES):
        publish(site, number, headline)
    publish(site, 40, "Bridges burn", list_name="secret")
    yield site
    site.close()


def publish(site: Site, number: int, headline: str, list_name: str = "daily") -> int:
    issue = add_issue(site, DAY + timedelta(days=number), f"Issue {number}", list_name=list_name)
    with site.sessions.begin() as session:
        item = session.query(IssueItemRow).filter_by(issue_id=issue).one()
        item.headline = headline
        session.flush()
        make_findable(session, issue)
    return issue


def search(site: Site, question: str, **more: str) -> list[str]:
    answer = site.client.get("/archive/search", params={"q": question, **more})
    assert answer.status_code == 200, question
    return re.findall(r">(Issue \d+)</bdi></a>", answer.text)


@pytest.mark.parametrize(
    ("question", "found"),
    [
        ("bridge", 0),
        ("BRIDGES open", 0),
        ("open bridges", 0),
        ("cafe", 1),
        ("MULLER café", 1),
        ("وزير", 2),
        ("दिल्ली", 3),
        ("天气", 4),
        ("京", 4),
        ("елка", 5),
    ],
)
def test_an_issue_is_found_by_its_words_however_they_are_typed(
    library: Site, question: str, found: int
) -> None:
    assert search(library, question) == [f"Issue {found}"]


def test_all_words_must_be_there(library: Site) -> None:
    assert search(library, "bridges cafe") == []
    assert "No issue has these words" in library.client.get("/archive/search?q=zeppelin").text
    assert search(library, "op") == []  # two letters find no longer word


def test_what_is_private_or_not_out_is_not_found(library: Site) -> None:
    assert search(library, "burn") == []
    issue = publish(library, 50, "Balloons rise")
    assert search(library, "balloons") == ["Issue 50"]
    with library.sessions.begin() as session:
        session.get_one(IssueRow, issue).status = "cancelled"
    assert search(library, "balloons") == []


def test_the_headlines_with_the_words_are_shown_escaped(library: Site) -> None:
    publish(library, 51, "Tunnel <script>alert(1)</script>")
    page = library.client.get("/archive/search?q=tunnel&quot;><script>").text
    assert "<script" not in page
    page = library.client.get("/archive/search?q=tunnel").text
    assert "Tunnel &lt;script&gt;" in page
    assert 'value="tunnel"' in page


def test_what_is_found_comes_in_pages_the_newest_first(library: Site) -> None:
    for number in range(100, 100 + FOUND + 3):
        publish(library, number, "Harvest")
    first = library.client.get("/archive/search?q=harvest").text
    assert search(library, "harvest")[0] == f"Issue {100 + FOUND + 2}"
    assert len(search(library, "harvest")) == FOUND
    assert "/archive/search?q=harvest&amp;page=2" in first
    assert search(library, "harvest", page="2") == ["Issue 102", "Issue 101", "Issue 100"]
    for page in ("0", "-1", "x", "9999", "1" * 50, "²"):
        assert library.client.get("/archive/search", params={"q": "harvest", "page": page}).status_code == 404


def test_an_issue_that_changed_is_found_by_its_new_words(library: Site) -> None:
    issue = publish(library, 60, "Old words")
    with library.sessions.begin() as session:
        session.query(IssueItemRow).filter_by(issue_id=issue).one().headline = "Fresh tidings"
        session.flush()
        make_findable(session, issue)
    assert search(library, "tidings") == ["Issue 60"]
    assert search(library, "old words") == []
    with library.sessions.begin() as session:
        session.delete(session.get_one(IssueRow, issue))
    assert search(library, "tidings") == []


@pytest.mark.parametrize(
    "question",
    [
        '"',
        "'",
        "a AND",
        "NEAR(",
        "title:x",
        "*",
        "a*b",
        "-x",
        "^x",
        "a & | !b",
        "a:*",
        "\\",
        "a'b\"c",
        "\x00",
        "%",
        "{a} : b",
        "();--",
        "' OR 1=1 --",
        "x" * 5000,
        "a " * 3000,
        "\ud7ff\u0300\u202e",
        "🙂",
        "ﷺ" * 200,
    ],
)
def test_no_question_is_an_error(library: Site, question: str) -> None:
    search(library, question)


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.text(max_size=60).filter(lambda text: "\ud800" not in text))
def test_any_text_may_be_asked(library: Site, question: str) -> None:
    with library.sessions() as session:
        from digest.pipeline.archiving import search_archive

        asked = words_asked(question)
        if asked:
            search_archive(session, library.settings, asked)


@given(st.text(max_size=80))
def test_words_are_nothing_but_letters_and_a_text_is_found_by_its_own(text: str) -> None:
    words = words_in(text)
    assert all(word and not set(word) & set(" '\"\\*&|!():<>-") for word in words)
    assert set(words_asked(text)) <= set(words)


def test_older_issues_of_one_day_are_all_listed(library: Site) -> None:
    for ordinal in range(1, 60):
        add_issue(library, DAY + timedelta(days=200), f"Same day {ordinal}", ordinal)
    first = library.client.get("/archive").text
    older = re.search(r'href="https://news\.example(/archive\?before=[^"]+)"', first)
    assert older is not None
    listed = re.findall(r"Same day (\d+)<", first + library.client.get(older[1]).text)
    assert sorted(map(int, listed)) == list(range(1, 60))
    for before in ("x", "2026-13-01", "2026-11-20-x", "'"):
        assert library.client.get("/archive", params={"before": before}).status_code == 404
