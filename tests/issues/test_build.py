"""Building an issue from the stock of a database."""

from __future__ import annotations

import json
from concurrent.futures import ThreadPoolExecutor
from datetime import date
from math import isclose, prod

import pytest

from digest.errors import EmptyIssue
from digest.issues.drafts import load_draft
from digest.issues.lifecycle import cancel
from digest.models import ArticleRow, StoryRow
from digest.pipeline.build import build_issue
from digest.pipeline.explain import explain_edition
from digest.values import ArticleKind, Draft
from tests.issues.conftest import HOUR, NEWSLETTER, NOW, Newsroom


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


def draft_of(newsroom: Newsroom, issue_id: int | None) -> Draft:
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


def test_the_same_database_and_time_give_the_same_issue_byte_for_byte(newsroom: Newsroom) -> None:
    newsroom.some(20)
    newsroom.some(9, "Business")
    newsroom.some(9, "Culture")
    dry = [
        json.dumps(
            build_issue(newsroom.sessions, newsroom.settings, "daily", now=NOW, dry_run=True).as_json()
        )
        for _ in range(3)
    ]
    assert len(set(dry)) == 1


def test_the_draft_has_all_that_rendering_needs(newsroom: Newsroom) -> None:
    newsroom.article(
        "Harbour opens",
        summary="<p>The gates rose at nine.</p>",
        picture_url="https://lagoon.example/p.jpg",
        picture_alt="A crane",
        authors=["Ann Lee"],
        related=[{"title": "Bakers", "url": "https://lagoon.example/b"}],
    )
    newsroom.some(3)
    draft = draft_of(newsroom, build_issue(newsroom.sessions, newsroom.settings, "daily", now=NOW).id)
    item = next(item for item in draft.items if item.headline == "Harbour opens")
    assert (item.teaser, item.byline, item.reading_minutes) == ("The gates rose at nine.", "Ann Lee", 1)
    assert item.picture is not None
    assert item.picture.alt == "A crane"
    assert item.related[0].title == "Bakers"
    assert draft.masthead.postal_address == "1 Quay Street"
    assert draft.masthead.list_title == "The Lagoon"
    assert [heading.key for heading in draft.sections] == ["world"]


def test_the_lead_is_the_best_story_with_or_without_a_picture(newsroom: Newsroom) -> None:
    newsroom.some(1, at=NOW - 5 * HOUR, picture_url="https://lagoon.example/p.jpg")
    newest = newsroom.some(1, at=NOW - HOUR)[0]
    view = build_issue(newsroom.sessions, newsroom.settings, "daily", now=NOW)
    assert view.lead is not None
    assert (view.lead.article_id, view.lead.picture) == (newest, None)


def test_a_newsletter_without_sections_prints_everything_as_one(newsroom: Newsroom) -> None:
    settings = newsroom.configure(
        NEWSLETTER.split("[[sections]]")[0] + "[editions.daily]\nmin_articles = 1\n"
    )
    newsroom.some(4, "Anything")
    view = build_issue(newsroom.sessions, settings, "daily", now=NOW)
    assert [(heading.key, heading.name) for heading in view.sections] == [("latest", "The Lagoon")]
    assert view.stories == 4


def test_an_extra_issue_of_the_day_prints_what_is_left(newsroom: Newsroom) -> None:
    newsroom.some(12)
    first = build_issue(newsroom.sessions, newsroom.settings, "daily", now=NOW)
    extra = build_issue(newsroom.sessions, newsroom.settings, "daily", now=NOW, extra=True)
    assert (extra.ordinal, extra.date) == (1, first.date)
    assert not {item.story_id for item in first.items} & {item.story_id for item in extra.items}


@pytest.mark.parametrize(("action", "built"), [("skip", False), ("send", True), ("merge", False)])
def test_too_few_stories_follow_the_editions_policy(newsroom: Newsroom, action: str, built: bool) -> None:
    settings = newsroom.configure(NEWSLETTER + f'min_articles_action = "{action}"\n')
    newsroom.some(1)
    if built:
        assert build_issue(newsroom.sessions, settings, "daily", now=NOW).stories == 1
        return
    with pytest.raises(EmptyIssue):
        build_issue(newsroom.sessions, settings, "daily", now=NOW)
    newsroom.some(2, at=NOW + 20 * HOUR)
    view = build_issue(newsroom.sessions, settings, "daily", now=NOW + 24 * HOUR)
    assert view.stories == 3
    notices = draft_of(newsroom, view.id).notices
    assert (len(notices) == 1) is (action == "merge")
    assert all("March 10, 2026" in notice for notice in notices)


def test_a_section_that_matches_nothing_for_a_week_is_a_warning(newsroom: Newsroom) -> None:
    newsroom.some(1, at=NOW - 9 * 24 * HOUR)
    newsroom.some(3)
    view = build_issue(newsroom.sessions, newsroom.settings, "daily", now=NOW)
    assert view.warnings == (
        "section business has matched no story for a week; look at its match in newsletter.toml",
    )


def test_two_builds_at_once_give_one_issue(newsroom: Newsroom) -> None:
    newsroom.some(9)
    with ThreadPoolExecutor(4) as pool:
        views = list(
            pool.map(lambda _: build_issue(newsroom.sessions, newsroom.settings, "daily", now=NOW), range(4))
        )
    assert len({view.id for view in views}) == 1


def test_editions_that_share_a_ledger_never_print_the_same_story_even_when_built_at_once(
    newsroom: Newsroom,
) -> None:
    settings = newsroom.configure(
        NEWSLETTER + 'ledger = "all"\n\n[editions.noon]\nmin_articles = 1\nledger = "all"\n'
    )
    newsroom.some(30)
    with ThreadPoolExecutor(2) as pool:
        one, other = pool.map(
            lambda edition: build_issue(newsroom.sessions, settings, edition, now=NOW), ["daily", "noon"]
        )
    assert not {item.story_id for item in one.items} & {item.story_id for item in other.items}


def test_a_second_story_of_the_days_issue_is_no_longer_a_candidate(newsroom: Newsroom) -> None:
    newsroom.some(4)
    view = build_issue(newsroom.sessions, newsroom.settings, "daily", now=NOW)
    with pytest.raises(EmptyIssue):
        build_issue(newsroom.sessions, newsroom.settings, "daily", now=NOW + 24 * HOUR)
    with newsroom.sessions.begin() as session:
        cancel(session, view.id or 0, now=NOW + HOUR)
    again = build_issue(newsroom.sessions, newsroom.settings, "daily", now=NOW + HOUR)
    assert again.id != view.id
    assert again.stories == 4


def test_a_sponsored_story_is_labelled_whatever_the_source_says(newsroom: Newsroom) -> None:
    newsroom.some(3, at=NOW - 3 * HOUR)
    paid = newsroom.some(1, at=NOW - HOUR, kind=ArticleKind.SPONSORED)[0]
    view = build_issue(newsroom.sessions, newsroom.settings, "daily", now=NOW)
    assert view.lead is not None
    assert view.lead.article_id != paid
    assert [item.label for item in view.items if item.article_id == paid] == ["Sponsored"]


def test_embargo_and_expiry_of_the_stock_are_kept(newsroom: Newsroom) -> None:
    newsroom.some(3, at=NOW - 3 * HOUR)
    early = newsroom.some(1, at=NOW - HOUR, not_before=NOW + HOUR)[0]
    over = newsroom.some(1, at=NOW - HOUR, expires_at=NOW)[0]
    view = build_issue(newsroom.sessions, newsroom.settings, "daily", now=NOW)
    assert not {early, over} & {item.article_id for item in view.items}
    later = build_issue(newsroom.sessions, newsroom.settings, "daily", now=NOW + 2 * HOUR, rebuild=True)
    assert early in {item.article_id for item in later.items}


def test_the_stocks_front_page_and_sticky_marks_are_factors_that_explain_shows(newsroom: Newsroom) -> None:
    newsroom.some(2)
    first = newsroom.some(1, front_page_rank=1)[0]
    stuck = newsroom.some(1, sticky=True)[0]
    found = {
        one.article: one for one in explain_edition(newsroom.sessions, newsroom.settings, "daily", now=NOW)
    }
    assert found[first].factors["prominence"] > 1.0
    assert found[stuck].factors["sticky"] > 1.0
    for one in found.values():
        assert isclose(one.score, prod(one.factors.values()), rel_tol=1e-12)
        assert one.as_json()["factors"] == one.factors


def test_a_story_told_by_others_names_them(newsroom: Newsroom) -> None:
    newsroom.some(3)
    told = newsroom.some(1, at=NOW - HOUR)[0]
    with newsroom.sessions.begin() as session:
        story = session.get_one(StoryRow, session.get_one(ArticleRow, told).story_id)
        story.sources, story.also = 3, ["lagoon", "harbour", "ferry"]
    view = build_issue(newsroom.sessions, newsroom.settings, "daily", now=NOW)
    assert view.lead is not None
    assert (view.lead.article_id, view.lead.also) == (told, ("harbour", "ferry"))
    assert view.as_json()["lead"]["also"] == ["harbour", "ferry"]
