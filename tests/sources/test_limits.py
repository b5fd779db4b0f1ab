"""A page that is made to explode: the kernel stops its worker, one source is lost, the run goes on."""

from __future__ import annotations

import pytest

from digest.pipeline.collect import CollectReport
from digest.sources.workshop import Workshop
from tests.sources.playing import Newsletter, Site, item, rss

HEAD = b"<html><head><title>A headline here</title></head><body><h1>A headline here</h1>"
# Neither is broken: what reads a page is far slower on it, and hungrier, than on any article.
MUCH_WORK = HEAD + b"<p>word word word, word</p>" * 100_000
MUCH_MEMORY = HEAD + b"<div><a href=x>y</a></div>" * 150_000


def fetched(site: Site, newsletter: Newsletter, page: bytes, workshop: Workshop) -> CollectReport:
    """The page first and then, by the same workers, a feed and one more page."""
    site["/page"] = page
    site["/good"] = rss(item(1), item(2))
    site["/story"] = HEAD + b"<p>" + b"A story as they are. " * 20
    newsletter.source("bad", site.base + "/page", more='kind = "article"')
    newsletter.source("good", site.base + "/good")
    newsletter.source("story", site.base + "/story", more='kind = "article"')
    with workshop:
        return newsletter.fetch(readers=workshop)


def told(report: CollectReport) -> str:
    bad, good, story = report.sources
    assert bad.status == "failed"
    assert "\n" not in bad.error
    assert "/page" in bad.error
    assert (good.status, good.new) == ("ok", 2)
    assert (story.status, story.new) == ("ok", 1)
    return bad.error


@pytest.mark.slow
def test_a_page_that_takes_too_much_time_costs_one_source(site: Site, newsletter: Newsletter) -> None:
    error = told(fetched(site, newsletter, MUCH_WORK, Workshop(1, cpu_seconds=1)))
    assert "took too much time or memory and was stopped" in error


def test_a_page_that_takes_too_much_memory_costs_one_source(site: Site, newsletter: Newsletter) -> None:
    error = told(fetched(site, newsletter, MUCH_MEMORY, Workshop(1, memory=160 * 1024 * 1024)))
    assert "needs too much memory to read" in error or "cannot be read as HTML" in error
