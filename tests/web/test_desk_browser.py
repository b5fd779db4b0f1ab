"""The editor's page in Chromium at 360 px: from the mail's link to the sent issue, with one thumb."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Locator, Page

from digest.cli.serving import serving
from digest.models import IssueStatus
from digest.pipeline.run import Ending
from tests.conftest import barriers, free_port
from tests.web.newsdesk import MARIA, NewsDesk, links_of

pytestmark = pytest.mark.browser


@pytest.fixture
def desk(tmp_path: Path) -> Iterator[NewsDesk]:
    port = free_port()
    made = NewsDesk(tmp_path, public=f"http://127.0.0.1:{port}")
    with serving(made.pages(), port=port):
        assert made.run().ending is Ending.WAITS_FOR_APPROVAL
        yield made
    made.close()


@pytest.fixture(params=["light", "dark"])
def phone(chromium: Browser, request: pytest.FixtureRequest) -> Iterator[Page]:
    context = chromium.new_context(
        viewport={"width": 360, "height": 740},
        has_touch=True,
        is_mobile=True,
        java_script_enabled=True,
        color_scheme=request.param,
    )
    yield context.new_page()
    context.close()


def fits(page: Page) -> bool:
    """Whether nothing must be scrolled sideways."""
    return bool(page.evaluate("document.documentElement.scrollWidth <= window.innerWidth"))


def tap(page: Page, place: Locator) -> None:
    """Tap, and wait for the page that answers."""
    with page.expect_navigation():
        place.tap()


def test_from_the_mail_to_the_sent_issue(desk: NewsDesk, phone: Page, axe: str) -> None:
    links = links_of(desk.notices[MARIA][0])
    phone.goto(links["Drop, move up, edit headlines"])
    assert fits(phone)
    assert barriers(phone, axe) == []
    for button in phone.get_by_role("button").all():
        box = button.bounding_box()
        assert box is not None
        assert box["height"] >= 44  # a thumb's width
    first, second = [item.headline for item in desk.issue.in_slot(desk.issue.items[-1].slot, "news")][:2]
    tap(phone, phone.get_by_role("button", name=f"Move up: {second}"))
    assert phone.get_by_role("status").inner_text() == "Moved up."
    assert [i.headline for i in desk.issue.in_slot(desk.issue.items[-1].slot, "news")][:2] == [second, first]
    phone.get_by_label(f"Edit headline: {first}").tap()
    assert fits(phone)
    phone.get_by_role("textbox", name="Headline").filter(visible=True).fill("Said on the phone")
    tap(phone, phone.get_by_role("button", name="Save").filter(visible=True))
    assert phone.get_by_role("status").inner_text() == "The headline is kept."
    assert "Said on the phone" in [item.headline for item in desk.issue.items]
    tap(phone, phone.get_by_role("button", name=f"Drop: {second}"))
    assert second not in [item.headline for item in desk.issue.items]
    tap(phone, phone.get_by_role("button", name="Hold"))
    assert "Held by Maria Reyes" in phone.get_by_role("main").inner_text()
    assert barriers(phone, axe) == []
    tap(phone, phone.get_by_role("link", name="View the issue"))
    assert "Said on the phone" in phone.inner_text("body")
    assert fits(phone)
    phone.go_back()
    tap(phone, phone.get_by_role("button", name="Approve"))
    assert phone.get_by_role("status").inner_text() == "Approved."
    assert phone.get_by_role("heading", level=1).inner_text() == "Goes out at 07:00"
    phone.reload()  # asks again, and does nothing again
    assert desk.status is IssueStatus.APPROVED
    tap(phone, phone.get_by_role("button", name="Send now"))
    assert phone.get_by_role("heading", level=1).inner_text() == "It is being sent"
    assert desk.run().ending is Ending.SENT
    phone.reload()
    assert phone.get_by_role("heading", level=1).inner_text() == "It is sent"
    assert phone.get_by_role("button").count() == 0
    assert barriers(phone, axe) == []
    assert desk.copies == ["ada@readers.example"]
    assert {actor for action, actor in desk.history if action in {"approved", "held", "sent-now"}} == {
        "Maria Reyes"
    }


def test_the_mail_itself_fits_a_phone(desk: NewsDesk, phone: Page) -> None:
    phone.set_content(desk.notices[MARIA][0].html)
    assert fits(phone)
    approve = phone.get_by_role("link", name="Approve", exact=True).bounding_box()
    assert approve is not None
    assert approve["y"] < 740  # seen without scrolling


def test_a_form_of_another_site_does_nothing_in_a_browser(desk: NewsDesk, phone: Page) -> None:
    url = links_of(desk.notices[MARIA][0])["Approve"].partition("#")[0]
    with serving(_trap(f"{url}/do/approve")) as elsewhere:
        phone.goto(elsewhere.replace("127.0.0.1", "localhost"))
        tap(phone, phone.get_by_role("button"))
        assert "403" in phone.inner_text("body")
    assert desk.status is IssueStatus.BUILT


def _trap(action: str):  # type: ignore[no-untyped-def]
    from starlette.responses import HTMLResponse

    return HTMLResponse(f'<form method="post" action="{action}"><button>You won</button></form>')
