"""Rendering as a use case: newsletter.toml's looks, the store of renditions, templates, the preflight."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, date, datetime
from pathlib import Path

import pytest
from sqlalchemy import Engine
from sqlalchemy.orm import Session, sessionmaker

from digest.checks import LinkState, PictureState
from digest.errors import ConfigError, PreflightFailed, UnknownIssue
from digest.models import IssueItemRow, IssueRow
from digest.pipeline.examine_issue import Examination, examine_issue, require_sound
from digest.pipeline.render import load_rendition, newest_rendition, render_issue, store_rendition
from digest.pipeline.render_files import render_to_files
from digest.pipeline.templates import eject, list_templates
from digest.settings import Settings, load
from digest.values import ItemKind, Slot
from subscribers.database import session_factory
from subscribers.tokens import TokenSigner

from .drafts import html_of, paper

NOW = datetime(2026, 11, 23, 4, tzinfo=UTC)
TOML = """
[newsletter]
name = "The Creek Courier"
url = "https://paper.example"
sender = "The Creek Courier <daily@paper.example>"
postal_address = "12 Quay Road, Springfield"
language = "en"

[[sources]]
name = "wire"
title = "The Wire"
url = "https://wire.example/feed"
images = "none"

[[sections]]
name = "City"

[editions.daily]

[links]
append = "c={edition}"
"""


@pytest.fixture
def settings(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Settings:
    for name in [name for name in os.environ if name.startswith("DIGEST_")]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("DIGEST_PUBLIC_URL", "https://news.example")
    (tmp_path / "newsletter.toml").write_text(TOML, encoding="utf-8")
    return load(tmp_path)


@pytest.fixture
def sessions(engine: Engine) -> sessionmaker[Session]:
    return session_factory(engine)


@pytest.fixture
def issue_id(sessions: sessionmaker[Session]) -> int:
    with sessions.begin() as session:
        row = IssueRow(
            edition="daily", date=date(2026, 11, 23), ledger="daily", list_name="daily", language="en",
            timezone="UTC", subject="Night market opens", preheader="And rain", built_at=NOW,
            sections=[{"key": "city", "name": "City", "layout": "cards"}],
        )  # fmt: skip
        session.add(row)
        session.flush()
        for position, slot in enumerate((Slot.LEAD, Slot.SECTION, Slot.DONT_MISS)):
            session.add(
                IssueItemRow(
                    issue_id=row.id, kind=ItemKind.STORY, slot=slot, section="city", position=position,
                    headline=f"Story {position}", teaser="It happened.", source="wire",
                    url=f"https://paper.example/{position}", published_at=NOW, reading_minutes=1,
                    picture={"url": "https://img.example/a.jpg", "alt": "A quay"},
                )
            )  # fmt: skip
        return row.id


@pytest.fixture
def signer() -> TokenSigner:
    return TokenSigner([b"0123456789abcdef0123456789abcdef"])


class TestRenditions:
    def test_a_rendition_comes_back_as_it_was_stored(
        self, sessions: sessionmaker[Session], issue_id: int, settings: Settings
    ) -> None:
        rendered = render_issue(paper(), settings)
        with sessions.begin() as session:
            number = store_rendition(session, issue_id, rendered, now=NOW)
        with sessions() as session:
            assert load_rendition(session, number) == rendered
            assert newest_rendition(session, issue_id) == (number, rendered)

    def test_the_same_again_is_the_same_version(
        self, sessions: sessionmaker[Session], issue_id: int, settings: Settings
    ) -> None:
        rendered = render_issue(paper(), settings)
        with sessions.begin() as session:
            first = store_rendition(session, issue_id, rendered, now=NOW)
            assert store_rendition(session, issue_id, rendered, now=NOW) == first
            changed = replace(rendered, subject="Another")
            assert store_rendition(session, issue_id, changed, now=NOW) != first

    def test_a_rendition_that_is_not_there_is_named(self, sessions: sessionmaker[Session]) -> None:
        with sessions() as session, pytest.raises(UnknownIssue, match="no rendition 12"):
            load_rendition(session, 12)
        with sessions() as session:
            assert newest_rendition(session, 12) is None


def test_newsletter_toml_says_how_it_looks(settings: Settings) -> None:
    draft = paper()
    items = tuple(replace(item, source="wire", also=("herald",)) for item in draft.items)
    html = html_of(render_issue(replace(draft, items=items), settings))
    assert "<img" not in html  # images = "none"
    assert "Also in herald" in html
    assert "https://paper.example/story/1?a=1&amp;b=2&amp;c=daily" in html


def test_a_source_is_told_once_by_its_title_and_never_the_storys_own(settings: Settings) -> None:
    draft = paper()
    also = ("wire", "The Wire", "desk", "herald")  # a title is how older issues stored a name
    items = tuple(replace(item, source="desk", also=also) for item in draft.items)
    html = html_of(render_issue(replace(draft, items=items), settings))
    assert "Also in The Wire, herald<" in html


class TestTemplates:
    def test_a_copy_is_used_once_it_is_there(self, settings: Settings) -> None:
        [mjml, _text] = eject(settings, "brief")
        assert mjml == settings.folder / "templates/brief/issue.mjml.j2"
        own = mjml.read_text("utf-8").replace(
            "{{ preheader(issue.preheader) }}", "<mj-raw><!--ours--></mj-raw>"
        )
        mjml.write_text(own, "utf-8")
        assert "<!--ours-->" in html_of(render_issue(paper(template="brief"), settings))

    def test_a_copy_is_not_written_over(self, settings: Settings) -> None:
        eject(settings, "daily")
        with pytest.raises(ConfigError, match="is there already"):
            eject(settings, "daily")
        assert len(eject(settings, "daily", force=True)) == 2

    def test_an_unknown_one_is_named(self, settings: Settings) -> None:
        with pytest.raises(ConfigError, match="no template 'weekly'"):
            eject(settings, "weekly")

    def test_the_list_says_which_are_ones_own_and_outdated(self, settings: Settings) -> None:
        [mjml, _text] = eject(settings, "daily")
        mjml.write_text("old", "utf-8")
        daily = next(each for each in list_templates(settings) if each.name == "daily")
        assert daily.own == ("daily/issue.mjml.j2", "daily/issue.txt.j2")
        assert daily.outdated == ("daily/issue.mjml.j2",)
        assert daily.editions == ("daily",)


class TestPreflight:
    @pytest.fixture
    def examined(
        self, sessions: sessionmaker[Session], settings: Settings, issue_id: int, signer: TokenSigner
    ) -> Callable[..., Examination]:
        def examine(settings: Settings = settings, **more: object) -> Examination:
            return examine_issue(sessions, settings, issue_id, signer, now=NOW, **more)  # type: ignore[arg-type]

        return examine

    def test_a_stored_issue_is_sound(self, examined: Callable[..., Examination]) -> None:
        found = examined()
        assert found.findings == ()
        require_sound(found)

    def test_a_dead_link_stops_it(self, examined: Callable[..., Examination]) -> None:
        asked: list[str] = []

        def ask(url: str) -> LinkState:
            asked.append(url)
            return LinkState(404 if url.endswith("/1") else 200)

        found = examined(ask_link=ask)
        assert sorted(asked) == [f"https://paper.example/{number}" for number in range(3)]
        assert [finding.rule for finding in found.errors] == ["dead-links"]
        assert found.as_json()["errors"] == [
            {
                "rule": "dead-links",
                "message": "https://paper.example/1 is gone (404)",
                "where": found.errors[0].where,
            }
        ]
        with pytest.raises(PreflightFailed, match="dead-links") as caught:
            require_sound(found)
        assert "--force" in caught.value.remedy

    def test_printed_pictures_and_logos_are_asked(
        self, examined: Callable[..., Examination], settings: Settings
    ) -> None:
        toml = settings.folder / "newsletter.toml"
        logo = 'logo = "https://img.example/logo.png"'
        toml.write_text(TOML.replace('images = "none"', "") + f"\n[theme]\n{logo}\n", "utf-8")
        asked: list[str] = []

        def ask(url: str) -> PictureState:
            asked.append(url)
            return PictureState(404 if "logo" in url else 200, "", "image/jpeg", 90_000, shown=True)

        found = examined(settings=load(settings.folder), ask_picture=ask)
        assert sorted(asked) == ["https://img.example/a.jpg", "https://img.example/logo.png"]
        assert [(f.rule, f.where) for f in found.errors] == [("dead-pictures", "newsletter.toml [theme]")]

    @pytest.mark.parametrize(
        "logo", ["logo.png", "/srv/logo.png", "file:///logo.png", "data:image/png;base64,AA"]
    )
    def test_a_logo_that_readers_could_not_fetch_is_refused_at_once(
        self, settings: Settings, logo: str
    ) -> None:
        toml = settings.folder / "newsletter.toml"
        toml.write_text(TOML + f'\n[theme]\nlogo = "{logo}"\n', "utf-8")
        with pytest.raises(ConfigError, match=r"theme\.logo") as caught:
            load(settings.folder)
        assert "\n" not in str(caught.value)

    def test_a_broken_template_is_a_finding_with_its_line(
        self, examined: Callable[..., Examination], settings: Settings
    ) -> None:
        [mjml, _text] = eject(settings, "daily")
        mjml.write_text("{# dontmiss template contract 1 #}\n{{ nothing }}", "utf-8")
        [finding] = examined().errors
        assert (finding.rule, finding.where) == ("render", "daily/issue.mjml.j2:2")


def test_one_copy_is_written_as_it_would_be_sent(
    sessions: sessionmaker[Session], settings: Settings, issue_id: int, signer: TokenSigner, tmp_path: Path
) -> None:
    written = render_to_files(
        sessions, settings, issue_id, tmp_path / "out", signer=signer, now=NOW, address="someone@x.example"
    )
    assert "https://news.example/u/" in written.html.read_text("utf-8")
    assert "https://news.example/u/" in written.text.read_text("utf-8")
    assert b"To: someone@x.example\r\n" in written.eml.read_bytes()
    assert written.mjml.read_text("utf-8").startswith("<mjml")
    assert written.as_json()["bytes"] == {
        "html": len(written.html.read_bytes()),
        "text": len(written.text.read_bytes()),
        "eml": len(written.eml.read_bytes()),
    }


def test_a_folder_that_cannot_be_written_is_one_line(
    sessions: sessionmaker[Session], settings: Settings, issue_id: int, signer: TokenSigner, tmp_path: Path
) -> None:
    (tmp_path / "file").write_text("x")
    with pytest.raises(ConfigError, match="file"):
        render_to_files(sessions, settings, issue_id, tmp_path / "file", signer=signer, now=NOW)


class TestCommands:
    def test_templates_are_listed_and_ejected(self, settings: Settings, run_digest: type) -> None:
        listed = run_digest.run("templates", "list", "--json", cwd=settings.folder)
        assert [each["name"] for each in json.loads(listed.stdout)][:2] == ["daily", "brief"]
        ejected = run_digest.run("templates", "eject", "daily", "--json", cwd=settings.folder)
        assert len(json.loads(ejected.stdout)["files"]) == 2
        again = run_digest.run("templates", "eject", "daily", cwd=settings.folder)
        assert again.returncode == 2
        assert "is there already" in again.stderr
        assert len(again.stderr.strip().splitlines()) <= 2
