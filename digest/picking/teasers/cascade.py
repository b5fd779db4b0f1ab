"""Where a teaser comes from: the first of several texts that says something of its own."""

from __future__ import annotations

import re


def teaser_from(
    *, headline: str, summary: str, body: str, language: str, limit: int, origin: str = ""
) -> str:
    """The teaser of an article in at most ``limit`` code points, or empty."""
    text = summary or re.sub(r"<[^>]+>", " ", body)
    text = " ".join(text.split())
    return text if len(text) <= limit else text[: limit - 1].rstrip() + "…"
