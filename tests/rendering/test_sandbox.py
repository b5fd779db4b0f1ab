"""A newsletter's own templates: sandboxed, bounded, and wrong ones told in one line with their place."""

# ruff: noqa: E501 - tables of samples, one a line
from __future__ import annotations

import time
from pathlib import Path

import pytest

from digest.errors import RenderError
from digest.rendering import HouseStyle, render
from digest.rendering.environment import CONTRACT, Templates
from digest.settings.model import Theme

from .drafts import html_of, paper

LINE = f"{{# dontmiss template contract {CONTRACT} #}}\n"
ENDLESS = {
    "nested loops": "{% for a in range(99999) %}{% for b in range(99999) %}{% endfor %}{% endfor %}",
    "silent loops": "{% for a in range(9999) %}{% for b in range(9999) %}{% set c = a * b %}{% endfor %}{% endfor %}",
    "a doubling text": "{% set ns = namespace(x='xxxxxxxx') %}{% for a in range(60) %}{% set ns.x = ns.x ~ ns.x %}{% endfor %}",
    "a doubling list": "{% set ns = namespace(x=[1]) %}{% for a in range(60) %}{% set ns.x = ns.x + ns.x %}{% endfor %}",
    "a product": "{{ 'x' * 1000000000 }}",
    "a product of lists": "{% for x in [1] * 1000000000 %}{% endfor %}",
    "a power": "{{ 9 ** 9 ** 9 }}",
    "a squared number": "{% set ns = namespace(x=9) %}{% for a in range(99) %}{% set ns.x = ns.x * ns.x %}{% endfor %}",
    "a format": "{{ '%999999999d' % 1 }}",
    "a format method": "{{ '{:999999999d}'.format(1) }}",
    "a padded text": "{{ 'x'.center(1000000000) }}",
    "a filter that pads": "{{ 'x'|center(1000000000) }}",
    "a replacement": "{% set a = 'x' * 900000 %}{{ a|replace('x', a) }}",
    "a join": "{{ range(50000)|join('x' * 900000) }}",
    "a batch": "{{ [1]|batch(1000000000, 'x')|list|length }}",
    "a macro that calls itself": "{% macro m() %}{{ m() }}{{ m() }}{% endmacro %}{{ m() }}",
    "a macro that writes": "{% macro m() %}{% for a in range(40000) %}{{ 'x' * 9000 }}{% endfor %}{% endmacro %}{{ m() }}",
    "a constant text": "{% for a in range(40000) %}" + "x" * 2000 + "{% endfor %}",
    "a recursive loop": "{% for a in [[1]] recursive %}{{ loop(a) }}{% endfor %}",
    "an include of itself": "{% include 'mine/issue.mjml.j2' %}",
    "a large file": "x" * 70_000,
    "a printed list": "{{ [1] * 40000 }}",
}  # fmt: skip
FORBIDDEN = {
    "python": "{{ ''.__class__.__mro__ }}",
    "globals": "{{ merge.__globals__ }}",
    "self": "{{ _.__self__ }}",
    "models": "{{ look.light.__class__ }}",
    "changing": "{{ issue.sections.append(1) }}",
}


@pytest.fixture
def own(tmp_path: Path) -> Path:
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine/issue.txt.j2").write_text(LINE + "{{ unsubscribe_url }} {{ issue.name }}")
    return tmp_path


def rendered_with(own: Path, source: str) -> str:
    (own / "mine/issue.mjml.j2").write_text(source, encoding="utf-8")
    style = HouseStyle(templates=Templates(own))
    return html_of(render(paper(template="mine"), Theme(), style=style))


@pytest.mark.parametrize("source", ENDLESS.values(), ids=ENDLESS.keys())
def test_a_template_without_end_is_stopped_soon_and_in_one_line(own: Path, source: str) -> None:
    before = time.process_time()
    with pytest.raises(RenderError, match=r"mine/issue\.mjml\.j2") as caught:
        rendered_with(own, LINE + source)
    assert time.process_time() - before < 3
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("source", FORBIDDEN.values(), ids=FORBIDDEN.keys())
def test_a_template_reaches_nothing_but_what_it_is_given(own: Path, source: str) -> None:
    with pytest.raises(RenderError, match=r"mine/issue\.mjml\.j2:2"):
        rendered_with(own, LINE + source)


def test_what_is_undefined_is_named_with_template_and_line(own: Path) -> None:
    with pytest.raises(RenderError, match=r"mine/issue\.mjml\.j2:4: .*headlin") as caught:
        rendered_with(own, LINE + "\n\n{{ issue.lead.headlin }}")
    assert "docs/templates.md" in caught.value.remedy


def test_a_syntax_error_is_named_with_template_and_line(own: Path) -> None:
    with pytest.raises(RenderError, match=r"mine/issue\.mjml\.j2:3: "):
        rendered_with(own, LINE + "\n{% for x %}")


@pytest.mark.parametrize("line", ["", "{# dontmiss template contract 0 #}\n"], ids=["none", "older"])
def test_a_template_of_another_contract_is_refused(own: Path, line: str) -> None:
    with pytest.raises(RenderError, match=rf"contract {CONTRACT}") as caught:
        rendered_with(own, line + "<mjml></mjml>")
    assert "eject" in caught.value.remedy


def test_a_file_in_another_encoding_is_one_line(own: Path) -> None:
    (own / "mine/issue.mjml.j2").write_bytes(LINE.encode() + b"\xff\xfe")
    with pytest.raises(RenderError, match=r"mine/issue\.mjml\.j2"):
        render(paper(template="mine"), Theme(), style=HouseStyle(templates=Templates(own)))


def test_an_unknown_template_names_those_that_there_are() -> None:
    with pytest.raises(RenderError, match="no template 'dayly'") as caught:
        render(paper(template="dayly"), Theme())
    assert "daily" in caught.value.remedy


def test_a_template_of_ones_own_uses_the_shipped_parts(own: Path) -> None:
    source = LINE + (
        '{% from "parts/frame.mjml.j2" import head, footer with context %}'
        '<mjml lang="{{ issue.language }}" dir="{{ issue.direction }}">{{ head(issue.subject) }}<mj-body>'
        '<mj-section><mj-column><mj-text>Dear {{ merge("first_name", fallback="reader") }}</mj-text>'
        "</mj-column></mj-section>{{ footer() }}</mj-body></mjml>"
    )
    assert "Dear reader" in rendered_with(own, source)


@pytest.mark.parametrize(
    "name", ["../mine", "..", ".", "", "/etc", "mine/../mine", "mine\x00", "parts/../mine"]
)
def test_a_name_that_is_a_path_is_no_template(own: Path, name: str) -> None:
    (own / "mine/issue.mjml.j2").write_text(LINE + "<mjml></mjml>")
    with pytest.raises(RenderError, match="no template"):
        render(paper(template=name), Theme(), style=HouseStyle(templates=Templates(own)))


def test_a_template_includes_nothing_from_outside_its_folder(own: Path) -> None:
    (own.parent / "secret.txt").write_text("a secret")
    (own / "mine/inside.txt").write_text("from inside")
    page = "<mjml><mj-body><mj-section><mj-column><mj-text>{%% include %r %%}</mj-text></mj-column></mj-section></mj-body></mjml>"
    assert "from inside" in rendered_with(own, LINE + page % "mine/inside.txt")
    for name in ("../secret.txt", "mine/../../secret.txt", str(own.parent / "secret.txt")):
        with pytest.raises(RenderError, match="secret"):
            rendered_with(own, LINE + page % name)


BROKEN = {
    "an element that is not closed": ("<p>one", "<p> is not closed"),
    "an element that was never opened": ("one</b>", "</b> closes nothing"),
    "a stray <": ("2 < 3", "a < begins no element"),
    "a misspelt element": ("<mj-txt>x</mj-txt>", "did you mean <mj-text>"),
    "an attribute without quotes": ("<b class=x>x</b>", "attributes are written"),
    "an attribute at the last one's heels": ('<b class="x"id="y">x</b>', "attributes are written"),
    "a script": ("<script>1</script>", "<script> cannot be used"),
    "a character set apart": ("<![CDATA[x]]>", "a < begins no element"),
    "an element that only Outlook sees open": ("<!--[if mso]><table><tr><td><![endif]-->", "<td> in a conditional comment is not closed"),
    "an element that only Outlook sees closed": ("<!--[if mso]></b><![endif]-->", "</b> in a conditional comment closes nothing"),
    "a field in a style": ('<b style="color:{{ merge("city") }}">x</b>', "'city' stands in style"),
    "a second field in a style": ('{{ merge("name") }}<b style="{{ merge("name") }}">x</b>', "'name' stands in style"),
    "a section without end": ("{{ section('s1') }}", "'s1' is never ended"),
    "an end without section": ("{{ end_section() }}", "never begun"),
    "what is undefined": ("{{ issue.headlin }}", "headlin"),
}  # fmt: skip
PAGE = LINE + (
    '<mjml>\n<mj-head>\n<mj-style inline="inline">\n.a { color: #111111; }\n</mj-style>\n'
    "<mj-style>.b::before { content: '<'; }</mj-style>\n</mj-head>\n<mj-body>\n"
    "{% macro twice(words) %}\n<b>{{ words }}</b>\n{% endmacro %}\n"
    "{% for n in range(3) %}\n<mj-section><mj-column>\n<mj-text>\n{{ twice('हिन्दी') }}</mj-text>\n"
    "</mj-column></mj-section>\n{% endfor %}\n"
    "<mj-section><mj-column><mj-text>{{ merge('name') }}</mj-text>\n"
    "<mj-text>\nHERE\n</mj-text></mj-column></mj-section>\n</mj-body></mjml>"
)


@pytest.mark.parametrize(("fault", "message"), BROKEN.values(), ids=BROKEN.keys())
def test_a_fault_of_the_mjml_is_named_with_template_and_line(own: Path, fault: str, message: str) -> None:
    source = PAGE.replace("HERE", fault)
    line = source[: source.index(fault)].count("\n") + 1
    with pytest.raises(RenderError) as caught:
        rendered_with(own, source)
    assert (caught.value.template, caught.value.line) == ("mine/issue.mjml.j2", line)
    assert message in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_fault_that_only_mjml_itself_finds_has_its_line_too(own: Path) -> None:
    # The guards let an element of a wrong place pass; mrml tells an offset in bytes of what they gave it.
    source = PAGE.replace("<mj-style>.b", "<mj-text>x</mj-text>\n<mj-style>.b")
    with pytest.raises(RenderError, match=r"mine/issue\.mjml\.j2:7: MJML: unexpected") as caught:
        rendered_with(own, source)
    assert caught.value.line == 7


def test_a_fault_in_a_part_names_the_part(own: Path) -> None:
    (own / "parts").mkdir()
    (own / "parts/own.mjml.j2").write_text(LINE + "{% macro m() %}\n<mj-text>\n<p>x</mj-text>{% endmacro %}")
    source = PAGE.replace("<mj-text>\nHERE\n</mj-text>", "{{ m() }}").replace(
        LINE, LINE + '{% from "parts/own.mjml.j2" import m %}'
    )
    with pytest.raises(RenderError) as caught:
        rendered_with(own, source)
    assert (caught.value.template, caught.value.line) == ("parts/own.mjml.j2", 4)


def test_a_fault_of_the_text_part_has_its_line(own: Path) -> None:
    (own / "mine/issue.txt.j2").write_text(LINE + "one\n{{ section('s0') }}two\n")
    with pytest.raises(RenderError, match=r"mine/issue\.txt\.j2:3: section 's0' is never ended"):
        rendered_with(own, PAGE.replace("HERE", "x"))


def test_a_picture_without_alt_is_told_with_its_line(own: Path) -> None:
    (own / "mine/issue.mjml.j2").write_text(PAGE.replace("HERE", '<img src="https://x.example/a.png">'))
    rendered = render(paper(template="mine"), Theme(), style=HouseStyle(templates=Templates(own)))
    line = PAGE[: PAGE.index("HERE")].count("\n") + 1
    assert f"mine/issue.mjml.j2:{line}: a picture has no alt text" in rendered.notes


def test_a_template_that_measures_itself_is_named_without_a_line(own: Path) -> None:
    source = PAGE.replace("HERE", "{% set x %}<p>{% endset %}{{ x|length }}{{ x }}")
    with pytest.raises(RenderError, match=r"mine/issue\.mjml\.j2: <p> is not closed"):
        rendered_with(own, source)
