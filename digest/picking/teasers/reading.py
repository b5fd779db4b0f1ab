"""How long a text takes to read."""

from __future__ import annotations

import re

WORDS_A_MINUTE = 238  # silent reading of non-fiction, Brysbaert 2019
CHARACTERS_A_MINUTE = 500  # Chinese and Japanese, where words have no spaces between them

_CJK = re.compile("[\u3040-\u30ff\u3400-\u9fff\uf900-\ufaff]")
_TAG = re.compile(r"<[^<>]{0,2000}>")
# What stands between spaces and has a letter: vowel signs and joiners of Indic scripts are no ends.
_WORD = re.compile(r"\S*[^\W_]\S*")


def reading_minutes(text: str, *, word_count: int = 0) -> int:
    """Whole minutes, at least 1, for ``text`` (its tags are not read); for ``word_count`` words when there
    is no text; 0 when nothing is known."""
    text = _TAG.sub(" ", text)
    ideographs = len(_CJK.findall(text))
    words = len(_WORD.findall(_CJK.sub(" ", text) if ideographs else text))
    if not ideographs and not words:
        words = word_count
    if not ideographs and not words:
        return 0
    return max(1, round(words / WORDS_A_MINUTE + ideographs / CHARACTERS_A_MINUTE))
