"""The subject and the preheader of an issue: from a template or from its headlines, never empty."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date

from digest.errors import ConfigError
from digest.picking.folding import fold
from digest.values import Item, ItemKind, Slot

SUBJECT_LENGTH = 60
PREHEADER_LENGTH = 110
PREHEADER_LEAST = 40
"""Code points: what inboxes show."""


@dataclass(frozen=True, slots=True)
class Occasion:
    """Of what the line is: the newsletter's name, the edition, its civil date and language."""

    name: str
    edition: str
    day: date
    language: str

    @property
    def date(self) -> str:
        """The date in the issue's language."""
        return _date(self.day, self.language)

    @property
    def dated(self) -> str:
        """What always can be said: name and date."""
        return f"{self.name}, {self.date}"


def subject_of(template: str, items: Sequence[Item], occasion: Occasion, *, previous: str = "") -> str:
    """The subject line in at most about 60 code points; never empty, never ``previous`` again.

    ``template`` is Jinja (sandboxed) over ``lead``, ``stories``, ``name``, ``edition``, ``date`` and
    ``count``; without one it is the lead's headline. Raises ``ConfigError`` for a template that cannot
    be rendered.
    """
    stories = _stories(items)
    tries = [_render(template, stories, occasion, "subject")] if template else []
    tries += [story.headline for story in stories[:4]]
    for text in tries:
        short = shorten(text, SUBJECT_LENGTH)
        if short and fold(short) != fold(previous):
            return short
    dated = shorten(occasion.dated, SUBJECT_LENGTH)
    return dated if fold(dated) != fold(previous) else f"{dated} (2)"


def preheader_of(
    template: str, items: Sequence[Item], occasion: Occasion, *, subject: str, previous: str = ""
) -> str:
    """The line that inboxes show after the subject, 40 to 110 code points where there is that much to
    say; never empty, never the subject again, never ``previous``."""
    stories = _stories(items)
    given = _render(template, stories, occasion, "preheader") if template else ""
    if given and fold(given) not in {fold(previous), fold(subject)}:
        return shorten(given, PREHEADER_LENGTH)
    others = [s.headline for s in stories if fold(shorten(s.headline, SUBJECT_LENGTH)) != fold(subject)]
    teaser = stories[0].teaser if stories else ""
    tries = [_joined(others), teaser, _joined([*others, teaser]), occasion.dated, occasion.name]
    said = {fold(previous), fold(subject), ""}
    usable = [short for text in tries if fold(short := shorten(text, PREHEADER_LENGTH)) not in said]
    fallback = max(usable, key=len, default=f"{occasion.dated} (2)")
    return next((text for text in usable if len(text) >= PREHEADER_LEAST), fallback)


def _stories(items: Sequence[Item]) -> list[Item]:
    order = {Slot.LEAD: 0, Slot.SECTION: 1, Slot.DONT_MISS: 2}
    found = [item for item in items if item.kind is ItemKind.STORY and item.slot in order and item.headline]
    return sorted(found, key=lambda item: order[item.slot])


def _joined(headlines: Sequence[str]) -> str:
    """Whole headlines as long as they fit."""
    text = ""
    for headline in headlines:
        longer = f"{text} · {headline}" if text else headline
        if text and len(longer) > PREHEADER_LENGTH:
            break
        text = longer
    return text


def shorten(text: str, limit: int) -> str:
    """One line of at most ``limit`` code points, cut at a word."""
    from digest.picking.teasers.cutting import cut_words

    return cut_words(" ".join(text.split()), limit)


def _date(day: date, language: str) -> str:
    from babel import Locale, UnknownLocaleError
    from babel.dates import format_date

    try:
        locale = Locale.parse(language.replace("-", "_"))
    except (UnknownLocaleError, ValueError):
        locale = Locale("en")
    return format_date(day, format="long", locale=locale)


def _render(template: str, stories: Sequence[Item], occasion: Occasion, key: str) -> str:
    from jinja2 import TemplateError
    from jinja2.sandbox import ImmutableSandboxedEnvironment

    environment = ImmutableSandboxedEnvironment(autoescape=False)  # a line of text, no HTML
    try:
        return " ".join(
            environment.from_string(template)
            .render(
                lead=stories[0] if stories else None,
                stories=tuple(stories),
                name=occasion.name,
                edition=occasion.edition,
                date=occasion.date,
                day=occasion.day,
                count=len(stories),
            )
            .split()
        )
    except (TemplateError, TypeError, ValueError, ArithmeticError, OverflowError, LookupError) as error:
        raise ConfigError(
            f"editions.{occasion.edition}.{key} = {template!r}: {error}",
            remedy="it may use lead, stories, name, edition, date, day and count",
        ) from error
