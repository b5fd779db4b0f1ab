"""The preview in a real browser: every toggle, the keyboard, live reload, a phone, and no barrier."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, expect

from digest.cli.serving import serving
from digest.inbox.page import inbox_page
from digest.values import Slot
from tests.conftest import barriers
from tests.preview.conftest import Office

pytestmark = pytest.mark.browser
SHOWN = ".canvas iframe:not([data-waiting])"  # another one may be loading behind it


@pytest.fixture
def url(office: Office) -> Iterator[str]:
    with serving(office.desk.page) as address:
        yield address + office.desk.path(1)


@pytest.fixture
def page(chromium: Browser, url: str) -> Iterator[Page]:
    yield from opened(chromium, url)


def opened(
    chromium: Browser, url: str, width: int = 1400, height: int = 900, **more: object
) -> Iterator[Page]:
    context = chromium.new_context(viewport={"width": width, "height": height}, **more)  # type: ignore[arg-type]
    page = context.new_page()
    faults: list[str] = []
    page.on("pageerror", lambda error: faults.append(str(error)))
    page.goto(url)
    page.wait_for_load_state("load")
    yield page
    context.close()
    assert faults == []


def city(office: Office) -> list[int]:
    return [item.id for item in office.issue.in_slot(Slot.SECTION, "city")]


def frame_width(page: Page) -> float:
    return float(page.locator(SHOWN).bounding_box()["width"])  # type: ignore[index]


def test_widths_change_by_click_and_by_key(page: Page) -> None:
    assert frame_width(page) == 600
    page.get_by_text("Phone", exact=True).click()
    expect(page.locator(".canvas")).to_have_attribute("data-width", "phone")
    assert frame_width(page) == 375
    page.get_by_text("Tablet", exact=True).click()
    expect(page.locator(".canvas")).to_have_attribute("data-width", "tablet")
    assert frame_width(page) == 600
    page.locator("body").press("3")
    expect(page.locator(".canvas")).to_have_attribute("data-width", "full")
    assert frame_width(page) > 600


def test_dark_is_dark_and_inverted_is_inverted(page: Page) -> None:
    page.get_by_text("Dark", exact=True).click()
    page.wait_for_function(
        "() => { const frame = document.querySelector('.canvas iframe');"
        " return frame.src.includes('scheme=dark') && frame.contentDocument.readyState === 'complete'; }"
    )
    background = (
        page.frame_locator(SHOWN).locator("body").evaluate("e => getComputedStyle(e).backgroundColor")
    )
    assert sum(int(part) for part in background.strip("rgb()").split(",")[:3]) < 150
    page.get_by_text("Inverted", exact=True).click()
    page.wait_for_function(
        "() => { const frame = document.querySelector('.canvas iframe');"
        " return frame.src.includes('scheme=inverted') && frame.contentDocument.readyState === 'complete'"
        " && document.querySelectorAll('.canvas iframe').length === 1; }"
    )
    shown = page.frame_locator(SHOWN).locator("body").evaluate("e => getComputedStyle(e).filter")
    assert "invert(1)" in shown


def test_pictures_can_be_off(page: Page) -> None:
    drawn = "[...document.querySelector('.canvas iframe').contentDocument.images].some(i => i.naturalWidth)"
    page.wait_for_function(f"() => {drawn}")
    page.get_by_label("No pictures").check()
    page.wait_for_function(
        f"() => document.querySelector('.canvas iframe').src.includes('pictures=off') && !{drawn}"
    )


def test_every_view_is_there(page: Page) -> None:
    for view, sign in [
        ("Text", "Latest from City"),
        ("Headers", "List-Unsubscribe-Post"),
        ("Parts", "multipart/alternative"),
        ("Source", "MIME-Version: 1.0"),
    ]:
        page.locator("form#looking").get_by_text(view, exact=True).click()
        expect(page.locator(".canvas")).to_contain_text(sign)


def test_a_story_is_moved_by_keyboard_and_keeps_the_focus(page: Page, office: Office) -> None:
    first, second, *_ = city(office)
    page.locator(f'[data-key="drop-{first}"]').focus()
    page.keyboard.press("Alt+ArrowDown")
    expect(page.locator(f'li[data-item="{second}"] + li[data-item="{first}"]')).to_be_visible()
    assert city(office)[:2] == [second, first]
    assert page.evaluate("document.activeElement.dataset.key") == f"down-{first}"
    page.keyboard.press("Alt+ArrowUp")
    expect(page.locator(f'li[data-item="{first}"] + li[data-item="{second}"]')).to_be_visible()
    assert city(office)[:2] == [first, second]


def test_the_tabs_of_the_desk_are_used_by_arrows(page: Page) -> None:
    page.locator("#tab-stories").focus()
    page.keyboard.press("ArrowRight")
    expect(page.locator("#issue")).to_be_visible()
    expect(page.locator("#stories")).to_be_hidden()
    page.keyboard.press("End")
    expect(page.locator("#links")).to_be_visible()


def test_a_headline_is_edited_where_it_stands(page: Page, office: Office) -> None:
    item = next(one for one in office.issue.items if one.id == city(office)[0])
    spot = page.frame_locator(SHOWN).get_by_text(item.headline, exact=True).first
    spot.dblclick()
    page.keyboard.press("Control+A")
    page.keyboard.type("Written in place")
    page.keyboard.press("Enter")
    expect(page.locator(f'li[data-item="{item.id}"] strong')).to_have_text("Written in place")
    expect(page.frame_locator(SHOWN).get_by_text("Written in place").first).to_be_visible()
    assert next(one for one in office.issue.items if one.id == item.id).headline == "Written in place"


def test_a_second_browser_sees_the_change_and_keeps_its_place(
    page: Page, chromium: Browser, url: str, office: Office
) -> None:
    item = city(office)[0]
    for other in opened(chromium, url):
        place = "() => document.querySelector('.canvas iframe').contentDocument.scrollingElement.scrollTop"
        other.evaluate(
            "() => document.querySelector('.canvas iframe').contentDocument.scrollingElement.scrollTo(0, 900)"
        )
        assert other.evaluate(place) == 900
        page.locator(f'li[data-item="{item}"] summary').click()
        page.locator(f'li[data-item="{item}"] textarea[name="headline"]').fill("Seen by both")
        page.locator(f'li[data-item="{item}"] button.primary').click()
        expect(other.locator(f'li[data-item="{item}"] strong')).to_have_text("Seen by both", timeout=2000)
        expect(other.frame_locator(SHOWN).get_by_text("Seen by both").first).to_be_attached(timeout=2000)
        other.wait_for_function("() => document.querySelectorAll('.canvas iframe').length === 1")
        assert other.evaluate(place) == 900


def test_what_is_being_typed_is_not_taken_away(page: Page, office: Office) -> None:
    from digest.pipeline.edit import edit_issue

    page.locator("#tab-issue").click()
    page.locator("#subject").fill("Half a subj")
    edit_issue(
        office.desk.app.sessions, 1, now=office.desk.clock.now(), preheader="From elsewhere, and long enough"
    )
    expect(page.frame_locator(SHOWN).get_by_text("From elsewhere").first).to_be_attached(timeout=3000)
    expect(page.locator("#subject")).to_have_value("Half a subj")
    page.get_by_role("button", name="Keep").first.click()
    expect(page.locator('[data-live="said"] [role=alert]')).to_contain_text("nothing of yours was written")


def save_settings(office: Office, turn: int) -> str:
    file: Path = office.settings.folder / "newsletter.toml"
    words = f"4{turn} Customs Quay"
    file.write_text(re.sub(r"\d+ Customs Quay", words, file.read_text("utf-8")), "utf-8")
    return words


def save_template(office: Office, turn: int) -> str:
    from digest.resources import templates_dir

    own = office.settings.folder / "templates" / "parts"
    own.mkdir(parents=True, exist_ok=True)
    text = (templates_dir() / "parts" / "frame.mjml.j2").read_text(encoding="utf-8")
    place = '<p class="small grey"><a class="grey"'
    words = f"Printed in ink of {1900 + turn}"
    (own / "frame.mjml.j2").write_text(text.replace(place, f'<p class="small">{words}</p>{place}'), "utf-8")
    return words


def save_story(office: Office, turn: int) -> str:
    (story,) = (office.settings.folder / "notebook").glob("bridge-opening-live.md")
    words = f"The bridge lifts for {turn + 2} ships"
    story.write_text(re.sub(r"(?m)^title: .*$", f"title: {words}", story.read_text("utf-8")), "utf-8")
    return words


@pytest.mark.parametrize("save", [save_settings, save_template, save_story])
def test_what_is_saved_shows_within_a_second_where_one_was_reading(
    page: Page, office: Office, save: Callable[[Office, int], str]
) -> None:
    top = "document.querySelector('.canvas iframe').contentDocument.scrollingElement"
    shows = f"words => document.querySelector({SHOWN!r}).contentDocument?.body?.innerHTML.includes(words)"
    page.wait_for_function(f"() => {top}.scrollHeight > 2000")
    page.evaluate(f"() => {top}.scrollTo(0, 700)")
    took: list[float] = []
    # The machine may be busy with other tests: one save of three must be as fast as is promised.
    while len(took) < 3 and min(took, default=1.0) >= 1:
        begun = office.desk.clock.monotonic()
        words = save(office, len(took))
        page.wait_for_function(shows, arg=words, polling="raf", timeout=5000)
        took.append(office.desk.clock.monotonic() - begun)
        page.wait_for_function("() => document.querySelectorAll('.canvas iframe').length === 1")
        assert page.evaluate(f"() => {top}.scrollTop") == 700
    assert min(took) < 1, took


def test_a_teaser_is_edited_where_it_stands_and_escape_gives_up(page: Page, office: Office) -> None:
    item = next(one for one in office.issue.items if one.id == city(office)[0])
    spot = page.frame_locator(SHOWN).get_by_text(item.teaser, exact=True).first
    spot.dblclick()
    page.keyboard.press("Control+A")
    page.keyboard.type("Not this")
    page.keyboard.press("Escape")
    expect(spot).to_have_text(item.teaser)
    spot.dblclick()
    page.keyboard.press("Control+A")
    page.keyboard.type("A teaser of the editor’s own.")
    page.keyboard.press("Enter")
    expect(page.frame_locator(SHOWN).get_by_text("A teaser of the editor’s own.").first).to_be_visible()
    expect(page.locator('[data-live="said"]')).to_contain_text("words are kept")
    edited = next(one for one in office.issue.items if one.id == item.id)
    assert edited.teaser == "A teaser of the editor’s own."


def test_a_reader_and_sections_are_chosen(page: Page, office: Office) -> None:
    science = next(iter(office.issue.in_slot(Slot.SECTION, "science"))).headline
    shown = page.frame_locator(SHOWN).get_by_text(science, exact=True)
    expect(shown.first).to_be_attached()
    page.get_by_text("As which reader").click()
    page.get_by_label("Reader", exact=True).fill("ivo@readers.example")  # chose City and Sport
    page.get_by_label("Reader", exact=True).press("Enter")
    expect(shown).to_have_count(0)
    page.get_by_label("Reader", exact=True).fill("")
    page.get_by_label("Reader", exact=True).press("Enter")
    expect(shown.first).to_be_attached()
    page.get_by_label("Only these sections:").check()
    page.get_by_role("checkbox", name="Science").uncheck()
    expect(shown).to_have_count(0)


def test_held_and_approved_by_the_buttons(page: Page, office: Office) -> None:
    page.locator("#tab-issue").click()
    page.get_by_role("button", name="Approve").click()
    expect(page.locator('[data-live="state"] .badge').first).to_have_text("approved")
    page.get_by_role("button", name="Hold").click()
    expect(page.locator('[data-live="issue"]')).to_contain_text("nothing sends it until it is approved")
    expect(page.get_by_role("button", name="Hold")).to_have_count(0)
    assert office.issue.status == "built"


def test_a_finding_leads_to_its_place(page: Page, office: Office) -> None:
    from digest.pipeline.edit import edit_issue

    edit_issue(office.desk.app.sessions, 1, now=office.desk.clock.now(), subject="x" * 190)
    page.locator("#tab-checks").click()
    page.locator('[data-find="subject"]').first.click()
    expect(page.locator("#subject")).to_be_focused()


def test_a_test_send_arrives(page: Page, office: Office) -> None:
    page.locator("#tab-issue").click()
    page.get_by_label("Send a test to").fill("desk@morning.example")
    page.get_by_role("button", name="Send the test").click()
    expect(page.locator('[data-live="said"]')).to_contain_text("A test went to desk@morning.example")
    assert office.mailbox.wait_for(1, 5)


def test_sending_is_asked_about_and_followed(page: Page, office: Office) -> None:
    page.locator("#tab-issue").click()
    page.once("dialog", lambda dialog: dialog.dismiss())
    page.get_by_role("button", name="Send now").click()
    assert office.issue.status == "built"
    page.once("dialog", lambda dialog: dialog.accept())
    page.get_by_role("button", name="Send now").click()
    expect(page.locator('[data-live="state"] .badge')).to_have_text("sent", timeout=8000)
    assert office.mailbox.wait_for(3, 5)


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [360, 1400])
def test_no_barrier_and_no_sideways_scrolling(
    chromium: Browser, url: str, axe: str, width: int, scheme: str, office: Office, tmp_path: Path
) -> None:
    for page in opened(chromium, url, width=width, color_scheme=scheme):
        for tab in ("stories", "issue", "checks", "links"):
            page.locator(f"#tab-{tab}").click()
            assert barriers(page, axe, iframes=False) == [], tab
        for view in ("text", "headers", "parts", "source"):
            page.goto(f"{url}?view={view}")
            assert barriers(page, axe, iframes=False) == [], view
        assert page.evaluate("document.documentElement.scrollWidth") <= width
        page.goto(url.partition("/issue/")[0] + "/template/daily/issue.mjml.j2#L12")
        assert barriers(page, axe, iframes=False) == []
        assert page.evaluate("document.documentElement.scrollWidth") <= width


@pytest.mark.parametrize("width", [360, 1200])
def test_the_inbox_has_no_barrier_and_lives(chromium: Browser, axe: str, width: int, office: Office) -> None:
    office.do("test", address="desk@morning.example")
    with serving(inbox_page(office.mailbox, smtp="127.0.0.1:2525")) as url:
        for page in opened(chromium, f"{url}/mail/1", width=width):
            for view in ("html", "text", "headers", "parts", "source"):
                page.goto(f"{url}/mail/1?view={view}")
                assert barriers(page, axe, iframes=False) == [], view
            assert page.evaluate("document.documentElement.scrollWidth") <= width
            page.goto(f"{url}/mail/1")
            expect(page.frame_locator(SHOWN).get_by_text("The Marenholt Morning").first).to_be_attached()
            office.do("test", address="other@morning.example")
            expect(page.locator("#mails li")).to_have_count(2, timeout=3000)
            expect(page.locator("#said")).to_have_text("A mail has arrived")
            page.locator("body").press("k")
            page.wait_for_url("**/mail/2**")
