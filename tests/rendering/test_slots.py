"""Merge fields and sections that one may leave out."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from digest.errors import RenderError
from digest.rendering import HouseStyle, render
from digest.rendering.environment import CONTRACT, Templates
from digest.rendering.fragments import fragments_from_json, fragments_to_json
from digest.rendering.slots import SlotBook
from digest.settings.model import Theme
from digest.values import Context, Literal, Merge

from .drafts import html_of, paper, text_of


def contexts(html: str) -> list[Context]:
    book = SlotBook("seed")
    fragments = book.cut_html(html.replace("SLOT", book.merge("city")), "t")
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
    with pytest.raises(RenderError, match="city"):
        contexts(html)


def test_hostile_values_stay_where_they_are_put() -> None:
    book = SlotBook("seed")
    html = f'<p title="{book.merge("name")}">{book.merge("name")}</p><a href="{book.link("view_url")}">x</a>'
    rendered = render(paper(), Theme())
    evil = '"><script>alert(1)</script>\r\nBcc: x@y.example'
    from dataclasses import replace

    found = replace(rendered, html=book.cut_html(html, "t")).html_for(
        {"name": evil, "view_url": "javascript:1"}
    )
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
