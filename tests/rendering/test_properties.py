"""Any text in any field comes out as it went in, or without controls, and never leaves its place."""

from __future__ import annotations

from dataclasses import replace

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from lxml import html as lxml_html

from digest.rendering import render
from digest.rendering.cleaning import one_line
from digest.rendering.columns import width_of, wrap
from digest.rendering.links import usable_url
from digest.settings.model import Theme
from digest.values import Item, ItemKind, SectionHeading, Slot

from .drafts import html_of, paper, picture, story, text_of

ANY_TEXT = st.text(
    alphabet=st.one_of(
        st.characters(),
        st.sampled_from(
            "<>&\"'\\{}%#`=;:/\x00\x0b\x1f\x7f\x85\u2028\u202e\u2066\u200d\ufeff\ud800\U0001f468अ्ش"
        ),
    ),
    max_size=60,
)
HOSTILE = st.sampled_from(
    [
        "</title><script>alert(1)</script>",
        '"><img src=x onerror=alert(1)>',
        "{{ 7*7 }}{% for %}",
        "]]><!--[if mso]><v:rect>-->",
        "--><!-- ",
        "<mj-raw>",
        "&lt;b&gt; &amp;amp; &#x41;",
        "\\u{94d} \\x41",
        "https://slot.invalid/z000000000000zm000z",
    ]
)
TEXTS = st.one_of(ANY_TEXT, HOSTILE)
ELEMENTS = None


def elements_of(html: str) -> list[str]:
    return [str(element.tag) for element in lxml_html.fromstring(html).iter() if isinstance(element.tag, str)]


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(headline=TEXTS, teaser=TEXTS, alt=TEXTS, byline=TEXTS, label=TEXTS, name=TEXTS, subject=TEXTS)
def test_any_text_in_any_field(
    headline: str, teaser: str, alt: str, byline: str, label: str, name: str, subject: str
) -> None:
    items = (
        story(Slot.LEAD, headline="H" + headline, teaser="T" + teaser, picture=picture(alt="A" + alt)),
        story(headline="S" + headline, teaser="X" + teaser, byline="B" + byline, label="L" + label),
        Item(id=3, kind=ItemKind.INTRO, slot=Slot.TOP, teaser="I" + teaser),
    )
    draft = replace(
        paper(sections=1), items=items, subject="J" + subject, preheader="P" + teaser,
        sections=(SectionHeading("s0", "N" + name, "opinion"),),
    )  # fmt: skip
    rendered = render(draft, Theme())
    html, text = html_of(rendered), text_of(rendered)
    page = lxml_html.fromstring(html)
    printed = " ".join(page.text_content().split())
    for given_text in ("H" + headline, "T" + teaser, "S" + headline, "X" + teaser, "B" + byline):
        expected = " ".join(one_line(given_text).split())
        assert expected in printed
    assert one_line("A" + alt) in [image.get("alt") for image in page.xpath("//img")]
    assert page.xpath("//title")[0].text_content().split() == one_line("J" + subject).split()
    flat = "".join(text.split())
    assert "".join(one_line("H" + headline).split()) in flat
    assert "".join(one_line("X" + teaser).split()) in flat
    assert not {"script", "iframe", "v:rect", "mj-raw"} & set(elements_of(html))
    assert not page.xpath("//@onerror")
    assert all(character >= " " or character == "\n" for character in text)
    assert rendered.subject == one_line("J" + subject)


@settings(max_examples=200, deadline=None)
@given(text=TEXTS, width=st.integers(20, 80))
def test_wrapping_keeps_every_word_and_the_width(text: str, width: int) -> None:
    cleaned = one_line(text)
    lines = wrap(cleaned, width, indent="   ").split("\n")
    assert "".join("".join(lines).split()) == "".join(cleaned.split())
    # A mark that must not begin a line may stand over, by one character.
    assert all(width_of(line) <= width + 2 or "://" in line for line in lines)


@settings(max_examples=200, deadline=None)
@given(text=TEXTS)
def test_an_address_is_harmless_or_none(text: str) -> None:
    for url in (text, "https://x.example/" + text, "https://" + text):
        found = usable_url(url)
        assert (
            found == ""
            or (found.startswith(("http://", "https://", "HTTP")) and not set(found) & set('<>"\\ \n\r\t`'))
            or found[:5].lower() == "https"
        )
