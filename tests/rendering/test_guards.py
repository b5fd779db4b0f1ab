"""Each silent corruption of mjml-python and premailer: shown without its guard, gone with it."""

# ruff: noqa: E501 - tables of samples, one a line
from __future__ import annotations

import pytest
from mjml import mjml2html

from digest.errors import RenderError
from digest.rendering.compiling import compile_mjml, inline_css
from digest.rendering.guards import MjmlFault, guard


def page(body: str, head: str = "") -> str:
    return (
        f"<mjml><mj-head>{head}</mj-head><mj-body><mj-section><mj-column>"
        f"<mj-text>{body}</mj-text></mj-column></mj-section></mj-body></mjml>"
    )


def raw(mjml: str) -> str:
    return str(mjml2html(mjml, fonts={}, social_icon_origin=""))


def compiled(mjml: str) -> str:
    return compile_mjml(mjml, "test.mjml.j2").html


@pytest.mark.parametrize(
    "alt",
    ["हिन्दी", "a\u00a0b", "เก้าอี้", "שָׁלוֹם", "👩\u200d👩\u200d👧", "back\\slash", "Zoë", "e\u0301"],
    ids=["hindi", "nbsp", "thai", "hebrew", "emoji", "backslash", "latin", "combining"],
)
def test_attribute_values_in_any_script_come_out_as_they_went_in(alt: str) -> None:
    from lxml import html

    mjml = page("x").replace("<mj-text>", f'<mj-image src="https://x.example/a.png" alt="{alt}" /><mj-text>')
    [image] = html.fromstring(compiled(mjml)).xpath("//img")
    assert image.get("alt") == alt


def test_without_the_guard_hindi_in_an_attribute_is_spoilt() -> None:
    mjml = page("x").replace("<mj-text>", '<mj-image src="https://x.example/a.png" alt="हिन्दी" /><mj-text>')
    assert "हिन्दी" not in raw(mjml)


def test_a_newline_in_a_style_attribute_becomes_a_space() -> None:
    mjml = page('<b style="color:red;\nfont-size:1px">x</b>')
    assert "\\n" in raw(mjml)
    assert "\\n" not in compiled(mjml)
    assert "color:red; font-size:1px" in compiled(mjml)


def test_a_quote_in_a_link_stays_in_its_attribute() -> None:
    from lxml import html

    [link] = html.fromstring(compiled(page('<a href="https://x.example/?q=&#34;a&#34;">x</a>'))).xpath("//a")
    assert link.get("href") == 'https://x.example/?q="a"'


def test_words_on_two_lines_do_not_run_together() -> None:
    mjml = page("<b>one</b>\n<i>two</i>")
    assert "</b><i>" in raw(mjml)
    assert "</b><i>" not in compiled(mjml)


def test_more_than_one_class_is_refused_since_the_wrong_one_would_win() -> None:
    head = '<mj-attributes><mj-class name="a" color="#111111" /><mj-class name="b" color="#222222" /></mj-attributes>'
    mjml = page("x", head).replace("<mj-text>", '<mj-text mj-class="a b">')
    assert "#111111" in raw(mjml)  # MJML's own compiler lets the last win
    with pytest.raises(RenderError, match="more than one class"):
        compiled(mjml)


def test_inline_styles_of_the_author_are_inlined() -> None:
    mjml = page('<p class="teaser">x</p>', '<mj-style inline="inline">.teaser { color: #123456; }</mj-style>')
    assert 'class="teaser" style' not in raw(mjml)
    assert '<p class="teaser" style="color:#123456">' in compiled(mjml)


def test_a_picture_without_alt_gets_an_empty_one_and_is_told_of() -> None:
    mjml = page("x").replace("<mj-text>", '<mj-image src="https://x.example/a.png" /><mj-text>')
    assert "alt=" not in raw(mjml)
    found = compile_mjml(mjml, "test.mjml.j2")
    assert 'alt=""' in found.html
    assert found.notes == ("test.mjml.j2: a picture has no alt text",)


def test_a_stray_less_than_in_a_style_does_not_end_the_rendering() -> None:
    mjml = page("x", "<mj-style>.a::before { content: '<'; }</mj-style>")
    with pytest.raises(ValueError, match=r"."):
        raw(mjml)
    assert "\\3c" in compiled(mjml)


@pytest.mark.parametrize("element", ["<BR>", "<br>", "<hr>"])
def test_void_elements_need_no_slash(element: str) -> None:
    assert "one" in compiled(page(f"one{element}two"))


@pytest.mark.parametrize(
    "head", [" <mj-title>x</mj-title>", "\t<mj-title>x</mj-title> ", "  \n <mj-title>x</mj-title>"]
)
def test_blanks_between_mjmls_own_elements_are_no_error(head: str) -> None:
    with pytest.raises(ValueError, match="unexpected token"):
        raw(page("one", head))
    assert "<title>x</title>" in compiled(page("one", head))


def test_an_element_that_mjml_does_not_know_is_not_passed_on_in_silence() -> None:
    mjml = page("words").replace("mj-text", "mj-txt")
    assert "<mj-txt>words</mj-txt>" in raw(mjml)  # in a cell of font size 0: nobody would see them
    with pytest.raises(RenderError, match="there is no <mj-txt>; did you mean <mj-text>"):
        compiled(mjml)


def test_a_conditional_comment_that_is_whole_stays() -> None:
    ghost = "<!--[if mso]><table><tr><td>x</td></tr></table><![endif]-->"
    assert ghost in compiled(page(ghost + "one"))


def test_a_slash_within_an_attribute_ends_no_tag() -> None:
    found = compiled(page("<a href='https://x.example/a/b' title='1/2 > 1/3'>one</a>"))
    assert "https://x.example/a/b" in found


def test_deep_nesting_is_refused_before_it_ends_the_process() -> None:
    deep = "<div>" * 300 + "</div>" * 300
    with pytest.raises(MjmlFault, match="stand in each other"):
        guard(page(deep))


def test_an_unclosed_element_is_one_line_that_shows_the_place() -> None:
    with pytest.raises(RenderError, match=r"test\.mjml\.j2: <p> is not closed, near") as caught:
        compiled(page("<p>one"))
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    "element",
    ['<mj-include path="x.mjml" />', '<mj-font name="X" href="https://f.example" />', "<script>1</script>"],
    ids=["include", "font", "script"],
)
def test_what_loads_from_elsewhere_is_refused(element: str) -> None:
    with pytest.raises(RenderError, match="cannot be used"):
        compiled(page(element))


def test_no_fonts_and_icons_of_third_parties_are_linked() -> None:
    mjml = page("x", '<mj-attributes><mj-all font-family="Ubuntu, Roboto" /></mj-attributes>')
    assert "fonts.googleapis.com" in str(mjml2html(mjml))
    assert "googleapis" not in compiled(mjml)


class TestPremailer:
    """Its defaults spoil what MJML made; the options and their order keep it."""

    HTML = (
        "<!DOCTYPE html><html><head>"
        "<style data-x='1'>@import url(https://evil.example/a.css); @font-face { font-family: X; }"
        "[data-ogsc] .a { color: red !important } .a { color: blue !important; }</style>"
        "<!--[if mso]><style>.b { color: green; }</style><![endif]-->"
        "</head><body><p class='a'>x</p><img src='a.png' style='float:left' width='10'></body></html>"
    )
    CSS = "@import url(https://evil.example/b.css); p { margin: 0; }"

    def test_the_doctype_stays(self) -> None:
        assert inline_css(self.HTML, self.CSS).startswith("<!DOCTYPE html>")

    def test_important_outlook_rules_and_conditional_styles_stay(self) -> None:
        html = inline_css(self.HTML, self.CSS)
        assert "[data-ogsc] .a { color: red !important }" in html
        assert "<!--[if mso]><style>.b { color: green; }</style><![endif]-->" in html

    def test_only_the_authors_css_is_inlined(self) -> None:
        assert '<p class="a" style="margin:0">' in inline_css(self.HTML, self.CSS)

    def test_nothing_is_fetched(self, monkeypatch: pytest.MonkeyPatch) -> None:
        import urllib.request

        def refuse(*_: object, **__: object) -> None:
            raise AssertionError("a connection was opened")

        monkeypatch.setattr(urllib.request, "urlopen", refuse)
        inline_css(self.HTML, self.CSS + "/* not cached */")

    def test_floating_pictures_get_no_attribute(self) -> None:
        assert "align=" not in inline_css(self.HTML, self.CSS)
