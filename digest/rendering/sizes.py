"""How large the HTML is once a subscriber's values are in it, and how large it may be.

Gmail clips a message at 102 KB of decoded HTML and hides the unsubscribe link with it.
"""

from __future__ import annotations

from collections.abc import Iterable

from digest.values import Context, Fragment, Literal

TARGET = 80_000  # bytes: larger issues turn stories into lines until they fit
WARNING = 90_000
LIMIT = 100_000
_MERGED = {Context.URL: 160, Context.HTML: 60, Context.ATTRIBUTE: 60, Context.TEXT: 40, Context.HEADER: 40}


def merged_size(fragments: Iterable[Fragment]) -> int:
    """Bytes in UTF-8 with room for each merged value: the largest copy that is likely."""
    return sum(
        len(fragment.text.encode("utf-8", "replace"))
        if isinstance(fragment, Literal)
        else _MERGED[fragment.context] + len(fragment.fallback)
        for fragment in fragments
    )
