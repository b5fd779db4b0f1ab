"""HTML from outside, made harmless when it comes in; and its plain text.

nh3 (ammonia) with an explicit allow-list. It is superlinear in nesting, so size and depth are
limited first: 50,000 nested ``<div>`` took it 7.9 s.
"""

from __future__ import annotations

import html
import re
from urllib.parse import urljoin, urlsplit

MAX_HTML = 200_000  # code points of one body
MAX_DEPTH = 256
MAX_TITLE = 500  # code points; longer "titles" are texts that landed in the wrong field
MAX_SUMMARY = 4_000

_TAGS = frozenset(
    (
        "p br hr h2 h3 h4 h5 h6 ul ol li dl dt dd blockquote q cite em strong b i u s sub sup small mark "
        "abbr time code pre a img figure figcaption table thead tbody tfoot tr th td caption span div bdi bdo"
    ).split()
)
_ATTRIBUTES = {
    "a": {"href", "title", "hreflang"},
    "img": {"src", "alt", "width", "height"},
    "abbr": {"title"},
    "time": {"datetime"},
    "bdo": {"dir"},
    "td": {"colspan", "rowspan"},
    "th": {"colspan", "rowspan"},
    "*": {"lang", "dir"},
}
_SILENT = frozenset(
    "script style iframe object embed noscript template svg math form select textarea title".split()
)
# No pattern here may look past the next "<": on "<p<p<p…" that would be quadratic (15 s for 100 kB).
_TAG = re.compile(r"<(/?)([a-zA-Z][a-zA-Z0-9]*)([^<>]*)>")
_IMAGE = re.compile(r"<img\b[^<>]*>", re.IGNORECASE)
_VOID = frozenset("br hr img input meta link source track wbr area base col embed param".split())
_SELF_CLOSING = frozenset("p li td th tr dd dt option".split())
_DROPPED = re.compile(r"<(script|style|noscript|template|svg|iframe|figure|figcaption)\b|<!--", re.IGNORECASE)
_BREAKS = re.compile(
    r"</?(p|div|br|li|ul|ol|h[1-6]|blockquote|tr|table|hr|section|article|dd|dt|pre|figure)\b[^<>]*>", re.I
)
_ANY_TAG = re.compile(r"</?[a-zA-Z!][^<>]*>")
_UNSEEN = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\ufeff\u200b\u2060\u00ad\ufffe\uffff]")
_LINE_ENDS = re.compile(r"\r\n?|[\u2028\u2029\x85]")
_LONE = re.compile(r"[\ud800-\udfff]")
# Bidirectional embeddings, overrides and isolates can turn the rest of a page around.
_TURNERS = re.compile(r"[\u202a-\u202e\u2066-\u2069]")


def clean_html(text: str, base: str = "") -> str:
    """Harmless HTML with absolute http(s) links and pictures only; one-pixel pictures are dropped.

    Cut to ``MAX_HTML`` code points; what is nested deeper than ``MAX_DEPTH`` becomes plain text.
    """
    import nh3

    text = plain_characters(text)
    if "<" not in text:
        return html.escape(html.unescape(text), quote=False)
    text = text[:MAX_HTML]
    if _depth(text) > MAX_DEPTH:
        return html.escape(text_of(text), quote=False)
    text = _IMAGE.sub(lambda match: "" if _is_pixel(match[0]) else match[0], text)

    def attribute(tag: str, name: str, value: str) -> str | None:
        if name in {"href", "src"}:
            return _absolute(value, base) or None
        return value

    return nh3.clean(
        text,
        tags=set(_TAGS),
        clean_content_tags=set(_SILENT),
        attributes=_ATTRIBUTES,
        attribute_filter=attribute,
        url_schemes={"http", "https"},
        link_rel="noopener noreferrer",
    )


def text_of(markup: str) -> str:
    """The plain text of HTML: blocks are lines, script and figures are gone, entities are decoded."""
    markup = plain_characters(markup[: MAX_HTML * 2])
    if "<" in markup:
        markup = _without_silent(markup)
        markup = _ANY_TAG.sub("", _BREAKS.sub("\n", markup))
    if "&" in markup:
        markup = plain_characters(html.unescape(markup))
    lines = (" ".join(line.split()) for line in markup.split("\n"))
    return "\n".join(line for line in lines if line)


def one_line(markup: str, limit: int = MAX_TITLE) -> str:
    """Plain text on one line of at most ``limit`` code points: what a title is, whatever it came as."""
    text = " ".join(text_of(markup[: limit * 20]).split())
    return text if len(text) <= limit else text[: limit - 1].rstrip() + "…"


def plain_text_line(text: str, limit: int = MAX_TITLE) -> str:
    """As ``one_line`` for what is text already: an angle bracket in it is an angle bracket."""
    line = " ".join(plain_characters(text[: limit * 20]).split())
    return line if len(line) <= limit else line[: limit - 1].rstrip() + "…"


def plain_characters(text: str) -> str:
    """Without control characters, lone surrogates and marks that turn the reading direction around."""
    if text.isascii() and text.isprintable():
        return text
    text = _LINE_ENDS.sub("\n", text)
    return _TURNERS.sub("", _LONE.sub("\ufffd", _UNSEEN.sub("", text)))


def _without_silent(markup: str) -> str:
    """``markup`` without comments, scripts, figures and the like; an unclosed one ends with the text."""
    parts: list[str] = []
    at = 0
    open_ended: set[str] = set()  # searched for an end once and never again
    while (opening := _DROPPED.search(markup, at)) is not None:
        parts.append(markup[at : opening.start()])
        if opening[1] is None:
            end = markup.find("-->", opening.end())
            at = end + 3 if end >= 0 else len(markup)
        elif (name := opening[1].lower()) in open_ended:
            at = opening.end()
        else:
            closing = re.compile(rf"</{opening[1]}\s*>", re.IGNORECASE).search(markup, opening.end())
            if closing is None and name in {"figure", "figcaption"}:
                open_ended.add(name)
            at = closing.end() if closing else opening.end() if name in open_ended else len(markup)
        parts.append(" ")
    parts.append(markup[at:])
    return "".join(parts)


def _absolute(value: str, base: str) -> str:
    value = re.sub(r"[\x00-\x20]+", "", value) if not value.isprintable() else value.strip()
    try:
        url = urljoin(base, value) if base else value
        parts = urlsplit(url)
    except ValueError:
        return ""
    if parts.scheme.lower() not in {"http", "https"} or not parts.hostname or "@" in parts.netloc:
        return ""
    return url


def _is_pixel(tag: str) -> bool:
    sizes = re.findall(r"""\b(width|height)\s*=\s*["']?\s*(\d+)""", tag, re.I)
    hidden = re.search(r"display\s*:\s*none|visibility\s*:\s*hidden", tag, re.I)
    return hidden is not None or any(int(value[:6]) <= 3 for _, value in sizes)


def _depth(markup: str) -> int:
    """The deepest nesting of tags, roughly (unclosed ones count: rather too strict)."""
    depth = deepest = 0
    for match in _TAG.finditer(markup):
        name = match[2].lower()
        if name in _VOID or name in _SELF_CLOSING or match[3].endswith("/"):
            continue  # the self-closing close each other; runs of them are common and flat
        depth = max(0, depth - 1) if match[1] else depth + 1
        deepest = max(deepest, depth)
    return deepest
