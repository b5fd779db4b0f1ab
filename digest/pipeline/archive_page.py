"""What the archive adds to an issue that was mailed: its neighbours, withdrawn stories, words for machines.

Pure: HTML in, HTML out. Without a place for it (a template of one's own without ``<body>``) nothing is added.
"""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from html import escape
from typing import TYPE_CHECKING

from digest.rendering.links import usable_url
from digest.rendering.words import words_of
from digest.values import ItemKind

if TYPE_CHECKING:
    from digest.values import Draft

_BODY = re.compile(r"<body\b[^>]*>", re.IGNORECASE)
_BODY_END = re.compile(r"</body\s*>", re.IGNORECASE)
_HEAD_END = re.compile(r"</head\s*>", re.IGNORECASE)
_STYLE = "max-width:600px;margin:0 auto;padding:16px 24px;font:16px/1.5 Georgia,serif"


def with_main(html: str) -> str:
    """Tell programs that read pages aloud which part is the issue (HTML, section 4.4.14)."""
    if "<main" in html or not _BODY.search(html) or not _BODY_END.search(html):
        return html
    html = _BODY.sub(lambda begin: begin[0] + "<main>", html, count=1)
    return _BODY_END.sub(lambda end: "</main>" + end[0], html, count=1)


def with_neighbours(
    html: str, language: str, *, older: tuple[str, str] | None, newer: tuple[str, str] | None, all_url: str
) -> str:
    """Put links to the issue before and after, and to all, at the end; each is an address and a title."""
    words = words_of(language)
    links = [
        f'<a rel="{rel}" href="{escape(url)}" style="color:inherit">{escape(label)}: {escape(title)}</a>'
        for rel, label, (url, title) in (
            ("prev", words.text("Previous issue"), older or ("", "")),
            ("next", words.text("Next issue"), newer or ("", "")),
        )
        if url
    ]
    links.append(f'<a href="{escape(all_url)}" style="color:inherit">{escape(words.text("All issues"))}</a>')
    items = "".join(f"<p>{link}</p>" for link in links)
    label = escape(words.text("All issues"))
    nav = f'<nav aria-label="{label}" dir="{words.direction}" style="{_STYLE}">{items}</nav>'
    return _BODY_END.sub(lambda end: nav + end[0], html, count=1)


def with_withdrawn(html: str, language: str, headlines: Sequence[str]) -> str:
    """Say at the top which stories of the issue no longer stand."""
    if not headlines:
        return html
    words = words_of(language)
    items = "".join(f"<li><s>{escape(headline)}</s></li>" for headline in headlines)
    heading = escape(words.text("Withdrawn from this issue"))
    note = (
        f'<aside dir="{words.direction}" style="{_STYLE}"><p><strong>{heading}</strong></p>'
        f"<ul>{items}</ul></aside>"
    )
    return _BODY.sub(lambda begin: begin[0] + note, html, count=1)


def with_linked_data(html: str, draft: Draft, *, publisher: str, withdrawn: Sequence[int] = ()) -> str:
    """Describe the issue in JSON-LD (https://schema.org/PublicationIssue); withdrawn items are left out."""
    stories = [
        {"@type": "ListItem", "position": place, "name": item.headline, "url": usable_url(item.url)}
        for place, item in enumerate(
            (item for item in draft.items if item.kind is ItemKind.STORY and item.id not in withdrawn),
            start=1,
        )
    ]
    described = {
        "@context": "https://schema.org",
        "@type": "PublicationIssue",
        "name": draft.subject,
        "description": draft.preheader,
        "url": draft.archive_url,
        "datePublished": draft.date.isoformat(),
        "inLanguage": draft.language,
        "issueNumber": draft.number,
        "publisher": {"@type": "Organization", "name": publisher, "url": usable_url(draft.masthead.url)},
        "mainEntity": {"@type": "ItemList", "itemListElement": stories},
    }
    # "<" as an escape, so that no headline can end the element (HTML, section 4.12.1.3).
    text = json.dumps({key: value for key, value in described.items() if value}, ensure_ascii=False)
    text = text.replace("<", "\\u003c").replace(">", "\\u003e").replace("&", "\\u0026")
    tag = f'<script type="application/ld+json">{text}</script>'
    return _HEAD_END.sub(lambda end: tag + end[0], html, count=1)
