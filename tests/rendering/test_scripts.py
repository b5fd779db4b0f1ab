"""How scripts stand together on one line."""

from __future__ import annotations

from dataclasses import replace

import pytest

from digest.rendering import render
from digest.rendering.scripts import dotted
from digest.settings.model import Theme

from .drafts import html_of, paper, text_of


def test_parts_of_one_direction_have_plain_dots_between_them() -> None:
    assert dotted(["City", "Nov 23"], "ltr") == "City · Nov 23"
    assert dotted(["المدينة", "23 نوفمبر"], "rtl") == "المدينة · 23 نوفمبر"


@pytest.mark.parametrize(
    ("parts", "direction", "mark"),
    [(["Meera Nair", "23 نوفمبر"], "rtl", "\u200f"), (["ليلى منصور", "23 Nov"], "ltr", "\u200e")],
)
def test_a_part_against_the_line_is_parted_from_the_number_after_it(
    parts: list[str], direction: str, mark: str
) -> None:
    assert dotted(parts, direction) == f" {mark}· ".join(parts)


@pytest.mark.parametrize("template", ["daily", "brief"])
def test_a_latin_name_in_an_arabic_line_is_parted_in_both_parts(template: str) -> None:
    rendered = render(paper("ar", template=template), Theme())
    for part in (html_of(rendered), text_of(rendered)):
        assert "Meera Nair \u200f· " in part or " \u200f· Meera Nair" in part


def test_a_sections_count_stands_apart_from_a_number_in_its_name() -> None:
    html = html_of(render(paper("ar"), Theme()))
    assert 'افتتاح 1\u00a0\u200f<span class="accent"' in html.replace("&nbsp;", "\u00a0")


def test_no_line_ends_in_a_dot() -> None:
    draft = paper("en", template="brief")
    bare = tuple(replace(item, published_at=None, reading_minutes=0) for item in draft.items)
    assert "·</p>" not in html_of(render(replace(draft, items=bare), Theme())).replace("· ", "·")
