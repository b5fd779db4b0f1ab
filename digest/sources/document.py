"""An HTML page opened once: its meta tags, links and texts, by lxml within its own limits."""

from __future__ import annotations

import codecs
import re
from collections import defaultdict
from collections.abc import Mapping
from typing import Any

from digest.errors import SourceUnparsable
from digest.sources.sanitise import one_line

MAX_PAGE = 5 * 1024 * 1024  # bytes; the longest of 181 news pages had 2.3 MB
_CHARSET = re.compile(rb"""<meta[^<>]*?charset\s*=\s*["']?\s*([\w-]+)""", re.IGNORECASE)


class Document:
    """A parsed page. Texts come on one line; a missing thing is an empty text."""

    def __init__(self, root: Any, url: str) -> None:
        self.root = root
        self.url = url
        self._metas: defaultdict[str, list[str]] = defaultdict(list)
        for meta in root.iter("meta"):
            name = meta.get("property") or meta.get("name") or meta.get("itemprop") or ""
            content = meta.get("content")
            if name and content and len(self._metas) < 500:
                self._metas[name.strip().lower()].append(content[:5000].strip())

    def meta(self, name: str) -> str:
        """The first meta tag of that name or property."""
        return next((value for value in self._metas.get(name, ()) if value), "")

    def metas(self, name: str) -> list[str]:
        """All of them."""
        return [value for value in self._metas.get(name, ()) if value]

    def link(self, relation: str) -> str:
        """The ``<link>`` with that relation."""
        for link in self.root.iter("link"):
            if relation in (link.get("rel") or "").lower().split():
                return str(link.get("href") or "")
        return ""

    def links(self) -> list[Any]:
        """All ``<link>`` elements."""
        return list(self.root.iter("link"))

    def scripts(self) -> list[str]:
        """The texts of the JSON-LD scripts."""
        return [
            script.text
            for script in self.root.iter("script")
            if "ld+json" in (script.get("type") or "").lower() and script.text
        ]

    def language(self) -> str:
        """What the page declares, or empty."""
        root = next(self.root.iter("html"), None)
        own = (
            (root.get("lang") or root.get("{http://www.w3.org/XML/1998/namespace}lang"))
            if root is not None
            else ""
        )
        return own or self.meta("og:locale") or self.meta("content-language") or ""

    def text(self, path: str) -> str:
        """The text of the first element on an XPath."""
        return next(iter(self.texts(path, 1)), "")

    def texts(self, path: str, most: int) -> list[str]:
        """The texts of the first elements on an XPath, each once, empty ones left out."""
        found: dict[str, None] = {}
        for element in self.root.xpath(path)[: most * 3]:
            text = one_line("".join(element.itertext())[:5000].replace("<", "&lt;"))
            if text:
                found[text] = None
            if len(found) == most:
                break
        return list(found)

    def values(self, path: str, most: int) -> list[str]:
        """``content`` or ``datetime`` attributes, else texts, of the first elements on an XPath."""
        found = []
        for element in self.root.xpath(path)[:most]:
            found.append(
                element.get("content") or element.get("datetime") or "".join(element.itertext())[:200]
            )
        return found

    def times(self) -> list[str]:
        """``datetime`` of the first ``<time>`` elements, those inside the article or header first."""
        inside = self.root.xpath(
            "//article//time[@datetime] | //main//time[@datetime] | //header//time[@datetime]"
        )
        every = self.root.xpath("//time[@datetime]")
        return [element.get("datetime") for element in (*inside[:3], *every[:3])]


def open_document(body: bytes, *, url: str, headers: Mapping[str, str]) -> Document:
    """Parse a page. Raises ``SourceUnparsable`` when there is nothing to parse."""
    from lxml import etree, html

    if len(body) > MAX_PAGE:
        raise SourceUnparsable(f"{url}: a page of more than {MAX_PAGE // 1024 // 1024} MB")
    # Never huge_tree: libxml2's own limits on depth and size stand.
    parser = html.HTMLParser(encoding=charset(body, headers), remove_comments=True, remove_pis=True)
    try:
        root = html.document_fromstring(body.replace(b"\0", b""), parser=parser)
    except (etree.ParserError, etree.XMLSyntaxError, ValueError, AssertionError) as error:
        raise SourceUnparsable(f"{url}: cannot be read as HTML ({str(error)[:80]})") from error
    return Document(root, url)


def charset(body: bytes, headers: Mapping[str, str]) -> str:
    """The page's encoding: the header's, else its meta tag's, else UTF-8 if it is that, else Windows-1252."""
    told = re.search(r"charset=[\"']?([\w-]+)", headers.get("content-type", ""), re.IGNORECASE)
    meta = _CHARSET.search(body[:8192])
    for name in (told[1] if told else "", meta[1].decode("ascii") if meta else ""):
        try:
            if name:
                return {"iso8859-1": "cp1252", "ascii": "cp1252"}.get(codecs.lookup(name).name, name)
        except LookupError:
            continue
    try:
        body[:200_000].decode("utf-8")
    except UnicodeDecodeError as error:
        return "utf-8" if error.start > 199_990 else "cp1252"
    return "utf-8"
