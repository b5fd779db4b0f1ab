"""Comparing texts as readers do: without case, accents, vowel points or double spaces."""

from __future__ import annotations

import re
import unicodedata
from functools import lru_cache

# Letters that Unicode does not decompose although readers see an accent or a ligature.
_LETTERS = str.maketrans(
    {"ø": "o", "Ø": "O", "ł": "l", "Ł": "L", "đ": "d", "Đ": "D", "æ": "ae", "Æ": "AE", "œ": "oe", "Œ": "OE",
     "ı": "i", "ـ": None}
)  # fmt: skip
# Marks that only decorate: Latin, Greek and Cyrillic accents, Hebrew points, Arabic vowels and hamzas.
# The vowel signs of Indic scripts are letters and stay.
_MARKS = re.compile("[\u0300-\u036f\u0591-\u05bd\u05bf\u05c1-\u05c2\u05c4-\u05c5\u05c7\u064b-\u065f\u0670]+")
# Python counts the vowel signs and joiners of Indic and Thai scripts to no word: they are named here.
_WORD = re.compile("(?:[^\\W_]|[\u0900-\u0903\u093a-\u094f\u0980-\u0dff\u0e31-\u0e4e\u200c\u200d])+")
_IDEOGRAPHS = re.compile("[\u3040-\u30ff\u3400-\u9fff\uf900-\ufaff\uac00-\ud7af]+")
# Words that headlines of any matter share, folded: to have them in common is no likeness.
_COMMON = frozenset(
    """
    the and for with from that this are was were has have had not but his her its their who what why how when
    where after before over into out about more will can new says said than you your our they all amid
    der die das den dem des ein eine einer eines einem einen und oder mit von vom zum zur bei aus auf fur nach
    uber unter vor ist sind war wird werden wurde hat haben nicht auch als wie was wer sich
    ihr ihre sein seine
    les des une que qui dans pour sur par avec est sont pas plus aux ses son leur cette ces
    los las una por con para del sus mas como pero este esta desde hasta sobre entre
    dos das nos nas uma pelo pela mais seu sua gli nel nella dei delle della degli per che non piu sul sulla
    في من على الى عن مع بعد قبل هذا هذه التي الذي بين كما او ان لا ما لم قد كان
    में और के की का को से पर है हैं था थी थे कि यह वह इस उस ने लिए भी तो एक नहीं बाद
    """.split()
)


def without_accents(text: str) -> str:
    """``text`` without accents and vowel points; the case stays, and so does pure ASCII."""
    if text.isascii():
        return text
    stripped = _MARKS.sub("", unicodedata.normalize("NFKD", text).translate(_LETTERS))
    return unicodedata.normalize("NFC", stripped)


@lru_cache(maxsize=4096)
def fold(text: str) -> str:
    """The form in which two names are compared: ``"  Économie "`` and ``"economie"`` are one."""
    return " ".join(without_accents(text).casefold().split())


def words_of(title: str) -> frozenset[str]:
    """What a headline is about: its words of three letters and more, but for the commonest, its numbers,
    and in scripts without spaces its pairs of characters."""
    found: set[str] = set()
    for word in _WORD.findall(without_accents(title).casefold()):
        if _IDEOGRAPHS.search(word):
            for run in _IDEOGRAPHS.findall(word):
                found.update(run[i : i + 2] for i in range(max(1, len(run) - 1)))
        elif len(word) > 2 or word.isdigit():
            found.add(word)
    return frozenset(found - _COMMON)


def likeness(one: frozenset[str], other: frozenset[str]) -> float:
    """How alike two headlines are, 0 to 1: the cosine of their sets of words."""
    if not one or not other:
        return 0.0
    return float(len(one & other) / (len(one) * len(other)) ** 0.5)
