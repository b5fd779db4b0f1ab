"""The words by which a text is found: folded alike when it is stored and when somebody looks for it.

Letters of one case, without accents and vowel signs that people leave out when they type; runs of Han
and kana, which have no blanks, in pairs. What comes out has no character that a query language of a
database would read as its own.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable, Iterator

LONGEST_WORD = 64  # code points
MOST_ASKED = 12  # words of one question
PREFIX_FROM = 3  # so many letters find longer words as well
_LEFT_OUT = re.compile("[\u0300-\u036f\u0610-\u061a\u0640\u064b-\u065f\u0670\u06d6-\u06ed]")
_PAIRED = re.compile("([\u3040-\u30ff\u3400-\u4dbf\u4e00-\u9fff\U00020000-\U0003134f]+)")


def words_in(text: str) -> list[str]:
    """The words of a text in their order, those of pairs too."""
    return list(_words(text, singles=True))


def words_asked(question: str) -> list[str]:
    """The words that somebody looks for, without doubles; at most ``MOST_ASKED``."""
    return list(dict.fromkeys(_words(question[:1000], singles=False)))[:MOST_ASKED]


def contains(text: str, asked: Iterable[str]) -> bool:
    """Whether the text has one of the words asked for, or one that begins so."""
    words = set(words_in(text))
    return any(
        one in words or (len(one) >= PREFIX_FROM and any(word.startswith(one) for word in words))
        for one in asked
    )


def _words(text: str, *, singles: bool) -> Iterator[str]:
    folded = _LEFT_OUT.sub("", unicodedata.normalize("NFKD", text).casefold())
    folded = unicodedata.normalize("NFC", folded)
    letters = "".join(letter if unicodedata.category(letter)[0] in "LMN" else " " for letter in folded)
    for word in letters.split():
        for part in _PAIRED.split(word):
            if not part:
                continue
            if not _PAIRED.fullmatch(part):
                yield part[:LONGEST_WORD]
                continue
            if singles or len(part) == 1:
                yield from part
            yield from (part[place : place + 2] for place in range(len(part) - 1))
