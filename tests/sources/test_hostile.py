# ruff: noqa: E501 - hostile texts stay in one piece
"""Bad input: each is refused or cut with one line that names the source, and costs nobody else."""

from __future__ import annotations

import time
from datetime import UTC, datetime

import pytest

from digest.errors import SourceError, SourceUnparsable
from digest.sources.parsing import Task, parse
from digest.sources.sanitise import clean_html, one_line, text_of
from digest.sources.workshop import Workshop
from tests.sources.playing import NOW, Newsletter, Site, item, rss


def feed(body: bytes | str, kind: str = "auto", url: str = "https://e.example/feed") -> Task:
    return Task(
        body=body if isinstance(body, bytes) else body.encode("utf-8", "surrogatepass"),
        url=url,
        source="s",
        now=NOW,
        kind=kind,
    )


@pytest.mark.slow
def test_a_feed_of_100_000_items_is_cut_and_says_so() -> None:
    many = "".join(
        f"<item><title>t{number}</title><link>https://e.example/{number}</link></item>"
        for number in range(100_000)
    )
    began = time.process_time()
    found = parse(feed(rss(many)))
    assert time.process_time() - began < 6
    assert len(found.articles) == 2000
    assert found.notes == ("only the first 2000 items were read",)


def test_a_feed_of_50_mb_is_refused_while_others_come_in(site: Site, newsletter: Newsletter) -> None:
    site["/huge"] = b"<rss>" + b" " * (50 * 1024 * 1024)
    site["/good"] = rss(item(1))
    newsletter.source("huge", site.base + "/huge")
    newsletter.source("good", site.base + "/good")
    huge, good = newsletter.fetch().sources
    assert huge.status == "failed"
    assert "larger than 20 MB" in huge.error
    assert site.base in huge.error
    assert good.new == 1


def test_10_000_categories_are_cut() -> None:
    categories = "".join(f"<category>c{number}</category>" for number in range(10_000))
    article = parse(feed(rss(item(1, more=categories)))).articles[0]
    assert len(article.categories) == 30


@pytest.mark.parametrize("year", ["0000", "0001", "9999", "99999", "-001"])
def test_a_date_outside_history_is_no_date(year: str) -> None:
    article = parse(feed(rss(item(1, at=f"{year}-01-01T00:00:00Z")))).articles[0]
    assert article.published_at is None


def test_a_title_of_10_000_characters_is_cut() -> None:
    article = parse(feed(rss(item(1, title="word " * 2000)))).articles[0]
    assert len(article.title) <= 500
    assert article.title.endswith("…")


@pytest.mark.parametrize(
    "opening",
    [
        "<div>",
        "<b>",
        "<a href='x'>",
        "<table><tr><td>",
        "<ul><li>",
        "<blockquote>",
        "<![CDATA[",
        "<p",
        "<script ",
        "<figure>",
    ],
)
def test_html_nested_20_000_deep_costs_little(opening: str) -> None:
    began = time.process_time()
    clean_html(opening * 20_000 + "text")
    text_of(opening * 20_000 + "text")
    assert time.process_time() - began < 1


def test_xml_nested_20_000_deep_costs_one_source(site: Site, newsletter: Newsletter) -> None:
    site["/deep"] = "<rss><channel>" + "<a>" * 20_000 + "</a>" * 20_000 + "</channel></rss>"
    site["/page"] = "<html><body>" + "<div>" * 20_000
    site["/good"] = rss(item(1))
    newsletter.source("deep", site.base + "/deep", more='kind = "feed"')
    newsletter.source("page", site.base + "/page", more='kind = "article"')
    newsletter.source("good", site.base + "/good")
    with Workshop(2) as workshop:
        report = newsletter.fetch(readers=workshop)
    assert [source.status for source in report.sources][-1] == "ok"
    assert all("\n" not in source.error for source in report.sources)


def test_control_characters_surrogates_and_turned_text_are_taken_out() -> None:
    body = rss(item(1, title="A\x00B\x07 \ud800 \u202ereversed\u202c &#8238;again")).encode(
        "utf-8", "surrogatepass"
    )
    article = parse(feed(body)).articles[0]
    assert not set(article.title) & set("\x00\x07\u202e\u202c\ud800")
    article.title.encode("utf-8")


def test_mixed_encodings_are_read_as_well_as_they_go() -> None:
    body = rss(item(1, title="Caf\u00e9")).encode().replace(b"Caf\xc3\xa9", b"Caf\xc3\xa9 and caf\xe9")
    article = parse(feed(body)).articles[0]
    assert article.title.startswith("Caf")


@pytest.mark.parametrize("codec", ["utf-16", "utf-16-le", "utf-32", "gb18030", "iso-8859-1", "koi8-r"])
def test_encodings_that_are_declared_are_read(codec: str) -> None:
    word = {"gb18030": "新闻", "koi8-r": "Новости"}.get(codec, "Zürich")
    text = rss(item(1, title=word)).replace('"1.0"?', f'"1.0" encoding="{codec}"?')
    assert parse(feed(text.encode(codec))).articles[0].title == word


@pytest.mark.parametrize(
    "body",
    [b"", b" \n", b"\0\0\0", b"{", b"[1,2", b'{"version":"https://jsonfeed.org/version/1.1"}', b"[" * 100_000, b'{"items":7,"title":"x"}',
     b"\xff\xfe", b"%PDF-1.7", b"PK\x03\x04", b"\x89PNG\r\n\x1a\n", b"just some words"],
)  # fmt: skip
def test_what_is_no_feed_is_one_line(body: bytes) -> None:
    with pytest.raises(SourceUnparsable) as caught:
        parse(feed(body, kind="feed"))
    assert "e.example" in str(caught.value)
    assert "\n" not in str(caught.value)


def test_odd_json_feeds_lose_only_their_odd_items() -> None:
    body = b"""{"version":"https://jsonfeed.org/version/1","title":[],"items":[null,7,"x",{"title":{"a":1}},
        {"id":5,"title":"Good","url":"javascript:alert(1)","date_published":7,"tags":"x","authors":{"name":1},"attachments":[1]},
        {"title":"Better","url":"https://e.example/b"}]}"""
    found = parse(feed(body))
    assert [(article.title, article.link_url) for article in found.articles] == [
        ("Good", ""),
        ("Better", "https://e.example/b"),
    ]


def test_scripts_handlers_and_foreign_schemes_do_not_survive() -> None:
    html = (
        "<p onclick='x()'>Hi<script>alert(1)</script><a href='javascript:x'>a</a><a href='//evil.example/p'>b</a>"
        "<a href='/c'>c</a><img src='data:image/svg+xml,x'><img src='https://t.example/p.gif' width='1' height='1'>"
        "<iframe src='https://evil.example'></iframe><style>p{}</style><svg onload=x></svg><form><input></form></p>"
        "<a href='https://user:pw@evil.example/'>d</a><img src='x.jpg' onerror='y'>"
    )
    clean = clean_html(html, "https://paper.example/news/1")
    for forbidden in (
        "onclick",
        "script",
        "javascript",
        "data:",
        "iframe",
        "style",
        "svg",
        "form",
        "onerror",
        "p.gif",
        "user:pw",
    ):
        assert forbidden not in clean
    assert 'href="https://evil.example/p"' in clean
    assert 'href="https://paper.example/c"' in clean
    assert 'src="https://paper.example/news/x.jpg"' in clean


def test_titles_are_text_whatever_they_came_as() -> None:
    assert one_line("<b>Fish</b> &amp;amp; chips") == "Fish &amp; chips"
    assert one_line("a &lt; b") == "a < b"
    assert one_line("two\n  lines<br>three") == "two lines three"


def test_an_infinite_loop_in_a_reader_costs_one_source() -> None:
    """A worker that does not answer is killed, and the next task gets a new one."""
    with Workshop(1) as workshop:
        good = feed(rss(item(1)))
        assert workshop.read(good).articles
        bad = Task(body=b"x" * 100, url="https://e.example/loop", source="s", now=NOW, kind="loop-for-test")
        workshop._wall = 0.5
        worker = workshop._free.get()
        assert worker is not None
        import os
        import signal

        os.kill(worker._process.pid, signal.SIGSTOP)  # as if it never came back
        workshop._free.put(worker)
        with pytest.raises(SourceUnparsable, match=r"loop.*too much time or memory"):
            workshop.read(bad)
        workshop._wall = 30
        assert workshop.read(good).articles


def test_a_worker_has_little_memory_no_keys_and_writes_no_files(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DIGEST_SECRET_KEY", "not for strangers")
    with Workshop(1) as workshop:
        workshop.read(feed(rss(item(1))))
        worker = workshop._free.get()
        assert worker is not None
        from pathlib import Path

        home = Path(f"/proc/{worker._process.pid}")
        assert b"DIGEST_SECRET_KEY" not in (home / "environ").read_bytes()
        limits = (home / "limits").read_text()
        workshop._free.put(worker)
    lines = {line[:25].strip(): line[25:].split() for line in limits.splitlines()}
    assert lines["Max address space"][0] == str(1024**3)
    assert lines["Max file size"][0] == "0"
    assert int(lines["Max cpu time"][0]) <= 60


def test_an_answer_of_a_taken_over_worker_opens_nothing() -> None:
    import pickle

    from digest.sources import workshop

    class Evil:
        def __reduce__(self) -> tuple[object, ...]:
            import os

            return os.system, ("true",)

    with pytest.raises(SourceUnparsable, match="no finding"):
        workshop._opened(pickle.dumps(Evil()), feed(b"x"))


def test_front_matter_bombs_and_mistakes_are_one_line(newsletter: Newsletter) -> None:
    folder = newsletter.folder / "stories"
    folder.mkdir()
    bomb = "a: &a [x,x]\nb: &b [*a,*a,*a,*a]\nc: &c [*b,*b,*b,*b]\nd: [*c,*c,*c,*c]"
    (folder / "a-bomb.md").write_text(f"---\n{bomb}\ntitle: Bomb\n---\nText")
    (folder / "b-wrong.md").write_text("---\ntitle: One: two: three\n---\nText")
    (folder / "c-tag.md").write_text('---\ntitle: !!python/object/apply:os.system ["true"]\n---\nText')
    (folder / "d-good.md").write_text("---\ntitle: Good\ndate: 2026-11-22\n---\nText")
    (folder / "e-binary.md").write_bytes(bytes(range(256)) * 10)
    (folder / "f-empty.md").write_text("")
    (folder / "link.md").symlink_to("/etc/hostname")
    newsletter.source("desk", "stories")
    report = newsletter.fetch().sources[0]
    assert report.status == "ok"
    notes = " ".join(report.notes)
    assert "b-wrong.md" in notes
    assert "c-tag.md" in notes
    assert "f-empty.md" in notes
    assert report.new >= 2


def test_a_sitemap_with_a_document_type_is_refused() -> None:
    body = b'<?xml version="1.0"?><!DOCTYPE x [<!ENTITY a "b">]><urlset><url><loc>&a;</loc></url></urlset>'
    with pytest.raises(SourceError, match="document type"):
        parse(feed(body))


def test_json_ld_and_meta_that_make_no_sense_are_passed_over() -> None:
    page = """<html><head><title>Story</title><meta property="og:image" content="javascript:x">
      <script type="application/ld+json">{"@type":["NewsArticle"],"headline":["A"],"author":[{"name":{"name":7}},3],
       "datePublished":{"x":1},"image":{"url":{"url":9}},"articleSection":[1,null,"News"],"isAccessibleForFree":"maybe"}</script>
      <script type="application/ld+json">{"@graph": [[[[[[[[[[[]]]]]]]]]]]}</script>
      <script type="application/ld+json">{not json</script></head><body><h1>Story</h1></body></html>"""
    article = parse(feed(page, kind="page")).articles[0]
    assert article.title == "Story"
    assert article.picture is None
    assert article.published_at is None


def test_a_page_cannot_claim_another_sites_address() -> None:
    page = '<html><head><link rel="canonical" href="https://victim.example/story"><title>Mine</title></head><body><h1>Mine</h1></body></html>'
    article = parse(feed(page, kind="page", url="https://thief.example/story")).articles[0]
    assert article.canonical_url == ""
    assert article.identity_url == "https://thief.example/story"


def test_zones_in_the_future_are_not_published_today() -> None:
    article = parse(feed(rss(item(1, at="Mon, 23 Nov 2037 10:00:00 +0000")))).articles[0]
    assert article.published_at is None
    assert datetime(2026, 11, 23, tzinfo=UTC) < NOW
