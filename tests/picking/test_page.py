"""The page: sections, the lead, More, Don't Miss, pins; and that the reasons are true."""

from __future__ import annotations

from collections import Counter
from datetime import UTC, datetime, timedelta
from math import isclose, prod
from typing import Any

import pytest

from digest.errors import ConfigError
from digest.picking.page import Page, pick_page
from digest.picking.rules import Rules, window
from digest.settings.model import DontMiss, Ranking, Section
from digest.values import ArticleKind, Candidate, Item, Slot

NOW = datetime(2026, 3, 10, 3, 0, tzinfo=UTC)
HOUR = timedelta(hours=1)
DAY = timedelta(days=1)
WORLD = Section(key="world", name="World", max=3)
BUSINESS = Section(key="business", name="Business", max=2)
CULTURE = Section(key="culture", name="Culture")
RULES = Rules(sections=(WORLD, BUSINESS), others=(CULTURE,), dont_miss=DontMiss(count=3))


def story(number: int, category: str = "World", *, hours: float = 2, **values: Any) -> Candidate:
    """A story of its own with a headline that is like no other."""
    at = NOW - hours * HOUR
    word = "".join("bcdfghjklm"[int(digit)] + "aeiou"[int(digit) % 5] for digit in f"{number * 7919:06d}")
    given: dict[str, Any] = {
        "id": number,
        "story_id": number,
        "title": f"{word} opens",
        "url": f"https://paper.example/{number}",
        "source": f"source-{number}",
        "published_at": at,
        "categories": (category,) if category else (),
    }
    return Candidate(**(given | values))


def pick(*candidates: Candidate, rules: Rules = RULES, held: tuple[Item, ...] = ()) -> Page:
    return pick_page(candidates, rules, now=NOW, window=36 * HOUR, held=held)


def printed(page: Page, slot: Slot, section: str = "") -> list[int]:
    return [one.candidate.id for one in page.in_slot(slot, section)]


def reason(page: Page, number: int) -> str:
    return next(one.reason for one in page.judged if one.candidate.id == number)


def test_the_newest_story_leads_and_sections_follow_in_the_editions_order() -> None:
    page = pick(
        story(1, "Business"), story(2, "World", hours=1), story(3, "World"), story(4, "Business", hours=5)
    )
    assert printed(page, Slot.LEAD) == [2]
    assert page.sections == ("world", "business")
    assert printed(page, Slot.SECTION, "business") == [1, 4]


def test_what_does_not_fit_goes_to_more_up_to_its_room() -> None:
    page = pick(*(story(n, hours=n) for n in range(1, 15)))
    assert printed(page, Slot.SECTION, "world") == [2, 3, 4]
    assert printed(page, Slot.SECTION, "more") == [5, 6, 7, 8, 9]
    assert page.sections[-1] == "more"
    assert reason(page, 14) == "section world is full (3)"


def test_without_more_nothing_spills_over() -> None:
    rules = Rules(sections=(WORLD,), more=False, dont_miss=DontMiss(count=0))
    page = pick(*(story(n, hours=n) for n in range(1, 9)), rules=rules)
    assert page.sections == ("world",)


def test_a_section_below_its_minimum_is_dropped_and_its_stories_go_to_more() -> None:
    least = Section(key="business", name="Business", max=4, min=2)
    rules = Rules(sections=(WORLD, least))
    page = pick(story(1, hours=1), story(2), story(3, "Business"), rules=rules)
    assert page.sections == ("world", "more")
    assert printed(page, Slot.SECTION, "more") == [3]
    assert reason(page, 3) == "in More: section business has 1 of at least 2"


def test_a_story_without_a_section_is_named_as_such() -> None:
    page = pick(story(1), story(2, "Gardening", hours=200))
    assert reason(page, 2) == "no section"


@pytest.mark.parametrize("category", ["WORLD", "wörld", " World ", "Wôrld"])
def test_categories_match_without_case_and_accents(category: str) -> None:
    assert printed(pick(story(1, category)), Slot.LEAD) == [1]


def test_a_section_may_match_addresses_and_headlines() -> None:
    rules = Rules(
        sections=(
            Section(key="opinion", name="Opinion", match_url=[r"/opinion/"]),
            Section(key="live", name="Live", match_title=[r"^live\b", "économie"]),
        )
    )
    page = pick(
        story(1, "", url="https://paper.example/opinion/1", hours=9),
        story(2, "", title="LIVE: the vote", hours=8),
        story(3, "", title="L'economie repart", hours=7),
        rules=rules,
    )
    assert {one.candidate.id: one.section for one in page.judged} == {1: "opinion", 2: "live", 3: "live"}


def test_a_wrong_expression_names_itself() -> None:
    rules = Rules(sections=(Section(key="live", name="Live", match_title=["(unclosed"]),))
    with pytest.raises(ConfigError, match=r"sections\[live\]\.match_title = '\(unclosed': missing \)"):
        pick(story(1), rules=rules)


def test_an_exploding_expression_is_left_out_with_a_warning() -> None:
    bomb = Section(key="bomb", name="Bomb", match_title=[r"^(a|a|aa)+$"])
    title = "a" * 60 + "b"
    page = pick(
        *(story(n, "World", title=f"{title}{n}") for n in range(1, 400)), rules=Rules(sections=(bomb, WORLD))
    )
    assert len(page.warnings) == 1
    assert page.warnings[0].startswith("sections[bomb].match_title = '^(a|a|aa)+$' takes too long")
    assert printed(page, Slot.LEAD)


BOMBS = [
    r"^(a|a|aa)+$",
    r"((a{1,1000}){1,1000}){1,1000}c",
    r"(x+x+)+y",
    r"(?b)(?:opens after a year){i<=9,d<=9,s<=9}",
    r"(?e)(?:abcdefgh){e<=30}",
    r"(.)(?=.*\1.*\1.*\1.*\1).*(.)(?=.*\2)",
    r"(?R)?a*(?R)?b",
    r"(a(?R)?)*$",
    "(" * 160 + "a" + ")*" * 160,
    "|".join(f"{letter}*" for letter in "abcdefghijklmnopqrstuvwxyz" * 5),
]


@pytest.mark.parametrize("bomb", BOMBS)
def test_whatever_an_expression_does_it_costs_little(bomb: str) -> None:
    from time import process_time

    rules = Rules(sections=(Section(key="bomb", name="Bomb", match_title=[bomb]), WORLD))
    titles = ["a" * 60 + "b", "x" * 2000, "Harbour opens after a year of repairs " * 20]
    began = process_time()
    page = pick(*(story(n, title=f"{titles[n % 3]}{n}") for n in range(1, 300)), rules=rules)
    assert process_time() - began < 1.5  # of CPU, so that a busy machine drops no honest expression
    assert len(page.warnings) <= 1
    assert printed(page, Slot.LEAD)


def test_one_story_is_printed_once_by_its_representative() -> None:
    page = pick(
        story(1, story_id=7, representative=False, hours=1), story(2, story_id=7, hours=5), story(3, hours=9)
    )
    assert printed(page, Slot.LEAD) == [2]
    assert [one.duplicate_of for one in page.judged] == [2, None, None]
    assert reason(page, 1) == "the same story as 2"


def test_near_duplicates_never_share_a_section() -> None:
    page = pick(story(9, hours=0), story(1, hours=1), story(2, hours=2, linked=(1,)), story(3, hours=30))
    assert 2 not in printed(page, Slot.SECTION, "world")
    assert reason(page, 2).startswith("much like 1")
    assert next(one for one in page.judged if one.candidate.id == 2).duplicate_of == 1
    assert next(one for one in page.picks if one.candidate.id == 1).candidate.also == ("source-2",)


def test_sponsored_stories_never_lead_nor_are_they_missed_unless_pinned() -> None:
    sponsored: dict[str, Any] = {"kind": ArticleKind.SPONSORED}
    page = pick(story(1, hours=0.5, **sponsored), story(2, hours=5), story(3, "Culture", **sponsored))
    assert printed(page, Slot.LEAD) == [2]
    assert printed(page, Slot.SECTION, "world") == [1]
    assert printed(page, Slot.DONT_MISS) == []
    pinned = pick(
        story(1, **sponsored, pin_slot="lead"), story(3, "Culture", **sponsored, pin_slot="dont-miss")
    )
    assert printed(pinned, Slot.LEAD) == [1]
    assert printed(pinned, Slot.DONT_MISS) == [3]


def test_pins_go_first_in_their_order_and_outlive_the_window() -> None:
    page = pick(
        story(1, hours=1),
        story(2, hours=1.5),
        story(3, hours=900, pin_slot="world", pin_order=2),
        story(4, hours=30, pin_slot="any", pin_order=1),
    )
    assert printed(page, Slot.SECTION, "world") == [4, 3, 2]
    assert reason(page, 3) == "pinned to world"


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        ({"hidden": True}, "hidden by an editor"),
        ({"printed": True, "printed_issue": 12}, "printed in issue 12"),
        ({"not_before": NOW + HOUR}, "embargoed until 2026-03-10 04:00 UTC"),
        ({"expires_at": NOW}, "expired at 2026-03-10 03:00 UTC"),
        ({"published_at": NOW + 16 * HOUR / 60}, "dated in the future (2026-03-10 03:16 UTC): embargoed"),
        ({"published_at": NOW - 40 * HOUR}, "older than 36 hours"),
    ],
)
def test_who_may_not_be_printed_is_told_why(values: dict[str, Any], expected: str) -> None:
    page = pick(story(1, **values), rules=Rules(sections=(WORLD,), dont_miss=DontMiss(count=0)))
    assert page.picks == ()
    assert reason(page, 1).startswith(expected)


def test_fourteen_minutes_in_the_future_is_a_wrong_clock_not_an_embargo() -> None:
    assert printed(pick(story(1, published_at=NOW + 14 * HOUR / 60)), Slot.LEAD) == [1]


def test_a_printed_story_comes_again_only_when_it_is_pinned_again() -> None:
    page = pick(
        story(1, printed=True, pin_slot="lead", pin_again=True), story(2, printed=True, pin_slot="any")
    )
    assert printed(page, Slot.LEAD) == [1]
    assert len(page.picks) == 1


class TestDontMiss:
    def test_it_takes_from_sections_that_are_not_printed_first(self) -> None:
        page = pick(*(story(n, hours=n) for n in range(1, 12)), story(50, "Culture", hours=90))
        assert printed(page, Slot.DONT_MISS)[0] == 50

    def test_it_never_repeats_the_page_or_the_ledger(self) -> None:
        page = pick(
            story(1, hours=1),
            story(2, "Culture", linked=(1,)),
            story(3, "Culture", printed=True),
            story(4, "Culture"),
        )
        assert printed(page, Slot.DONT_MISS) == [4]

    def test_it_takes_at_most_two_of_a_source_and_of_a_section(self) -> None:
        many = [story(n, "Culture", source="one", hours=n) for n in range(1, 9)]
        others = [story(n, "Sport", source="two", hours=n) for n in range(10, 19)]
        page = pick(*many, *others, story(20, "Food", source="one", hours=60), rules=Rules(
            sections=(WORLD,), others=(CULTURE,), dont_miss=DontMiss(count=8)))  # fmt: skip
        chosen = [one.candidate for one in page.in_slot(Slot.DONT_MISS)]
        assert max(Counter(one.source for one in chosen).values()) == 2
        assert max(Counter(one.categories[0] for one in chosen).values()) == 2
        assert len(chosen) == 4

    def test_it_leaves_out_what_is_excluded_and_what_is_too_old(self) -> None:
        rules = Rules(
            sections=(WORLD,),
            others=(CULTURE,),
            dont_miss=DontMiss(count=3, exclude=["Horoscope", "culture"]),
        )
        page = pick(
            story(1, "horoscope"),
            story(2, "Culture"),
            story(3, "Food", hours=24 * 8),
            story(4, "Food"),
            rules=rules,
        )
        assert printed(page, Slot.DONT_MISS) == [4]

    def test_it_prefers_what_is_unlike_the_chosen(self) -> None:
        page = pick(
            story(1, "Culture", title="Museum opens new wing in Porto", source="a", hours=1),
            story(2, "Sport", title="Museum opens new wing in Porto today", source="b", hours=2),
            story(3, "Food", title="Bakers share their best bread", source="c", hours=20),
            rules=Rules(sections=(WORLD,), others=(CULTURE,), dont_miss=DontMiss(count=2)),
        )
        assert printed(page, Slot.DONT_MISS) == [1, 3]

    def test_words_that_any_headline_has_are_no_likeness(self) -> None:
        page = pick(
            story(1, "Culture", title="Museum opens after the war", source="a", hours=1),
            story(2, "Sport", title="The coach and what comes after", source="b", hours=2),
            story(3, "Food", title="Bakers share their best bread", source="c", hours=3),
            rules=Rules(sections=(WORLD,), others=(CULTURE,), dont_miss=DontMiss(count=3)),
        )
        assert printed(page, Slot.DONT_MISS) == [1, 2, 3]
        assert all(one.factors["likeness"] == 1.0 for one in page.picks)

    def test_pins_go_first(self) -> None:
        page = pick(story(1, "Culture", hours=1), story(2, "World", hours=90, pin_slot="dont-miss"))
        assert printed(page, Slot.DONT_MISS) == [2, 1]


def test_every_score_is_the_product_of_its_factors() -> None:
    page = pick(
        *(story(n, ["World", "Culture", "Food"][n % 3], hours=n, sources=n % 5 + 1, sticky=n % 4 == 0,
                front_page_rank=n % 7 or None) for n in range(1, 60)),
        rules=Rules(sections=(WORLD, BUSINESS), others=(CULTURE,), ranking=Ranking(prominence=0.8),
                    source_weights={"source-3": 2.0}),
    )  # fmt: skip
    assert len(page.judged) == 59
    for one in page.judged:
        assert isclose(one.score, prod(one.factors.values()), rel_tol=1e-12)
        assert one.reason


def test_prominence_sticky_and_more_sources_lift_a_story() -> None:
    plain, first, stuck, told = (
        story(1),
        story(2, front_page_rank=1),
        story(3, sticky=True),
        story(4, sources=4),
    )
    page = pick(plain, first, stuck, told)
    score = {one.candidate.id: prod(list(one.factors.values())[:6]) for one in page.judged}
    assert isclose(score[2] / score[1], 1.5)
    assert isclose(score[3] / score[1], 1.5)
    assert isclose(score[4] / score[1], 1 + 0.5 * 1.3862943611198906)


def test_the_order_of_the_candidates_does_not_matter() -> None:
    many = [story(n, ["World", "Business", "Culture"][n % 3], hours=(n * 37) % 50) for n in range(1, 80)]
    forwards, backwards = pick(*many), pick(*reversed(many))
    assert forwards.picks == backwards.picks


def test_held_items_keep_their_place_and_count_for_their_section() -> None:
    held = (
        Item(slot=Slot.SECTION, section="world", position=2, article_id=1, story_id=1, locked=True),
        Item(slot=Slot.LEAD, position=1, article_id=2, story_id=2, locked=True),
    )
    page = pick(*(story(n, hours=n) for n in range(1, 8)), held=held)
    assert printed(page, Slot.LEAD) == []
    assert [(one.candidate.id, one.position) for one in page.in_slot(Slot.SECTION, "world")] == [
        (3, 1),
        (4, 3),
    ]
    assert reason(page, 1) == "in the issue by hand"


@pytest.mark.parametrize(
    ("last", "expected"),
    [(None, 36 * HOUR), (NOW - DAY, 36 * HOUR), (NOW - 3 * DAY, 3 * DAY), (NOW - 30 * DAY, 7 * DAY)],
)
def test_the_window_reaches_back_to_the_last_issue_but_not_beyond_a_week(
    last: datetime | None, expected: timedelta
) -> None:
    assert window(36 * HOUR, last_issue=last, now=NOW) == expected
