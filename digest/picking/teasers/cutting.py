"""Cutting a text to a length in code points: whole sentences, else whole words and one ellipsis."""

from __future__ import annotations

ELLIPSIS = "…"
LEAST_FILL = 0.4  # of the room that whole sentences must fill
_LOOSE = " ,;:–—-·|/([{«„“‘「『（《،؛、，；："


def cut(text: str, limit: int, language: str = "en") -> str:
    """``text`` in at most ``limit`` code points, the ellipsis counted.

    Whole sentences when they fill at least 40 % of the room, else up to the last whole word; in
    scripts without spaces between characters; never inside a grapheme.
    """
    text = text.strip()
    if len(text) <= limit:
        return text
    whole = whole_sentences(text, limit, language)
    return whole if len(whole) >= LEAST_FILL * limit else cut_words(text, limit)


def whole_sentences(text: str, limit: int, language: str = "en") -> str:
    """The sentences at the beginning that fit into ``limit`` as a whole; may be empty."""
    kept = ""
    for sentence in sentences(text, language):
        if len((kept + sentence).rstrip()) > limit:
            break
        kept += sentence
    return kept.rstrip()


def sentences(text: str, language: str = "en") -> list[str]:
    """The sentences of a text, spaces included: joined they are the text again."""
    import sentencex

    return list(sentencex.segment(language.replace("_", "-").split("-")[0].lower() or "en", text))


def cut_words(text: str, limit: int) -> str:
    """At most ``limit`` code points, cut after a word and marked with an ellipsis."""
    text = text.strip()
    if len(text) <= limit:
        return text
    import regex

    at = 0
    anywhere = 0
    for grapheme in regex.finditer(r"\X", text[: limit + 32]):
        if grapheme.start() > limit - 1:
            break
        position = grapheme.start()
        if not position:
            continue
        anywhere = position
        if text[position].isspace() or _joins_freely(text[position - 1]) or _joins_freely(text[position]):
            at = position
    if not at:
        at = anywhere  # one long word
    return text[:at].rstrip().rstrip(_LOOSE) + ELLIPSIS


def _joins_freely(character: str) -> bool:
    """Whether a line may break beside it: ideographs, kana."""
    return (
        "\u3040" <= character <= "\u30ff"
        or "\u3400" <= character <= "\u9fff"
        or "\uf900" <= character <= "\ufaff"
        or "\u3001" <= character <= "\u3002"
        or "\uff01" <= character <= "\uff1f"
        or "\U00020000" <= character <= "\U0003ffff"
    )
