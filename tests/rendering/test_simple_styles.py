"""The short way to inlined CSS gives what premailer gives, and leaves to premailer what it must."""

from __future__ import annotations

import pytest
from lxml import html

from digest.rendering import compiling, guards, render
from digest.rendering.simple_styles import simple_sheet
from digest.settings.model import Theme

from .drafts import html_of, paper


def styles(page: str) -> list[tuple[str, dict[str, str]]]:
    found = []
    for element in html.fromstring(page).iter():
        if isinstance(element.tag, str):
            pairs = (part.split(":", 1) for part in element.get("style", "").split(";") if ":" in part)
            plain = {name.strip(): "".join(value.split()).replace('"', "'") for name, value in pairs}
            found.append((str(element.tag), plain))
    return found


@pytest.mark.parametrize("template", ["daily", "brief"])
@pytest.mark.parametrize("language", ["en", "ar"])
def test_it_gives_what_premailer_gives(template: str, language: str, monkeypatch: pytest.MonkeyPatch) -> None:
    short = styles(html_of(render(paper(language, template=template), Theme())))
    used: list[str] = []

    def counted(page: str, css: str) -> str:
        used.append(css)
        return inline(page, css)

    inline = compiling.inline_css
    monkeypatch.setattr(guards, "simple_sheet", lambda css, mjml: None)
    monkeypatch.setattr(compiling, "inline_css", counted)
    long = styles(html_of(render(paper(language, template=template), Theme())))
    assert used[0].strip()
    assert short == long


@pytest.mark.parametrize(
    "css",
    [
        "a.x:hover { color: red }",
        ".a .b { color: red }",
        ".a > .b { color: red }",
        "td { color: red }",
        ".a { color: red !important }",
        "@media print { .a { color: red } }",
        "* { color: red }",
        "#a { color: red }",
        ".a { color red }",
    ],
)
def test_what_is_not_plain_goes_to_premailer(css: str) -> None:
    assert simple_sheet(css, "") is None


def test_a_class_that_mjml_puts_on_its_own_elements_goes_to_premailer() -> None:
    assert simple_sheet(".a { color: red }", '<mj-text css-class="b a">') is None
    assert simple_sheet(".a { color: red }", '<mj-text css-class="b">') is not None


def test_the_cascade_is_kept_and_what_stood_there_wins() -> None:
    sheet = simple_sheet("p.a { color: red } .a { color: blue; margin: 0 } .b { margin: 1px }", "")
    assert sheet is not None
    assert sheet.styled("p", ' class="a b"') == ' class="a b" style="color:red;margin:1px"'
    assert sheet.styled("div", ' class="a"') == ' class="a" style="color:blue;margin:0"'
    assert sheet.styled("p", ' style="color:green" class="a"') == ' class="a" style="color:green;margin:0"'
    assert sheet.styled("p", ' class="c"') == ' class="c"'


def test_quotes_and_entities_in_a_style_stay_what_they_are() -> None:
    sheet = simple_sheet(""".a { font-family: 'Geeza Pro', "Times" }""", "")
    assert sheet is not None
    found = sheet.styled("p", ' class="a" style="background:&#39;x;y&#39;"')
    [element] = html.fromstring(f"<div><p{found}>x</p></div>").xpath("//p")
    assert element.get("style") == """font-family:'Geeza Pro', "Times";background:'x;y'"""
