"""Links of a feed: joined once, with the base that stands in it; a bare guid is none."""

from __future__ import annotations

import pytest

from digest.sources.parsing import Task, parse
from digest.values import Article
from tests.sources.playing import NOW, rss

FEED = "https://paper.example/blog/feed.xml"


def first(body: str) -> Article:
    return parse(Task(body=body.encode(), url=FEED, source="s", now=NOW)).articles[0]


def atom(base: str, link: str = "story/1") -> str:
    return (
        f'<feed xmlns="http://www.w3.org/2005/Atom" {base}><title>P</title><entry><title>One</title>'
        f'<id>urn:x:1</id><link href="{link}"/><content type="html">'
        '&lt;p&gt;&lt;a href="more"&gt;more&lt;/a&gt;&lt;img src="/a.jpg"&gt;&lt;/p&gt;</content>'
        "</entry></feed>"
    )


@pytest.mark.parametrize(
    ("base", "link", "inside", "picture"),
    [
        ("", "https://paper.example/blog/story/1", "https://paper.example/blog/more", "https://paper.example/a.jpg"),
        ('xml:base="https://cdn.example/x/"', "https://cdn.example/x/story/1", "https://cdn.example/x/more",
         "https://cdn.example/a.jpg"),
        ('xml:base="/paper/"', "https://paper.example/paper/story/1", "https://paper.example/paper/more",
         "https://paper.example/a.jpg"),
    ],
    ids=["the feed's own address", "another base", "a relative base"],
)  # fmt: skip
def test_relative_links_go_from_the_base_that_the_feed_names(
    base: str, link: str, inside: str, picture: str
) -> None:
    article = first(atom(base))
    assert article.link_url == link
    assert f'href="{inside}"' in article.body
    assert article.picture is not None
    assert article.picture.url == picture


def test_a_base_of_another_scheme_counts_for_nothing() -> None:
    article = first(atom('xml:base="javascript:alert(1)//"'))
    assert article.link_url == "https://paper.example/blog/story/1"
    assert "javascript" not in article.body


@pytest.mark.parametrize(
    ("guid", "link"),
    [
        ("t3_157kyrd", ""),
        ("12345", ""),
        ("tag:paper.example,2026:1/2", ""),
        ("/news/7", "https://paper.example/news/7"),
        ("?p=7", "https://paper.example/blog/feed.xml?p=7"),
        ("https://paper.example/news/7", "https://paper.example/news/7"),
    ],
)
def test_a_guid_is_a_link_only_when_it_looks_like_one(guid: str, link: str) -> None:
    article = first(rss(f"<item><title>One</title><guid>{guid}</guid></item>"))
    assert article.link_url == link
    assert article.guid == guid


def test_a_relative_link_may_be_one_word() -> None:
    assert first(rss("<item><title>One</title><link>seven</link></item>")).link_url == (
        "https://paper.example/blog/seven"
    )


def test_broken_lines_stay_apart() -> None:
    article = first(rss("<item><title>One</title><description>a&lt;br&gt;&lt;br&gt;b</description></item>"))
    assert article.summary == "a\nb"
