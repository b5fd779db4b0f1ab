"""Guards around mjml-python, which validates nothing and spoils some input without a word.

Each guard answers one corruption that was measured with mjml-python 1.4.2 (mrml 6.0.1); the tests show
each corruption without its guard.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from digest.errors import RenderError
from digest.rendering.simple_styles import SimpleSheet, simple_sheet

MAX_DEPTH = 200  # lxml cuts silently near 256; 16,000 levels end the process

_COMMENT = re.compile(r"<!--.*?-->", re.DOTALL)
_TAG = re.compile(r"""<(/?)([a-zA-Z][\w:-]*)((?:[^<>"']|"[^"]*"|'[^']*')*?)(/?)>""")
_UNSAFE = re.compile(r"[^\x20-\x7e]|\\")
_INLINE_STYLE = re.compile(
    r"<mj-style\b[^>]*\binline\s*=\s*(?:\"inline\"|'inline')[^>]*>(.*?)</mj-style\s*>",
    re.DOTALL | re.IGNORECASE,
)
_STYLE = re.compile(r"(<(mj-style|style)\b[^>]*>)(.*?)(</\2\s*>)", re.DOTALL | re.IGNORECASE)
_VOID = {"area", "base", "br", "col", "embed", "hr", "img", "input", "link", "meta", "source", "track", "wbr"}
_REFUSED = {
    "mj-include": "use {% include %}",
    "mj-font": "mail has no web fonts; use [theme] headline_font and text_font",
    "script": "mail clients remove scripts",
    "iframe": "mail clients remove frames",
    "object": "mail clients remove objects",
    "embed": "mail clients remove embedded content",
    "form": "mail clients remove forms",
}


@dataclass(frozen=True, slots=True)
class GuardedMjml:
    """MJML that mjml-python renders as it was meant, and what of the author's CSS premailer must inline."""

    mjml: str
    inline_css: str
    notes: tuple[str, ...] = ()


def guard(mjml: str, template: str) -> GuardedMjml:
    """Make MJML safe for mjml-python. Raises ``RenderError`` for what can only be a template's mistake."""
    # mrml ignores inline="inline": the CSS would be left in the head (corruption 4).
    inline = [found[1] for found in _INLINE_STYLE.finditer(mjml)]
    mjml = _INLINE_STYLE.sub("", mjml)
    mjml = _guard_styles(mjml)
    author_css = "\n".join(inline)
    sheet = simple_sheet(author_css, mjml) if inline else None
    notes: list[str] = []
    pieces: list[str] = []
    known: dict[str, str] = {}  # most tags of an issue are the same few
    at = 0
    opened: list[re.Match[str]] = []
    # Comments hold conditional markup for Outlook: it is nobody's tag here.
    comments = [(found.start(), found.end()) for found in _COMMENT.finditer(mjml)]
    skipping = iter([*comments, (len(mjml), len(mjml))])
    skip = next(skipping)
    previous: tuple[int, bool] | None = None  # where the last tag ended, and whether it was MJML's own
    for tag in _TAG.finditer(mjml):
        while tag.start() >= skip[1] and skip[0] < len(mjml):
            skip = next(skipping)
        if skip[0] <= tag.start() < skip[1]:
            continue
        between = mjml[at : tag.start()]
        is_mj = tag[2].lower() in {"mjml"} or tag[2].lower().startswith("mj-")
        if previous is not None and not is_mj and not previous[1] and between[:1] in {"\n", "\r"}:
            # A text node of white space that begins with a newline is dropped: words would join (2).
            between = " " + between if not between.strip() else between
        pieces.append(between)
        guarded = known.get(tag[0])
        if guarded is None:
            guarded = known[tag[0]] = _guard_tag(tag, template, notes, None if is_mj else sheet)
        pieces.append(guarded)
        at = tag.end()
        previous = (at, is_mj)
        if tag[1]:
            if not opened or opened[-1][2].lower() != tag[2].lower():
                raise _unbalanced(opened[-1] if opened else tag, mjml, template)
            opened.pop()
        elif not tag[4] and tag[2].lower() not in _VOID:
            opened.append(tag)
            if len(opened) > MAX_DEPTH:
                raise RenderError(f"more than {MAX_DEPTH} elements stand in each other", template=template)
    if opened:
        raise _unbalanced(opened[-1], mjml, template)
    pieces.append(mjml[at:])
    return GuardedMjml("".join(pieces), "" if sheet else author_css, tuple(dict.fromkeys(notes)))


def _unbalanced(tag: re.Match[str], mjml: str, template: str) -> RenderError:
    # mrml would say "unexpected end of stream", or a byte offset.
    around = " ".join(mjml[tag.start() : tag.end() + 60].split())
    what = "closes nothing" if tag[1] else "is not closed"
    return RenderError(f"<{tag[1]}{tag[2]}> {what}, near {around[:90]!r}", template=template)


def _guard_tag(tag: re.Match[str], template: str, notes: list[str], sheet: SimpleSheet | None) -> str:
    name = tag[2].lower()
    if name in _REFUSED:
        raise RenderError(f"<{name}> cannot be used: {_REFUSED[name]}", template=template)
    attributes = tag[3]
    if sheet is not None and not tag[1]:
        attributes = sheet.styled(name, attributes)
    # Attribute values go through Rust's debug printing: all but plain ASCII is spoilt (1).
    attributes = _UNSAFE.sub(_reference, attributes)
    if not tag[1]:
        attributes = _guard_attributes(name, attributes, template, notes)
    if name in _VOID and not tag[1]:
        return f"<{tag[2].lower()}{attributes.rstrip()} />"  # mrml wants XML; <BR> is an error to it
    return f"<{tag[1]}{tag[2]}{attributes}{tag[4]}>"


def _guard_attributes(name: str, attributes: str, template: str, notes: list[str]) -> str:
    if 'mj-class="' in attributes or "mj-class='" in attributes:
        found = re.search(r"mj-class=[\"']([^\"']*)", attributes)
        if found and len(found[1].split()) > 1:
            # The first class would win, where MJML's own compiler lets the last (3).
            raise RenderError(f"mj-class={found[1]!r} names more than one class; give one", template=template)
    if name in {"mj-image", "img"} and not re.search(r"\salt\s*=", attributes):
        # A missing alt stays missing, and screen readers read out the address (5).
        notes.append(f"{template}: a picture has no alt text")
        attributes = attributes.rstrip() + ' alt=""'
    if name == "mj-social-element" and not re.search(r"\ssrc\s*=", attributes):
        raise RenderError("<mj-social-element> needs a src of your own for its icon", template=template)
    return attributes


def _reference(found: re.Match[str]) -> str:
    character = found[0]
    if character in "\n\r\t\x0b\x0c":
        return " "
    return f"&#x{ord(character):x};" if character >= " " and not "\x7f" <= character <= "\x9f" else ""


def _guard_styles(mjml: str) -> str:
    # "<" ends mrml's reading inside a style; CSS can say it as an escape.
    return _STYLE.sub(lambda found: found[1] + found[3].replace("<", "\\3c ") + found[4], mjml)
