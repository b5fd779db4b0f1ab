"""Every rule of the preflight: silent on a sound issue, and heard on what it is there for."""

# ruff: noqa: E501 - tables of samples, one a line
from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from digest.checks import RULES, Finding, IssueUnderCheck, Level, LinkState, PictureState, examine
from digest.checks.clients import uses_of
from digest.rendering import render
from digest.rendering.theme import contrasts_of
from digest.settings.model import Theme
from digest.values import Item, ItemKind, Literal, Masthead, Merge, Slot
from tests.rendering.drafts import LINKS, paper, picture, story

HEADERS = (
    ("From", "The Daily <daily@paper.example>"),
    ("To", "reader@example.org"),
    ("Subject", "Night market"),
    ("Date", "Mon, 23 Nov 2026 04:00:00 +0000"),
    ("Message-ID", "<abc@paper.example>"),
    ("MIME-Version", "1.0"),
    ("Content-Type", "multipart/alternative; boundary=x"),
    ("List-Id", "The Daily <daily.paper.example>"),
    ("List-Unsubscribe", "<mailto:b+u-x@paper.example>,\r\n <https://news.example/u/abc>"),
    ("List-Unsubscribe-Post", "List-Unsubscribe=One-Click"),
    ("List-Post", "NO"),
)
Change = Callable[[IssueUnderCheck], IssueUnderCheck]


@pytest.fixture(scope="module")
def sound() -> IssueUnderCheck:
    draft = paper()
    rendered = render(draft, Theme())
    return IssueUnderCheck(
        draft=draft,
        rendered=rendered,
        html=rendered.html_for(LINKS),
        text=rendered.text_for(LINKS),
        contrasts={f"{pair.scheme} {pair.text}/{pair.ground}": pair.ratio for pair in contrasts_of(Theme())},
        headers=HEADERS,
        links={"https://paper.example/story/1?a=1&b=2": LinkState(200)},
        pictures={"https://img.example/1.jpg": PictureState(200, "", "image/jpeg", 90_000, shown=True)},
        sources={"daily/issue.mjml.j2": "one\ntwo <img src='x.svg'>\nthree"},
    )


def html(old: str, new: str) -> Change:
    def change(issue: IssueUnderCheck) -> IssueUnderCheck:
        assert old in issue.html
        return replace(issue, html=issue.html.replace(old, new))

    return change


def rendered(**changes: object) -> Change:
    return lambda issue: replace(issue, rendered=replace(issue.rendered, **changes))


def header(name: str, *values: str) -> Change:
    def change(issue: IssueUnderCheck) -> IssueUnderCheck:
        kept = tuple(pair for pair in issue.headers or () if pair[0] != name)
        return replace(issue, headers=(*kept, *((name, value) for value in values)))

    return change


def with_item(**changes: object) -> Change:
    item = story(Slot.SECTION, "s0", 9, id=99, **changes)  # type: ignore[arg-type]
    return lambda issue: replace(issue, draft=replace(issue.draft, items=(*issue.draft.items, item)))


def without_slot(part: str) -> Change:
    def change(issue: IssueUnderCheck) -> IssueUnderCheck:
        kept = tuple(
            f
            for f in getattr(issue.rendered, part)
            if not (isinstance(f, Merge) and f.name == "unsubscribe_url")
        )
        return replace(issue, rendered=replace(issue.rendered, **{part: kept}))

    return change


def asked(state: PictureState) -> Change:
    return lambda issue: replace(issue, pictures={"https://img.example/1.jpg": state})


def address(text: str) -> Change:
    def change(issue: IssueUnderCheck) -> IssueUnderCheck:
        masthead = Masthead(name="x", url="https://x.example", postal_address=text, list_title="x")
        return replace(issue, draft=replace(issue.draft, masthead=masthead))

    return change


E, W = Level.ERROR, Level.WARNING
IMG = '<img class="picture" src="https://img.example/1.jpg" alt="Boats at the quay"'
FAULTS: dict[str, tuple[str, Level, Change]] = {
    "an HTML that Gmail clips": ("size", E, lambda i: replace(i, html=i.html + "x" * 100_000)),
    "an HTML close to it": ("size", W, lambda i: replace(i, html=i.html + "x" * (95_000 - len(i.html.encode())))),
    "a link to nowhere": ("links", E, html('href="https://paper.example"', 'href="#"')),
    "a malformed link": ("links", E, html('href="https://paper.example"', 'href="https:/paper"')),
    "a script as link": ("links", E, html('href="https://paper.example"', 'href="javascript:1"')),
    "a story without link": ("links", W, with_item(url="")),
    "a story with a bad link": ("links", W, with_item(url="nonsense")),
    "a page that is gone": ("dead-links", E, lambda i: replace(i, links={"https://paper.example/story/1?a=1&b=2": LinkState(404)})),
    "a page that is shy": ("dead-links", W, lambda i: replace(i, links={"https://x.example": LinkState(403)})),
    "a page that does not answer": ("dead-links", W, lambda i: replace(i, links={"https://x.example": LinkState(0, "too slow")})),
    "a picture that is not https": ("pictures", E, html("https://img.example/1.jpg", "http://img.example/1.jpg")),
    "a picture of a kind that is not shown": ("pictures", E, html("https://img.example/1.jpg", "https://img.example/1.svg")),
    "a picture that Outlook does not show": ("pictures", W, html("https://img.example/1.jpg", "https://img.example/1.webp")),
    "a picture in the HTML itself": ("pictures", E, html("https://img.example/1.jpg", "data:image/png;base64,AA")),
    "a tracking pixel": ("pictures", E, html("</body>", '<img src="https://t.example/p.gif" alt="" width="1"></body>')),
    "a picture that is gone": ("dead-pictures", E, asked(PictureState(404))),
    "a picture that does not answer": ("dead-pictures", W, asked(PictureState(0, "too slow"))),
    "a picture that is shy": ("dead-pictures", W, asked(PictureState(403))),
    "a picture that is a page": ("dead-pictures", E, asked(PictureState(200, "", "text/html", 80_000))),
    "a picture that is empty": ("dead-pictures", E, asked(PictureState(200, "", "", 0))),
    "a picture that turns out to be WebP": ("dead-pictures", W, asked(PictureState(200, "", "image/webp", 9, shown=True))),
    "a picture that is heavy": ("dead-pictures", W, asked(PictureState(200, "", "image/jpeg", 3_200_000, shown=True))),
    "a picture without alt": ("alt", E, html(IMG, '<img class="picture" src="https://img.example/1.jpg"')),
    "unreadable colours": ("contrast", E, lambda i: replace(i, contrasts={"light: grey on paper": 2.1})),
    "two h1": ("headings", E, html("<h2 class", "<h1>x</h1><h2 class")),
    "a level that is skipped": ("headings", W, html("</body>", "<h2>x</h2><h4>y</h4></body>")),
    "another language": ("language", E, html('<html lang="en"', '<html lang="de"')),
    "another direction": ("language", E, html('dir="ltr" xmlns', 'dir="rtl" xmlns')),
    "CSS that clients lack": ("clients", W, rendered(mjml='<p style="display:flex;gap:1em">x</p>')),
    "a script": ("foreign", E, html("</body>", "<script>1</script></body>")),
    "a web font": ("foreign", E, html("</head>", "<style>@font-face { src: url(https://f.example/a.woff) }</style></head>")),
    "a style sheet": ("foreign", E, html("</head>", '<link rel="stylesheet" href="https://f.example/a.css"></head>')),
    "no subject": ("subject", E, rendered(subject=" ")),
    "a subject that is too long": ("subject", W, rendered(subject="word " * 40)),
    "a subject that shouts": ("subject", W, rendered(subject="BUY OUR PAPER NOW TODAY")),
    "a subject that feigns an answer": ("subject", E, rendered(subject="Re: your order")),
    "a subject of two lines": ("subject", E, rendered(subject="a\r\nBcc: x@y.example")),
    "no preheader": ("preheader", W, rendered(preheader="")),
    "a preheader that repeats": ("preheader", W, lambda i: replace(i, rendered=replace(i.rendered, preheader=i.rendered.subject))),
    "a slot in the HTML": ("slots", E, html("</body>", "<p>{{ first_name }}</p></body>")),
    "a slot's address": ("slots", E, html("https://news.example/u/abc", "https://slot.invalid/zabcdefabcdefzm000z")),
    "a slot in the text part": ("slots", E, lambda i: replace(i, text=i.text + "{% if %}")),
    "headers that cannot be made": ("headers", E, lambda i: replace(i, headers=None, header_fault="no sender")),
    "two Subjects": ("headers", E, header("Subject", "a", "b")),
    "no Date": ("headers", E, header("Date")),
    "a Message-ID that is none": ("headers", E, header("Message-ID", "abc")),
    "a line that is too long": ("headers", E, header("X-Long", "x" * 1200)),
    "a header that is not encoded": ("headers", E, header("Subject", "Größe")),
    "no one-click": ("one-click", E, header("List-Unsubscribe")),
    "two web addresses": ("one-click", E, header("List-Unsubscribe", "<https://a.example>, <https://b.example>")),
    "another Post header": ("one-click", E, header("List-Unsubscribe-Post", "List-Unsubscribe=OneClick")),
    "an unsubscribe over http": ("one-click", W, header("List-Unsubscribe", "<http://a.example/u/x>")),
    "a List-Id without angle brackets": ("list-headers", E, header("List-Id", "daily.paper.example")),
    "a List-Help without angle brackets": ("list-headers", E, header("List-Help", "https://a.example")),
    "a List-Post that is neither": ("list-headers", E, header("List-Post", "perhaps")),
    "no postal address": ("postal-address", E, address("")),
    "a postal address that is not printed": ("postal-address", E, address("Elsewhere 1")),
    "no unsubscribe link": ("unsubscribe", E, without_slot("html")),
    "no unsubscribe link in the text": ("unsubscribe", E, without_slot("text")),
    "no text part": ("text-part", E, lambda i: replace(i, text="")),
    "a story that the text lacks": ("text-part", E, lambda i: replace(i, text=i.text.replace("Rain", "Sun"))),
    "a text line that is too wide": ("text-part", W, lambda i: replace(i, text=i.text + "x " * 50)),
    "a note of rendering": ("degraded", W, rendered(notes=("a picture was left out",))),
    "no story": ("empty", E, lambda i: replace(i, draft=replace(i.draft, items=(Item(kind=ItemKind.NOTE),)))),
    "a story without headline": ("empty", E, with_item(headline=" ")),
}  # fmt: skip


def first_with(issue: IssueUnderCheck, headline: str) -> int:
    return next(item.id for item in issue.draft.items if item.headline == headline)


def test_a_sound_issue_has_nothing_to_mend(sound: IssueUnderCheck) -> None:
    assert examine(sound) == []


@pytest.mark.parametrize(("rule", "level", "change"), FAULTS.values(), ids=FAULTS.keys())
def test_a_fault_is_heard(rule: str, level: Level, change: Change, sound: IssueUnderCheck) -> None:
    found = [finding for finding in examine(change(sound)) if finding.rule == rule]
    assert [finding.level for finding in found if finding.level is level], found
    assert all(finding.message and "\n" not in finding.message for finding in found)


def test_every_rule_has_a_fault_that_it_hears() -> None:
    assert {rule for rule, _level, _change in FAULTS.values()} == set(RULES)


def test_errors_come_first(sound: IssueUnderCheck) -> None:
    broken = replace(sound, rendered=replace(sound.rendered, preheader="", subject=""))
    assert [finding.level for finding in examine(broken)][:1] == [E]


def test_a_finding_names_the_line_of_the_template(sound: IssueUnderCheck) -> None:
    broken = replace(sound, html=sound.html.replace("</body>", "<img src='x.svg' alt=''></body>"))
    assert "daily/issue.mjml.j2:2" in {finding.where for finding in examine(broken)}


def test_a_note_of_rendering_names_its_place(sound: IssueUnderCheck) -> None:
    headline = sound.draft.items[3].headline
    notes = (
        "daily/issue.mjml.j2:12: a picture has no alt text",
        f"picture of {headline[:60]!r} left out: it weighs 4.0 MB",
        "3 stories became list lines",
    )
    found = examine(replace(sound, rendered=replace(sound.rendered, notes=notes)))
    assert [(finding.where, finding.message) for finding in found] == [
        ("daily/issue.mjml.j2:12", "a picture has no alt text"),
        (f"item {first_with(sound, headline)}", notes[1]),
        ("", notes[2]),
    ]


def test_a_dead_picture_names_its_item_and_a_dead_logo_the_theme(sound: IssueUnderCheck) -> None:
    logo = "https://img.example/logo.png"
    states = {"https://img.example/1.jpg": PictureState(404), logo: PictureState(404)}
    found = examine(replace(sound, pictures=states, logos=(logo,)))
    assert [finding.where for finding in found] == ["item 1", "newsletter.toml [theme]"]


def test_a_link_with_appended_parameters_leads_to_its_item(sound: IssueUnderCheck) -> None:
    assert sound.item_at("https://paper.example/story/2?a=1&b=2&c=daily") == "item 2"
    assert sound.item_at("https://elsewhere.example/") == ""


def test_a_finding_names_the_item(sound: IssueUnderCheck) -> None:
    broken = replace(sound, links={"https://paper.example/story/1?a=1&b=2": LinkState(410)})
    assert [finding.where for finding in examine(broken)] == ["item 1"]


def test_a_story_may_be_about_templates() -> None:
    draft = paper(
        sections=1, each=1, extra=(story(headline="How {{ mustache }} came to be", id=50, position=8),)
    )
    made = render(draft, Theme())
    issue = IssueUnderCheck(draft=draft, rendered=made, html=made.html_for(LINKS), text=made.text_for(LINKS))
    assert [finding for finding in examine(issue) if finding.rule == "slots"] == []


def test_client_support_is_summed_per_feature_and_names_clients() -> None:
    mjml = '<mj-text><p style="display:flex">a</p><p style="display:flex">b</p></mj-text>'
    [use] = [use for use in uses_of(mjml) if use.feature.title == "display:flex"]
    assert use.times == 2
    assert "Outlook Windows" in use.feature.lacking
    assert use.feature.harmful


def test_mjmls_own_markup_is_not_the_authors() -> None:
    assert uses_of('<mj-section background-url="x"><mj-column /></mj-section>') == []


def test_a_finding_is_a_value() -> None:
    assert Finding("size", E, "x") == Finding("size", E, "x")
    assert Literal("a") != Merge  # what rendering gives is values, too
    assert picture().url.startswith("https")


def test_the_data_on_clients_is_shipped_with_its_licence() -> None:
    import digest.checks

    folder = Path(digest.checks.__file__).parent
    licence = (folder / "client_support.LICENSE").read_text(encoding="utf-8")
    assert "MIT License" in licence
    assert "Permission is hereby granted" in licence
    data = json.loads((folder / "client_support.json").read_text(encoding="utf-8"))
    assert len(data["clients"]) > 30
    assert len(data["features"]) > 200


def test_mail_clients_have_what_the_shipped_templates_use() -> None:
    for template in ("daily", "brief"):
        made = render(paper(template=template), Theme())
        harmful = [use.feature.title for use in uses_of(made.mjml) if use.feature.harmful]
        assert harmful == [], template
