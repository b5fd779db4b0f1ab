"""Which mail clients lack what the author's CSS and HTML use, from can-I-email's data (shipped reduced)."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

_DATA = Path(__file__).with_name("client_support.json")
_MAIN = ("Gmail", "Outlook", "Apple Mail", "Yahoo", "Samsung", "Windows Mail")
# What a client may lack without anything being worse than plainer: corners, hovers, dark mode, fine type.
GRACEFUL = {
    "border-radius", "@media (prefers-color-scheme)", "@media", ":hover", "letter-spacing",
    "color-scheme CSS property", "font-weight", "text-transform", "word-break", "overflow",
    "max-height property", "display:none", "lang attribute", "role attribute", "aria-hidden attribute",
    "aria-label attribute", "max-width", "target attribute", "<style> element", "white-space", "object-fit",
    "rgba()", "webP image format", "margin", "padding", "background", "height property", "display",
    "width property", "float",
}  # fmt: skip
_STYLE_BLOCK = re.compile(r"<(?:mj-)?style\b[^>]*>(.*?)</(?:mj-)?style\s*>", re.DOTALL | re.IGNORECASE)
_COMMENT = re.compile(r"/\*.*?\*/|<!--.*?-->", re.DOTALL)
_TAG = re.compile(r"""<([a-zA-Z][\w-]*)((?:[^<>"']|"[^"]*"|'[^']*')*)>""")
_ATTRIBUTE = re.compile(r"""([\w:-]+)\s*=\s*("[^"]*"|'[^']*')""")
_DECLARATION = re.compile(r"(?<![\w-])([a-z-]+)\s*:\s*([^;{}]+)(?=[;}]|$)")
_UNIT = re.compile(r"(?<![\w#.])-?\d*\.?\d+(ch|cm|em|ex|in|mm|pc|pt|rem|vh|vmax|vmin|vw)\b")
_FUNCTION = re.compile(r"([a-z-]+)\(")


@dataclass(frozen=True, slots=True)
class Feature:
    """A feature of HTML or CSS: who lacks it, who has it in part."""

    title: str
    lacking: tuple[str, ...]
    partly: tuple[str, ...]

    @property
    def harmful(self) -> bool:
        """Whether a client that many people use lacks it, and readers would notice."""
        return self.title not in GRACEFUL and any(client.startswith(_MAIN) for client in self.lacking)


@dataclass(frozen=True, slots=True)
class Use:
    """A feature that is used: where it is first written, and how often."""

    feature: Feature
    snippet: str
    times: int


def uses_of(mjml: str) -> list[Use]:
    """The features that an author's CSS and HTML in MJML use, summed per feature; MJML's own are not."""
    known = _known()
    counts: dict[str, tuple[Feature, str, int]] = {}
    for kind, name, snippet in _found(_COMMENT.sub("", mjml)):
        feature = known.get((kind, name))
        if feature is not None:
            _same, first, times = counts.get(feature.title, (feature, snippet, 0))
            counts[feature.title] = (feature, first, times + 1)
    return [Use(*entry) for entry in counts.values()]


def _found(mjml: str) -> Iterator[tuple[str, str, str]]:
    for block in _STYLE_BLOCK.findall(mjml):
        yield from _in_sheet(block)
    for tag in _TAG.finditer(_STYLE_BLOCK.sub("", mjml)):
        name = tag[1].lower()
        if name.startswith("mj"):
            continue
        yield "element", name, f"<{tag[1]}"
        for attribute, quoted in _ATTRIBUTE.findall(tag[2]):
            value = quoted[1:-1]
            if attribute == "style":
                yield from _in_declarations(value)
            else:
                yield "attribute", attribute.lower(), attribute
                if attribute == "src":
                    yield "image", value.partition("?")[0].rpartition(".")[2].lower(), value


def _in_sheet(css: str) -> Iterator[tuple[str, str, str]]:
    for rule in re.findall(r"@([\w-]+)([^{;]*)", css):
        yield "at-rule", rule[0], f"@{rule[0]}"
        for feature in re.findall(r"\(\s*([\w-]+)", rule[1]):
            yield "media", feature, feature
    for selector in re.findall(r"([^{};]*)\{", css):
        for pseudo in re.findall(r"::?([\w-]+)", selector if "@" not in selector else ""):
            yield "pseudo", pseudo, f":{pseudo}"
    for body in re.findall(r"\{([^{}]*)\}", css):
        yield from _in_declarations(body)


def _in_declarations(css: str) -> Iterator[tuple[str, str, str]]:
    for name, value in _DECLARATION.findall(css):
        plain = value.replace("!important", "").strip().lower()
        yield "property", name, f"{name}:"
        yield "value", f"{name}:{plain}", f"{name}: {plain}"
        for unit in _UNIT.findall(plain):
            yield "unit", unit, unit
        for function in _FUNCTION.findall(plain):
            yield "function", function, f"{function}("


@lru_cache(maxsize=1)
def _known() -> dict[tuple[str, str], Feature]:
    data = json.loads(_DATA.read_text(encoding="utf-8"))
    clients = data["clients"]
    known: dict[tuple[str, str], Feature] = {}
    for entry in data["features"]:
        feature = Feature(
            entry["title"],
            tuple(clients[number] for number in entry["no"]),
            tuple(clients[number] for number in entry["partly"]),
        )
        for name in entry["names"]:
            known[entry["kind"], name] = feature
    return known
