"""Merge fields and sections that one may leave out."""

from __future__ import annotations

import re
from dataclasses import replace
from itertools import combinations
from pathlib import Path

import pytest

from digest.errors import RenderError
from digest.rendering import HouseStyle, render
from digest.rendering.environment import CONTRACT, Templates
from digest.rendering.fragments import fragments_from_json, fragments_to_json
from digest.rendering.slots import SlotBook, SlotFault
from digest.settings.model import Theme
from digest.values import Context, Literal, Merge, SectionHeading, Slot

from .drafts import HEADLINES, html_of, paper, story, text_of


def contexts(html: str) -> list[Context]:
    book = SlotBook("seed")
    fragments = book.cut_html(html.replace("SLOT", book.merge("city")))
    return [fragment.context for fragment in fragments if isinstance(fragment, Merge)]


@pytest.mark.parametrize(
    ("html", "context"),
    [
        ("<p>Hello SLOT</p>", Context.HTML),
        ('<img alt="in SLOT">', Context.ATTRIBUTE),
        ("<img alt='in SLOT'>", Context.ATTRIBUTE),
        ('<a href="https://x.example/?c=SLOT">x</a>', Context.URL),
        ("<style>p{}</style><p>SLOT</p>", Context.HTML),
        ("<title>SLOT</title>", Context.HTML),
    ],
)
def test_a_field_is_escaped_for_where_it_stands(html: str, context: Context) -> None:
    assert contexts(html) == [context]


@pytest.mark.parametrize(
    "html",
    ["<style>.a{color:SLOT}</style>", "<p SLOT>x</p>", '<p style="color:SLOT">', '<p onclick="SLOT">'],
)
def test_a_field_where_nothing_escapes_is_refused(html: str) -> None:
    with pytest.raises(SlotFault, match="city"):
        contexts(html)


def test_hostile_values_stay_where_they_are_put() -> None:
    book = SlotBook("seed")
    html = f'<p title="{book.merge("name")}">{book.merge("name")}</p><a href="{book.link("view_url")}">x</a>'
    rendered = render(paper(), Theme())
    evil = '"><script>alert(1)</script>\r\nBcc: x@y.example'
    found = replace(rendered, html=book.cut_html(html)).html_for({"name": evil, "view_url": "javascript:1"})
    assert "<script" not in found
    assert "\n" not in found
    assert 'href="javascript:' not in found


def test_the_same_words_never_occur_in_what_strangers_wrote() -> None:
    first = SlotBook("one")
    with_word = paper(subject=first.merge("x"))
    rendered = render(with_word, Theme())
    assert all(fragment.name != "x" for fragment in rendered.html if isinstance(fragment, Merge))


def test_links_of_a_subscriber_are_in_both_parts() -> None:
    rendered = render(paper(), Theme())
    for part in (rendered.html, rendered.text):
        names = [fragment.name for fragment in part if isinstance(fragment, Merge)]
        assert {"unsubscribe_url", "preferences_url"} <= set(names)
    assert 'href="https://news.example/u/abc"' in html_of(rendered)
    assert "\nhttps://news.example/u/abc\n" in text_of(rendered)
    assert "slot.invalid" not in html_of(rendered) + text_of(rendered)


class TestSections:
    """A subscriber who chose sections gets those, and what is for everybody."""

    def test_other_sections_are_gone_from_both_parts_and_from_the_contents(self) -> None:
        rendered = render(paper(sections=4, each=3), Theme())
        values = {"unsubscribe_url": "https://u.example"}
        for part in (
            rendered.html_for(values, frozenset({"s1"})),
            rendered.text_for(values, frozenset({"s1"})),
        ):
            assert "Latest from Night 1" in part.replace("&nbsp;", " ") or "Night 1" in part
            assert "Night 2" not in part
            assert "Don’t Miss" in part
            assert "Tea by post" in part

    @pytest.mark.parametrize("template", ["daily", "brief"])
    def test_the_lead_goes_with_its_section(self, template: str) -> None:
        rendered = render(paper(sections=3, template=template), Theme())  # the lead is of s0
        for part in (rendered.html_for, rendered.text_for):
            assert "/story/1?" in part({})
            assert "/story/1?" in part({}, frozenset({"s0", "s2"}))
            assert "/story/1?" not in part({}, frozenset({"s1"}))

    @pytest.mark.parametrize("template", ["daily", "brief"])
    def test_without_the_lead_the_first_chosen_section_opens_the_issue(self, template: str) -> None:
        html = render(paper(sections=3, template=template), Theme()).html_for({}, frozenset({"s2", "s1"}))
        found = re.findall(r"<(h[123])[^>]*>(?:<a[^>]*>)?([^<]*)", html)
        assert found[0] == ("h1", "The Creek Courier")
        stories = [words for level, words in found if level == "h3"]
        sections = [
            words for level, words in found if level == "h2" and "Night" in words and "mark" not in words
        ]
        assert sections[0].endswith("Night 1")
        assert html.index("/story/5?") < html.index("/story/8?") < html.index("Don’t Miss</h2>")
        assert stories[0] == HEADLINES["ar"][1]  # the first story of Night 1

    def test_every_story_outside_the_sections_goes_with_its_own(self) -> None:
        extra = (
            story(Slot.LEAD, "s1", 5, id=91, url="https://paper.example/second-lead"),
            story(Slot.BOTTOM, "s1", 5, id=92, url="https://paper.example/bottom"),
            story(Slot.TOP, "s1", 5, id=93, url="https://paper.example/top"),
        )
        for template in ("daily", "brief"):
            rendered = render(paper(sections=2, template=template, extra=extra), Theme())
            for part in (rendered.html_for, rendered.text_for):
                for name in ("second-lead", "bottom", "top"):
                    assert f"/{name}" in part({}, frozenset({"s1"})), (template, name)
                    assert f"/{name}" not in part({}, frozenset({"s0"})), (template, name)

    def test_a_lead_of_no_section_is_for_everybody(self) -> None:
        draft = paper(sections=2)
        lead = replace(draft.in_slot(Slot.LEAD)[0], section="")
        items = (lead, *(item for item in draft.items if item.slot is not Slot.LEAD))
        rendered = render(replace(draft, items=items), Theme())
        assert "/story/1?" in rendered.html_for({}, frozenset({"s1"}))

    def test_an_edition_without_sections_goes_to_everybody_whole(self) -> None:
        # They chose among another edition's sections: here is nothing that could have been chosen.
        draft = paper(sections=1)
        items = tuple(replace(item, section="latest") for item in draft.items)
        draft = replace(draft, items=items, sections=(SectionHeading("latest", "The Daily"),))
        rendered = render(draft, Theme())
        assert rendered.html_for({}, frozenset({"city"})) == rendered.html_for({})
        assert rendered.text_for({}, frozenset({"city"})) == rendered.text_for({})

    def test_the_choice_is_joined_and_never_rendered_again(self, monkeypatch: pytest.MonkeyPatch) -> None:
        rendered = render(paper(), Theme())
        monkeypatch.setattr(Templates, "render", None)
        choices = [frozenset(keys) for n in range(3) for keys in combinations(("s0", "s1", "s2"), n)]
        copies = {rendered.html_for({}, chosen) for chosen in choices}
        assert len(copies) == len(choices)

    @pytest.mark.parametrize("template", ["daily", "brief"])
    def test_the_html_stays_balanced_for_outlook_whatever_is_left_out(self, template: str) -> None:
        rendered = render(paper(sections=4, template=template), Theme())
        for chosen in (None, frozenset({"s0"}), frozenset({"s1", "s3"}), frozenset[str]()):
            html = rendered.html_for({}, chosen)
            outlook = re.sub(r"<!--\[if (?:mso[^\]]*|lte mso[^\]]*)\]>|<!\[endif\]-->", "", html)
            for version in (outlook, re.sub(r"<!--\[if mso.*?<!\[endif\]-->", "", html, flags=re.DOTALL)):
                for tag in ("table", "tr", "td", "div", "a", "p", "h2", "h3"):
                    opened = len(re.findall(rf"<{tag}[\s>]", version))
                    assert opened == version.count(f"</{tag}>"), (chosen, tag)

    def test_a_section_that_is_never_ended_is_an_error(self, tmp_path: Path) -> None:
        (tmp_path / "mine").mkdir()
        for kind in ("mjml", "txt"):
            (tmp_path / f"mine/issue.{kind}.j2").write_text(
                f"{{# dontmiss template contract {CONTRACT} #}}"
                "<mjml><mj-body><mj-raw>{{ section('s0') }}</mj-raw></mj-body></mjml>"
            )
        with pytest.raises(RenderError, match="never ended"):
            render(paper(template="mine"), Theme(), style=HouseStyle(templates=Templates(tmp_path)))


def test_fragments_come_back_from_json_as_they_were() -> None:
    rendered = render(paper(), Theme())
    assert fragments_from_json(fragments_to_json(rendered.html)) == rendered.html
    assert fragments_from_json(fragments_to_json(rendered.text)) == rendered.text
    assert any(isinstance(fragment, Literal) and fragment.section for fragment in rendered.html)
