"""How long a text takes to read."""

from __future__ import annotations

import re

WORDS_A_MINUTE = 238  # silent reading of non-fiction, Brysbaert 2019
CHARACTERS_A_MINUTE = 500  # Chinese and Japanese, where words have no spaces between them

_CJK = re.compile("[\u3040-\u30ff\u3400-\u9fff\uf900-\ufaff]")
_WORD = re.compile(r"[^\W_]+(?:['’.-][^\W_]+)*")


def reading_minutes(text: str, *, word_count: int = 0) -> int:
    """Whole minutes, at least 1, for ``text``; for ``word_count`` words when there is no text; 0 when
    nothing is known."""
    ideographs = len(_CJK.findall(text))
    words = len(_WORD.findall(_CJK.sub(" ", text) if ideographs else text))
    if not ideographs and not words:
        words = word_count
    if not ideographs and not words:
        return 0
    return max(1, round(words / WORDS_A_MINUTE + ideographs / CHARACTERS_A_MINUTE))
