"""The archive: each issue at its address, with its neighbours, for people and for programs."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import pytest
from lxml import etree
from sqlalchemy import Engine

from digest.models import IssueEventRow, IssueItemRow, IssueRow, IssueStatus, RenditionRow
from tests.web.site import Site

DAY = date(2026, 11, 20)
LATER = datetime(2026, 11, 23, tzinfo=UTC)
HEADLINE = "Bridge </script> opens"
HTML = "<!doctype html><html lang='en'><head><title>t</title></head><body><p>Issue</p></body></html>"


def add_issue(site: Site, day: date, subject: str, ordinal: int = 0, list_name: str = "daily") -> int:
    at = datetime(day.year, day.month, day.day, 7, ordinal, tzinfo=UTC)
    with site.sessions.begin() as session:
        row = IssueRow(
            edition=list_name,
            date=day,
            ordinal=ordinal,
            status=IssueStatus.SENT,
            ledger="daily",
            list_name=list_name,
            language="en",
            timezone="UTC",
            subject=subject,
            preheader="What it is about",
            built_at=at,
            sent_at=at,
        )
        session.add(row)
        session.flush()
        session.add(
            IssueItemRow(
                issue_id=row.id,
                slot="section",
                kind="story",
                section="city",
                position=1,
                headline=HEADLINE,
                url="https://harbour.example/bridge",
            )
        )
        session.add(
            RenditionRow(
                issue_id=row.id,
                version=1,
                subject=subject,
                preheader="",
                language="en",
                direction="ltr",
                html=[{"text": HTML}],
                text=[{"text": "Issue"}],
                mjml="",
                notes=[],
                at=at,
            )
        )
        return row.id


@pytest.fixture
def shelf(engine: Engine, tmp_path: Path) -> Iterator[Site]:
    site = Site(engine, tmp_path)
    for number, ordinal in ((0, 0), (1, 0), (1, 1), (2, 0)):
        add_issue(site, DAY + timedelta(days=number), f"Issue {number}.{ordinal} <i>&", ordinal)
    yield site
    site.close()


def test_each_issue_links_to_the_one_before_and_after_of_the_same_day_too(shelf: Site) -> None:
    page = shelf.client.get("/archive/daily/2026-11-21-1").text
    assert 'rel="prev" href="https://news.example/archive/daily/2026-11-21"' in page
    assert 'rel="next" href="https://news.example/archive/daily/2026-11-22"' in page
    assert "Issue 1.0 &lt;i&gt;&amp;" in page
    assert 'rel="prev"' not in shelf.client.get("/archive/daily/2026-11-20").text


def test_the_address_in_the_list_archive_header_lists_the_edition(shelf: Site) -> None:
    add_issue(shelf, DAY, "Of the week", list_name="weekly")
    page = shelf.client.get("/archive/weekly").text
    assert "Of the week" in page
    assert "Issue 1.0" not in page
    assert shelf.client.get("/archive/monthly").status_code == 404


def test_linked_data_names_the_stories_and_no_headline_ends_it(shelf: Site) -> None:
    page = shelf.client.get("/archive/daily/2026-11-20").text
    found = re.search(r'<script type="application/ld\+json">(.*?)</script>', page)
    assert found is not None
    described = json.loads(found[1])
    assert described["url"] == "https://news.example/archive/daily/2026-11-20"
    assert described["mainEntity"]["itemListElement"][0]["name"] == "Bridge </script> opens"


def test_a_reader_who_has_the_page_is_told_so(shelf: Site) -> None:
    path = "/archive/daily/2026-11-22"
    first = shelf.client.get(path)
    for header, value in (
        ("if-none-match", first.headers["etag"]),
        ("if-modified-since", first.headers["last-modified"]),
    ):
        assert shelf.client.get(path, headers={header: value}).status_code == 304
    assert shelf.client.get(path, headers={"if-none-match": '"other"'}).status_code == 200
    assert shelf.client.get(path, headers={"if-modified-since": "nonsense"}).status_code == 200


def test_a_newer_issue_renews_the_page_before_it(shelf: Site) -> None:
    path = "/archive/daily/2026-11-22"
    first = shelf.client.get(path)
    add_issue(shelf, DAY + timedelta(days=3), "The next")
    headers = {"if-modified-since": first.headers["last-modified"]}
    assert "The next" in shelf.client.get(path, headers=headers).text
    assert shelf.client.get(path).headers["etag"] != first.headers["etag"]


def test_a_withdrawn_story_is_marked_and_leaves_the_linked_data(shelf: Site) -> None:
    with shelf.sessions.begin() as session:
        item = session.query(IssueItemRow).order_by(IssueItemRow.id).first()
        assert item is not None
        detail = {"item": item.id, "headline": item.headline, "rendition": None}
        session.add(
            IssueEventRow(issue_id=item.issue_id, action="withdrawn", actor="ed", detail=detail, at=LATER)
        )
    answer = shelf.client.get("/archive/daily/2026-11-20")
    assert "Withdrawn from this issue" in answer.text
    assert "<s>Bridge &lt;/script&gt; opens</s>" in answer.text
    assert "ListItem" not in answer.text
    assert "23 Nov 2026" in answer.headers["last-modified"]


def test_feed_and_sitemap_list_every_public_issue(shelf: Site) -> None:
    feed = etree.fromstring(shelf.client.get("/archive/feed.xml").content)
    atom = "{http://www.w3.org/2005/Atom}"
    ids = [entry.findtext(f"{atom}id") for entry in feed.iter(f"{atom}entry")]
    assert ids[0] == "https://news.example/archive/daily/2026-11-22"
    assert len(ids) == 4
    places = etree.fromstring(shelf.client.get("/sitemap.xml").content)
    assert len(places) == 5


def test_a_private_list_is_nowhere(engine: Engine, tmp_path: Path) -> None:
    site = Site(engine, tmp_path, web='private_lists = ["daily"]')
    add_issue(site, DAY, "Secret")
    for path in ("/archive", "/archive/feed.xml", "/sitemap.xml", "/archive/daily/2026-11-20"):
        answer = site.client.get(path)
        assert "2026-11-20" not in answer.text
        assert "Secret" not in answer.text
    site.close()
