"""How much a story is worth: a product of few numbers, each of which can be shown.

``score = 0.5^(age / half_life) × (1 + c·ln(sources)) × section × source × prominence × sticky``;
prominence is ``1 + p / rank`` for a story on its source's own front page, sticky is WordPress's mark.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from math import log, prod

from digest.settings.model import Ranking
from digest.values import Candidate


def factors_of(
    candidate: Candidate,
    ranking: Ranking,
    *,
    half_life: timedelta,
    section_weight: float,
    source_weight: float,
    now: datetime,
) -> dict[str, float]:
    """The factors by name, in the order in which they are multiplied; every one of them, also 1.0."""
    age = max(0.0, (now - candidate.published_at).total_seconds())
    rank = candidate.front_page_rank
    return {
        "age": 0.5 ** (age / half_life.total_seconds()),
        "sources": 1.0 + ranking.cluster * log(candidate.sources) if candidate.sources > 1 else 1.0,
        "section": section_weight,
        "source": source_weight,
        "prominence": 1.0 + ranking.prominence / max(rank, 1) if rank is not None else 1.0,
        "sticky": ranking.sticky if candidate.sticky else 1.0,
    }


@dataclass(frozen=True, slots=True)
class Scale:
    """What candidates are weighed with, prepared once for tens of thousands of them."""

    ranking: Ranking
    half_life: timedelta
    section_weights: Mapping[str, float]
    source_weights: Mapping[str, float]
    now: datetime

    def factors(self, candidate: Candidate, section: str) -> dict[str, float]:
        """The factors by name; see :func:`factors_of`."""
        return factors_of(
            candidate,
            self.ranking,
            half_life=self.half_life,
            section_weight=self.section_weights.get(section, 1.0),
            source_weight=self.source_weights.get(candidate.source, 1.0),
            now=self.now,
        )

    def worth(self, candidate: Candidate, section: str) -> float:
        """The product of the factors, bit for bit, without making them."""
        age = (self.now - candidate.published_at).total_seconds()
        worth: float = 0.5 ** (max(0.0, age) / self.half_life.total_seconds())
        if candidate.sources > 1:
            worth *= 1.0 + self.ranking.cluster * log(candidate.sources)
        worth *= self.section_weights.get(section, 1.0)
        worth *= self.source_weights.get(candidate.source, 1.0)
        rank = candidate.front_page_rank
        if rank is not None:
            worth *= 1.0 + self.ranking.prominence / max(rank, 1)
        return worth * self.ranking.sticky if candidate.sticky else worth


def product(factors: dict[str, float]) -> float:
    """The score that these factors make."""
    return prod(factors.values())
