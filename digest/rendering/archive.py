"""The web version of an issue: what was mailed, without anybody's own links and with Open Graph tags."""

from __future__ import annotations

import re
from html import escape

from digest.rendering.cleaning import one_line
from digest.rendering.links import usable_url
from digest.rendering.pictures import PicturePolicy
from digest.rendering.slots import LINKS
from digest.values import Draft, Literal, Merge, RenderedIssue, Slot, escape_merged

_ONLY_IN_MAIL = re.compile(r"<!--mail-->.*?<!--/mail-->", re.DOTALL)
_HEAD_END = re.compile(r"</head\s*>", re.IGNORECASE)


def archive_html(rendered: RenderedIssue, draft: Draft, *, subscribe_url: str = "") -> str:
    """The page of an issue. Nothing of a subscriber is in it: fallbacks stand where values stood.

    What a template puts between ``<!--mail-->`` and ``<!--/mail-->`` is left out. A link of a
    subscriber's own that stands elsewhere leads to ``subscribe_url``, or nowhere without one.
    """
    parts = [
        fragment.text if isinstance(fragment, Literal) else _public(fragment, subscribe_url)
        for fragment in rendered.html
    ]
    html = _ONLY_IN_MAIL.sub("", "".join(parts))
    tags = _open_graph(rendered, draft)
    return _HEAD_END.sub(lambda end: tags + end[0], html, count=1)


def archive_text(rendered: RenderedIssue, *, subscribe_url: str = "") -> str:
    """The text part with fallbacks, and no link of a subscriber's own."""
    return "".join(
        fragment.text if isinstance(fragment, Literal) else _public(fragment, subscribe_url)
        for fragment in rendered.text
    )


def _public(slot: Merge, subscribe_url: str) -> str:
    value = (subscribe_url or "#") if slot.name in LINKS else slot.fallback
    return escape_merged(value, slot.context)


def _open_graph(rendered: RenderedIssue, draft: Draft) -> str:
    """Tags of https://ogp.me for the issue's page: title, description, picture, date."""
    properties = {
        "og:type": "article",
        "og:title": rendered.subject,
        "og:description": rendered.preheader,
        "og:url": usable_url(draft.archive_url),
        "og:site_name": one_line(draft.masthead.name),
        "og:locale": rendered.language.replace("-", "_"),
        "article:published_time": draft.date.isoformat(),
        **_picture(draft),
    }
    lines = [
        f'<meta property="{name}" content="{escape(value)}">' for name, value in properties.items() if value
    ]
    if rendered.preheader:
        lines.append(f'<meta name="description" content="{escape(rendered.preheader)}">')
    if properties["og:url"]:
        lines.append(f'<link rel="canonical" href="{escape(properties["og:url"])}">')
    return "".join(lines)


def _picture(draft: Draft) -> dict[str, str]:
    for item in draft.in_slot(Slot.LEAD):
        picture, _fault = PicturePolicy({}, ()).choose(item.picture, item.source, one_line(item.headline))
        if picture is not None:
            return {"og:image": picture.url, "og:image:alt": picture.alt}
    return {}
