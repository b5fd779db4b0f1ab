"""From MJML to the HTML of a mail: guard, mjml, then premailer for the author's CSS; nothing else.

The order and the options are those that were measured to break nothing (mjml-python 1.4.2, premailer 3.10).
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from digest.errors import RenderError
from digest.rendering.guards import GuardedMjml, MjmlFault, guard, offset_of_tag, tags_before
from digest.rendering.places import Locate, nowhere

_STYLE = re.compile(r"<style(?![^>]*\bmedia=)(?=[\s>])", re.IGNORECASE)
_CONDITIONAL = re.compile(r"(<!--\[if [^\]]*\]>(?!<!-->).*?<!\[endif\]-->)", re.DOTALL)
# What the guard wrote for other scripts: in UTF-8 it takes a third of that. ASCII stays as it is.
_REFERENCE = re.compile(r"&#x((?:[89a-f][0-9a-f])|(?:[0-9a-f]{3,6}));")
_OFFSET = re.compile(r"(?:at position|in) (\d+)(?:\.\.(\d+))?")


_RULES_KEPT = 32
_rules: dict[tuple[str, int], Any] = {}


@dataclass(frozen=True, slots=True)
class CompiledHtml:
    """The HTML before its slots are cut, and what the guards had to change."""

    html: str
    notes: tuple[str, ...]


def compile_mjml(mjml: str, template: str, *, locate: Locate = nowhere) -> CompiledHtml:
    """MJML as HTML with all CSS where mail clients read it.

    Raises ``RenderError`` that names template and line, as far as ``locate`` tells them.
    """
    try:
        guarded = guard(mjml)
        html = _mjml_html(mjml, guarded)
    except MjmlFault as fault:
        where, line = locate(fault.offset) or (template, 0)
        raise RenderError(str(fault), template=where, line=line) from fault
    notes = [_told(note.message, locate(note.offset) or (template, 0)) for note in guarded.notes]
    html = html.replace("<!doctype html>", "<!DOCTYPE html>", 1)  # premailer loses it in small letters
    html = _REFERENCE.sub(lambda found: chr(int(found[1], 16)), html)
    return CompiledHtml(inline_css(html, guarded.inline_css), tuple(notes))


def _mjml_html(mjml: str, guarded: GuardedMjml) -> str:
    from mjml import mjml2html

    try:
        # The defaults would link Google's fonts and a third party's icons.
        return str(mjml2html(guarded.mjml, fonts={}, social_icon_origin=""))
    except ValueError as error:
        raise _fault(str(error), mjml, guarded.mjml) from error


def _told(message: str, place: tuple[str, int]) -> str:
    template, line = place
    return f"{template}:{line}: {message}" if line else f"{template}: {message}"


def inline_css(html: str, author_css: str) -> str:
    """Put the author's CSS into ``style`` attributes; what MJML wrote stays byte for byte.

    No connection is opened: the fetcher of the CSS parser is replaced by one that fetches nothing.
    """
    if not author_css.strip():
        return html
    return str(
        _premailer()(
            _ignore_styles(html),
            css_text=[author_css],
            allow_network=False,
            strip_important=False,
            disable_validation=True,
            align_floating_images=False,
            disable_leftover_css=True,
            disable_basic_attributes=["align", "valign", "bgcolor", "width", "height"],
        ).transform(pretty_print=False)
    )


@lru_cache(maxsize=1)
def _premailer() -> type[Any]:
    import logging

    import cssutils
    from premailer import Premailer

    cssutils.log.setLevel(logging.CRITICAL)

    class OfflinePremailer(Premailer):  # type: ignore[misc]
        """premailer fetches ``@import`` even when told not to use the network; this one cannot."""

        def _parse_css_string(self, css_body: str, validate: bool = True) -> Any:
            parser = cssutils.CSSParser(fetcher=lambda url: ("utf-8", b""), validate=False)
            return parser.parseString(css_body)

        def _parse_style_rules(self, css_body: str, ruleset_index: int) -> Any:
            # Parsing the sheet costs more than all the rest of premailer, and it seldom changes.
            known = _rules.get((css_body, ruleset_index))
            if known is None:
                if len(_rules) >= _RULES_KEPT:
                    _rules.clear()
                known = super()._parse_style_rules(css_body, ruleset_index)
                _rules[css_body, ruleset_index] = known
            rules, leftover = known
            return list(rules), list(leftover)

    return OfflinePremailer


def _ignore_styles(html: str) -> str:
    parts = _CONDITIONAL.split(html)
    return "".join(
        part if at % 2 else _STYLE.sub('<style data-premailer="ignore"', part)
        for at, part in enumerate(parts)
    )


def _fault(error: str, mjml: str, guarded: str) -> MjmlFault:
    """mrml's error with the place shown, since an offset in bytes helps nobody."""
    found = _OFFSET.search(error)
    if not found:
        return MjmlFault(f"MJML: {error}", -1)
    written = guarded.encode()
    start, end = int(found[1]), int(found[2] or found[1])
    around = written[max(0, start - 40) : end + 40].decode("utf-8", "ignore")
    before = written[:start].decode("utf-8", "ignore")
    # Guarding changes lengths, never the number of tags.
    offset = offset_of_tag(mjml, tags_before(guarded, len(before)))
    return MjmlFault(f"MJML: {error}, near {' '.join(around.split())!r}", offset)
