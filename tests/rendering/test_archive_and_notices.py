"""The web version of an issue, and mails to one person."""

from __future__ import annotations

from pathlib import Path

import pytest
from lxml import html as lxml_html

from digest.models import NoticeKind
from digest.rendering import archive_html, archive_text, render, render_notice
from digest.settings import Settings
from digest.settings.model import File, Theme
from digest.settings.secrets import Environment

from .drafts import paper

CONTEXT = {
    "list": "The Daily",
    "confirm_url": "https://news.example/c/token",
    "preferences_url": "https://news.example/p/token",
    "unsubscribe_url": "https://news.example/u/token",
    "valid_days": 7,
    "subject": "Night market opens",
    "date": "2026-11-23",
    "url": "https://news.example/desk/7",
    "name": "daily",
    "text": "Three of a hundred copies bounced.\n\nSending is paused.",
}


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    file = File.model_validate(
        {
            "newsletter": {
                "name": "The Creek Courier",
                "url": "https://paper.example",
                "sender": "desk@paper.example",
                "postal_address": "12 Quay Road\nSpringfield",
            }
        }
    )
    return Settings(folder=tmp_path, file=file, environment=Environment())


class TestArchive:
    @pytest.mark.parametrize("template", ["daily", "brief"])
    def test_nothing_of_a_person_is_in_it(self, template: str) -> None:
        draft = paper(template=template)
        page = archive_html(render(draft, Theme()), draft)
        for word in (
            "slot.invalid",
            "Unsubscribe",
            "Preferences",
            "View in browser",
            "You receive this",
            "<!--mail",
        ):
            assert word not in page
        assert "12 Quay Road" in page

    def test_it_says_what_it_is_to_those_who_link_to_it(self) -> None:
        draft = paper(subject='A "quoted" <subject>')
        page = lxml_html.fromstring(archive_html(render(draft, Theme()), draft))
        tags = {tag.get("property"): tag.get("content") for tag in page.xpath("//meta[@property]")}
        assert tags["og:title"] == 'A "quoted" <subject>'
        assert tags["og:url"] == draft.archive_url
        assert tags["og:image"] == "https://img.example/1.jpg"
        assert tags["article:published_time"] == "2026-11-23"
        assert page.xpath("//link[@rel='canonical']/@href") == [draft.archive_url]

    def test_the_text_has_no_links_of_a_person(self) -> None:
        text = archive_text(render(paper(), Theme()), subscribe_url="https://news.example/subscribe")
        assert "slot.invalid" not in text
        assert "https://news.example/subscribe" in text


class TestNotices:
    @pytest.mark.parametrize("language", ["en", "de", "hi", "ar", "zh"])
    @pytest.mark.parametrize("kind", [kind.value for kind in NoticeKind])
    def test_every_notice_renders_in_every_language(
        self, kind: str, language: str, settings: Settings
    ) -> None:
        notice = render_notice(kind, language, CONTEXT, settings)
        page = lxml_html.fromstring(notice.html)
        assert page.get("lang") == language
        assert notice.subject in notice.html.replace("&amp;", "&")
        assert "12 Quay Road" in notice.text
        assert all(ord(character) >= 32 for character in notice.subject)

    @pytest.mark.parametrize("kind", ["confirm", "address_change", "reconfirm"])
    def test_a_confirm_link_is_in_both_parts(self, kind: str, settings: Settings) -> None:
        notice = render_notice(kind, "en", CONTEXT, settings)
        assert 'href="https://news.example/c/token"' in notice.html
        assert "\nhttps://news.example/c/token\n" in notice.text

    def test_what_is_missing_is_left_out(self, settings: Settings) -> None:
        notice = render_notice("welcome", "", {}, settings)
        assert notice.subject == "Welcome to The Creek Courier"
        assert "None" not in notice.text

    def test_hostile_context_stays_text(self, settings: Settings) -> None:
        notice = render_notice(
            "alarm", "en", {"name": "x\r\nBcc: y@z.example", "text": "<script>1</script>"}, settings
        )
        assert "\n" not in notice.subject
        assert "<script>" not in notice.html

    def test_an_unknown_kind_is_a_mistake(self, settings: Settings) -> None:
        with pytest.raises(ValueError, match="no notice 'x'"):
            render_notice("x", "en", {}, settings)
