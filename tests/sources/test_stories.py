"""Several papers, one story: merged when near-certain, linked when alike, apart when numbers differ."""

from __future__ import annotations

from sqlalchemy import select

from digest.models import ArticleRow, StoryLinkRow, StoryRow
from tests.sources.playing import Newsletter, Site, item, rss


def test_two_papers_that_tell_it_in_the_same_words_are_one_story(site: Site, newsletter: Newsletter) -> None:
    title = "Central bank raises interest rates to 5 per cent"
    site["/a"] = rss(item(1, title=title))
    site["/b"] = rss(
        item(1, title=title + "!", link="https://other.example/x").replace("case 1", "other words")
    )
    newsletter.source("light", site.base + "/a", more='title = "The Light"')
    newsletter.source("heavy", site.base + "/b", more='weight = 2.0\ntitle = "The Heavy"')
    newsletter.fetch()
    with newsletter.sessions() as session:
        story = session.scalars(select(StoryRow)).one()
        representative = session.get(ArticleRow, story.representative_id)
    assert story.sources == 2
    assert representative is not None
    assert representative.source == "heavy", "the weightier source stands for the story"
    assert story.also == ["light"], "by name, as everywhere in the database"


def test_two_papers_that_tell_it_in_like_words_are_linked_not_merged(
    site: Site, newsletter: Newsletter
) -> None:
    site["/a"] = rss(item(1, title="Explosion hits oil pipeline near the city of Homs"))
    site["/b"] = rss(
        item(
            1, title="Explosion hits oil pipeline as troops enter Homs", link="https://other.example/x"
        ).replace("case 1", "other words")
    )
    newsletter.source("a", site.base + "/a")
    newsletter.source("b", site.base + "/b")
    newsletter.fetch()
    assert newsletter.count(StoryRow) == 2
    assert newsletter.count(StoryLinkRow) == 1
    with newsletter.sessions() as session:
        assert {story.sources for story in session.scalars(select(StoryRow))} == {2}


def test_numbers_that_differ_tell_stories_apart(site: Site, newsletter: Newsletter) -> None:
    site["/a"] = rss(item(1, title="Quake of magnitude 4 shakes northern coast"))
    site["/b"] = rss(
        item(1, title="Quake of magnitude 6 shakes northern coast", link="https://other.example/x")
    )
    newsletter.source("a", site.base + "/a")
    newsletter.source("b", site.base + "/b")
    newsletter.fetch()
    assert newsletter.count(StoryRow) == 2
    assert newsletter.count(StoryLinkRow) == 0


def test_the_same_text_under_a_new_headline_is_the_same_story(site: Site, newsletter: Newsletter) -> None:
    text = " ".join(f"word{number} follows another" for number in range(40))
    body = f"<description>{text}</description>"
    plain = "<description>What happened in case 1 is told here.</description>"
    site["/a"] = rss(item(1, title="Ministers meet at the lake").replace(plain, body))
    site["/b"] = rss(
        item(1, title="What the summit brings us", link="https://other.example/x").replace(plain, body)
    )
    newsletter.source("a", site.base + "/a")
    newsletter.source("b", site.base + "/b")
    newsletter.fetch()
    assert newsletter.count(StoryRow) == 1


def test_a_headline_that_one_paper_uses_each_day_stays_two_stories(
    site: Site, newsletter: Newsletter
) -> None:
    site["/a"] = rss(
        item(1, title="Your morning briefing today"), item(2, title="Your morning briefing today")
    )
    newsletter.source("a", site.base + "/a")
    assert newsletter.fetch().new == 2
    assert newsletter.count(StoryRow) == 2
