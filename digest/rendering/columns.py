"""Text for the plain part: wrapped by display width, so that Chinese counts two columns a character."""

from __future__ import annotations

import re

from wcwidth import wcwidth

WIDTH = 72
# Where a line may be broken: after a space, and around characters of scripts that have no spaces.
_PIECES = re.compile(
    r"\s+|[\u3040-\u30ff\u3400-\u9fff\uf900-\ufaff\U00020000-\U0003ffff]|[^\s\u3040-\u30ff\u3400-\u9fff\uf900-\ufaff\U00020000-\U0003ffff]+"
)
# What is not one column wide may be above these; dashes, quotes and the ellipsis are.
_MARKED = re.compile(r"[^\x00-\u02ff\u2010-\u201f\u2026\u20ac]")
_NOT_AT_START = set("、。，．！？：；）」』】》〉”’!?,.:;)]}")


def width_of(text: str) -> int:
    """Columns that the text takes in a terminal."""
    if text.isascii() or max(text) < "\u0300":  # below that nothing combines, and nothing is wide
        return len(text)
    return sum(max(0, wcwidth(character)) for character in text)


def wrap(text: str, width: int = WIDTH, indent: str = "", first: str | None = None) -> str:
    """The text in lines of at most ``width`` columns, each begun with ``indent`` (the first with ``first``).

    Addresses are never broken; other words that are longer than a line are.
    """
    if not _MARKED.search(text):
        return _wrap_plain(text, width, indent, indent if first is None else first)
    lines: list[str] = []
    start = indent if first is None else first
    line, used = start, width_of(start)
    empty = True
    space = False
    for piece in _PIECES.findall(text):
        if piece.isspace():
            space = not empty
            continue
        size = width_of(piece)
        gap = 1 if space and not empty else 0
        fits = used + gap + size <= width
        if not fits and not empty and piece[0] not in _NOT_AT_START:
            lines.append(line)
            line, used, gap, empty = indent, width_of(indent), 0, True
        for part in _parts(piece, width - width_of(indent)):
            if not empty and part is not piece and used + width_of(part) > width:
                lines.append(line)
                line, used, gap = indent, width_of(indent), 0
            line += " " * gap + part
            used += gap + width_of(part)
            gap, empty = 0, False
        space = False
    if not empty or first is not None:
        lines.append(line)
    return "\n".join(line.rstrip() for line in lines)


def _wrap_plain(text: str, width: int, indent: str, first: str) -> str:
    """Text in which every character is one column: words and spaces, and nothing else to know."""
    rest = " ".join(text.split())
    if not rest:
        return first.rstrip() if first != indent else ""
    lines: list[str] = []
    start = first
    while rest:
        room = max(1, width - len(start))
        cut = len(rest) if len(rest) <= room else rest.rfind(" ", 0, room + 1)
        if cut < 0:  # the first word is longer than the line
            end = rest.find(" ")
            word = rest if end < 0 else rest[:end]
            cut = len(word) if "://" in word else room
        lines.append((start + rest[:cut]).rstrip())
        rest = rest[cut:].lstrip(" ")
        start = indent
    return "\n".join(lines)


def underline(text: str, mark: str = "=") -> str:
    """The text with a line of ``mark`` below it, of its own width."""
    return f"{text}\n{mark * min(max(1, width_of(text)), WIDTH)}"


def _parts(word: str, width: int) -> list[str]:
    if width_of(word) <= width or "://" in word:
        return [word]
    parts, part, used = [], "", 0
    for character in word:
        size = max(0, wcwidth(character))
        if used + size > width and part:
            parts.append(part)
            part, used = "", 0
        part += character
        used += size
    return [*parts, part]
