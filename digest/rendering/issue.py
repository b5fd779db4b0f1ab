"""An issue rendered once for everybody: Jinja, MJML, premailer, and cut into fragments."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import partial
from typing import Any

from digest.errors import RenderError
from digest.rendering.cleaning import one_line
from digest.rendering.columns import underline, wrap
from digest.rendering.compiling import compile_mjml
from digest.rendering.environment import CONTRACT, Templates
from digest.rendering.links import LinkAppender, host_of
from digest.rendering.pictures import PicturePolicy
from digest.rendering.places import Locate
from digest.rendering.scripts import direction_of_text, dotted
from digest.rendering.sizes import TARGET, merged_size
from digest.rendering.slots import SlotBook, SlotFault
from digest.rendering.theme import Look, look_of
from digest.rendering.view import IssueView, ViewMaker, as_lines, shrinkable
from digest.rendering.words import Words, words_of
from digest.settings.model import Theme
from digest.values import Draft, Fragment, RenderedIssue


@dataclass(frozen=True, kw_only=True)
class HouseStyle:
    """What newsletter.toml says beside the theme.

    :param append: ``[links] append``.
    :param own_domains: ``[links] own_domains``; when empty, the publication's own host.
    :param images: ``own``, ``link`` or ``none`` by source name.
    :param source_titles: printed names by source name.
    :param clicks: makes the address that counts a click on an item (0: its own link, from 1 on
        a related one); None: links are the stories' own.
    """

    append: str = ""
    own_domains: tuple[str, ...] = ()
    images: Mapping[str, str] = field(default_factory=dict)
    source_titles: Mapping[str, str] = field(default_factory=dict)
    dont_miss_title: str = ""
    clicks: Callable[[int, int], str] | None = None
    templates: Templates = field(default_factory=Templates)


@dataclass(frozen=True, slots=True)
class _Html:
    fragments: tuple[Fragment, ...]
    mjml: str
    notes: tuple[str, ...]

    @property
    def size(self) -> int:
        return merged_size(self.fragments)


def render(draft: Draft, theme: Theme, *, style: HouseStyle | None = None) -> RenderedIssue:
    """Render an issue with its template; the same draft gives the same bytes.

    When the HTML is larger than ``sizes.TARGET`` stories become list lines from the bottom up until it
    fits, and ``notes`` say so. Raises ``RenderError`` (template, line), ``ConfigError`` (theme).
    """
    style = style or HouseStyle()
    style.templates.check_name(draft.template)
    words = words_of(draft.language)
    own = style.own_domains or (host_of(draft.masthead.url).removeprefix("www."),)
    maker = ViewMaker(
        draft,
        words,
        links=LinkAppender(style.append, own, {"edition": draft.edition, "date": draft.date.isoformat()}),
        pictures=PicturePolicy(style.images, own),
        source_titles=style.source_titles,
        dont_miss_title=style.dont_miss_title,
        clicks=style.clicks,
    )
    issue = maker.view()
    look = look_of(theme, draft.language)
    seed = repr((draft, theme))
    compiled, issue, shortened = _fitting(
        issue, partial(_html, seed=seed, look=look, words=words, draft=draft, templates=style.templates)
    )
    text = _text(issue, seed=seed, words=words, draft=draft, templates=style.templates)
    return RenderedIssue(
        subject=one_line(draft.subject),
        preheader=one_line(draft.preheader),
        language=draft.language,
        direction=words.direction,
        html=compiled.fragments,
        text=text,
        mjml=compiled.mjml,
        notes=(*maker.notes, *compiled.notes, *shortened),
    )


def _fitting(
    issue: IssueView, html_of: Callable[[IssueView], _Html]
) -> tuple[_Html, IssueView, tuple[str, ...]]:
    """The HTML with as few stories turned into lines as fit the target: a search by halves."""
    whole = html_of(issue)
    if whole.size <= TARGET:
        return whole, issue, ()
    low, high = 0, shrinkable(issue)
    best = html_of(as_lines(issue, low))
    while high - low > 1:
        middle = (low + high) // 2
        tried = html_of(as_lines(issue, middle))
        if tried.size <= TARGET:
            low, best = middle, tried
        else:
            high = middle
    note = (
        f"{shrinkable(issue) - low} stories became list lines: the HTML was {whole.size / 1000:.0f} KB, "
        f"and is {best.size / 1000:.0f} KB now (target {TARGET / 1000:.0f} KB)"
    )
    return best, as_lines(issue, low), (note,)


def _html(
    issue: IssueView, *, seed: str, look: Look, words: Words, draft: Draft, templates: Templates
) -> _Html:
    name = f"{draft.template}/issue.mjml.j2"
    book = SlotBook(seed)
    context = _context(issue, book, words) | {"look": look, "type": look.type}
    mjml = templates.render(name, context)
    locate = partial(templates.place_in, name, context, mjml)
    compiled = compile_mjml(mjml, name, locate=locate)
    fragments = _cut(book.cut_html, compiled.html, mjml, name, locate)
    return _Html(fragments, book.without_slots(mjml), compiled.notes)


def _text(
    issue: IssueView, *, seed: str, words: Words, draft: Draft, templates: Templates
) -> tuple[Fragment, ...]:
    name = f"{draft.template}/issue.txt.j2"
    book = SlotBook(seed)
    context = _context(issue, book, words) | {"wrap": wrap, "underline": underline}
    text = templates.render(name, context)
    lines = [line.rstrip() for line in text.strip("\n").split("\n")]
    locate = partial(templates.place_in, name, context, text)
    return _cut(book.cut_text, "\n".join(lines) + "\n", text, name, locate)


def _cut(
    cut: Callable[[str], tuple[Fragment, ...]], made: str, written: str, template: str, locate: Locate
) -> tuple[Fragment, ...]:
    try:
        return cut(made)
    except SlotFault as fault:
        where, line = locate(_same_in(written, made, fault)) or (template, 0)
        raise RenderError(str(fault), template=where, line=line, remedy=fault.remedy) from fault


def _same_in(written: str, made: str, fault: SlotFault) -> int:
    """Where the word of a fault stands in what the template wrote: the same occurrence, else the first."""
    found = [match.start() for match in re.finditer(fault.word, written)]
    number = made.count(fault.word, 0, fault.at)
    return found[number if len(found) == made.count(fault.word) else 0] if found else -1


def _context(issue: IssueView, book: SlotBook, words: Words) -> dict[str, Any]:
    return {
        "contract": CONTRACT,
        "issue": issue,
        "_": words.text,
        "count": words.count,
        "stories": words.stories,
        "merge": book.merge,
        "unsubscribe_url": book.link("unsubscribe_url"),
        "preferences_url": book.link("preferences_url"),
        "address": book.merge("address"),
        "section": partial(_begin, book, issue.whole_for_all),
        "end_section": book.end,
        "dir_of": partial(direction_of_text, default=issue.direction),
        "dotted": partial(dotted, direction=issue.direction),
        "start": "right" if issue.direction == "rtl" else "left",
        "end": "left" if issue.direction == "rtl" else "right",
    }


def _begin(book: SlotBook, for_all: bool, key: str) -> str:
    return book.begin("" if for_all else key)
