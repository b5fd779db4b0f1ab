"""The public pages in a real browser: a reader's way from sign-up to undo, and pages that bar nobody."""

from __future__ import annotations

import email
import os
import re
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from email.message import EmailMessage
from email.policy import default
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

import pytest
from aiosmtpd.controller import Controller
from playwright.sync_api import expect

from digest.cli.serving import serving
from digest.issues.drafts import load_draft
from digest.issues.searching import make_findable
from digest.models import IssueItemRow
from digest.pipeline.render import render_issue, store_rendition
from digest.pipeline.rights import Right, fingerprint_of
from subscribers.membership import How, find_person, update_person
from subscribers.models import ConsentMethod
from subscribers.tokens import Purpose
from tests.conftest import ROOT, barriers, free_port
from tests.web.site import KEY, NOW, SIGNER, Site
from tests.web.test_archive import DAY, add_issue

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page

    from tests.conftest import Runner

pytestmark = pytest.mark.browser
ANN = "ann@readers.example"


class Mailbox:
    """Keeps every mail by recipient."""

    def __init__(self) -> None:
        self.got: list[tuple[str, EmailMessage]] = []

    async def handle_DATA(self, server: Any, session: Any, envelope: Any) -> str:  # noqa: N802 - aiosmtpd's name
        message = cast(EmailMessage, email.message_from_bytes(envelope.content, policy=default))
        self.got += [(recipient, message) for recipient in envelope.rcpt_tos]
        return "250 OK"

    def to(self, address: str) -> list[EmailMessage]:
        return [message for recipient, message in self.got if recipient == address]

    def wait_for(self, address: str, number: int) -> EmailMessage:
        deadline = time.monotonic() + 60
        while len(self.to(address)) < number:
            assert time.monotonic() < deadline, [m["Subject"] for m in self.to(address)]
            time.sleep(0.1)
        return self.to(address)[number - 1]


@pytest.fixture
def mailbox() -> Iterator[tuple[Mailbox, int]]:
    kept, port = Mailbox(), free_port()
    controller = Controller(kept, hostname="127.0.0.1", port=port)
    controller.start()
    yield kept, port
    controller.stop()


@pytest.fixture
def page(chromium: Browser) -> Iterator[Page]:
    context = chromium.new_context(viewport={"width": 390, "height": 800}, java_script_enabled=True)
    yield context.new_page()
    context.close()


def text_of(message: EmailMessage) -> str:
    body = message.get_body(("plain",))
    assert body is not None
    return str(body.get_content())


def link_in(message: EmailMessage, path: str) -> str:
    found = re.search(rf"http://127\.0\.0\.1:\d+/{path}/[A-Za-z0-9_-]+", text_of(message))
    assert found is not None, text_of(message)
    return found[0]


def test_from_sign_up_to_undo(
    tmp_path: Path, mailbox: tuple[Mailbox, int], page: Page, run_digest: type[Runner]
) -> None:
    kept, smtp = mailbox
    port = free_port()
    folder = tmp_path / "newsletter"
    run_digest.run("init", "--json", str(folder), cwd=tmp_path)
    (folder / "newsletter.toml").write_text(
        f"""
[newsletter]
name = "Harbour"
url = "https://harbour.example"
sender = "daily@harbour.example"
postal_address = "1 Quay"
[smtp]
host = "127.0.0.1"
port = {smtp}
rate = "unlimited"
[[sources]]
name = "stories"
url = "stories"
[[sections]]
name = "News"
[editions.daily]
schedule = "0 0 1 1 *"
min_articles = 1
[web]
serve = true
port = {port}
"""
    )
    with (folder / ".env").open("a") as environment:
        environment.write(f"DIGEST_PUBLIC_URL=http://127.0.0.1:{port}\n")
    (folder / "stories").mkdir()
    run_digest.run("lists", "create", "daily", cwd=folder)
    assert (
        run_digest.run("subscribers", "add", "bob@readers.example", "--confirmed", cwd=folder).returncode == 0
    )
    today = datetime.now(UTC).replace(microsecond=0)

    def issue(number: int) -> None:
        """A day later, with a new story, to everybody who wants it: Bob always."""
        now = today + timedelta(days=number)
        (folder / "stories" / f"{number}.md").write_text(
            f"---\ntitle: Story number {number} is told\ncategories: [News]\n"
            f"url: https://harbour.example/{number}\ndate: {(now - timedelta(hours=1)).isoformat()}\n---\n\n"
            f"A paragraph with enough words in it to be a teaser of story number {number}.\n"
        )
        done = run_digest.run("--now", now.isoformat(), "run", "daily", "--json", cwd=folder)
        assert done.returncode == 0, done.stdout + done.stderr
        kept.wait_for("bob@readers.example", number)

    log = (folder / "log").open("w")
    running = subprocess.Popen(
        [sys.executable, "-m", "digest", "schedule", "run"],
        cwd=folder,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        stdout=log,
        stderr=log,
    )
    try:
        _answering(page, f"http://127.0.0.1:{port}/subscribe")
        page.get_by_label("E-mail address").fill(ANN)
        page.get_by_role("button", name="Subscribe").click()
        expect(page.get_by_text("Look into your inbox")).to_be_visible()

        notice = kept.wait_for(ANN, 1)
        page.goto(link_in(notice, "c"))
        page.get_by_role("button", name="Confirm").click()
        expect(page.get_by_text("You are on the list")).to_be_visible()

        issue(1)
        first = kept.wait_for(ANN, 2)
        assert "Story number 1" in text_of(first)

        # As a mail provider does it: the header's address, its exact body, no cookie, no redirect.
        address = re.search(r"<(http[^>]+)>", first["List-Unsubscribe"])
        assert address is not None
        assert first["List-Unsubscribe-Post"] == "List-Unsubscribe=One-Click"
        click = ["curl", "-sS", "-o", "-", "-w", " %{http_code} %{num_redirects}", "-X", "POST"]
        click += ["-d", "List-Unsubscribe=One-Click", address[1]]
        done = subprocess.run(click, capture_output=True, text=True, check=True)
        assert done.stdout == "unsubscribed\n 200 0"

        issue(2)
        assert len(kept.to(ANN)) == 2

        page.goto(address[1])
        page.get_by_role("button", name="Unsubscribe").click()
        page.get_by_role("button", name="That was a mistake").click()
        expect(page.get_by_text("You are on the list")).to_be_visible()

        issue(3)
        assert "Story number 3" in text_of(kept.wait_for(ANN, 3))

        page.goto(link_in(first, "p"))
        page.get_by_label("New e-mail address").fill("ann@new.example")
        page.get_by_role("button", name="Change my address").click()
        page.goto(link_in(kept.wait_for("ann@new.example", 1), "my/address"))
        page.get_by_role("button", name="Confirm").click()
        expect(page.get_by_text("Your address is changed")).to_be_visible()

        page.goto(link_in(first, "p"))
        page.get_by_role("button", name="Erase me").click()
        page.goto(link_in(kept.wait_for("ann@new.example", 2), "my/erasure"))
        page.get_by_role("button", name="Erase me").click()
        expect(page.get_by_text("You are erased")).to_be_visible()
        issue(4)
        assert len(kept.to("ann@new.example")) == 2
        assert len(kept.to(ANN)) == 3
    finally:
        running.terminate()
        running.wait(20)
        log.close()


def _answering(page: Page, url: str) -> None:
    from playwright.sync_api import Error

    deadline = time.monotonic() + 30
    while True:
        try:
            page.goto(url)
            return
        except Error:
            assert time.monotonic() < deadline
            time.sleep(0.1)


# -- all pages ------------------------------------------------------------------------------------


@pytest.fixture
def pages(site: Site) -> Iterator[Callable[[str], list[str]]]:
    """Serves the site; gives the addresses of all its pages, the reader's in a language."""
    issue = add_issue(site, DAY, "The harbour opens its gates to visitors again")
    with site.sessions.begin() as session:
        session.query(IssueItemRow).filter_by(
            issue_id=issue
        ).one().teaser = "What it is about, in a sentence."
        session.flush()
        rendered = render_issue(load_draft(session, site.settings, issue), site.settings)
        store_rendition(session, issue, rendered, now=NOW)
        make_findable(session, issue)
    add_issue(site, DAY + timedelta(days=1), "A second issue")
    token = site.token
    with serving(site.client.app) as url:

        def addresses(language: str) -> list[str]:
            with site.sessions.begin() as session:
                person = find_person(session, "ada@readers.example")
                how = How(ConsentMethod.COMMAND)
                update_person(session, person, KEY, now=NOW, how=how, language=language)
                person.new_address = "ada@new.example"
            moving = fingerprint_of(site.settings, "ada@new.example")
            rights = [
                f"/{what.path}/{SIGNER.sign(what, site.subscription, *more, issued_at=NOW)}"
                for what, more in ((Right.DATA, ()), (Right.ERASE, ()), (Right.MOVE, (moving,)))
            ]
            paths = [
                f"/u/{token(Purpose.UNSUBSCRIBE)}",
                f"/c/{token(Purpose.CONFIRM)}",
                f"/p/{token(Purpose.PREFERENCES)}",
                *rights,
                "/subscribe",
                "/subscribe?list=daily",
                "/archive",
                f"/archive/daily/{DAY}",
                "/archive/search?q=harbour",
                "/archive/search?q=nothing",
                "/u/damaged",
                "/nowhere",
            ]
            return [url + path for path in paths]

        yield addresses


@pytest.mark.parametrize("language", ["en", "ar"])
def test_no_page_has_a_barrier_and_all_fit_on_320_pixels(
    pages: Callable[[str], list[str]], chromium: Browser, axe: str, language: str
) -> None:
    context = chromium.new_context(viewport={"width": 320, "height": 700}, bypass_csp=True)
    page = context.new_page()
    pictures = os.environ.get("DONTMISS_PICTURES")
    for place, address in enumerate(pages(language)):
        for scheme in ("light", "dark"):
            page.emulate_media(color_scheme=cast(Any, scheme))
            page.goto(address)
            assert barriers(page, axe) == [], address
            assert page.evaluate("document.documentElement.scrollWidth") <= 320, address
            small = page.evaluate(
                "() => { const fields = 'button, input:not([type=hidden], [tabindex=\"-1\"]), select';"
                " const height = e => (e.closest('label') || e).getBoundingClientRect().height;"
                " return [...document.querySelectorAll(fields)]"
                ".filter(e => e.offsetParent && height(e) < 44).map(e => e.outerHTML); }"
            )
            assert small == [], address
            if pictures:
                page.screenshot(path=f"{pictures}/{language}-{place:02}-{scheme}.png", full_page=True)
        if "/p/" in address and language == "ar":
            assert page.evaluate("document.documentElement.dir") == "rtl"
    context.close()


def test_every_form_can_be_sent_by_keyboard_without_script_and_without_css(
    pages: Callable[[str], list[str]], chromium: Browser
) -> None:
    context = chromium.new_context(java_script_enabled=False)
    page = context.new_page()
    leave, _, choose, *_ = pages("en")
    page.goto(leave)
    for _ in range(3):  # the newsletter's name, the reason, the button
        page.keyboard.press("Tab")
    page.keyboard.press("Enter")
    expect(page.get_by_text("You have left The Daily")).to_be_visible()
    page.keyboard.press("Tab")
    page.keyboard.press("Tab")
    page.keyboard.press("Enter")
    expect(page.get_by_text("You are on the list The Daily")).to_be_visible()

    def without_css(route: Any) -> None:
        answer = route.fetch()
        body = re.sub(r"<style>.*?</style>", "", answer.text(), flags=re.DOTALL)
        assert "<style" not in body
        route.fulfill(response=answer, body=body)

    context.route("**/p/**", without_css)
    page.goto(choose)
    page.get_by_label("Your name").fill("Ada Lovelace")
    page.get_by_label("Your name").press("Enter")
    expect(page.get_by_text("Saved.")).to_be_visible()
    expect(page.get_by_label("Your name")).to_have_value("Ada Lovelace")
    context.close()


def test_no_page_asks_for_anything_or_stores_anything(
    pages: Callable[[str], list[str]], chromium: Browser
) -> None:
    context = chromium.new_context()
    page = context.new_page()
    asked: list[str] = []
    faults: list[str] = []
    page.on("request", lambda request: asked.append(request.url))
    page.on("console", lambda message: faults.append(message.text))
    addresses = [address for address in pages("en") if "damaged" not in address and "nowhere" not in address]
    for address in addresses:
        page.goto(address)
    assert [one for one in asked if not one.endswith("/favicon.ico")] == addresses
    assert context.cookies() == []
    assert faults == []
    context.close()
