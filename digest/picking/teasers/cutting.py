"""Cutting a text to a length in code points: whole sentences, else whole words and one ellipsis."""

from __future__ import annotations


def cut_words(text: str, limit: int) -> str:
    """At most ``limit`` code points, cut after a word."""
    if len(text) <= limit:
        return text
    head = text[: max(1, limit - 1)]
    space = head.rfind(" ")
    return (head[:space] if space > 0 else head).rstrip(" ,;:–—-") + "…"
