"""Counted links: off unless switched on, led by the database alone, and never about a person."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlalchemy import Engine, select

from digest.issues.drafts import load_draft
from digest.issues.view import issue_view
from digest.models import ClickCountRow, IssueItemRow, IssueRow, IssueStatus
from digest.pipeline.render import render_issue, store_rendition
from digest.pipeline.report import issue_figures
from digest.values import Slot
from subscribers.tokens import Purpose, TokenSigner
from tests.web.site import NOW, SIGNER, Site
from tests.web.test_archive import DAY, add_issue

BROWSER = {"user-agent": "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0"}


@pytest.fixture
def counting(engine: Engine, tmp_path: Path) -> Iterator[Site]:
    site = Site(engine, tmp_path, web="clicks = true")
    add_issue(site, DAY, "Issue")
    yield site
    site.close()


def item_of(site: Site) -> int:
    with site.sessions() as session:
        return session.scalars(select(IssueItemRow.id)).first() or 0


def link(site: Site, signer: TokenSigner = SIGNER) -> str:
    return f"/k/{signer.sign(Purpose.CLICK, item_of(site))}"


def counts(site: Site) -> list[tuple[str, int]]:
    site.desk.clicks.settle()
    with site.sessions() as session:
        return [(row.day, row.clicks) for row in session.scalars(select(ClickCountRow))]


def follow(site: Site, method: str = "GET", **headers: str) -> str:
    answer = site.client.request(method, link(site), headers={**BROWSER, **headers}, follow_redirects=False)
    assert answer.status_code == 302
    assert answer.headers["cache-control"] == "no-store"
    assert "set-cookie" not in answer.headers
    return answer.headers["location"]


def test_a_click_leads_to_the_story_and_is_counted_for_its_item_and_day(counting: Site) -> None:
    assert {follow(counting) for _ in range(3)} == {"https://harbour.example/bridge"}
    assert counts(counting) == [("2026-11-23", 3)]
    item = item_of(counting)
    with counting.sessions() as session:
        row = session.scalars(select(IssueRow)).one()
        headline = session.scalars(select(IssueItemRow.headline)).one()
        assert issue_figures(session, row).as_json()["clicks"] == [
            {"headline": headline, "clicks": 3, "item": item}
        ]
        shown = issue_view(session, row.id).as_json()["clicks"]
    assert shown == [{"item": item, "headline": headline, "clicks": 3}]


@pytest.mark.parametrize(
    "headers",
    [
        {"purpose": "prefetch"},
        {"sec-purpose": "prefetch;prerender"},
        {"x-moz": "prefetch"},
        {"x-purpose": "preview"},
        {"user-agent": "Mozilla/5.0 (compatible; Googlebot/2.1; +http://www.google.com/bot.html)"},
        {"user-agent": "Barracuda Sentinel (EE)"},
        {"user-agent": "Mozilla/5.0 Mimecast URL Scanner"},
        {"user-agent": "facebookexternalhit/1.1"},
        {"user-agent": "python-requests/2.32"},
        {"user-agent": "curl/8.5.0"},
        {"user-agent": " "},
    ],
)
def test_machines_are_led_on_and_not_counted(counting: Site, headers: dict[str, str]) -> None:
    assert follow(counting, **headers) == "https://harbour.example/bridge"
    follow(counting, "HEAD")
    assert counts(counting) == []


def test_nobody_makes_a_link_lead_elsewhere(counting: Site) -> None:
    good = link(counting)
    for path in (
        good[:-1] + ("A" if good[-1] != "A" else "B"),
        f"/k/{SIGNER.sign(Purpose.UNSUBSCRIBE, item_of(counting))}",
        f"/k/{SIGNER.sign(Purpose.CLICK, 999_999)}",
        "/k/https://evil.example/",
        "/k/" + "%2f%2fevil.example",
    ):
        answer = counting.client.get(path, headers=BROWSER, follow_redirects=False)
        assert answer.status_code == 404
        assert "location" not in answer.headers
    redirected = counting.client.get(
        f"{good}?url=https://evil.example",
        headers={**BROWSER, "host": "evil.example"},
        follow_redirects=False,
    )
    assert redirected.headers["location"] == "https://harbour.example/bridge"


def test_an_address_that_is_none_is_not_led_to(counting: Site) -> None:
    with counting.sessions.begin() as session:
        session.scalars(select(IssueItemRow)).one().url = "javascript:alert(1)"
    assert counting.client.get(link(counting), follow_redirects=False).status_code == 404


def test_an_issue_that_is_not_out_counts_nothing(counting: Site) -> None:
    with counting.sessions.begin() as session:
        session.scalars(select(IssueRow)).one().status = IssueStatus.BUILT
    follow(counting)
    assert counts(counting) == []


def test_links_of_old_mails_lead_on_under_an_old_key_and_when_counting_is_off(site: Site) -> None:
    add_issue(site, DAY, "Issue")
    old = TokenSigner([b"an older token key of the tests"])
    answer = site.client.get(link(site, old), headers=BROWSER, follow_redirects=False)
    assert answer.headers["location"] == "https://harbour.example/bridge"
    assert counts(site) == []


def test_only_where_it_is_switched_on_links_are_counted_ones(
    counting: Site, engine: Engine, tmp_path: Path
) -> None:
    with counting.sessions() as session:
        issue = session.scalars(select(IssueRow.id)).one()
        draft = load_draft(session, counting.settings, issue)
    html = "".join(getattr(part, "text", "") for part in render_issue(draft, counting.settings).html)
    assert re.findall(r'href="(https://news\.example/k/[^"]+)"', html) == [
        f"https://news.example{link(counting)}"
    ]
    assert "harbour.example/bridge" not in html
    (tmp_path / "newsletter.toml").write_text(
        (tmp_path / "newsletter.toml").read_text().replace("clicks = true", "clicks = false")
    )
    from digest.settings import load

    html = "".join(getattr(part, "text", "") for part in render_issue(draft, load(tmp_path)).html)
    assert "/k/" not in html
    assert "https://harbour.example/bridge" in html


def test_the_archive_counts_nobody(counting: Site) -> None:
    with counting.sessions.begin() as session:
        issue = session.scalars(select(IssueRow.id)).one()
        draft = load_draft(session, counting.settings, issue)
        store_rendition(session, issue, render_issue(draft, counting.settings), now=NOW)
    page = counting.client.get(f"/archive/daily/{DAY}").text
    assert "/k/" not in page
    assert 'href="https://harbour.example/bridge"' in page


def test_what_is_to_be_read_also_counts_for_its_story(counting: Site) -> None:
    kept = {"title": "The old bridge", "url": "https://other.example/old?a=1&b=2"}
    with counting.sessions.begin() as session:
        item = session.scalars(select(IssueItemRow)).one()
        item.slot, item.section = Slot.LEAD, ""
        item.related = [{"title": "No address", "url": "javascript:alert(1)"}, kept]
        session.flush()
        draft = load_draft(session, counting.settings, item.issue_id)
        rendered = render_issue(draft, counting.settings)
        store_rendition(session, item.issue_id, rendered, now=NOW)
    html = "".join(getattr(part, "text", "") for part in rendered.html)
    first, second = (found for found in re.findall(r'href="https://news\.example(/k/[^"]+)"', html))
    assert (first, second) == (link(counting), f"/k/{SIGNER.sign(Purpose.CLICK, item_of(counting), 2)}")
    assert "other.example" not in html
    answer = counting.client.get(second, headers=BROWSER, follow_redirects=False)
    assert answer.headers["location"] == kept["url"]
    follow(counting)
    assert counts(counting) == [("2026-11-23", 2)]
    for place in (1, 3, 2**40):  # no address, and none at all
        path = f"/k/{SIGNER.sign(Purpose.CLICK, item_of(counting), place)}"
        assert counting.client.get(path, headers=BROWSER, follow_redirects=False).status_code == 404
    page = counting.client.get(f"/archive/daily/{DAY}").text
    assert "/k/" not in page
    assert 'href="https://other.example/old?a=1&amp;b=2"' in page
