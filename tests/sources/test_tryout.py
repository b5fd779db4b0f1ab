"""``digest try`` on five different sites made from the test data, their dates moved to the last hours."""

from __future__ import annotations

import csv
import json
import re
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from html import escape
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from sqlalchemy.orm import Session, sessionmaker

from digest.app import App
from digest.clock import StoppedClock, SystemClock
from digest.errors import ConfigError, SourceError
from digest.pipeline.tryout import propose, try_site
from digest.settings import Settings, load
from digest.sources.http import Fetcher
from digest.sources.workshop import HereReaders
from tests.conftest import Runner
from tests.sources.playing import NOW, Site, item, rss

LINK = '<html><head><title>Home</title><link rel="alternate" type="application/{}" href="{}"></head></html>'
DATE = re.compile(r"<((?:\w+:)?(?:pubDate|published|updated|date))>[^<]*</")


def recent(text: str, now: datetime = NOW) -> str:
    """The feed with each story's dates moved: the first is 20 minutes old, each further one 20 more."""
    pieces = re.split(r"(?=<(?:item|entry)[ >])", text)
    for number, piece in enumerate(pieces):
        at = now - timedelta(minutes=20 * (number or 1))
        pieces[number] = DATE.sub(lambda found, at=at: f"<{found[1]}>{at:%Y-%m-%dT%H:%M:%SZ}</", piece)
    return "".join(pieces)


def a_forum(site: Site, data: Path) -> None:
    """A page that names its Atom feed."""
    site["/"] = LINK.format("atom+xml", "/new.atom")
    site["/new.atom"] = recent((data / "ingest/feeds/atom_mediarss_reddit_1.xml").read_text())


def a_wordpress(site: Site, data: Path) -> None:
    """A page that names its REST interface."""
    posts = json.loads((data / "ingest/wordpress/posts-embed.json").read_text())
    for number, post in enumerate(posts, 1):
        post["date_gmt"] = post["modified_gmt"] = f"{NOW - timedelta(hours=number):%Y-%m-%dT%H:%M:%S}"
    site["/"] = '<html><head><link rel="https://api.w.org/" href="/wp-json/"></head></html>'
    site["/wp-json/wp/v2/posts?_embed=1&per_page=50"] = json.dumps(posts)


def a_json_feed(site: Site, data: Path) -> None:
    """A page that names nothing; the feed is where one looks last."""
    feed = json.loads((data / "ingest/feeds/jsonfeed_elastic_1.1.json").read_text())
    for number, entry in enumerate(feed["items"], 1):
        entry["date_published"] = entry["date_modified"] = (
            f"{NOW - timedelta(hours=number):%Y-%m-%dT%H:%M:%SZ}"
        )
    site["/"] = "<html><body>welcome</body></html>"
    site["/feed.json"] = json.dumps(feed)


def a_river(site: Site, data: Path) -> None:
    """A wire with headlines by category, found by the address of its feed."""
    names = {"b": "Business", "t": "Technology", "e": "Culture", "m": "Health"}
    with (data / "ingest/headlines/stories.csv").open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))[:200]
    items = [
        item(
            number,
            title=escape(row["title"]),
            at=f"{NOW - timedelta(minutes=10 * number):%Y-%m-%dT%H:%M:%SZ}",
            more=f"<category>{names[row['category']] if number % 3 else 'Markets'}</category>",
        )
        for number, row in enumerate(rows, 1)
    ]
    site["/"] = rss(*items)


def a_news_sitemap(site: Site, data: Path) -> None:
    """A site without feeds: robots.txt names a news sitemap, and the stories are real pages."""
    pages = json.loads((data / "ingest/pages/expected.json").read_text())
    told = []
    for number, (name, page) in enumerate(pages.items(), 1):
        path = urlsplit(page["url"]).path
        if not path.isascii() or number > 40:
            continue
        site[path] = (data / "ingest/pages" / name).read_bytes()
        at = f"{NOW - timedelta(minutes=10 * number):%Y-%m-%dT%H:%M:%SZ}"
        told.append(
            f"<url><loc>{site.base}{path}</loc><n:news><n:publication_date>{at}</n:publication_date>"
            f"<n:title>{escape(page['title'])}</n:title></n:news></url>"
        )
    site["/"] = "<html><body>welcome</body></html>"
    site["/robots.txt"] = f"User-agent: *\nSitemap: {site.base}/maps/news.xml\n"
    space = 'xmlns="http://www.sitemaps.org/schemas/sitemap/0.9"'
    news = 'xmlns:n="http://www.google.com/schemas/sitemap-news/0.9"'
    site["/maps/news.xml"] = f"<?xml version='1.0'?><urlset {space} {news}>{''.join(told)}</urlset>"


SITES = [
    (a_forum, "/new.atom", 25, 0),
    (a_wordpress, "/", 2, 0),
    (a_json_feed, "/feed.json", 3, 0),
    (a_river, "/", 200, 2),
    (a_news_sitemap, "/", 30, 2),
]


@pytest.mark.parametrize(
    ("make", "feed", "stories", "sections"), SITES, ids=[one[0].__name__ for one in SITES]
)
def test_a_site_becomes_an_issue_in_a_scratch_folder(
    make: Callable[[Site, Path], None],
    feed: str,
    stories: int,
    sections: int,
    test_data: Path,
    site: Site,
    tmp_path: Path,
    migrated_sqlite: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    # A newsletter at work must not get a trial's stories.
    monkeypatch.setenv("DIGEST_DATABASE_URL", f"sqlite:///{tmp_path}/at-work.sqlite3")
    make(site, test_data)
    folder, clock, apps = tmp_path / "scratch", StoppedClock(NOW), []

    def sessions_of(settings: Settings) -> sessionmaker[Session]:
        apps.append(App(settings, clock))
        return apps[0].sessions

    with Fetcher(SystemClock()) as http:
        tried = try_site(
            [site.base + "/"], folder, clock=clock, http=http, sessions_of=sessions_of, readers=HereReaders()
        )
    for app in apps:
        app.close()
    told = tried.as_json()
    assert list(told)[:4] == ["sources", "sections", "issue", "preview"]
    assert [source["url"] for source in told["sources"]] == [site.base + feed]
    assert tried.proposal.stories >= stories
    assert len(told["sections"]) >= sections
    assert all(3 <= section["max"] <= 6 for section in told["sections"])
    printed = [entry for part in told["issue"]["sections"] for entry in part["items"]]
    printed += told["issue"]["dont_miss"] + [told["issue"]["lead"]]
    assert all(entry["headline"] for entry in printed)
    page = tried.preview.read_text()
    assert told["issue"]["lead"]["headline"].split()[0] in page
    assert told["preview"] == tried.preview.as_uri()
    assert all(entry["title"] and entry["reason"] for entry in told["left_out"])
    assert len(told["left_out"]) + len(printed) >= min(stories, 25)
    assert not (tmp_path / "at-work.sqlite3").exists()


@pytest.mark.slow
def test_a_kept_trial_is_a_newsletter_that_works(
    site: Site, tmp_path: Path, test_data: Path, run_digest: type[Runner]
) -> None:
    site["/"] = LINK.format("atom+xml", "/new.atom")
    forum = (test_data / "ingest/feeds/atom_mediarss_reddit_1.xml").read_text()
    site["/new.atom"] = recent(forum, datetime.now(UTC))
    done = run_digest.run("try", site.base, "--save", "kept", "--json", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    told = json.loads(done.stdout)
    assert Path(urlsplit(told["preview"]).path).is_file()
    fetched = run_digest.run("-C", "kept", "fetch", "--json", cwd=tmp_path)
    assert [one["status"] for one in json.loads(fetched.stdout)["sources"]] == ["unchanged"]
    built = run_digest.run("-C", "kept", "issue", "build", "daily", "--json", cwd=tmp_path)
    assert json.loads(built.stdout)["id"] == told["issue"]["id"]
    added = run_digest.run("-C", "kept", "subscribers", "add", "ann@reader.example", cwd=tmp_path)
    assert added.returncode == 0, added.stderr
    again = run_digest.run("try", site.base, "--save", "kept", "--json", cwd=tmp_path)
    assert again.returncode == 2
    assert "holds a newsletter already" in json.loads(again.stdout)["error"]["message"]


def test_what_cannot_be_tried_is_one_line_and_leaves_nothing(
    site: Site, tmp_path: Path, run_digest: type[Runner]
) -> None:
    site["/"] = "<html><body>nothing here</body></html>"
    done = run_digest.run("try", site.base, cwd=tmp_path, TMPDIR=str(tmp_path))
    assert done.returncode == 1
    assert "no feed found on this page" in done.stderr
    assert "Traceback" not in done.stderr
    assert list(tmp_path.iterdir()) == []


def refused(url: str, *, allow_private: bool = False) -> str:
    clock = StoppedClock(NOW)
    with Fetcher(SystemClock(), connect_timeout=1) as http, pytest.raises(SourceError) as caught:
        propose([url], clock=clock, http=http, readers=HereReaders(), allow_private=allow_private)
    return f"{caught.value} {caught.value.remedy}"


@pytest.mark.parametrize(
    "url",
    [
        "http://10.0.0.1/",
        "http://192.168.1.1/feed",
        "http://169.254.169.254/",
        "http://[fd00::1]/",
        "http://paper.internal/",
    ],
)
def test_a_private_address_is_tried_only_when_that_is_said(url: str) -> None:
    line = refused(url)
    assert "a private or local address" in line
    assert "--allow-private" in line


def test_an_unreachable_site_is_named(site: Site) -> None:
    site.close()
    assert urlsplit(site.base).netloc in refused(site.base)


def test_a_site_on_this_machine_may_be_tried(site: Site) -> None:
    site["/"] = rss(item(1))
    with Fetcher(SystemClock()) as http:
        found = propose([site.base + "/"], clock=StoppedClock(NOW), http=http, readers=HereReaders())
    assert [source.allow_private for source in found.sources] == [True]


def test_a_file_is_kept_by_its_whole_path(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "wire.xml").write_text(rss(item(1)))
    monkeypatch.chdir(tmp_path)
    with Fetcher(SystemClock()) as http:
        found = propose(["wire.xml"], clock=StoppedClock(NOW), http=http, readers=HereReaders())
    assert [source.url for source in found.sources] == [str(tmp_path / "wire.xml")]


def test_a_folder_with_a_newsletter_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "newsletter.toml").write_text(
        '[newsletter]\nname = "Mine"\nurl = "https://m.example"\nsender = "m@m.example"\n'
    )
    with Fetcher(SystemClock()) as http, pytest.raises(ConfigError, match="holds a newsletter already"):
        try_site(["https://m.example"], tmp_path, clock=StoppedClock(NOW), http=http, sessions_of=None)
    assert load(tmp_path).file.newsletter.name == "Mine"


def test_a_new_newsletter_gets_its_sections_from_the_site(
    site: Site, tmp_path: Path, run_digest: type[Runner]
) -> None:
    parts = [("Harbour", 12), ("Business", 6), ("Culture", 3)]
    stories = [part for part, count in parts for _ in range(count)]
    items = [item(number, more=f"<category>{part}</category>") for number, part in enumerate(stories, 1)]
    site["/"] = LINK.format("rss+xml", "/feed.xml")
    site["/feed.xml"] = rss(*items)
    done = run_digest.run("init", "paper", "--name", "The Paper", "--url", site.base, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert "Harbour, Business, Culture" in done.stdout
    file = load(tmp_path / "paper").file
    assert [(part.name, part.max) for part in file.sections] == [
        ("Harbour", 6),
        ("Business", 5),
        ("Culture", 4),
    ]
    assert [source.url for source in file.sources] == [site.base + "/feed.xml"]
    asked = [headers["user-agent"] for _, headers in site.asked]
    assert all(agent.startswith("dontmiss/") and site.base in agent for agent in asked)
