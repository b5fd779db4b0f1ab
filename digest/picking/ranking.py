"""How much a story is worth: a product of few numbers, each of which can be shown.

``score = 0.5^(age / half_life) × (1 + c·ln(sources)) × section × source × prominence × sticky``;
prominence is ``1 + p / rank`` for a story on its source's own front page, sticky is WordPress's mark.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from math import log, prod

from digest.settings.model import Ranking
from digest.values import Candidate


@dataclass(frozen=True, slots=True)
class Scale:
    """What candidates are weighed with, prepared once for tens of thousands of them.

    A worth is a freshness times a merit; what is weighed on two scales that differ only in their
    half-lives has the same merit on both.
    """

    ranking: Ranking
    half_life: timedelta
    section_weights: Mapping[str, float]
    source_weights: Mapping[str, float]

    def factors(self, candidate: Candidate, section: str, age: float) -> dict[str, float]:
        """The factors by name, every one of them, also 1.0; ``age`` in seconds."""
        ranking, rank = self.ranking, candidate.front_page_rank
        return {
            "age": self.freshness(age),
            "sources": 1.0 + ranking.cluster * log(candidate.sources) if candidate.sources > 1 else 1.0,
            "section": self.section_weights.get(section, 1.0),
            "source": self.source_weights.get(candidate.source, 1.0),
            "prominence": 1.0 + ranking.prominence / max(rank, 1) if rank is not None else 1.0,
            "sticky": ranking.sticky if candidate.sticky else 1.0,
        }

    def freshness(self, age: float) -> float:
        """What is left of a story's worth after ``age`` seconds; a date in the future counts as now."""
        left: float = 0.5 ** (age / self.half_life.total_seconds()) if age > 0.0 else 1.0
        return left

    def merit(self, candidate: Candidate, section: str) -> float:
        """The product of the factors but for the age, bit for bit, without making them."""
        merit = self.section_weights.get(section, 1.0)
        if candidate.sources > 1:
            merit = (1.0 + self.ranking.cluster * log(candidate.sources)) * merit
        merit *= self.source_weights.get(candidate.source, 1.0)
        rank = candidate.front_page_rank
        if rank is not None:
            merit *= 1.0 + self.ranking.prominence / max(rank, 1)
        return merit * self.ranking.sticky if candidate.sticky else merit


def product(factors: Mapping[str, float]) -> float:
    """The score that these factors make: the freshness times all the others."""
    freshness, *others = factors.values()
    return freshness * prod(others)
