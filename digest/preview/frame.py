"""The issue's HTML as the frame shows it: light, dark or inverted, with or without pictures."""

from __future__ import annotations

import re
from enum import StrEnum

_DARK = re.compile(r"\(\s*prefers-color-scheme\s*:\s*dark\s*\)", re.IGNORECASE)
_LIGHT = re.compile(r"\(\s*prefers-color-scheme\s*:\s*light\s*\)", re.IGNORECASE)
_HEAD = re.compile(r"<head\b[^>]*>", re.IGNORECASE)
_ALWAYS, _NEVER = "(min-width:0)", "(max-width:0)"
# What Gmail's app and Outlook do to mails that say nothing of dark mode: everything is inverted but pictures.
_INVERSION = (
    "html{background:#111;}body{filter:invert(1) hue-rotate(180deg);}"
    "img{filter:invert(1) hue-rotate(180deg);}"
)


class Scheme(StrEnum):
    """How the issue is looked at."""

    LIGHT = "light"
    DARK = "dark"
    INVERTED = "inverted"


def frame_html(html: str, scheme: Scheme) -> str:
    """The HTML with its colour scheme decided here instead of by the reader's system.

    Links open in a tab of their own. Nothing else is changed.
    """
    dark = scheme is Scheme.DARK
    html = _DARK.sub(_ALWAYS if dark else _NEVER, html)
    html = _LIGHT.sub(_NEVER if dark else _ALWAYS, html)
    style = f":root{{color-scheme:{'dark' if dark else 'light'};}}"
    if scheme is Scheme.INVERTED:
        style += _INVERSION
    extra = f'<base target="_blank"><style>{style}</style>'
    return _HEAD.sub(lambda head: head[0] + extra, html, count=1) if _HEAD.search(html) else extra + html


def frame_policy(*, pictures: bool) -> str:
    """The Content-Security-Policy of the frame: no script runs in it, whoever wrote the story.

    It shares the page's origin, so that the page can keep its scroll position and find an item in it.
    """
    images = "http: https: data:" if pictures else "'none'"
    return (
        f"default-src 'none'; img-src {images}; style-src 'unsafe-inline'; base-uri 'self'; "
        "form-action 'none'; frame-ancestors 'self'; "
        "sandbox allow-same-origin allow-popups allow-popups-to-escape-sandbox"
    )
