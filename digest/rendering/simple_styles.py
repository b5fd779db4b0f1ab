"""Author's CSS of the plainest kind, put into ``style`` attributes while the guards walk over the tags.

premailer costs a third of a rendering, most of it in finding elements for selectors such as ``.teaser``.
Where all rules are that plain, the same is done here; any other sheet goes to premailer as a whole.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from functools import lru_cache
from html import unescape

_COMMENT = re.compile(r"/\*.*?\*/", re.DOTALL)
_RULE = re.compile(r"\s*([^{}@]+)\{([^{}]*)\}\s*")
_SELECTOR = re.compile(r"([a-z][a-z0-9]*)?(?:\.([\w-]+))?")
_DECLARATION = re.compile(r"\s*([a-z-]+)\s*:\s*((?:[^;\"']|\"[^\"]*\"|'[^']*')+?)\s*(?:;|$)")
_CSS_CLASS = re.compile(r"css-class\s*=\s*[\"']([^\"']*)")
_ATTRIBUTE = re.compile(r"""\s(class|style)\s*=\s*(?:"([^"]*)"|'([^']*)')""")
# MJML writes no such elements of its own, so that a rule for them can only mean the author's.
_OWN_ELEMENTS = {
    "h1", "h2", "h3", "h4", "h5", "h6", "ul", "ol", "li", "b", "i", "strong", "em", "blockquote", "span",
}  # fmt: skip
Declarations = tuple[tuple[str, str], ...]


@dataclass(frozen=True, slots=True)
class _Rule:
    rank: tuple[int, int, int]  # classes, elements, order: the cascade (CSS 2.2, 6.4.3)
    element: str
    name: str
    declarations: Declarations


@dataclass(frozen=True)
class SimpleSheet:
    """A sheet whose rules are all of the form ``p``, ``.name`` or ``p.name``."""

    rules: tuple[_Rule, ...]
    classes: frozenset[str]
    _known: dict[tuple[str, str, str], str] = field(default_factory=dict)

    def styled(self, element: str, attributes: str) -> str:
        """A tag's attributes with what the rules say put into ``style``; what stood there wins."""
        found = {name: first or second for name, first, second in _ATTRIBUTE.findall(attributes)}
        key = (element, found.get("class", ""), found.get("style", ""))
        style = self._known.get(key)
        if style is None:
            if len(self._known) > 2_000:
                self._known.clear()
            style = self._known[key] = self._style(*key)
        if not style:
            return attributes
        rest = attributes if "style" not in found else _ATTRIBUTE.sub(_without_style, attributes)
        return f'{rest} style="{style}"'

    def _style(self, element: str, names: str, own: str) -> str:
        classes = names.split()
        merged: dict[str, str] = {}
        for rule in self.rules:
            if rule.element in {"", element} and (not rule.name or rule.name in classes):
                merged.update(rule.declarations)
        if not merged:
            return ""
        merged.update(_DECLARATION.findall(unescape(own)))
        text = ";".join(f"{name}:{value}" for name, value in merged.items())
        return text.replace("&", "&amp;").replace("<", "&lt;").replace('"', "&quot;")


def simple_sheet(css: str, mjml: str) -> SimpleSheet | None:
    """The sheet, or None when it needs premailer: other selectors, at-rules, ``!important``, or classes
    that MJML puts on elements of its own."""
    sheet = _parse(css)
    if sheet is None:
        return None
    used = {name for names in _CSS_CLASS.findall(mjml) for name in names.split()}
    return None if used & sheet.classes else sheet


@lru_cache(maxsize=32)
def _parse(css: str) -> SimpleSheet | None:
    css = _COMMENT.sub("", css)
    if _RULE.sub("", css).strip() or "!" in css:
        return None
    rules = []
    for order, (selectors, body) in enumerate(_RULE.findall(css)):
        if _DECLARATION.sub("", body).strip(" \n\t;"):
            return None
        declarations = tuple(_DECLARATION.findall(body))
        for selector in selectors.split(","):
            found = _SELECTOR.fullmatch(selector.strip())
            if found is None or not found[0] or (found[2] is None and found[1] not in _OWN_ELEMENTS):
                return None
            rank = (int(found[2] is not None), int(found[1] is not None), order)
            rules.append(_Rule(rank, found[1] or "", found[2] or "", declarations))
    rules.sort(key=lambda rule: rule.rank)
    return SimpleSheet(tuple(rules), frozenset(rule.name for rule in rules if rule.name))


def _without_style(found: re.Match[str]) -> str:
    return "" if found[1] == "style" else found[0]
