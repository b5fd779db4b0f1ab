"""A candidate under judgement: its section, its score, and the reason why it is in or out."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import datetime

from digest.picking.folding import words_of
from digest.picking.matching import Matcher
from digest.picking.ranking import Scale, product
from digest.picking.rules import Rules
from digest.values import ArticleKind, Candidate, Slot

BASE_FACTORS = 6  # age to sticky; likeness and repeat follow when they were looked at


@dataclass(slots=True, eq=False)
class Judged:
    """Working state of one candidate; ``slot`` is None as long as it is out. Its factors are made when
    somebody asks for them."""

    candidate: Candidate
    section: str
    scale: Scale
    age: float  # seconds since it was published; less than 0 in the future
    reason: str = ""
    slot: Slot | None = None
    place: str = ""  # key of the section under which it is printed
    position: int = 0
    duplicate_of: int | None = None
    barred: bool = False  # out for good: nothing further is considered
    merit: float = field(init=False)  # the score but for the age
    score: float = field(init=False)
    _factors: dict[str, float] | None = field(default=None, repr=False)
    _words: frozenset[str] | None = field(default=None, repr=False)

    def __post_init__(self) -> None:
        self.merit = self.scale.merit(self.candidate, self.section)
        self.score = self.scale.freshness(self.age) * self.merit

    @property
    def factors(self) -> dict[str, float]:
        """The factors of the score, by name."""
        if self._factors is None:
            self._factors = self.scale.factors(self.candidate, self.section, self.age)
        return self._factors

    @property
    def worth(self) -> float:
        """The score before likeness and repetition."""
        if self._factors is None or len(self._factors) == BASE_FACTORS:
            return self.score
        return product(dict(list(self._factors.items())[:BASE_FACTORS]))

    @property
    def words(self) -> frozenset[str]:
        """The words of its headline, worked out when first asked for."""
        if self._words is None:
            self._words = words_of(self.candidate.headline or self.candidate.title)
        return self._words

    @property
    def is_out(self) -> bool:
        return self.slot is None

    @property
    def sponsored(self) -> bool:
        return self.candidate.kind is ArticleKind.SPONSORED

    @property
    def tie(self) -> tuple[datetime, int]:
        """What decides between equal scores."""
        return (self.candidate.published_at, self.candidate.id)

    def take_weight_of(self, other: Judged) -> None:
        """Show the score and factors of ``other``, which was weighed for another place."""
        self.scale, self.score, self._factors = other.scale, other.score, other.factors

    def weigh(self, *, likeness: float, repeat: float) -> None:
        """Take in what this issue already has; the product of the factors stays the score."""
        self.factors["likeness"] = likeness
        self.factors["repeat"] = repeat
        self.score = product(self.factors)

    def bar(self, reason: str) -> None:
        """Leave it out for good."""
        self.reason = reason
        self.barred = True

    def put(self, slot: Slot, place: str, position: int, reason: str) -> None:
        """Take it into the issue."""
        self.slot, self.place, self.position, self.reason = slot, place, position, reason


def judge(candidates: Iterable[Candidate], rules: Rules, matcher: Matcher, *, now: datetime) -> list[Judged]:
    """Section, factors and score of every candidate, and who is out for good, and why."""
    scale = Scale(rules.ranking, rules.ranking.half_life, section_weights(rules), rules.source_weights)
    tolerance = now + rules.ranking.embargo_tolerance
    section_of = matcher.section_of
    judged = []
    for candidate in candidates:
        age = (now - candidate.published_at).total_seconds()
        one = Judged(candidate, section_of(candidate) or rules.everything, scale, age)
        barrier = _barrier(candidate, now, tolerance)
        if barrier:
            one.bar(barrier)
        judged.append(one)
    _keep_one_of_each_story(judged)
    return judged


def section_weights(rules: Rules) -> dict[str, float]:
    """The weight of each section, by key."""
    return {section.key: section.weight for section in (*rules.sections, *rules.others)}


def too_old(one: Judged, window: float) -> bool:
    """Whether the story is older than ``window`` seconds; a pinned one never is."""
    return one.age > window and not one.candidate.pin_slot


def _barrier(candidate: Candidate, now: datetime, tolerance: datetime) -> str:
    if candidate.hidden:
        return "hidden by an editor"
    if candidate.printed and not candidate.pin_again:
        return f"printed in issue {candidate.printed_issue}" if candidate.printed_issue else "printed already"
    if candidate.not_before is not None and candidate.not_before > now:
        return f"embargoed until {_minute(candidate.not_before)}"
    if candidate.published_at > tolerance:
        return f"dated in the future ({_minute(candidate.published_at)}): embargoed"
    if candidate.expires_at is not None and candidate.expires_at <= now:
        return f"expired at {_minute(candidate.expires_at)}"
    return ""


def _keep_one_of_each_story(judged: list[Judged]) -> None:
    """One story once: of its articles the pinned one, else the representative, else the first."""
    best: dict[int, Judged] = {}
    for one in judged:
        if one.barred:
            continue
        other = best.get(one.candidate.story_id)
        if other is None:
            best[one.candidate.story_id] = one
            continue
        loser = other if _rank_in_story(one) < _rank_in_story(other) else one
        if loser is other:
            best[one.candidate.story_id] = one
        loser.bar("the same story")
    for one in judged:
        if one.barred and one.reason == "the same story":
            winner = best[one.candidate.story_id].candidate
            one.duplicate_of = winner.id
            one.reason = f"the same story as {winner.id}"


def _rank_in_story(one: Judged) -> tuple[bool, bool, datetime, int]:
    candidate = one.candidate
    return (not candidate.pin_slot, not candidate.representative, candidate.published_at, candidate.id)


def _minute(moment: datetime) -> str:
    return moment.strftime("%Y-%m-%d %H:%M UTC")
