"""Building an issue from the stock of a database."""

from __future__ import annotations

from datetime import date

import pytest

from digest.errors import EmptyIssue
from digest.issues.drafts import load_draft
from digest.pipeline.build import build_issue
from tests.issues.conftest import HOUR, NOW, Newsroom


def test_an_issue_has_a_lead_sections_more_and_dont_miss(newsroom: Newsroom) -> None:
    newsroom.some(6, "World")
    newsroom.some(1, "Business")
    newsroom.some(3, "Culture")
    view = build_issue(newsroom.sessions, newsroom.settings, "daily", now=NOW)
    shown = view.as_json()
    assert shown["date"] == "2026-03-10"
    assert shown["status"] == "built"
    assert shown["number"] is None
    assert shown["lead"]["headline"] == shown["subject"]
    assert [(s["key"], s["name"], len(s["items"])) for s in shown["sections"]] == [
        ("world", "World", 3),
        ("business", "Business", 1),
        ("more", "More", 2),
    ]
    assert [item["section"] for item in shown["dont_miss"]] == ["culture", "culture"]
    assert shown["lead"]["reading_minutes"] == 1
    draft_of(newsroom, view.id)


def draft_of(newsroom: Newsroom, issue_id: int | None):
    assert issue_id is not None
    with newsroom.sessions() as session:
        return load_draft(session, newsroom.settings, issue_id)


def test_building_again_gives_the_same_issue(newsroom: Newsroom) -> None:
    newsroom.some(4)
    first = build_issue(newsroom.sessions, newsroom.settings, "daily", now=NOW)
    newsroom.some(4)
    again = build_issue(newsroom.sessions, newsroom.settings, "daily", now=NOW + HOUR)
    assert again == first


def test_too_few_stories_make_no_issue(newsroom: Newsroom) -> None:
    newsroom.some(1)
    with pytest.raises(EmptyIssue, match=r"daily of 2026-03-10 has 1 story; it needs 2"):
        build_issue(newsroom.sessions, newsroom.settings, "daily", now=NOW)


def test_a_dry_run_writes_nothing(newsroom: Newsroom) -> None:
    newsroom.some(4)
    dry = build_issue(newsroom.sessions, newsroom.settings, "daily", now=NOW, dry_run=True)
    assert dry.id is None
    assert [item.id for item in dry.items] == [1, 2, 3, 4]
    real = build_issue(newsroom.sessions, newsroom.settings, "daily", now=NOW, day=date(2026, 3, 10))
    assert real.id == 1
    assert [i.headline for i in real.items] == [i.headline for i in dry.items]
