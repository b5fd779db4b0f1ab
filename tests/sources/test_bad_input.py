"""Bad input, all of it in one run: each source is refused or cut with one line, and the good ones come in."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from digest.sources.parsing import Task, parse
from digest.sources.workshop import Workshop
from tests.sources.playing import NOW, Answer, Newsletter, Site, hasty, item, rss

CATEGORIES = "".join(f"<category>c{number}</category>" for number in range(10_000))
MANY = "".join(
    f"<item><title>Story {number}</title><link>https://m.example/{number}</link></item>"
    for number in range(100_000)
)
CAFE = rss(item(1, title="Caf\u00e9")).encode()
# What the site says, and the line that is told of it: of the whole source, or of what was cut.
SLOW = {"items", "fifty-mb", "endless", "deep-feed"}
BAD = {
    "items": (rss(MANY), "only the first 2000 items were read"),
    "fifty-mb": (b"<rss>" + b" " * (50 * 1024 * 1024), "larger than 20 MB"),
    "categories": (rss(item(2, more=CATEGORIES)), "categories beyond the thirtieth were left out"),
    "year-0": (rss(item(3, at="0000-01-01T00:00:00Z")), "a date that cannot be"),
    "year-9999": (rss(item(4, at="9999-12-31T23:59:59Z")), "a date that cannot be"),
    "titles": (rss(item(5, title="word " * 2000)), "titles cut to 500 characters: 1"),
    "deep-feed": ("<rss><channel>" + "<a>" * 20_000 + "</a>" * 20_000, "not well-formed"),
    "deep-json": ("[" * 20_000 + "]" * 20_000, "no JSON"),
    "nul": (rss(item(6, title="a\0b")), "control characters were taken out"),
    "surrogates": (
        rss(item(7, title="a \ud800 b")).encode("utf-8", "surrogatepass"),
        "not in the encoding that it declares",
    ),
    "mixed": (CAFE.replace(b"Caf\xc3\xa9", b"Caf\xc3\xa9 caf\xe9"), "not in the encoding that it declares"),
    "broken": (rss(item(8)).replace("</channel>", "<&"), "not well-formed"),
    "endless": (Answer(drip=0.3), "too slow"),
    "empty": (b"", "empty"),
    "no-feed": ("<html><body>welcome</body></html>", "this is no feed"),
}


@pytest.mark.slow
def test_each_bad_source_is_one_line_and_the_others_come_in(site: Site, newsletter: Newsletter) -> None:
    site["/good"] = rss(item(90), item(91))
    for name, (body, _) in BAD.items():
        site["/" + name] = body
        newsletter.source(name, f"{site.base}/{name}", more='kind = "feed"')
    newsletter.source("good", site.base + "/good")
    with Workshop(2) as workshop:
        report = newsletter.fetch(readers=workshop, fetcher=hasty)
    told = {one.name: one for one in report.sources}
    for name, (_, line) in BAD.items():
        lines = [text for text in (told[name].error, *told[name].notes) if text]
        assert any(line in text for text in lines), (name, lines)
        assert all("\n" not in text and len(text) < 400 for text in lines)
        if told[name].status == "failed":
            assert f"/{name}" in told[name].error, "it names the source"
    assert (told["good"].status, told["good"].new) == ("ok", 2)
    assert told["items"].new == 2000


@pytest.mark.parametrize("name", [name for name in BAD if name not in SLOW])
def test_bad_input_is_refused_or_cut_with_its_reason(name: str, site: Site, newsletter: Newsletter) -> None:
    site["/bad"], line = BAD[name]
    site["/good"] = rss(item(90))
    newsletter.source("bad", site.base + "/bad", more='kind = "feed"')
    newsletter.source("good", site.base + "/good")
    bad, good = newsletter.fetch().sources
    assert line in " ".join((bad.error, *bad.notes))
    assert good.new == 1


def test_a_sound_feed_gives_no_note(test_data: Path) -> None:
    noted = {}
    for file in sorted((test_data / "ingest" / "feeds").glob("*.xml")):
        found = parse(Task(body=file.read_bytes(), url="https://e.example/", source="s", now=NOW))
        if found.notes:
            noted[file.name] = found.notes
    assert len(noted) <= 4, json.dumps(noted)
