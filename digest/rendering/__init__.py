"""Rendering: a draft becomes HTML and text once, with places for each subscriber's values. Pure.

``render(draft, theme, style=…) → RenderedIssue``; ``words_of(language)`` has the product's words.
Jinja2, MJML and premailer are imported when something is rendered.
"""

from __future__ import annotations

from digest.rendering.archive import archive_html, archive_text
from digest.rendering.issue import HouseStyle, render
from digest.rendering.notices import RenderedNotice, render_notice
from digest.rendering.words import Words, words_of

__all__ = [
    "HouseStyle",
    "RenderedNotice",
    "Words",
    "archive_html",
    "archive_text",
    "render",
    "render_notice",
    "words_of",
]
