"""The demo runs the whole main job by itself, and nothing of it leaves this machine."""

from __future__ import annotations

import json
import re
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from pathlib import Path
from xml.etree import ElementTree

import httpx2
import pytest

from digest.clock import StoppedClock, SystemClock
from digest.errors import ConfigError
from digest.pipeline.demo import lay_out
from digest.pipeline.newsroom import Newsroom, fill
from digest.resources import newsroom_dir
from tests.conftest import Runner

NOON = datetime(2026, 11, 23, 12, 0, tzinfo=UTC)


def test_the_demo_ends_by_itself_when_everything_is_delivered(
    tmp_path: Path, run_digest: type[Runner]
) -> None:
    done = run_digest.run("demo", "--once", "--no-browser", "--json", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    told = json.loads(done.stdout)
    assert (told["issue"], told["recipients"], told["delivered"]) == (1, 3, 3)
    assert told["preview"].startswith("http://127.0.0.1:")
    assert told["inbox"].startswith("http://127.0.0.1:")
    assert list(tmp_path.iterdir()) == []  # it leaves nothing behind


def test_the_demo_keeps_a_newsletter_that_the_other_commands_know(
    tmp_path: Path, run_digest: type[Runner]
) -> None:
    # The environment names a real server and a real database: the demo must use neither.
    foreign = {
        "DIGEST_SMTP_URL": "smtp://mail.example.org:587",
        "DIGEST_DATABASE_URL": "postgresql://nobody@127.0.0.1:1/none",
    }
    done = run_digest.run(
        "demo", "--once", "--no-browser", "--json", "--dir", "kept", cwd=tmp_path, **foreign
    )
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["delivered"] == 3
    kept = tmp_path / "kept"
    assert (kept / ".env").stat().st_mode & 0o077 == 0
    shown = run_digest.run("issue", "show", "1", "--json", cwd=kept)
    issue = json.loads(shown.stdout)
    assert issue["status"] == "sent"
    assert [section["name"] for section in issue["sections"]] == [
        "City", "Business", "Science", "Culture", "Sport",
    ]  # fmt: skip
    again = run_digest.run("demo", "--once", "--no-browser", "--json", "--dir", "kept", cwd=tmp_path)
    assert again.returncode == 0, again.stderr
    assert json.loads(again.stdout)["delivered"] == 0  # everybody has it already


def test_a_folder_with_somebodys_newsletter_is_not_touched(tmp_path: Path, newsroom: Newsroom) -> None:
    (tmp_path / "newsletter.toml").write_text("[newsletter]\n")
    with pytest.raises(ConfigError, match="holds a newsletter already"):
        lay_out(tmp_path, newsroom, smtp_url="smtp://127.0.0.1:9")
    assert [file.name for file in tmp_path.iterdir()] == ["newsletter.toml"]


@pytest.fixture
def newsroom() -> object:
    with Newsroom(newsroom_dir(), StoppedClock(NOON)) as running:
        yield running


def test_the_newsroom_is_as_fresh_as_the_clock(newsroom: Newsroom) -> None:
    feed = ElementTree.fromstring(httpx2.get(f"{newsroom.base}/post.rss").content)
    dates = [parsedate_to_datetime(date.text or "") for date in feed.iter("pubDate")]
    assert all(NOON - timedelta(hours=36) < date <= NOON for date in dates)
    tide = httpx2.get(f"{newsroom.base}/tideline.json").json()
    assert all(item["date_published"] < NOON.isoformat() for item in tide["items"])


def test_no_place_is_left_open_and_every_picture_is_there(newsroom: Newsroom) -> None:
    names = ["post.rss", "tideline.json", "newsletter.toml"]
    names += [f"notebook/{file.name}" for file in (newsroom_dir() / "notebook").glob("*.md")]
    texts = [newsroom.filled(name) for name in names]
    assert not [text for text in texts if "{{" in text or "}}" in text]
    pictures = {url for text in texts for url in re.findall(r"http://[^\"'\s]+/pictures/[\w.-]+", text)}
    assert len(pictures) == 40
    with httpx2.Client() as client:
        for url in pictures:
            answer = client.get(url)
            assert answer.status_code == 200
            assert answer.headers["content-type"].startswith("image/")


def test_the_newsroom_is_what_the_issue_asks_for(newsroom: Newsroom) -> None:
    stories = newsroom.stories
    assert len(stories) == 41
    assert [story.language for story in stories.values()].count("ar") == 1
    wires = [story.title for story in stories.values() if "Skarr Bank wind farm" in story.title]
    assert len(wires) == 2
    assert sum(file.stat().st_size for file in (newsroom_dir() / "pictures").iterdir()) < 1_500_000


def test_every_story_has_a_page(newsroom: Newsroom) -> None:
    with httpx2.Client() as client:
        for path, story in newsroom.stories.items():
            answer = client.get(newsroom.base + path)
            assert answer.status_code == 200
            assert story.title.replace("&", "&amp;") in answer.text


@pytest.mark.parametrize("path", ["/nothing", "/pictures/..%2fpost.rss", "/pictures/none.png", "/notebook"])
def test_the_newsroom_serves_nothing_else(newsroom: Newsroom, path: str) -> None:
    assert httpx2.get(newsroom.base + path).status_code == 404


def test_an_age_that_cannot_be_read_is_told() -> None:
    assert fill("{{iso 1h30min}}", base="", now=NOON) == "2026-11-23T10:30:00+00:00"
    with pytest.raises(ValueError, match="no age"):
        fill("{{iso minhh}}", base="", now=SystemClock().now())
