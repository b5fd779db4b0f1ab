"""How issues look in Chromium: screenshots as build output, and what can be measured of LOOK."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from digest.rendering import render
from digest.settings.model import Theme
from tests.conftest import ROOT, barriers

from .drafts import html_of, paper

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page, Route

pytestmark = pytest.mark.browser

SCREENSHOTS = ROOT / "out" / "screenshots"
PICTURE = (
    '<svg xmlns="http://www.w3.org/2000/svg" width="1200" height="675">'
    '<rect width="1200" height="675" fill="#c98d5b"/><circle cx="860" cy="300" r="110" fill="#f6dfb8"/>'
    '<path d="M0 500 Q300 400 600 500 T1200 480 V675 H0Z" fill="#27405e"/></svg>'
)
# A mail is shown inside a client's page, whose landmarks are the client's.
MAIL_RULES = {"region": {"enabled": False}, "landmark-one-main": {"enabled": False}}


# Texts and rules that keep a colour of the light theme in the dark: ink, grey, accent, rule.
LIGHT_LEFT = """() => {
  const light = ["rgb(26, 26, 26)", "rgb(95, 99, 104)", "rgb(179, 38, 30)", "rgb(224, 221, 214)"];
  return [...document.body.querySelectorAll("*")].filter((one) => {
    const style = getComputedStyle(one);
    const words = [...one.childNodes].some((node) => node.nodeType === 3 && node.data.trim());
    const rules = ["Top", "Bottom"].filter((side) => parseFloat(style[`border${side}Width`]) > 0);
    return one.checkVisibility() && ((words && light.includes(style.color))
      || rules.some((side) => light.includes(style[`border${side}Color`])));
  }).map((one) => one.className + ": " + one.textContent.trim().slice(0, 40));
}"""


def show(browser: Browser, html: str, width: int, scheme: str, *, pictures: bool = True) -> Page:
    context = browser.new_context(
        viewport={"width": width, "height": 900},
        color_scheme="dark" if scheme == "dark" else "light",
    )
    page = context.new_page()

    def answer(route: Route) -> None:
        if pictures and route.request.resource_type == "image":
            route.fulfill(body=PICTURE, content_type="image/svg+xml")
        else:
            route.abort()

    page.route("**/*", answer)
    page.set_content(html)
    return page


@pytest.fixture(params=["daily", "brief"])
def template(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture(params=["en", "ar"])
def html(request: pytest.FixtureRequest, template: str) -> tuple[str, str]:
    return f"{template}-{request.param}", html_of(render(paper(request.param, template=template), Theme()))


@pytest.mark.parametrize("width", [375, 600])
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_an_issue_looks_right(
    html: tuple[str, str], width: int, scheme: str, chromium: Browser, axe: str
) -> None:
    name, source = html
    page = show(chromium, source, width, scheme)
    SCREENSHOTS.mkdir(parents=True, exist_ok=True)
    page.screenshot(path=SCREENSHOTS / f"{name}-{width}-{scheme}.png", full_page=True)
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    assert page.evaluate("getComputedStyle(document.body).backgroundColor") == (
        "rgb(21, 24, 28)" if scheme == "dark" else "rgb(255, 255, 255)"
    )
    if scheme == "dark":
        assert page.evaluate(LIGHT_LEFT) == []
    assert barriers(page, axe, rules=MAIL_RULES) == []
    page.context.close()


def test_stories_can_be_hit_with_a_thumb(template: str, chromium: Browser) -> None:
    page = show(chromium, html_of(render(paper(template=template), Theme())), 375, "light")
    heights = page.evaluate(
        "[...document.querySelectorAll('a.card, a.bare, a.quiet:not(.alone)')].map(a => {"
        "const box = a.getBoundingClientRect(); const line = parseFloat(getComputedStyle(a).lineHeight);"
        "return [a.textContent.trim().slice(0, 40), Math.max(box.height, line)]})"
    )
    assert len(heights) > 15
    small = [entry for entry in heights if entry[1] < 43.5 and entry[0] != "The Creek Courier"]
    assert small == []
    page.context.close()


def test_nothing_overflows_the_smallest_phone(html: tuple[str, str], chromium: Browser) -> None:
    page = show(chromium, html[1], 320, "light")
    assert page.evaluate("document.documentElement.scrollWidth") <= 320
    page.context.close()


def test_blocked_pictures_leave_words(template: str, chromium: Browser, tmp_path: Path) -> None:
    page = show(chromium, html_of(render(paper(template=template), Theme())), 600, "light", pictures=False)
    SCREENSHOTS.mkdir(parents=True, exist_ok=True)
    page.screenshot(path=SCREENSHOTS / f"{template}-blocked-600.png")
    alts = page.evaluate("[...document.images].map(image => image.alt)")
    assert all(alts)
    page.context.close()


def test_the_preheader_is_not_seen(chromium: Browser) -> None:
    page = show(chromium, html_of(render(paper(preheader="Only in the inbox"), Theme())), 600, "light")
    assert not page.get_by_text("Only in the inbox").is_visible()
    page.context.close()
