"""The mail that asks an editor for an approval: what can be done, and below it the issue itself."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from digest.rendering.cleaning import one_line
from digest.rendering.columns import wrap
from digest.rendering.environment import Templates
from digest.rendering.links import usable_url
from digest.rendering.notices import RenderedNotice
from digest.rendering.theme import look_of
from digest.rendering.words import Words
from digest.values import Draft, ItemKind

if TYPE_CHECKING:
    from digest.settings.model import Theme

_BODY = re.compile(r"<body\b[^>]*>", re.IGNORECASE)


@dataclass(frozen=True, slots=True, kw_only=True)
class ApprovalPanel:
    """What stands above the issue: by links to the desk's page, or without one by commands."""

    subject: str
    heading: str
    sentences: tuple[str, ...]
    desk_url: str = ""
    commands: tuple[str, ...] = ()


def render_approval(
    panel: ApprovalPanel, draft: Draft, html: str, text: str, words: Words, theme: Theme
) -> RenderedNotice:
    """The notice. Without ``html`` and ``text`` of the issue, its contents are listed instead.

    :raises RenderError: the template cannot be rendered.
    """
    _ = words.text
    desk = usable_url(panel.desk_url)
    links = (
        (
            (_("Approve"), f"{desk}#approve"),
            (_("Hold"), f"{desk}#hold"),
            (_("Send now"), f"{desk}#send"),
            (_("Drop, move up, edit headlines"), f"{desk}#stories"),
            (_("View the issue"), f"{desk}/issue"),
        )
        if desk
        else ()
    )
    contents = () if html else tuple(item for item in draft.items if item.kind is ItemKind.STORY)
    values = {
        "panel": panel,
        "desk": desk,
        "links": links,
        "contents": contents,
        "draft": draft,
        "language": words.language,
        "direction": words.direction,
        "look": look_of(theme, words.language),
        "_": _,
        "one_line": one_line,
        "wrap": wrap,
        "issue_text": text,
    }
    templates = Templates(None)  # the editor's tool, no part of the paper's look
    above = templates.render("notices/approval.html.j2", values)
    body = templates.render("notices/approval.txt.j2", values)
    whole = _BODY.sub(lambda found: found[0] + above, html, count=1) if _BODY.search(html) else _page(above)
    return RenderedNotice(
        subject=one_line(panel.subject),
        html=whole,
        text="\n".join(line.rstrip() for line in body.strip("\n").split("\n")) + "\n",
    )


def _page(above: str) -> str:
    return f'<!doctype html><html><head><meta charset="utf-8"></head><body>{above}</body></html>'
