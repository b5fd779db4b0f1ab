"""A mail's HTML as the rules see it: headings, pictures, links, languages; no tree is kept."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from html.parser import HTMLParser

_CONDITIONAL = re.compile(r"<!--\[if [^\]]*\]>(?!<!-->).*?<!\[endif\]-->", re.DOTALL)
_SKIPPED = {"style", "script", "title"}


@dataclass(slots=True)
class Image:
    """A picture: ``alt`` is None when it is missing."""

    src: str
    alt: str | None
    width: str


@dataclass(slots=True)
class Anchor:
    """A link and the words (or the picture's alt) that it shows."""

    href: str
    words: str = ""


@dataclass(slots=True)
class Heading:
    """A heading and its level."""

    level: int
    words: str = ""


@dataclass(slots=True)
class Page:
    """What stands in the HTML, in order."""

    language: str = ""
    direction: str = ""
    title: str = ""
    headings: list[Heading] = field(default_factory=list)
    images: list[Image] = field(default_factory=list)
    anchors: list[Anchor] = field(default_factory=list)
    elements: list[str] = field(default_factory=list)
    styles: list[str] = field(default_factory=list)
    external: list[str] = field(default_factory=list)
    words: str = ""


def read_page(html: str) -> Page:
    """Read a mail's HTML; what only Outlook on Windows sees is left out."""
    reader = _Reader()
    reader.feed(_CONDITIONAL.sub("", html))
    reader.close()
    page = reader.page
    page.words = " ".join(" ".join(reader.texts).split())
    page.styles = reader.sheets
    return page


class _Reader(HTMLParser):
    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self.page = Page()
        self.texts: list[str] = []
        self.sheets: list[str] = []
        self._skipping = ""
        self._anchor: Anchor | None = None
        self._heading: Heading | None = None

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        values = {name: value or "" for name, value in attrs}
        page = self.page
        page.elements.append(tag)
        if tag == "html":
            page.language, page.direction = values.get("lang", ""), values.get("dir", "")
        elif tag == "img":
            alt = values.get("alt") if "alt" in values else None
            page.images.append(Image(values.get("src", ""), alt, values.get("width", "")))
            if self._anchor is not None:
                self._anchor.words += alt or ""
        elif tag == "a" and "href" in values:
            self._anchor = Anchor(values["href"])
            page.anchors.append(self._anchor)
        elif re.fullmatch(r"h[1-6]", tag):
            self._heading = Heading(int(tag[1]))
            page.headings.append(self._heading)
        if tag == "link" and values.get("href") and values.get("rel") != "canonical":
            page.external.append(values["href"])
        if tag == "script":
            page.external.append(values.get("src", "script"))
        if tag in _SKIPPED:
            self._skipping = tag

    def handle_endtag(self, tag: str) -> None:
        if tag == self._skipping:
            self._skipping = ""
        elif tag == "a":
            self._anchor = None
        elif self._heading is not None and tag == f"h{self._heading.level}":
            self._heading = None

    def handle_data(self, data: str) -> None:
        if self._skipping == "title":
            self.page.title += data
        elif self._skipping == "style":
            self.sheets.append(data)
        if self._skipping:
            return
        self.texts.append(data)
        if self._anchor is not None:
            self._anchor.words += data
        if self._heading is not None:
            self._heading.words += data
