"""Teasers: every case of the shared samples, and the oddities that they do not hold."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from digest.picking.teasers import clean, cut, lint, reading_minutes, teaser_from

LEDE = "The harbour opens on Monday after a year of repairs, the port authority said."


def test_every_shared_case_is_cleaned_and_cut_as_expected(test_data: Path) -> None:
    wrong = []
    for line in (test_data / "ingest" / "teasers.jsonl").read_text(encoding="utf-8").splitlines():
        case = json.loads(line)
        if case["kind"] == "clean":
            got = clean(case["text"], title=case["title"])
        else:
            got = cut(case["text"], case["max_chars"], case["lang"])
        if got != case["expect"]:
            wrong.append((case["id"], got, case["expect"]))
    assert wrong == []


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        (f"{LEDE} Read more", LEDE),
        (f"{LEDE} [Read more…]", LEDE),
        (f"{LEDE} Continue reading The harbour opens →", LEDE),
        (f"{LEDE} Der Beitrag Hafen öffnet erschien zuerst auf Lagune.", LEDE),
        (f"{LEDE} La entrada El puerto abre se publicó primero en Laguna.", LEDE),
        (f"{LEDE} L’article Le port ouvre est apparu en premier sur Lagune.", LEDE),
        (f"LISBON: {LEDE}", LEDE),
        (f"LISBON, March 9 (LPA) — {LEDE}", LEDE),
        (f"1 min read\n{LEDE}", LEDE),
        (f"{LEDE}\nFollow us on Mastodon", LEDE),
        (f"<figure><img src=x><figcaption>A crane</figcaption></figure><p>{LEDE}</p>", LEDE),
        (f"<p>{LEDE}</p><form><input><button>Subscribe</button></form>", LEDE),
        ("Fish &amp;amp; chips &#8211; again", "Fish & chips – again"),
        ("5 < 6 and 7 > 3, the teacher said.", "5 < 6 and 7 > 3, the teacher said."),
        ("Students learn more about the sea", "Students learn more about the sea"),
        ("NATO: what the alliance is for", "NATO: what the alliance is for"),
        ("", ""),
        ("\x00\u200b\ufeff", ""),
    ],
)
def test_theme_leftovers_go_and_sentences_stay(given: str, expected: str) -> None:
    assert clean(given) == expected


def test_a_repeated_headline_goes_but_a_sentence_that_begins_like_it_stays() -> None:
    assert clean("Harbour opens: The gates rose at nine.", title="Harbour opens") == "The gates rose at nine."
    assert clean("Harbour opens after a year.", title="Harbour opens") == "Harbour opens after a year."


HOSTILE = [
    *("<" * 50_000, "<!--" * 9_000, "<p " * 20_000, "&" * 50_000, "(Photo: " * 5_000, "The post " * 5_000),
    *("…reports A " * 5_000, "A" * 100_000, "share " * 20_000, "<script>" * 5_000, "LONDON, " * 9_000),
    '<a class="more' * 3_000,
]


@pytest.mark.parametrize("hostile", HOSTILE)
def test_hostile_text_takes_no_time(hostile: str) -> None:
    import time

    began = time.process_time()
    teaser_from(headline="x", summary=hostile, body=hostile, language="en", limit=160)
    assert time.process_time() - began < 2


TEXTS = [
    "नमस्ते दुनिया, यह एक परीक्षण है और यह लंबा है",
    "👩‍👩‍👧‍👦🇬🇧👍🏽 é\u0301à",
    "한국어 문장은 이렇게 길다",
    "word " * 30,
]


@pytest.mark.parametrize("limit", range(1, 60))
@pytest.mark.parametrize("text", TEXTS)
def test_no_cut_is_longer_than_its_room_or_inside_a_grapheme(text: str, limit: int) -> None:
    import regex

    short = cut(text, limit, "hi")
    assert len(short) <= max(limit, 1)
    if short.endswith("…"):
        graphemes = regex.findall(r"\X", text)
        kept = short[:-1]
        while kept and graphemes and kept.startswith(graphemes[0]):
            kept = kept[len(graphemes.pop(0)) :]
        assert kept == ""


class TestCascade:
    BODY = f"<h2>A new start</h2><p>{LEDE}</p><p>Ships from six countries are expected in the first week.</p>"

    def test_the_summary_goes_first(self) -> None:
        teaser = teaser_from(headline="Harbour", summary=LEDE, body="<p>Other words entirely stand here.</p>",
                             language="en", limit=160)  # fmt: skip
        assert teaser == LEDE

    @pytest.mark.parametrize("summary", ["", "Harbour opens", "Read more", "Guests discuss…"])
    def test_a_summary_that_says_nothing_gives_way_to_the_body(self, summary: str) -> None:
        teaser = teaser_from(
            headline="Harbour opens", summary=summary, body=self.BODY, language="en", limit=160
        )
        assert teaser == LEDE

    def test_a_summary_that_is_the_whole_text_gives_way_to_its_first_paragraph(self) -> None:
        rest = "And then there was much more to say about it. " * 20
        body = f"<p>By Ann Lee</p><p>{LEDE}</p><p>{rest}</p>"
        summary = f"By Ann Lee {LEDE} {rest}"
        assert teaser_from(headline="x", summary=summary, body=body, language="en", limit=100) == LEDE

    def test_a_text_that_breaks_off_ends_with_its_last_whole_sentence(self) -> None:
        broken = f"{LEDE} Israel on Monday announced that four"
        assert teaser_from(headline="x", summary=broken, body="", language="en", limit=160) == LEDE

    def test_a_fragment_is_marked_as_one(self) -> None:
        given = "The council approved the plan on Tuesday after a long debate about parking"
        assert teaser_from(headline="x", summary=given, body="", language="en", limit=160) == given + "…"

    def test_a_teaser_never_is_the_headline(self) -> None:
        assert (
            teaser_from(headline="Harbour opens.", summary="Harbour opens", body="", language="en", limit=99)
            == ""
        )


@pytest.mark.parametrize(
    ("teaser", "rules"),
    [
        (LEDE, []),
        ("", []),
        (f"{LEDE} Read more", ["teaser-read-more"]),
        ("THE HARBOUR OPENS ON MONDAY", ["teaser-all-caps"]),
        ("He said “we open on…", ["teaser-quotation"]),
        ("Er sagte: „Wir öffnen“, und ging.", []),
        ("Harbour OPENS.", ["teaser-is-headline"]),
    ],
)
def test_the_lint_names_what_an_editor_would_change(teaser: str, rules: list[str]) -> None:
    assert [flaw.rule for flaw in lint(teaser, "Harbour opens")] == rules


@pytest.mark.parametrize(
    ("text", "words", "minutes"),
    [
        ("", 0, 0),
        ("", 1190, 5),
        ("one two three", 0, 1),
        ("word " * 714, 0, 3),
        ("国" * 1000, 0, 2),
        ("शब्द " * 476, 0, 2),
    ],
)
def test_reading_time_counts_words_or_characters(text: str, words: int, minutes: int) -> None:
    assert reading_minutes(text, word_count=words) == minutes
