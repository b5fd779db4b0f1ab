"""Collect: what is new comes in once, whatever the source does, and each source is told of in one line."""

from __future__ import annotations

from datetime import timedelta

import pytest
from sqlalchemy import func, select, update

from digest.errors import ConfigError
from digest.models import (
    ArticleRevisionRow,
    ArticleRow,
    IssueRow,
    LedgerEntryRow,
    LedgerState,
    SourceStateRow,
    StoryLinkRow,
    StoryRow,
)
from tests.sources.playing import NOW, Answer, Newsletter, Site, item, rss


def articles(newsletter: Newsletter) -> list[ArticleRow]:
    with newsletter.sessions() as session:
        return list(session.scalars(select(ArticleRow).order_by(ArticleRow.id)))


def count(newsletter: Newsletter, table: type) -> int:
    with newsletter.sessions() as session:
        return session.scalar(select(func.count()).select_from(table)) or 0


def test_stories_come_in_once(site: Site, newsletter: Newsletter) -> None:
    site["/feed"] = rss(item(1), item(2), item(3))
    newsletter.source("paper", site.base + "/feed")
    first = newsletter.fetch()
    assert (first.new, first.updated) == (3, 0)
    site["/feed"] = rss(item(4), item(1), item(2), item(3))
    second = newsletter.fetch()
    assert second.sources[0].new == 1
    assert second.sources[0].unchanged == 3
    assert len(articles(newsletter)) == 4


def test_fields_keep_where_they_came_from(site: Site, newsletter: Newsletter) -> None:
    site["/feed"] = rss(
        item(1, title="The mayor of the city said that it was not her", more="<category>Sport</category>")
    )
    newsletter.source("paper", site.base + "/feed")
    newsletter.fetch()
    article = articles(newsletter)[0]
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
    before = articles(newsletter)[0].published_at
    site["/feed"] = rss(item(1, at="Mon, 23 Nov 2026 11:00:00 +0000"))
    assert newsletter.fetch().new == 0
    assert articles(newsletter)[0].published_at == before


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
    article = articles(newsletter)[0]
    assert "gift=abc" in article.link_url
    assert article.identity_url == "https://paper.example/news/1"


def test_a_changed_headline_makes_a_new_revision(site: Site, newsletter: Newsletter) -> None:
    site["/feed"] = rss(item(1, title="Mayor may resign"))
    newsletter.source("paper", site.base + "/feed")
    newsletter.fetch()
    site["/feed"] = rss(item(1, title="Mayor resigns"))
    assert newsletter.fetch().updated == 1
    article = articles(newsletter)[0]
    assert (article.title, article.revision) == ("Mayor resigns", 2)
    with newsletter.sessions() as session:
        old = session.scalars(select(ArticleRevisionRow)).one()
    assert (old.title, old.revision) == ("Mayor may resign", 1)


def test_what_is_printed_is_not_changed_any_more(site: Site, newsletter: Newsletter) -> None:
    site["/feed"] = rss(item(1, title="Mayor may resign"))
    newsletter.source("paper", site.base + "/feed")
    newsletter.fetch()
    print_story(newsletter, articles(newsletter)[0].story_id)
    site["/feed"] = rss(item(1, title="Mayor resigns"))
    assert newsletter.fetch().updated == 0
    assert articles(newsletter)[0].title == "Mayor may resign"


def print_story(newsletter: Newsletter, story: int) -> None:
    with newsletter.sessions.begin() as session:
        issue = IssueRow(
            edition="daily", date=NOW.date(),
            ledger="daily", list_name="daily", language="en", timezone="UTC",
            subject="s", preheader="p", built_at=NOW,
        )  # fmt: skip
        session.add(issue)
        session.flush()
        session.add(
            LedgerEntryRow(
                ledger="daily", story_id=story, issue_id=issue.id, state=LedgerState.PUBLISHED, at=NOW
            )
        )


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
    assert story.also == ["The Light"]


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
    assert count(newsletter, StoryRow) == 2
    assert count(newsletter, StoryLinkRow) == 1
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
    assert count(newsletter, StoryRow) == 2
    assert count(newsletter, StoryLinkRow) == 0


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
    assert count(newsletter, StoryRow) == 1


def test_a_headline_that_one_paper_uses_each_day_stays_two_stories(
    site: Site, newsletter: Newsletter
) -> None:
    site["/a"] = rss(
        item(1, title="Your morning briefing today"), item(2, title="Your morning briefing today")
    )
    newsletter.source("a", site.base + "/a")
    assert newsletter.fetch().new == 2
    assert count(newsletter, StoryRow) == 2


def test_one_broken_source_takes_no_other_down(site: Site, newsletter: Newsletter) -> None:
    site["/good"] = rss(item(1))
    site["/html"] = "<html><body>no feed here</body></html>"
    site["/empty"] = b""
    site["/500"] = Answer(status=500)
    site["/drip"] = Answer(drip=0.3)
    for name in ("good", "html", "empty", "500", "drip", "missing"):
        newsletter.source(name, f"{site.base}/{name}", more='kind = "feed"')
    newsletter.source("nowhere", "http://127.0.0.1:9/feed")
    newsletter.source("private", site.base + "/good", private=False)
    newsletter.source("local", "no-such-folder")
    report = newsletter.fetch(fetcher=hasty)
    lines = {source.name: source for source in report.sources}
    assert lines["good"].status == "ok"
    assert not report.all_failed
    for name in ("html", "empty", "500", "drip", "missing", "nowhere", "private", "local"):
        assert lines[name].status == "failed", name
        assert lines[name].error, name
        assert "\n" not in lines[name].error
    assert "private" in lines["private"].error
    assert "allow_private" in lines["private"].remedy


def hasty():  # type: ignore[no-untyped-def]
    from dataclasses import replace

    from digest.clock import SystemClock
    from digest.sources.http import Fetcher, Request, Response

    class Hasty(Fetcher):
        def get(self, request: Request) -> Response:
            return super().get(replace(request, deadline=2.0))

    return Hasty(SystemClock(), connect_timeout=2, read_timeout=2)


def test_a_source_that_fails_again_and_again_is_left_alone_for_a_while(
    site: Site, newsletter: Newsletter
) -> None:
    newsletter.source("bad", site.base + "/gone")
    for _ in range(3):
        assert newsletter.fetch().sources[0].status == "failed"
    asked = len(site.asked)
    waiting = newsletter.fetch()
    assert waiting.sources[0].status == "waiting"
    assert waiting.all_failed
    assert len(site.asked) == asked
    assert newsletter.fetch("bad").sources[0].status == "failed", "by name it is tried at once"
    newsletter.clock.advance(timedelta(hours=25))
    site["/gone"] = rss(item(1))
    assert newsletter.fetch().sources[0].status == "ok"
    with newsletter.sessions() as session:
        row = session.get(SourceStateRow, "bad")
        assert row is not None
        assert (row.failures, row.error, row.not_before) == (0, "", None)


def test_a_server_that_asks_for_patience_gets_it(site: Site, newsletter: Newsletter) -> None:
    site["/feed"] = Answer(status=429, headers={"Retry-After": "3600"})
    newsletter.source("busy", site.base + "/feed")
    newsletter.fetch()
    assert newsletter.fetch().sources[0].status == "waiting"
    newsletter.clock.advance(timedelta(hours=2))
    site["/feed"] = rss(item(1))
    assert newsletter.fetch().sources[0].status == "ok"


def test_a_feed_that_has_moved_says_where_to(site: Site, newsletter: Newsletter) -> None:
    site["/old"] = Answer(status=301, headers={"Location": "/new"})
    site["/new"] = rss(item(1))
    newsletter.source("moved", site.base + "/old")
    assert f'url = "{site.base}/new"' in newsletter.fetch().sources[0].notes[-1]


def test_a_feed_that_has_moved_on_is_a_gap(site: Site, newsletter: Newsletter) -> None:
    site["/feed"] = rss(item(1))
    newsletter.source("fast", site.base + "/feed")
    newsletter.fetch()
    newsletter.clock.advance(timedelta(hours=24))
    site["/feed"] = rss(
        item(7, at="Tue, 24 Nov 2026 10:00:00 +0000"), item(8, at="Tue, 24 Nov 2026 11:00:00 +0000")
    )
    source = newsletter.fetch().sources[0]
    assert source.gap
    assert any("fetch more often" in note for note in source.notes)


def test_a_gap_is_filled_from_older_pages(site: Site, newsletter: Newsletter) -> None:
    """RFC 5005: the feed links to its older items."""
    site["/feed"] = rss(item(1))
    newsletter.source("fast", site.base + "/feed")
    newsletter.fetch()
    newsletter.clock.advance(timedelta(hours=24))
    link = f'<atom:link rel="next" href="{site.base}/feed?p=2"/>'
    site["/feed"] = rss(item(9, at="Tue, 24 Nov 2026 11:00:00 +0000"), head=link)
    site["/feed?p=2"] = rss(item(8, at="Mon, 23 Nov 2026 18:00:00 +0000"), item(1))
    source = newsletter.fetch().sources[0]
    assert not source.gap
    assert source.new == 2


def test_a_wordpress_feed_is_paged_back_over_a_gap(site: Site, newsletter: Newsletter) -> None:
    generator = "<generator>https://wordpress.org/?v=6.4</generator>"
    site["/feed"] = rss(item(1), head=generator)
    newsletter.source("wp", site.base + "/feed")
    newsletter.fetch()
    newsletter.clock.advance(timedelta(hours=24))
    site["/feed"] = rss(item(9, at="Tue, 24 Nov 2026 11:00:00 +0000"), head=generator)
    site["/feed?paged=2"] = rss(item(8, at="Mon, 23 Nov 2026 11:59:00 +0000"))
    source = newsletter.fetch().sources[0]
    assert (source.gap, source.new) == (False, 2)


def test_an_overlap_is_no_gap(site: Site, newsletter: Newsletter) -> None:
    site["/feed"] = rss(item(1))
    newsletter.source("steady", site.base + "/feed")
    newsletter.fetch()
    newsletter.clock.advance(timedelta(hours=24))
    site["/feed"] = rss(item(9, at="Tue, 24 Nov 2026 11:00:00 +0000"), item(1))
    assert not newsletter.fetch().sources[0].gap


def test_old_articles_go_but_never_those_of_an_issue(site: Site, newsletter: Newsletter) -> None:
    site["/feed"] = rss(item(1), item(2), item(3))
    newsletter.source("paper", site.base + "/feed")
    newsletter.settle('[retention]\narticles = "30d"\n')
    newsletter.fetch()
    printed = articles(newsletter)[0]
    print_story(newsletter, printed.story_id)
    newsletter.clock.advance(timedelta(days=40))
    site["/feed"] = rss(item(4, at="Sat, 02 Jan 2027 10:00:00 +0000"))
    newsletter.fetch()
    left = articles(newsletter)
    assert {article.guid for article in left} == {printed.guid, "g4"}
    assert count(newsletter, StoryRow) == 2


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
    assert articles(newsletter) == []


def test_what_newsletter_toml_says_of_a_source_comes_first(site: Site, newsletter: Newsletter) -> None:
    site["/feed"] = rss(item(1, more="<category>Misc</category>"))
    newsletter.source(
        "ours",
        site.base + "/feed",
        more='section = "Desk"\nlabel = "Partner"\nlanguage = "de"\nimages = "none"',
    )
    newsletter.fetch()
    article = articles(newsletter)[0]
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


def test_two_runs_at_once_store_each_story_once(site: Site, newsletter: Newsletter) -> None:
    import threading

    site["/feed"] = rss(*(item(number) for number in range(30)))
    newsletter.source("paper", site.base + "/feed")
    newsletter.fetch()  # writes newsletter.toml before the threads read it
    site["/feed"] = rss(*(item(number) for number in range(40)))
    site.delay = 0.05
    errors: list[BaseException] = []

    def run() -> None:
        try:
            newsletter.fetch()
        except BaseException as error:  # noqa: BLE001 - whatever it is, the test tells it
            errors.append(error)

    threads = [threading.Thread(target=run) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert errors == []
    assert len(articles(newsletter)) == 40


def test_the_json_has_the_promised_shape(site: Site, newsletter: Newsletter) -> None:
    site["/feed"] = rss(item(1))
    newsletter.source("paper", site.base + "/feed")
    shape = newsletter.fetch().as_json()
    assert shape["new"] == 1
    assert shape["updated"] == 0
    assert set(shape["sources"][0]) >= {"name", "status", "new", "updated", "unchanged", "gap", "error"}


def test_last_sight_is_written_once_a_day(site: Site, newsletter: Newsletter) -> None:
    site["/feed"] = rss(item(1))
    newsletter.source("paper", site.base + "/feed")
    newsletter.fetch()
    newsletter.clock.advance(timedelta(hours=3))
    site["/feed"] = rss(item(1), "<!-- again -->")
    newsletter.fetch()
    assert articles(newsletter)[0].last_seen_at == NOW
    newsletter.clock.advance(timedelta(days=2))
    site["/feed"] = rss(item(1))
    newsletter.fetch()
    assert articles(newsletter)[0].last_seen_at > NOW
    with newsletter.sessions.begin() as session:
        session.execute(update(ArticleRow).values(last_seen_at=NOW))
