"""Whole issues: both templates, five languages, every kind of item; deterministic and within limits."""

from __future__ import annotations

import itertools
import re
from dataclasses import replace

import pytest
from lxml import html as lxml_html

from digest.checks import IssueUnderCheck, Level, examine
from digest.errors import ConfigError
from digest.rendering import HouseStyle, render
from digest.rendering.columns import width_of
from digest.rendering.sizes import TARGET, merged_size
from digest.rendering.theme import contrasts_of
from digest.settings.model import PaletteChange, Theme
from digest.values import ArticleKind, Draft, Item, ItemKind, Slot

from .drafts import HEADLINES, LINKS, html_of, paper, picture, story, text_of

LANGUAGES = ("en", "de", "hi", "ar", "zh")


def tree(html: str) -> lxml_html.HtmlElement:
    return lxml_html.fromstring(html)


@pytest.mark.parametrize("template", ["daily", "brief"])
@pytest.mark.parametrize("language", LANGUAGES)
@pytest.mark.parametrize("sections", [0, 1, 12])
@pytest.mark.parametrize("pictures", [False, True], ids=["bare", "pictured"])
def test_every_issue_renders_and_passes_the_preflight(
    template: str, language: str, sections: int, pictures: bool
) -> None:
    draft = paper(language, sections=sections, each=2, pictures=pictures, template=template)
    rendered = render(draft, Theme())
    found = examine(
        IssueUnderCheck(
            draft=draft,
            rendered=rendered,
            html=html_of(rendered),
            text=text_of(rendered),
            contrasts={f"{p.text} on {p.ground}": p.ratio for p in contrasts_of(Theme())},
        )
    )
    assert [finding for finding in found if finding.level is Level.ERROR] == []
    printed = tree(html_of(rendered)).text_content()
    for item in draft.items:
        assert item.headline in printed
        assert "".join(item.headline.split()) in "".join(text_of(rendered).split())


@pytest.mark.parametrize("template", ["daily", "brief"])
@pytest.mark.parametrize("language", LANGUAGES)
def test_the_same_draft_gives_the_same_bytes(template: str, language: str) -> None:
    assert render(paper(language, template=template), Theme()) == render(
        paper(language, template=template), Theme()
    )


@pytest.mark.parametrize("template", ["daily", "brief"])
@pytest.mark.parametrize("language", LANGUAGES)
def test_a_copy_of_chosen_sections_passes_the_preflight(template: str, language: str) -> None:
    draft = paper(language, sections=4, template=template)
    rendered = render(draft, Theme())
    for chosen in (frozenset({"s1"}), frozenset({"s0", "s3"}), frozenset({"s2", "s3"}), frozenset[str]()):
        items = tuple(
            item
            for item in draft.items
            if item.slot not in {Slot.LEAD, Slot.SECTION} or item.section in chosen
        )
        html, text = rendered.html_for(LINKS, chosen), rendered.text_for(LINKS, chosen)
        found = examine(
            IssueUnderCheck(draft=replace(draft, items=items), rendered=rendered, html=html, text=text)
        )
        assert [finding for finding in found if finding.level is Level.ERROR] == []
        assert "headings" not in {finding.rule for finding in found}


def test_every_text_of_the_draft_is_printed_as_it_is() -> None:
    printed = tree(html_of(render(paper("hi"), Theme()))).text_content()
    for headline in HEADLINES["hi"]:
        assert headline in printed


@pytest.mark.parametrize("kind", list(ItemKind))
@pytest.mark.parametrize("slot", list(Slot))
@pytest.mark.parametrize("template", ["daily", "brief"])
def test_an_item_of_any_kind_stands_in_any_slot(kind: ItemKind, slot: Slot, template: str) -> None:
    item = story(slot, "s0", 9, id=99, kind=kind, headline="Here it stands", picture=picture(9))
    draft = paper(sections=1, each=1, template=template, extra=(item,))
    if slot is Slot.LEAD:
        draft = replace(draft, items=tuple(i for i in draft.items if i.slot is not Slot.LEAD or i.id == 99))
    rendered = render(draft, Theme())
    assert "Here it stands" in tree(html_of(rendered)).text_content()
    assert "Here it stands" in text_of(rendered)


def test_labels_are_in_both_parts() -> None:
    rendered = render(paper(), Theme())
    printed = tree(html_of(rendered)).text_content()
    for label in (
        "Sponsored",
        "Opinion",
        "Live",
        "Video 3:20",
        "Podcast 1:02:05",
        "Subscribers only",
        "Updated",
    ):
        assert label in printed, label
        assert label in text_of(rendered), label


def test_an_arabic_issue_runs_from_right_to_left_throughout() -> None:
    html = html_of(render(paper("ar"), Theme()))
    assert '<html lang="ar" dir="rtl"' in html
    assert "direction:ltr" not in html
    assert "العدد 128" in html
    assert "قراءة دقيقتين" in html


def test_a_headline_in_another_script_says_its_language_and_direction() -> None:
    page = tree(html_of(render(paper("en"), Theme())))
    [card] = page.xpath("//a[.//h3[contains(., 'مكتبة')]]")
    assert (card.get("lang"), card.get("dir")) == ("ar", "rtl")
    assert "text-align:right" in card.get("style")


def test_scripts_without_capitals_get_none() -> None:
    assert "text-transform:uppercase" in html_of(render(paper("en"), Theme()))
    for language in ("ar", "hi", "zh"):
        html = html_of(render(paper(language), Theme()))
        assert "uppercase" not in html
        assert "letter-spacing" not in html


def test_headings_begin_with_one_h1_and_skip_no_level() -> None:
    levels = [int(tag.tag[1]) for tag in tree(html_of(render(paper(), Theme()))).xpath("//h1|//h2|//h3|//h4")]
    assert levels.count(1) == 1
    assert levels[0] == 1
    assert all(after <= before + 1 for before, after in itertools.pairwise(levels))


def test_a_short_issue_has_no_contents_line() -> None:
    assert "Inside" in text_of(render(paper(sections=4, each=3), Theme()))
    assert "Inside" not in text_of(render(paper(sections=1, each=2), Theme()))


def test_the_preheader_comes_first_and_is_hidden() -> None:
    body = html_of(render(paper(preheader="Only in the inbox"), Theme())).partition("<body")[2]
    shown = body.index("Only in the inbox")
    assert shown < body.index("<h1")
    assert "display:none" in body[:shown]


def test_dark_mode_has_metas_queries_and_outlooks_rules() -> None:
    html = html_of(render(paper(), Theme()))
    for needed in (
        '<meta name="color-scheme" content="light dark"',
        '<meta name="supported-color-schemes" content="light dark"',
        "@media (prefers-color-scheme: dark)",
        "[data-ogsc] .card",
        "[data-ogsb] .page",
    ):
        assert needed in html
    assert "#000000" not in html


def test_nothing_is_loaded_from_elsewhere_but_pictures() -> None:
    html = html_of(render(paper(), Theme()))
    assert not re.search(r"<script|<link|@import|@font-face|url\(", html)


@pytest.fixture(scope="module")
def large() -> Draft:
    draft = paper(sections=8, each=14)
    long = "A teaser that says a little more than it should, as some editors like it. " * 4
    return replace(
        draft,
        items=tuple(replace(i, teaser=long) if i.kind is ItemKind.STORY else i for i in draft.items),
    )


class TestSize:
    """Gmail clips at 102 KB: stories become lines from the bottom up until the issue fits."""

    def test_it_fits_and_says_so(self, large: Draft) -> None:
        rendered = render(large, Theme())
        assert merged_size(rendered.html) <= TARGET
        assert any("became list lines" in note for note in rendered.notes)

    def test_no_story_is_lost(self, large: Draft) -> None:
        page = tree(html_of(render(large, Theme())))
        links = {link.get("href") for link in page.xpath("//a")}
        assert all(item.url in links for item in large.items if item.kind is ItemKind.STORY)

    def test_the_lead_sponsors_and_corrections_stay_whole(self, large: Draft) -> None:
        rendered = render(large, Theme())
        printed = tree(html_of(rendered)).text_content()
        kept = [i for i in large.items if i.kind in {ItemKind.SPONSOR, ItemKind.CORRECTION}]
        assert all(item.teaser in printed for item in kept)
        assert large.in_slot(Slot.LEAD)[0].teaser.strip() in printed
        sponsored = next(i for i in large.items if i.article_kind is ArticleKind.SPONSORED)
        assert sponsored.teaser.strip() in printed

    def test_a_small_issue_is_left_alone(self) -> None:
        assert render(paper(), Theme()).notes == ()


class TestTextPart:
    @pytest.mark.parametrize("language", LANGUAGES)
    @pytest.mark.parametrize("template", ["daily", "brief"])
    def test_no_line_is_wider_than_78_columns_but_an_address(self, language: str, template: str) -> None:
        for line in text_of(render(paper(language, template=template), Theme())).splitlines():
            assert width_of(line) <= 78 or "://" in line

    def test_numbers_run_through_and_links_stand_alone(self) -> None:
        text = text_of(render(paper(), Theme()))
        numbers = [int(found) for found in re.findall(r"^(\d+)\. ", text, re.MULTILINE)]
        assert numbers == list(range(1, len(numbers) + 1))
        for line in text.splitlines():
            assert "://" not in line or line.strip().startswith("http")

    def test_section_names_are_underlined(self) -> None:
        assert "Latest from Night 0\n===================\n" in text_of(render(paper(), Theme()))

    def test_no_entity_or_tag_is_in_it(self) -> None:
        text = text_of(render(paper(), Theme()))
        assert "doubled & visitors" in text
        assert "&amp;" not in text
        assert "<" not in text


class TestPicturesAndLinks:
    def rendered(self, style: HouseStyle | None = None, **changes: object) -> tuple[str, tuple[str, ...]]:
        item = story(Slot.LEAD, headline="With a picture", source="wire", **changes)  # type: ignore[arg-type]
        found = render(replace(paper(sections=0, pictures=False), items=(item,)), Theme(), style=style)
        return html_of(found), found.notes

    @pytest.mark.parametrize(
        ("changes", "reason"),
        [
            ({"url": "http://img.example/a.jpg"}, "not https"),
            ({"weight": 4_000_000}, "4.0 MB"),
            ({"url": "https://img.example/a.svg"}, "kind"),
            ({"url": "javascript:alert(1)"}, "malformed"),
            ({"width": 1, "height": 1}, "too small"),
        ],
        ids=["http", "heavy", "svg", "script", "pixel"],
    )
    def test_a_picture_that_must_not_stand_leaves_no_hole(
        self, changes: dict[str, object], reason: str
    ) -> None:
        html, notes = self.rendered(picture=picture(**changes))
        assert "<img" not in html
        assert any(reason in note for note in notes)

    def test_pictures_on_this_machine_may_be_http(self) -> None:
        html, notes = self.rendered(picture=picture(url="http://127.0.0.1:8025/a.png"))
        assert 'src="http://127.0.0.1:8025/a.png"' in html
        assert notes == ()

    @pytest.mark.parametrize(("policy", "shown"), [("link", True), ("own", False), ("none", False)])
    def test_a_source_says_whether_its_pictures_are_shown(self, policy: str, shown: bool) -> None:
        html, _notes = self.rendered(HouseStyle(images={"wire": policy}), picture=picture())
        assert ("<img" in html) is shown

    def test_own_pictures_are_those_on_own_domains(self) -> None:
        html, _notes = self.rendered(
            HouseStyle(images={"wire": "own"}, own_domains=("img.example",)), picture=picture()
        )
        assert "<img" in html

    def test_a_portrait_stands_small_beside_the_text(self) -> None:
        html, _notes = self.rendered(picture=picture(width=600, height=900))
        assert 'width="552"' not in html

    def test_a_picture_without_alt_takes_the_headlines_words(self) -> None:
        html, _notes = self.rendered(picture=picture(alt=""))
        assert 'alt="With a picture"' in html

    def test_own_links_get_parameters_and_others_do_not(self) -> None:
        style = HouseStyle(
            append="utm_source=n&utm_campaign={edition}-{date}&c={slot}", own_domains=("paper.example",)
        )
        html, _notes = self.rendered(style, url="https://www.paper.example/a?utm_source=own#top")
        own = "https://www.paper.example/a?utm_source=own&amp;utm_campaign=daily-2026-11-23&amp;c=s0#top"
        assert own in html
        html, _notes = self.rendered(style, url="https://other.example/a?b=c")
        assert 'href="https://other.example/a?b=c"' in html

    def test_a_script_in_a_link_is_left_out(self) -> None:
        html, notes = self.rendered(url="javascript:alert(1)")
        assert "javascript" not in html
        assert "With a picture" in html
        assert any("no web address" in note for note in notes)


class TestTheme:
    def test_unreadable_colours_are_refused_with_the_figure(self) -> None:
        with pytest.raises(ConfigError, match=r"theme\.light\.grey #cccccc on paper #ffffff .* 1\.6:1"):
            render(paper(), Theme(light=PaletteChange(grey="#cccccc")))

    def test_dark_colours_are_checked_too(self) -> None:
        with pytest.raises(ConfigError, match=r"theme\.dark\.accent"):
            render(paper(), Theme(dark=PaletteChange(accent="#442222")))

    def test_logo_fonts_and_colours_are_used(self) -> None:
        theme = Theme(
            logo="https://img.example/logo.png",
            logo_dark="https://img.example/dark.png",
            headline_font="'Palatino Linotype', serif",
            light=PaletteChange(accent="#00568f"),
        )
        html = html_of(render(paper(), theme))
        assert 'class="logo-dark" src="https://img.example/dark.png"' in html
        assert "Palatino Linotype" in html
        assert "#00568f" in html
        assert "#b3261e" not in html

    def test_a_font_that_is_css_is_refused(self) -> None:
        with pytest.raises(ConfigError, match="headline_font"):
            render(paper(), Theme(headline_font="x; } body { display: none"))


def test_an_empty_draft_still_renders() -> None:
    draft = replace(paper(sections=0), items=(), number=None, archive_url="", previous=None, preheader="")
    assert "The Creek Courier" in html_of(render(draft, Theme()))


def test_an_intro_in_another_language_is_set_for_it() -> None:
    intro = Item(kind=ItemKind.INTRO, slot=Slot.TOP, teaser="Good morning to all.")
    html = html_of(render(replace(paper("ar", sections=0), items=(intro,)), Theme()))
    assert re.search(r'dir="ltr"[^>]*text-align:left', html)


def test_links_are_the_subscribers_own() -> None:
    assert LINKS["unsubscribe_url"] in html_of(render(paper(), Theme()))
