"""Guards around mjml-python, which validates nothing and spoils some input without a word.

Each guard answers one corruption that was measured with mjml-python 1.4.2 (mrml 6.0.1); the tests show
each corruption without its guard.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from difflib import get_close_matches

from digest.rendering.simple_styles import SimpleSheet, simple_sheet

MAX_DEPTH = 200  # lxml cuts silently near 256; 16,000 levels end the process

_COMMENT = re.compile(r"<!--.*?-->", re.DOTALL)
# Unrolled (no quotes, then a quoted value, and so on): a choice for each character takes twice as long.
_TAG = re.compile(r"""<(/?)([a-zA-Z][\w:-]*)([^<>"'/]*(?:(?:"[^"]*"|'[^']*'|/(?!>))[^<>"'/]*)*)(/?)>""")
_STRAY = re.compile(r"<!--.*?-->|<", re.DOTALL)
_ATTRIBUTES = re.compile(r"""(?:\s+[A-Za-z_:][\w:.\-]*(?:\s*=\s*(?:"[^"]*"|'[^']*'))?)*\s*""")
_UNSAFE = re.compile(r"[^\x20-\x7e]|\\")
_INLINE_STYLE = re.compile(
    r"<mj-style\b[^>]*\binline\s*=\s*(?:\"inline\"|'inline')[^>]*>(.*?)</mj-style\s*>",
    re.DOTALL | re.IGNORECASE,
)
_STYLE = re.compile(r"(<(mj-style|style)\b[^>]*>)(.*?)(</\2\s*>)", re.DOTALL | re.IGNORECASE)
_ESCAPED_LESS_THAN = "\\3c "  # "<" ends mrml's reading inside a style; CSS can say it so
_VOID = {"area", "base", "br", "col", "embed", "hr", "img", "input", "link", "meta", "source", "track", "wbr"}
_ELEMENTS = frozenset(
    (
        "mjml mj-accordion mj-accordion-element mj-accordion-text mj-accordion-title mj-all "
        "mj-attributes mj-body mj-breakpoint mj-button mj-carousel mj-carousel-image mj-class mj-column "
        "mj-divider mj-group mj-head mj-hero mj-image mj-navbar mj-navbar-link mj-preview mj-raw "
        "mj-section mj-social mj-social-element mj-spacer mj-style mj-table mj-text mj-title mj-wrapper "
    ).split()
)
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
class Note:
    """Something that a guard had to mend; ``offset`` is where it stands in the MJML (characters)."""

    message: str
    offset: int


@dataclass(frozen=True, slots=True)
class GuardedMjml:
    """MJML that mjml-python renders as it was meant, and what of the author's CSS premailer must inline."""

    mjml: str
    inline_css: str
    notes: tuple[Note, ...] = ()


@dataclass(frozen=True, slots=True)
class _Tag:
    """A tag as mjml-python must get it. ``step`` is 1 when it opens an element, -1 when it closes one."""

    text: str
    name: str
    is_mj: bool
    step: int


class MjmlFault(Exception):  # noqa: N818 - the template's, told as a RenderError
    """MJML that cannot be rendered; ``offset`` is where (characters), -1 when unknown."""

    def __init__(self, message: str, offset: int) -> None:
        super().__init__(message)
        self.offset = offset


def guard(mjml: str) -> GuardedMjml:
    """Make MJML safe for mjml-python. Raises ``MjmlFault`` for what can only be a template's mistake."""
    # mrml ignores inline="inline": the CSS would be left in the head (corruption 4).
    inline = [found[1] for found in _INLINE_STYLE.finditer(mjml)]
    given = _blank_inline_styles(mjml)
    try:
        return _guarded(_guard_styles(given), inline)
    except MjmlFault as fault:
        raise MjmlFault(str(fault), _as_given(given, fault.offset)) from None


def offset_of_tag(mjml: str, number: int) -> int:
    """Where in MJML as it was given its tag of that number stands (comments have none); -1 without one."""
    given = _blank_inline_styles(mjml)
    styled = _guard_styles(given)
    tags = [tag.start() for tag in _TAG.finditer(_without_comments(styled))]
    return _as_given(given, tags[number]) if 0 <= number < len(tags) else -1


def tags_before(mjml: str, offset: int) -> int:
    """How many tags of guarded MJML begin before an offset."""
    return sum(tag.start() < offset for tag in _TAG.finditer(_without_comments(mjml)))


def _without_comments(mjml: str) -> str:
    return _COMMENT.sub(lambda found: " " * len(found[0]), mjml)


def _blank_inline_styles(mjml: str) -> str:
    # Blanks keep every other place where it was.
    return _INLINE_STYLE.sub(lambda found: " " * len(found[0]), mjml)


def _as_given(given: str, offset: int) -> int:
    """An offset after ``_guard_styles`` as one before it."""
    for style in _STYLE.finditer(given):
        for at, character in enumerate(style[3], style.start(3)):
            if character == "<" and at < offset:
                offset -= len(_ESCAPED_LESS_THAN) - 1
    return offset


def _guarded(mjml: str, inline: list[str]) -> GuardedMjml:
    author_css = "\n".join(inline)
    sheet = simple_sheet(author_css, mjml) if inline else None
    notes: dict[str, Note] = {}
    pieces: list[str] = []
    known: dict[str, _Tag] = {}  # most tags of an issue are the same few
    at, was_mj, first = 0, False, True
    opened: list[tuple[str, re.Match[str]]] = []
    # Comments hold conditional markup for Outlook: it is nobody's tag here.
    comments = [found.span() for found in _COMMENT.finditer(mjml)]
    skipping = iter([*comments, (len(mjml), len(mjml))])
    from_, to = next(skipping)
    for tag in _TAG.finditer(mjml):
        start, end = tag.span()
        while start >= to and from_ < len(mjml):
            from_, to = next(skipping)
        if from_ <= start < to:
            continue
        between = mjml[at:start]
        text = tag[0]
        guarded = known.get(text)
        if guarded is None:
            guarded = known[text] = _guard_tag(tag, notes, sheet)
        if between:
            if "<" in between:
                _refuse_stray(between, at)
            if not first and not between.strip(" \t\r\n"):
                if guarded.is_mj or was_mj:
                    between = (
                        "\n"  # blanks that begin otherwise are an error to mrml between its own elements
                    )
                elif between[0] in "\n\r":
                    # A text node of white space that begins with a newline is dropped: words would join (2).
                    between = " " + between
            pieces.append(between)
        pieces.append(guarded.text)
        at, was_mj, first = end, guarded.is_mj, False
        if guarded.step < 0:
            if not opened or opened[-1][0] != guarded.name:
                meant = any(name == guarded.name for name, _tag in opened)
                raise _unbalanced(opened[-1][1] if meant else tag, mjml)
            opened.pop()
        elif guarded.step > 0:
            opened.append((guarded.name, tag))
            if len(opened) > MAX_DEPTH:
                raise MjmlFault(f"more than {MAX_DEPTH} elements stand in each other", start)
    if opened:
        raise _unbalanced(opened[-1][1], mjml)
    for begin, end in comments:
        _refuse_unbalanced_comment(mjml[begin:end], begin)
    _refuse_stray(mjml[at:], at)
    pieces.append(mjml[at:])
    return GuardedMjml("".join(pieces), "" if sheet else author_css, tuple(notes.values()))


def _refuse_stray(between: str, at: int) -> None:
    # mrml would say "unable to parse next template", without a place.
    for found in _STRAY.finditer(between):
        if found[0] == "<":
            around = " ".join(between[found.start() : found.start() + 60].split())
            raise MjmlFault(f"a < begins no element, near {around!r}; write &lt;", at + found.start())


def _refuse_unbalanced_comment(comment: str, at: int) -> None:
    # mrml reads what only Outlook sees, and would say "unexpected end of stream", without a place.
    if not comment.startswith("<!--[if") or comment.endswith("<!-->") or "]><!-->" in comment:
        return
    open_names: list[str] = []
    for tag in _TAG.finditer(comment, 4):
        name = tag[2].lower()
        if tag[1] and open_names[-1:] == [name]:
            open_names.pop()
        elif tag[1]:
            raise MjmlFault(f"</{name}> in a conditional comment closes nothing there", at)
        elif not tag[4] and name not in _VOID:
            open_names.append(name)
    if open_names:
        raise MjmlFault(f"<{open_names[-1]}> in a conditional comment is not closed there", at)


def _unbalanced(tag: re.Match[str], mjml: str) -> MjmlFault:
    # mrml would say "unexpected end of stream", or a byte offset.
    around = " ".join(mjml[tag.start() : tag.end() + 60].split())
    what = "closes nothing" if tag[1] else "is not closed"
    return MjmlFault(f"<{tag[1]}{tag[2]}> {what}, near {around[:90]!r}", tag.start())


def _guard_tag(tag: re.Match[str], notes: dict[str, Note], sheet: SimpleSheet | None) -> _Tag:
    name = tag[2].lower()
    is_mj = name == "mjml" or name.startswith("mj-")
    if name in _REFUSED:
        raise MjmlFault(f"<{name}> cannot be used: {_REFUSED[name]}", tag.start())
    if is_mj and name not in _ELEMENTS:
        # mrml passes on what it does not know, in a cell of font size 0, and says nothing.
        close = get_close_matches(name, _ELEMENTS, 1)
        raise MjmlFault(
            f"there is no <{name}>" + (f"; did you mean <{close[0]}>?" if close else ""), tag.start()
        )
    if not _ATTRIBUTES.fullmatch(tag[3]):
        raise MjmlFault(
            f'<{name}{" ".join(tag[3].split())[:60]}>: attributes are written name="value"', tag.start()
        )
    attributes = tag[3]
    if sheet is not None and not is_mj and not tag[1]:
        attributes = sheet.styled(name, attributes)
    # Attribute values go through Rust's debug printing: all but plain ASCII is spoilt (1).
    if not (attributes.isascii() and attributes.isprintable()) or "\\" in attributes:
        attributes = _UNSAFE.sub(_reference, attributes)
    if not tag[1]:
        attributes = _guard_attributes(name, attributes, tag.start(), notes)
    if name in _VOID and not tag[1]:
        # mrml wants XML; <BR> is an error to it.
        return _Tag(f"<{name}{attributes.rstrip()} />", name, is_mj, 0)
    step = -1 if tag[1] else 0 if tag[4] or name in _VOID else 1
    return _Tag(f"<{tag[1]}{tag[2]}{attributes}{tag[4]}>", name, is_mj, step)


def _guard_attributes(name: str, attributes: str, at: int, notes: dict[str, Note]) -> str:
    if 'mj-class="' in attributes or "mj-class='" in attributes:
        found = re.search(r"mj-class=[\"']([^\"']*)", attributes)
        if found and len(found[1].split()) > 1:
            # The first class would win, where MJML's own compiler lets the last (3).
            raise MjmlFault(f"mj-class={found[1]!r} names more than one class; give one", at)
    if name in {"mj-image", "img"} and not re.search(r"\salt\s*=", attributes):
        # A missing alt stays missing, and screen readers read out the address (5).
        notes.setdefault("alt", Note("a picture has no alt text", at))
        attributes = attributes.rstrip() + ' alt=""'
    if name == "mj-social-element" and not re.search(r"\ssrc\s*=", attributes):
        raise MjmlFault("<mj-social-element> needs a src of your own for its icon", at)
    return attributes


def _reference(found: re.Match[str]) -> str:
    character = found[0]
    if character in "\n\r\t\x0b\x0c":
        return " "
    return f"&#x{ord(character):x};" if character >= " " and not "\x7f" <= character <= "\x9f" else ""


def _guard_styles(mjml: str) -> str:
    return _STYLE.sub(lambda found: found[1] + found[3].replace("<", _ESCAPED_LESS_THAN) + found[4], mjml)
