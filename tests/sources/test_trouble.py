"""Sources in trouble: one line each, patience, gaps, moves; the others come in."""

from __future__ import annotations

from datetime import timedelta

from digest.models import SourceStateRow
from tests.sources.playing import Answer, Newsletter, Site, hasty, item, rss


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
    assert len(newsletter.articles()) == 40
