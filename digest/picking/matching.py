"""Which section a story belongs to: by category, address or title, the first section in order wins."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from digest.errors import ConfigError
from digest.picking.folding import fold, without_accents
from digest.settings.model import Section
from digest.values import Candidate

ONE_MATCH_SECONDS = 0.05
ALL_MATCHES_SECONDS = 1.0
LONGEST_TEXT = 2000  # code points of a title or an address that an expression is shown
LONGEST_EXPRESSION = 500


class Expression:
    """A user's regular expression that cannot stop a build: it has a time limit for one text and one
    for all of them, and is left out of the build when it uses that up."""

    def __init__(self, section: str, option: str, pattern: str, meter: Callable[[], float]) -> None:
        import regex

        self._name = f"sections[{section}].{option} = {pattern!r}"
        if len(pattern) > LONGEST_EXPRESSION:
            raise ConfigError(
                f"{self._name[:120]}…: longer than {LONGEST_EXPRESSION} characters",
                remedy="write several shorter ones",
            )
        try:
            # Accents are taken from the pattern and from the text; that changes no syntax.
            self._pattern: Any = regex.compile(without_accents(pattern), regex.IGNORECASE)
        except (regex.error, RecursionError, OverflowError, MemoryError) as error:
            raise ConfigError(f"{self._name}: {error}", remedy="correct the regular expression") from error
        self._left = ALL_MATCHES_SECONDS
        self._meter = meter
        self.warning = ""

    def matches(self, text: str) -> bool:
        """Whether the expression is found in ``text``, without case and accents."""
        if self.warning:
            return False
        began = self._meter()
        try:
            return (
                self._pattern.search(without_accents(text[:LONGEST_TEXT]), timeout=ONE_MATCH_SECONDS)
                is not None
            )
        except TimeoutError:
            self.warning = f"{self._name} takes too long on {text[:60]!r} and is left out of this build"
            return False
        finally:
            self._left -= self._meter() - began
            if self._left < 0 and not self.warning:
                self.warning = f"{self._name} is too slow over all stories and is left out of this build"


@dataclass(frozen=True, slots=True)
class _Rule:
    key: str
    categories: frozenset[str]
    urls: tuple[Expression, ...]
    titles: tuple[Expression, ...]


class Matcher:
    """Finds the section of a story among ``sections``, the first in order that matches.

    An editor's own choice (``candidate.section``) goes first, then the section that the source names.
    Raises ``ConfigError`` for an expression that cannot be compiled. ``warnings`` tells afterwards
    which expressions were too slow. ``meter`` counts CPU seconds.
    """

    def __init__(
        self,
        sections: Iterable[Section],
        *,
        source_sections: Mapping[str, str] | None = None,
        meter: Callable[[], float] = time.process_time,
    ) -> None:
        self._rules = [
            _Rule(
                section.key,
                frozenset(fold(name) for name in section.categories),
                tuple(Expression(section.key, "match_url", text, meter) for text in section.match_url),
                tuple(Expression(section.key, "match_title", text, meter) for text in section.match_title),
            )
            for section in sections
        ]
        self._keys = {rule.key for rule in self._rules}
        self._by_source = dict(source_sections or {})
        self._only_categories = not any(rule.urls or rule.titles for rule in self._rules)
        self._first: dict[str, int] = {}  # folded category → the first rule that has it
        for number, rule in reversed(list(enumerate(self._rules))):
            self._first.update(dict.fromkeys(rule.categories, number))
        self._found: dict[str, int] = {}  # the same for categories as they are written

    def section_of(self, candidate: Candidate) -> str:
        """The key of the candidate's section, or ``""``."""
        if candidate.section in self._keys:
            return candidate.section
        named = self._by_source.get(candidate.source, "") if self._by_source else ""
        if named in self._keys:
            return named
        number = self._by_category((named, *candidate.categories) if named else candidate.categories)
        if not self._only_categories:
            number = self._by_expression(candidate, before=number)
        return self._rules[number].key if number < len(self._rules) else ""

    def _by_category(self, categories: tuple[str, ...]) -> int:
        """The first rule that has one of the categories; their number when none has."""
        nowhere = best = len(self._rules)
        for category in categories:
            number = self._found.get(category)
            if number is None:
                number = self._found[category] = self._first.get(fold(category), nowhere)
            best = min(best, number)
        return best

    def _by_expression(self, candidate: Candidate, *, before: int) -> int:
        """The first rule before ``before`` of which an expression matches, else ``before``."""
        for number, rule in enumerate(self._rules[:before]):
            if any(expression.matches(candidate.url) for expression in rule.urls) or any(
                expression.matches(candidate.title) for expression in rule.titles
            ):
                return number
        return before

    @property
    def warnings(self) -> tuple[str, ...]:
        """One line for each expression that had to be left out."""
        return tuple(
            expression.warning
            for rule in self._rules
            for expression in (*rule.urls, *rule.titles)
            if expression.warning
        )
