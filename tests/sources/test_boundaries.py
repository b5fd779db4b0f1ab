"""Where a source could reach beyond itself: entities of a document type, links out of a folder, size."""

from __future__ import annotations

import time
from datetime import UTC, datetime

import pytest
from sqlalchemy import select

from digest.models import ArticleRow
from digest.sources.parsing import Task, parse
from digest.sources.sanitise import MAX_DEPTH, MAX_HTML, clean_html
from tests.sources.playing import Newsletter, Site

NOW = datetime(2026, 11, 23, 12, 0, tzinfo=UTC)
SECRET = "root-password-of-this-machine"
ITEM = "<rss version='2.0'><channel><title>x</title><item><title>News{entity}</title><link>https://e.example/1</link></item></channel></rss>"
LAUGHS = '<!ENTITY a0 "ha">' + "".join(
    f'<!ENTITY a{number} "{f"&a{number - 1};" * 10}">' for number in range(1, 10)
)


@pytest.mark.parametrize(
    ("declared", "entity"),
    [
        (f"[{LAUGHS}]", "&a9;"),
        (f'[<!ENTITY long "{"y" * 50_000}">]', "&long;" * 5_000),
        ('[<!ENTITY x SYSTEM "file://{file}">]', "&x;"),
        ('[<!ENTITY % x SYSTEM "file://{file}"> %x;]', ""),
        ('[<!ENTITY x SYSTEM "{base}/entity">]', "&x;"),
        ('SYSTEM "{base}/feed.dtd"', ""),
        ('PUBLIC "-//W3C//DTD XHTML 1.0//EN" "{base}/feed.dtd"', ""),
    ],
    ids=["a billion laughs", "quadratic", "a file", "a parameter", "an address", "a DTD", "a public DTD"],
)
def test_a_document_type_opens_no_file_asks_nobody_and_grows_nothing(
    newsletter: Newsletter, site: Site, declared: str, entity: str
) -> None:
    secret = newsletter.folder / "secret.txt"
    secret.write_text(SECRET)
    kind = declared.replace("{file}", str(secret)).replace("{base}", site.base)
    body = f"<?xml version='1.0'?><!DOCTYPE rss {kind}>{ITEM.replace('{entity}', entity)}"
    began = time.process_time()
    found = parse(Task(body=body.encode(), url="https://e.example/f", source="s", now=NOW))
    assert time.process_time() - began < 2
    [article] = found.articles
    assert article.title.startswith("News")
    assert len(article.title) <= 500
    assert SECRET not in repr(found)
    assert "ha" * 10 not in article.title
    assert site.asked == []


def test_a_folder_gives_no_story_from_outside_it(newsletter: Newsletter) -> None:
    outside = newsletter.folder / "private"
    outside.mkdir()
    (outside / "diary.md").write_text("---\ntitle: Diary\ndate: 2026-11-22\n---\nMine")
    folder = newsletter.folder / "stories"
    folder.mkdir()
    (folder / "good.md").write_text("---\ntitle: Good\ndate: 2026-11-22\n---\nText")
    (folder / "link.md").symlink_to(outside / "diary.md")
    (folder / "linked").symlink_to(outside)
    (folder / ".hidden.md").write_text("---\ntitle: Hidden\ndate: 2026-11-22\n---\nText")
    newsletter.source("desk", "stories")
    assert newsletter.fetch().sources[0].new == 1
    with newsletter.sessions() as session:
        assert session.scalars(select(ArticleRow.title)).all() == ["Good"]


def test_html_is_cut_before_the_cleaner_sees_it() -> None:
    assert len(clean_html("<p>" + "word " * 100_000)) <= MAX_HTML + 100
    began = time.process_time()
    deep = clean_html("<div>" * 50_000 + "<b>text</b>")
    assert time.process_time() - began < 1
    assert "<" not in deep
    assert "<b>text</b>" in clean_html("<div>" * (MAX_DEPTH - 2) + "<b>text</b>")
