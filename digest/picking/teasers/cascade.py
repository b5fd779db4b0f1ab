"""Where a teaser comes from: the first of several texts that says something of its own.

The editor's own words come before all this (``Candidate.teaser``). Then the source's summary, unless it
is the whole text or the headline; then the standfirst before the lede, or the first paragraph of the
body of at least 40 characters.
"""

from __future__ import annotations

import re

from digest.picking.folding import fold
from digest.picking.teasers.cleaning import clean, plain_lines
from digest.picking.teasers.cutting import ELLIPSIS, LEAST_FILL, cut, whole_sentences

LEAST_PARAGRAPH = 40
LEAST_SUMMARY = 20
LEAST_DIFFERENCE = 0.9
_ENDS = re.compile(r"[.!?…。！？।؟۔:][\"'”’»)\]」』]*$")
_HEADING = re.compile(r"<h1\b.{0,2000}?</h1\s*>", re.IGNORECASE | re.DOTALL)


def teaser_from(*, headline: str, summary: str, body: str, language: str, limit: int) -> str:
    """The teaser of an article in at most ``limit`` code points; empty when there is nothing to say."""
    text = clean(summary, title=headline)
    if not _says_something(text, headline) or _is_stub(text) or _is_whole_text(text, body):
        text = _from_body(body, headline, limit) or text
    if fold(text).rstrip(".…") == fold(headline).rstrip(".…"):
        return ""
    return finish(text, limit, language)


def finish(text: str, limit: int, language: str) -> str:
    """Cut to length; a text that breaks off is taken back to its last whole sentence, or marked."""
    short = cut(text, limit, language)
    if not short or (_ENDS.search(short) and not short.endswith(ELLIPSIS)):
        return short
    whole = _ended(text, limit, language)
    if len(whole) >= LEAST_FILL * min(limit, len(short)):
        return whole
    return short if short.endswith(ELLIPSIS) else cut(short + ELLIPSIS, limit, language)


def _ended(text: str, limit: int, language: str) -> str:
    """The whole sentences of a text without the one that breaks off at its end."""
    whole = whole_sentences(text, limit, language)
    if whole and (not _ENDS.search(whole) or whole.endswith(ELLIPSIS)):
        from digest.picking.teasers.cutting import sentences

        whole = "".join(sentences(whole, language)[:-1]).rstrip()
    return whole


def _says_something(text: str, headline: str) -> bool:
    folded = fold(text).rstrip(".…")
    return len(text) >= LEAST_SUMMARY and folded != fold(headline).rstrip(".…")


def _is_stub(text: str) -> bool:
    """Whether a text breaks off before it has said anything ("Guests discuss…")."""
    return len(text) < LEAST_PARAGRAPH and text.endswith(ELLIPSIS)


def _is_whole_text(summary: str, body: str) -> bool:
    """Whether the summary just is the body without its tags (1,263 of 6,502 real ones)."""
    if len(summary) < 400 or not body:
        return False
    whole = " ".join(" ".join(plain_lines(body)).split())
    return len(summary) >= LEAST_DIFFERENCE * len(whole)


def _from_body(body: str, headline: str, limit: int) -> str:
    """The first paragraph that is one, and the next ones while there is much room left."""
    text = ""
    for line in plain_lines(_HEADING.sub("", body)):
        paragraph = clean(line, title=headline)
        if len(paragraph) < LEAST_PARAGRAPH or not _says_something(paragraph, headline):
            continue
        text = f"{text} {paragraph}".strip()
        if len(text) >= LEAST_FILL * limit:
            break
    return text
