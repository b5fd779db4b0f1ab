"""A story that changes: a new revision until it is printed, kept beside the printed words afterwards."""

from __future__ import annotations

from datetime import timedelta

from sqlalchemy import select, update

from digest.issues.articles import show_article
from digest.issues.decisions import pin
from digest.models import ArticleRevisionRow, ArticleRow, StoryRow
from digest.picking.matching import Matcher
from tests.sources.playing import NOW, Newsletter, Site, item, rss


def test_a_changed_headline_makes_a_new_revision(site: Site, newsletter: Newsletter) -> None:
    site["/feed"] = rss(item(1, title="Mayor may resign"))
    newsletter.source("paper", site.base + "/feed")
    newsletter.fetch()
    site["/feed"] = rss(item(1, title="Mayor resigns"))
    assert newsletter.fetch().updated == 1
    article = newsletter.articles()[0]
    assert (article.title, article.revision) == ("Mayor resigns", 2)
    with newsletter.sessions() as session:
        old = session.scalars(select(ArticleRevisionRow)).one()
    assert (old.title, old.revision) == ("Mayor may resign", 1)


def test_old_articles_go_but_never_those_of_an_issue(site: Site, newsletter: Newsletter) -> None:
    site["/feed"] = rss(item(1), item(2), item(3))
    newsletter.source("paper", site.base + "/feed")
    newsletter.settle('[retention]\narticles = "30d"\n')
    newsletter.fetch()
    printed = newsletter.articles()[0]
    newsletter.print_story(printed.story_id)
    newsletter.clock.advance(timedelta(days=40))
    site["/feed"] = rss(item(4, at="Sat, 02 Jan 2027 10:00:00 +0000"))
    newsletter.fetch()
    left = newsletter.articles()
    assert {article.guid for article in left} == {printed.guid, "g4"}
    assert newsletter.count(StoryRow) == 2


def test_a_pruned_story_that_is_still_in_the_feed_does_not_come_back(
    site: Site, newsletter: Newsletter
) -> None:
    site["/feed"] = rss(item(1))
    newsletter.source("paper", site.base + "/feed")
    newsletter.settle('[retention]\narticles = "30d"\n')
    newsletter.fetch()
    newsletter.clock.advance(timedelta(days=40))
    site["/feed"] = rss(item(1), item(2))
    newsletter.fetch()
    newsletter.fetch()
    assert newsletter.articles() == []


def test_last_sight_is_written_once_a_day(site: Site, newsletter: Newsletter) -> None:
    site["/feed"] = rss(item(1))
    newsletter.source("paper", site.base + "/feed")
    newsletter.fetch()
    newsletter.clock.advance(timedelta(hours=3))
    site["/feed"] = rss(item(1), "<!-- again -->")
    newsletter.fetch()
    assert newsletter.articles()[0].last_seen_at == NOW
    newsletter.clock.advance(timedelta(days=2))
    site["/feed"] = rss(item(1))
    newsletter.fetch()
    assert newsletter.articles()[0].last_seen_at > NOW
    with newsletter.sessions.begin() as session:
        session.execute(update(ArticleRow).values(last_seen_at=NOW))


def test_what_a_source_says_of_a_printed_story_is_kept_beside_it(site: Site, newsletter: Newsletter) -> None:
    site["/feed"] = rss(item(1, title="Mayor may resign"))
    newsletter.source("paper", site.base + "/feed")
    newsletter.fetch()
    printed = newsletter.articles()[0]
    newsletter.print_story(printed.story_id)
    for title in ("Mayor resigns", "Mayor has resigned"):
        site["/feed"] = rss(item(1, title=title))
        assert newsletter.fetch().updated == 1
        assert newsletter.fetch().updated == 0, "each wording is news once"
    article = newsletter.articles()[0]
    assert (article.title, article.revision) == ("Mayor may resign", 1), "as it was printed"
    with newsletter.sessions() as session:
        later = session.execute(select(ArticleRevisionRow.revision, ArticleRevisionRow.title)).all()
    assert later == [(2, "Mayor resigns"), (3, "Mayor has resigned")]


def test_a_story_that_is_printed_again_says_the_newest(site: Site, newsletter: Newsletter) -> None:
    site["/feed"] = rss(item(1, title="Mayor may resign"))
    newsletter.source("paper", site.base + "/feed")
    newsletter.fetch()
    newsletter.print_story(newsletter.articles()[0].story_id)
    site["/feed"] = rss(item(1, title="Mayor resigns"))
    newsletter.fetch()
    with newsletter.sessions.begin() as session:
        shown = show_article(session, Matcher([]), 1, now=NOW)
        assert "revision 2, since it was printed: 'Mayor resigns'" in shown.history[0][1]
        pin(session, 1, now=NOW, again=True)
    article = newsletter.articles()[0]
    assert (article.title, article.revision) == ("Mayor resigns", 2)
    with newsletter.sessions() as session:
        kept = session.execute(select(ArticleRevisionRow.revision, ArticleRevisionRow.title)).all()
    assert kept == [(1, "Mayor may resign")]
