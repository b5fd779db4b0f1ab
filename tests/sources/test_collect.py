"""Collect: what is new comes in once, whatever the source does, and each source is told of in one line."""

from __future__ import annotations

from datetime import timedelta

import pytest

from digest.errors import ConfigError
from tests.sources.playing import Answer, Newsletter, Site, item, rss


def test_stories_come_in_once(site: Site, newsletter: Newsletter) -> None:
    site["/feed"] = rss(item(1), item(2), item(3))
    newsletter.source("paper", site.base + "/feed")
    first = newsletter.fetch()
    assert (first.new, first.updated) == (3, 0)
    site["/feed"] = rss(item(4), item(1), item(2), item(3))
    second = newsletter.fetch()
    assert second.sources[0].new == 1
    assert second.sources[0].unchanged == 3
    assert len(newsletter.articles()) == 4


def test_fields_keep_where_they_came_from(site: Site, newsletter: Newsletter) -> None:
    site["/feed"] = rss(
        item(1, title="The mayor of the city said that it was not her", more="<category>Sport</category>")
    )
    newsletter.source("paper", site.base + "/feed")
    newsletter.fetch()
    article = newsletter.articles()[0]
    assert article.origins["title"] == "feed"
    assert article.origins["language"] == "detected"
    assert article.language == "en"
    assert article.categories == ["Sport"]


def test_an_unchanged_feed_is_answered_by_its_validator(site: Site, newsletter: Newsletter) -> None:
    site["/feed"] = Answer(rss(item(1)).encode(), etag='"a"')
    newsletter.source("paper", site.base + "/feed")
    newsletter.fetch()
    assert newsletter.fetch().sources[0].status == "unchanged"
    assert site.asked[-1][1]["if-none-match"] == '"a"'
    assert newsletter.fetch().sources[0].status == "unchanged"
    assert site.asked[-1][1]["if-none-match"] == '"a"'


def test_switched_guids_make_no_second_story(site: Site, newsletter: Newsletter) -> None:
    site["/feed"] = rss(item(1), item(2))
    newsletter.source("paper", site.base + "/feed")
    newsletter.fetch()
    site["/feed"] = rss(item(1).replace(">g1<", ">x1<"), item(2).replace(">g2<", ">x2<"))
    assert newsletter.fetch().new == 0


def test_moved_addresses_with_the_same_guid_make_no_second_story(site: Site, newsletter: Newsletter) -> None:
    site["/feed"] = rss(item(1))
    newsletter.source("paper", site.base + "/feed")
    newsletter.fetch()
    site["/feed"] = rss(item(1, link="https://paper.example/moved/1"))
    assert newsletter.fetch().new == 0


def test_a_guid_that_is_used_again_for_another_text_is_another_story(
    site: Site, newsletter: Newsletter
) -> None:
    site["/feed"] = rss(item(1))
    newsletter.source("paper", site.base + "/feed")
    newsletter.fetch()
    site["/feed"] = rss(item(2).replace(">g2<", ">g1<"))
    assert newsletter.fetch().new == 1


def test_a_republished_date_makes_no_second_story_and_no_newer_one(
    site: Site, newsletter: Newsletter
) -> None:
    site["/feed"] = rss(item(1, at="Mon, 23 Nov 2026 01:00:00 +0000"))
    newsletter.source("paper", site.base + "/feed")
    newsletter.fetch()
    before = newsletter.articles()[0].published_at
    site["/feed"] = rss(item(1, at="Mon, 23 Nov 2026 11:00:00 +0000"))
    assert newsletter.fetch().new == 0
    assert newsletter.articles()[0].published_at == before


@pytest.mark.parametrize(
    "variant",
    [
        "https://paper.example/news/1?utm_source=rss&amp;utm_medium=feed",
        "http://paper.example/news/1",
        "https://www.paper.example/news/1/",
        "https://paper.example/news/1?fbclid=x#top",
    ],
)
def test_variants_of_an_address_are_one_article(site: Site, newsletter: Newsletter, variant: str) -> None:
    site["/feed"] = rss(item(1))
    newsletter.source("paper", site.base + "/feed")
    newsletter.fetch()
    site["/feed"] = rss(item(1, link=variant).replace("<guid isPermaLink='false'>g1</guid>", ""))
    assert newsletter.fetch().new == 0


def test_what_a_reader_clicks_keeps_its_gift(site: Site, newsletter: Newsletter) -> None:
    site["/feed"] = rss(item(1, link="https://paper.example/news/1?gift=abc&amp;utm_source=rss"))
    newsletter.source("paper", site.base + "/feed")
    newsletter.fetch()
    article = newsletter.articles()[0]
    assert "gift=abc" in article.link_url
    assert article.identity_url == "https://paper.example/news/1"


def test_what_newsletter_toml_says_of_a_source_comes_first(site: Site, newsletter: Newsletter) -> None:
    site["/feed"] = rss(item(1, more="<category>Misc</category>"))
    newsletter.source(
        "ours",
        site.base + "/feed",
        more='section = "Desk"\nlabel = "Partner"\nlanguage = "de"\nimages = "none"',
    )
    newsletter.fetch()
    article = newsletter.articles()[0]
    assert article.categories == ["Desk", "Misc"]
    assert (article.label, article.language) == ("Partner", "de")
    assert article.origins["label"] == "newsletter.toml"


def test_only_due_sources_are_asked_by_the_scheduler(site: Site, newsletter: Newsletter) -> None:
    site["/feed"] = rss(item(1))
    newsletter.source("paper", site.base + "/feed", more='refresh = "1h"')
    newsletter.fetch(due_only=True)
    assert newsletter.fetch(due_only=True).sources == ()
    newsletter.clock.advance(timedelta(hours=2))
    assert len(newsletter.fetch(due_only=True).sources) == 1


def test_a_wrong_name_suggests_the_right_one(site: Site, newsletter: Newsletter) -> None:
    newsletter.source("asianlite", site.base + "/feed")
    with pytest.raises(ConfigError) as caught:
        newsletter.fetch("asianlight")
    assert "asianlite" in caught.value.remedy


def test_a_changed_address_forgets_what_was_found_out(site: Site, newsletter: Newsletter) -> None:
    site["/a"] = Answer(rss(item(1)).encode(), etag='"a"')
    site["/b"] = Answer(rss(item(2)).encode(), etag='"a"')
    newsletter.source("paper", site.base + "/a")
    newsletter.fetch()
    newsletter._sources = ""
    newsletter.source("paper", site.base + "/b")
    assert newsletter.fetch().new == 1
    assert "if-none-match" not in site.asked[-1][1]


def test_the_json_has_the_promised_shape(site: Site, newsletter: Newsletter) -> None:
    site["/feed"] = rss(item(1))
    newsletter.source("paper", site.base + "/feed")
    shape = newsletter.fetch().as_json()
    assert shape["new"] == 1
    assert shape["updated"] == 0
    assert set(shape["sources"][0]) >= {"name", "status", "new", "updated", "unchanged", "gap", "error"}
