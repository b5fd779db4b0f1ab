"""The words of the product in the reader's language: Babel catalogues, plurals, dates and durations."""

from __future__ import annotations

import io
import re
from dataclasses import dataclass, field
from datetime import UTC, date, datetime
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING
from zoneinfo import ZoneInfo

from digest.rendering.scripts import direction_of

if TYPE_CHECKING:
    from babel import Locale
    from babel.support import Translations

_PLACE = re.compile(r"\{(\w+)\}")
# Messages are few and fixed in templates; gettext's fallbacks cost more than the rest of a story.
_known: dict[tuple[str, str | int], str] = {}
_MINUTES_KEPT, _KNOWN_KEPT = 100, 5_000
CATALOGUES = Path(__file__).with_name("catalogues")


@dataclass(frozen=True)
class Words:
    """The words, dates and numbers of one language; English where a catalogue lacks something.

    :param language: a BCP 47 tag.
    """

    language: str
    locale: Locale = field(repr=False)
    _translations: Translations = field(repr=False)

    @property
    def direction(self) -> str:
        """``rtl`` or ``ltr``."""
        return direction_of(self.language)

    def text(self, message: str, **values: object) -> str:
        """A message in this language, with ``{name}`` places filled by the values."""
        found = _known.get((self.language, message))
        if found is None:
            if len(_known) >= _KNOWN_KEPT:
                _known.clear()
            found = _known[self.language, message] = str(self._translations.gettext(message))
        return _fill(found, values)

    def count(self, one: str, many: str, number: int, **values: object) -> str:
        """A message with a number in the right plural: ``count("{n} min read", "{n} min read", 2)``."""
        text = str(self._translations.ungettext(one, many, number))
        return _fill(text, {"n": self.number(number), **values})

    def number(self, number: int) -> str:
        """A number with the language's separators."""
        return _formatted_number(str(self.locale), number)

    def date(self, day: date, form: str = "full") -> str:
        """A date: ``full`` (with the weekday), ``long``, ``medium``, or ``day`` (day and month)."""
        return _formatted_date(str(self.locale), day, form)

    def moment(self, at: datetime, zone: str, form: str = "day") -> str:
        """The date of a moment in a zone."""
        return self.date(at.astimezone(ZoneInfo(zone)).date(), form)

    def reading(self, minutes: int) -> str:
        """``2 min read``."""
        found = _known.get((self.language, minutes))
        if found is None:
            found = self.count("{n} min read", "{n} min read", minutes)
            if minutes < _MINUTES_KEPT:
                _known[self.language, minutes] = found
        return found

    def stories(self, number: int) -> str:
        """``5 stories``."""
        return self.count("{n} story", "{n} stories", number)

    def duration(self, seconds: int) -> str:
        """``3:20`` or ``1:02:05``; the same digits everywhere, as players show them."""
        minutes, second = divmod(max(0, seconds), 60)
        hours, minute = divmod(minutes, 60)
        return f"{hours}:{minute:02}:{second:02}" if hours else f"{minute}:{second:02}"


@lru_cache(maxsize=64)
def words_of(language: str) -> Words:
    """The words of a language: its own catalogue, else that of the language without region, else English."""
    from babel import Locale, UnknownLocaleError

    try:
        locale = Locale.parse(language.replace("_", "-"), sep="-")
    except (UnknownLocaleError, ValueError):
        locale = _nearest_locale(language)
    return Words(language=language, locale=locale, _translations=_translations(language))


@lru_cache(maxsize=1024)
def _formatted_date(locale: str, day: date, form: str) -> str:
    from babel.dates import format_date, format_skeleton

    if form == "day":
        # Skeletons are CLDR's; every locale has one for day and month.
        at = datetime(day.year, day.month, day.day, tzinfo=UTC)
        return str(format_skeleton("MMMd", at, locale=locale, fuzzy=True))
    return str(format_date(day, form, locale=locale))


@lru_cache(maxsize=1024)
def _formatted_number(locale: str, number: int) -> str:
    from babel.numbers import format_decimal

    return str(format_decimal(number, locale=locale))


def catalogue_languages() -> list[str]:
    """The languages that have a catalogue, English included."""
    return sorted({"en", *(path.stem for path in CATALOGUES.glob("*.po"))})


def _nearest_locale(language: str) -> Locale:
    from babel import Locale, UnknownLocaleError

    try:
        return Locale.parse(language.replace("_", "-").split("-")[0])
    except (UnknownLocaleError, ValueError):
        return Locale("en")


@lru_cache(maxsize=64)
def _translations(language: str) -> Translations:
    from babel.messages.mofile import write_mo
    from babel.messages.pofile import read_po
    from babel.support import Translations

    parts = language.replace("_", "-").split("-")
    for name in ("_".join(parts), parts[0].lower()):
        path = CATALOGUES / f"{name}.po"
        if not path.is_file():
            continue
        with path.open("rb") as file:
            catalogue = read_po(file, locale=name)
        compiled = io.BytesIO()
        write_mo(compiled, catalogue)
        compiled.seek(0)
        return Translations(compiled)
    return Translations()


def _fill(text: str, values: dict[str, object]) -> str:
    # Not str.format, and in one pass: a value is never a format of its own.
    return _PLACE.sub(lambda place: str(values.get(place[1], place[0])), text) if values else text
