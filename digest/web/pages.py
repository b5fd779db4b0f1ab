"""How a public page looks: one template, the newsletter's language, headers that protect it."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache

from jinja2 import Environment, FileSystemLoader, StrictUndefined, Template
from starlette.responses import HTMLResponse

from digest.rendering.words import Words
from digest.resources import templates_dir

# `SENDING` has the policy; forms post to ourselves only, and nobody may frame a page.
PROTECTION = {
    "Content-Security-Policy": (
        "default-src 'none'; img-src https:; style-src 'unsafe-inline'; form-action 'self'; "
        "base-uri 'none'; frame-ancestors 'none'"
    ),
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
}
_ON_LOOPBACK = re.compile(r"http://(?:127\.0\.0\.1|localhost|\[::1\])(?::\d+)?(?:/|$)").match
PRIVATE = {"Cache-Control": "no-store"}


def protection_for(public_url: str) -> dict[str, str]:
    """``PROTECTION``; where the public pages are on loopback (the demo) pictures may be there, too."""
    if not _ON_LOOPBACK(public_url):
        return PROTECTION
    policy = PROTECTION["Content-Security-Policy"]
    near = policy.replace("img-src https:", "img-src https: http://127.0.0.1:*")
    return {**PROTECTION, "Content-Security-Policy": near}


@dataclass(frozen=True, slots=True)
class Field:
    """A field of a form; ``kind`` is text, email, search, choice (of ``options``), check, hidden or trap.

    People do not see a trap.
    """

    name: str
    value: str = ""
    label: str = ""
    kind: str = "text"
    checked: bool = False
    options: Sequence[tuple[str, str]] = ()  # value and what is read
    group: str = ""  # fields of one group stand together under its name


@dataclass(frozen=True, slots=True)
class Form:
    """A form with one button; it goes to ``action`` (empty: this page). Only a search is a ``get``."""

    button: str
    fields: Sequence[Field] = ()
    action: str = ""
    primary: bool = False
    method: str = "post"


@dataclass(frozen=True, slots=True)
class Link:
    """A line of a list; ``lines`` stand below it."""

    text: str
    url: str
    small: str = ""
    lines: Sequence[str] = ()


@dataclass(frozen=True, slots=True)
class Page:
    """What a page says."""

    heading: str
    sentences: Sequence[str] = ()
    forms: Sequence[Form] = ()
    links: Sequence[Link] = ()


def show(page: Page, words: Words, *, name: str, site: str, status: int = 200) -> HTMLResponse:
    """The page as an answer; it is never cached."""
    html = page_html(page, words, name=name, site=site)
    return HTMLResponse(html, status_code=status, headers={**PROTECTION, **PRIVATE})


def page_html(page: Page, words: Words, *, name: str, site: str, feed: str = "") -> str:
    """The page; ``feed`` is the address of an Atom feed of what it lists."""
    return _template().render(page=page, words=words, name=name, site=site, feed=feed, style=_style())


@lru_cache(maxsize=1)
def _template() -> Template:
    environment = Environment(
        loader=FileSystemLoader(templates_dir() / "web"), autoescape=True, undefined=StrictUndefined
    )
    return environment.get_template("reader.html")


@lru_cache(maxsize=1)
def _style() -> str:
    return (templates_dir() / "web" / "paper.css").read_text(encoding="utf-8")
