"""Subject and preheader: within their lengths, never empty, never yesterday's."""

from __future__ import annotations

from datetime import date

import pytest
from hypothesis import given
from hypothesis import strategies as st

from digest.errors import ConfigError
from digest.picking.folding import fold
from digest.picking.subject import Occasion, preheader_of, subject_of
from digest.values import Item, Slot

TODAY = Occasion("The Lagoon", "daily", date(2026, 3, 10), "en")
LEAD = Item(
    slot=Slot.LEAD, headline="Harbour opens after a year", teaser="The gates rose at nine. Ships came."
)
SECOND = Item(slot=Slot.SECTION, position=1, headline="Bakers share their best bread")
THIRD = Item(slot=Slot.SECTION, position=2, headline="Rain at last")
ITEMS = (LEAD, SECOND, THIRD)


def test_without_a_template_the_lead_is_the_subject_and_the_others_follow() -> None:
    subject = subject_of("", ITEMS, TODAY)
    assert subject == "Harbour opens after a year"
    assert preheader_of("", ITEMS, TODAY, subject=subject) == "Bakers share their best bread · Rain at last"


def test_a_template_may_use_stories_name_and_date() -> None:
    template = "{{ name }}, {{ date }}: {{ stories[1].headline }} ({{ count }})"
    assert subject_of(template, ITEMS, TODAY) == "The Lagoon, March 10, 2026: Bakers share their best bread…"


def test_it_is_never_the_same_as_yesterday() -> None:
    assert (
        subject_of("The Lagoon today", ITEMS, TODAY, previous="The lagoon TODAY")
        == "Harbour opens after a year"
    )
    assert subject_of("", (LEAD,), TODAY, previous=LEAD.headline) == "The Lagoon, March 10, 2026"
    first = preheader_of("", ITEMS, TODAY, subject=LEAD.headline)
    assert fold(preheader_of("", ITEMS, TODAY, subject=LEAD.headline, previous=first)) != fold(first)


WRONG = [
    "{{ lead.headline",
    "{{ lead.nothing.at_all }}",
    "{{ 1 / 0 }}",
    "{{ stories[9].headline.x }}",
    "{% for i in range(10**9) %}x{% endfor %}",
]


@pytest.mark.parametrize("template", WRONG)
def test_a_wrong_template_names_its_key(template: str) -> None:
    with pytest.raises(ConfigError, match=r"editions\.daily\.subject = "):
        subject_of(template, ITEMS, TODAY)


words = st.text(st.characters(exclude_categories=("Cs", "Cc")), max_size=200)


@given(headlines=st.lists(words, max_size=5), teaser=words, previous=words)
def test_both_lines_hold_their_lengths_whatever_the_headlines(
    headlines: list[str], teaser: str, previous: str
) -> None:
    items = [
        Item(slot=Slot.SECTION if n else Slot.LEAD, position=n, headline=headline, teaser=teaser)
        for n, headline in enumerate(headlines)
    ]
    subject = subject_of("", items, TODAY, previous=previous)
    preheader = preheader_of("", items, TODAY, subject=subject, previous=previous)
    assert 0 < len(subject) <= 60
    assert 0 < len(preheader) <= 110
    assert fold(subject) != fold(previous)
    assert fold(preheader) != fold(previous)


@pytest.mark.parametrize("language", ["en", "ar", "hi", "de", "zh", "zh-Hant", "xx"])
def test_the_date_is_in_the_issues_language(language: str) -> None:
    dated = subject_of("{{ date }}", ITEMS, Occasion("L", "daily", date(2026, 3, 10), language))
    expected = {
        "en": "March",
        "ar": "مارس",
        "hi": "मार्च",
        "de": "März",
        "zh": "3月",
        "zh-Hant": "3月",
        "xx": "March",
    }
    assert expected[language] in dated
