# ruff: noqa: E501 - sample texts stay in one piece
"""Any address an editor pastes: the kind is found out, and what a feed leaves out is completed."""

from __future__ import annotations

import json
import struct
import zlib

import pytest
from sqlalchemy import select
from sqlalchemy.orm import undefer

from digest.clock import StoppedClock
from digest.models import ArticleRow
from digest.pipeline.adding import add_article
from digest.pipeline.tryout import propose_sections
from digest.settings import load
from digest.sources.http import Fetcher
from digest.sources.parsing import Task, parse
from digest.values import Access, Article, ArticleKind
from tests.sources.playing import NOW, Answer, Newsletter, Site, item, rss


def stored(newsletter: Newsletter) -> list[ArticleRow]:
    with newsletter.sessions() as session:
        return list(
            session.scalars(
                select(ArticleRow).options(undefer(ArticleRow.body)).order_by(ArticleRow.published_at.desc())
            )
        )


def png(width: int, height: int) -> bytes:
    head = b"IHDR" + struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    return (
        b"\x89PNG\r\n\x1a\n" + struct.pack(">I", 13) + head + struct.pack(">I", zlib.crc32(head)) + bytes(500)
    )


def page(title: str, *, text: str = "Something happened. " * 30, head: str = "") -> str:
    return (
        f"<html lang='en'><head><title>{title} | Paper</title><meta property='og:title' content='{title}'>"
        f"<meta property='og:description' content='All that is known of it so far.'>{head}</head>"
        f"<body><article><h1>{title}</h1><p>{text}</p></article></body></html>"
    )


def test_a_sites_page_leads_to_its_feed(site: Site, newsletter: Newsletter) -> None:
    site["/"] = '<html><head><link rel="alternate" type="application/atom+xml" href="/comments/feed" title="Comments">' \
                '<link rel="alternate" type="application/rss+xml" href="/news.rss"></head></html>'  # fmt: skip
    site["/news.rss"] = rss(item(1))
    newsletter.source("paper", site.base + "/")
    assert newsletter.fetch().new == 1
    newsletter.fetch()
    assert site.paths()[-1] == "/news.rss", "what was found is remembered"


def test_a_page_without_links_is_asked_under_the_usual_paths(site: Site, newsletter: Newsletter) -> None:
    site["/"] = "<html><body>Welcome</body></html>"
    site["/feed.xml"] = rss(item(1))
    newsletter.source("paper", site.base + "/")
    assert newsletter.fetch().new == 1


def test_a_discovered_feed_that_is_gone_is_looked_for_again(site: Site, newsletter: Newsletter) -> None:
    site["/"] = '<html><head><link rel="alternate" type="application/rss+xml" href="/a.rss"></head></html>'
    site["/a.rss"] = rss(item(1))
    newsletter.source("paper", site.base + "/")
    newsletter.fetch()
    del site.answers["/a.rss"]
    site["/"] = '<html><head><link rel="alternate" type="application/rss+xml" href="/b.rss"></head></html>'
    site["/b.rss"] = rss(item(1), item(2))
    assert newsletter.fetch().sources[0].new == 1


def test_a_wordpress_site_is_read_by_its_interface(site: Site, newsletter: Newsletter) -> None:
    site["/"] = f'<html><head><link rel="https://api.w.org/" href="{site.base}/wp-json/"></head></html>'
    sizes = {"large": {"source_url": "https://x.example/l.jpg", "width": 1024, "height": 576},
             "full": {"source_url": "https://x.example/f.jpg", "width": 4000, "height": 2250}}  # fmt: skip
    post = {
        "id": 1, "date_gmt": "2026-11-23T08:00:00", "link": "https://x.example/1", "guid": {"rendered": "g"},
        "title": {"rendered": "Ports &#8211; new"}, "content": {"rendered": "<p>Text of it.</p>"},
        "excerpt": {"rendered": "<p>Short</p>"}, "sticky": True,
        "_embedded": {
            "author": [{"name": "Ann Lee"}],
            "wp:term": [[{"taxonomy": "category", "name": "Uncategorized"}, {"taxonomy": "category", "name": "UK &amp; Europe"}]],
            "wp:featuredmedia": [{"source_url": "https://x.example/f.jpg", "mime_type": "image/jpeg", "alt_text": "A port",
                                  "media_details": {"width": 4000, "height": 2250, "sizes": sizes}}],
        },
    }  # fmt: skip
    site["/wp-json/wp/v2/posts?_embed=1&per_page=50"] = json.dumps([post])
    newsletter.source("wp", site.base + "/")
    assert newsletter.fetch().new == 1
    article = stored(newsletter)[0]
    assert (article.title, article.categories, article.sticky) == ("Ports – new", ["UK & Europe"], True)
    assert article.origins["title"] == "wordpress"


def test_a_closed_wordpress_interface_falls_back_to_the_feed(site: Site, newsletter: Newsletter) -> None:
    site["/wp-json/wp/v2/posts?_embed=1&per_page=50"] = Answer(status=401)
    site["/feed/"] = rss(item(1))
    newsletter.source("wp", site.base, more='kind = "wordpress"')
    source = newsletter.fetch().sources[0]
    assert source.new == 1
    assert "by its feed" in source.notes[0]


def test_a_news_sitemap_named_in_robots_txt_is_found(site: Site, newsletter: Newsletter) -> None:
    site["/"] = "<html><body>No feeds here</body></html>"
    site["/robots.txt"] = f"User-agent: *\nSitemap: {site.base}/maps/news.xml\n"
    site["/maps/news.xml"] = (
        '<urlset xmlns="http://www.sitemaps.org/schemas/sitemap/0.9" xmlns:news="http://www.google.com/schemas/sitemap-news/0.9">'
        "<url><loc>https://x.example/world/1</loc><news:news><news:publication><news:name>X</news:name>"
        "<news:language>en</news:language></news:publication><news:publication_date>2026-11-23T08:00:00Z"
        "</news:publication_date><news:title>Sitemap &amp; story</news:title></news:news></url>"
        "<url><loc>https://x.example/about</loc></url></urlset>"
    )
    newsletter.source("map", site.base + "/")
    assert newsletter.fetch().new == 1
    assert stored(newsletter)[0].title == "Sitemap & story"


def test_a_single_article_is_a_source(site: Site, newsletter: Newsletter) -> None:
    site["/story"] = page(
        "One long read", head='<meta property="article:published_time" content="2026-11-22T10:00:00Z">'
    )
    newsletter.source("read", site.base + "/story", more='kind = "article"')
    newsletter.fetch()
    article = stored(newsletter)[0]
    assert article.title == "One long read"
    assert article.origins["published_at"] == "meta"
    assert article.word_count > 40


def test_a_thin_feed_is_completed_from_the_articles_page(site: Site, newsletter: Newsletter) -> None:
    site["/news/1"] = page(
        "Harbour opens",
        head='<meta name="author" content="Ann Lee"><meta property="article:section" content="City">',
    )
    thin = item(1, title="Harbour opens", link=site.base + "/news/1").replace(
        "What happened in case 1 is told here.", "Cut off here […]"
    )
    site["/feed"] = rss(thin)
    newsletter.source("thin", site.base + "/feed", full_text="auto")
    newsletter.fetch()
    article = stored(newsletter)[0]
    assert article.summary == "All that is known of it so far."
    assert article.authors == ["Ann Lee"]
    assert "City" in article.categories
    assert article.origins["authors"].startswith("page")
    newsletter.fetch()
    assert site.paths().count("/news/1") == 1, "a page is read once"


@pytest.mark.parametrize(("full_text", "asked"), [("never", 0), ("auto", 0), ("always", 1)])
def test_pages_are_read_as_the_setting_says(
    site: Site, newsletter: Newsletter, full_text: str, asked: int
) -> None:
    site["/news/1"] = page("Harbour opens")
    site["/feed"] = rss(item(1, title="Harbour opens", link=site.base + "/news/1"))
    newsletter.source("full", site.base + "/feed", full_text=full_text)
    newsletter.fetch()
    assert site.paths().count("/news/1") == asked


@pytest.mark.parametrize(
    ("body", "kept"),
    [
        (png(1200, 675), True),
        (png(1, 1), False),
        (b"<svg xmlns='http://www.w3.org/2000/svg'/>", False),
        (b"<html>", False),
    ],
)
def test_a_picture_is_looked_at_before_it_is_believed(
    site: Site, newsletter: Newsletter, body: bytes, kept: bool
) -> None:
    site["/p.png"] = body
    media = f'<enclosure url="{site.base}/p.png" type="image/png" length="1"/>'
    site["/feed"] = rss(item(1, more=media))
    newsletter.source("pics", site.base + "/feed")
    newsletter.fetch()
    article = stored(newsletter)[0]
    assert (article.picture_url != "") is kept
    if kept:
        assert (article.picture_width, article.picture_height, article.picture_bytes) == (
            1200,
            675,
            len(body),
        )


def test_a_podcast_has_its_sound_and_its_length() -> None:
    body = rss(
        item(
            1,
            more='<enclosure url="https://x.example/e.mp3" type="audio/mpeg"/><itunes:duration>1:02:03</itunes:duration>',
        )
    ).replace(
        '<rss version="2.0"', '<rss version="2.0" xmlns:itunes="http://www.itunes.com/dtds/podcast-1.0.dtd"'
    )
    article = parse(Task(body=body.encode(), url="https://x.example/f", source="s", now=NOW)).articles[0]
    assert article.kind is ArticleKind.AUDIO
    assert article.duration_seconds == 3723
    assert article.media_url == "https://x.example/e.mp3"


def test_a_paid_story_an_opinion_and_an_advertisement_are_known_as_such() -> None:
    ld = '<script type="application/ld+json">{"@type":"OpinionNewsArticle","headline":"H","isAccessibleForFree":"False"}</script>'
    article = parse(
        Task(body=page("H", head=ld).encode(), url="https://x.example/a", source="s", now=NOW, kind="page")
    ).articles[0]
    assert (article.kind, article.access) == (ArticleKind.OPINION, Access.PAID)
    sold = parse(
        Task(
            body=rss(item(1, more="<category>Sponsored</category>")).encode(),
            url="https://x.example/f",
            source="s",
            now=NOW,
        )
    )
    assert sold.articles[0].kind is ArticleKind.SPONSORED


def test_front_matter_gives_every_field(newsletter: Newsletter) -> None:
    folder = newsletter.folder / "stories"
    folder.mkdir()
    (folder / "a.md").write_text(
        "---\ntitle: A story\ndate: 2026-11-22 10:00\nsection: Sport\ntags: [Rowing]\nauthor: Ann Lee\nlabel: Analysis\n"
        "kind: opinion\nsummary: In short.\nlanguage: ar\nurl: https://paper.example/a\nembargo: 2026-11-24T06:00:00+04:00\n"
        "expires: 2026-12-01\npicture:\n  url: https://x.example/p.jpg\n  alt: Boats\n  credit: Lee\naccess: metered\n"
        "related:\n  - {title: Earlier, url: https://paper.example/e}\n---\n# A story\n\nFirst **words**.\n",
        encoding="utf-8",
    )
    newsletter.source("desk", "stories")
    newsletter.fetch()
    article = stored(newsletter)[0]
    assert (article.title, article.language, article.label, article.access) == (
        "A story",
        "ar",
        "Analysis",
        Access.METERED,
    )
    assert article.categories == ["Sport", "Rowing"]
    assert article.kind is ArticleKind.OPINION
    assert article.body == "<p>First <strong>words</strong>.</p>\n"
    assert article.not_before is not None
    assert article.not_before.hour == 2
    assert article.related == [{"title": "Earlier", "url": "https://paper.example/e"}]
    assert article.link_url == "https://paper.example/a"


def test_an_article_is_added_by_hand_once(site: Site, newsletter: Newsletter) -> None:
    site["/story"] = site["/story?utm_source=x"] = page("By hand")
    newsletter.fetch()
    settings = load(newsletter.folder)
    (newsletter.folder / "note.md").write_text("---\ntitle: From a file\n---\nText")

    class Open(Fetcher):
        def get(self, request):  # type: ignore[no-untyped-def]
            from dataclasses import replace

            return super().get(replace(request, allow_private=True))

    clock = StoppedClock(NOW)
    with Open(clock) as http:
        first = add_article(newsletter.sessions, settings, site.base + "/story", clock=clock, http=http)
        again = add_article(
            newsletter.sessions, settings, site.base + "/story?utm_source=x", clock=clock, http=http
        )
        file = add_article(
            newsletter.sessions, settings, "note.md", clock=clock, http=http, folder=newsletter.folder
        )
    assert first == again != file
    assert {article.title for article in stored(newsletter)} == {"By hand", "From a file"}


def test_the_front_page_gives_a_rank(site: Site, newsletter: Newsletter) -> None:
    site["/front"] = (
        "<html><body><a href='https://paper.example/news/2'>b</a><a href='https://paper.example/news/1?utm_source=x'>a</a></body></html>"
    )
    site["/feed"] = rss(item(1), item(2), item(3))
    newsletter.source("paper", site.base + "/feed", more=f'front_page = "{site.base}/front"')
    newsletter.fetch()
    ranks = {article.guid: article.front_page_rank for article in stored(newsletter)}
    assert ranks == {"g2": 1, "g1": 2, "g3": None}


def story(number: int, *categories: str) -> Article:
    return Article(
        source="s", title=f"t{number}", identity_url=f"u{number}", link_url="", categories=categories
    )


def test_sections_are_guessed_from_the_counts_of_categories() -> None:
    counts = {"Politics": 12, "Business": 6, "sport": 4, "Obituaries": 1}
    articles = [story(number, name, "News") for name, count in counts.items() for number in range(count)]
    sections = propose_sections(articles)
    assert [section.name for section in sections] == ["Politics", "Business", "Sport"]
    assert [section.max for section in sections] == [6, 5, 4]


def test_a_source_without_pictures_gets_none_from_its_pages_either(
    site: Site, newsletter: Newsletter
) -> None:
    site["/news/1"] = page(
        "Harbour opens", head='<meta property="og:image" content="https://i.example/1.jpg">'
    )
    site["/feed"] = rss(item(1, title="Harbour opens", link=site.base + "/news/1"))
    newsletter.source("plain", site.base + "/feed", full_text="always", more='images = "none"')
    newsletter.fetch()
    article = stored(newsletter)[0]
    assert article.word_count > 40, "the page was read"
    assert article.picture_url == ""
