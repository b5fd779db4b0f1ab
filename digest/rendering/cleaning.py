"""Strangers' text as it may be printed: without control characters, on one line."""

from __future__ import annotations

import re

# C0 and C1 controls, line and paragraph separators: a space. Bidi embeddings, overrides and isolates
# would reach beyond the text they stand in; marks (LRM, RLM, ALM) and joiners stay. Lone surrogates
# and non-characters cannot be written in UTF-8 or HTML.
_SPACES = re.compile(r"[\x00-\x20\x7f-\x9f\u2028\u2029]+")
_GONE = re.compile(
    "[\u202a-\u202e\u2066-\u2069\ufdd0-\ufdef\ufeff\ufff9-\ufffb\ud800-\udfff"
    + "".join(chr(plane << 16 | low) for plane in range(17) for low in (0xFFFE, 0xFFFF))
    + "]"
)
_PARAGRAPHS = re.compile(r"(?:\r\n?|\n)[ \t]*(?:\r\n?|\n)\s*")


def one_line(text: str) -> str:
    """The text on one line, without what is no text."""
    if text.isprintable():  # neither what becomes a space nor what goes is printable
        return text.strip(" ") if "  " not in text else _SPACES.sub(" ", text).strip(" ")
    return _SPACES.sub(" ", _GONE.sub("", text)).strip(" ")


def paragraphs(text: str) -> tuple[str, ...]:
    """The paragraphs of a text that an editor wrote: blank lines part them."""
    if "\n" not in text and "\r" not in text:
        line = one_line(text)
        return (line,) if line else ()
    found = (one_line(part) for part in _PARAGRAPHS.split(text))
    return tuple(part for part in found if part)
