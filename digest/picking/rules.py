"""What an edition prints by, taken together: sections, numbers, weights, and the longest age."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from digest.settings.model import DontMiss, Ranking, Section, Teasers

MORE = "more"
"""The key of the section that takes the spill-over."""

LONGEST_WINDOW = timedelta(days=7)


@dataclass(frozen=True, kw_only=True)
class Rules:
    """The rules of one edition.

    ``sections`` are printed, in this order; ``others`` are the newspaper's further sections, from
    which Don't Miss picks first. ``everything`` is the section that takes what matches none, or empty.
    ``max_age`` is the edition's; weights and sections are by source.
    """

    sections: tuple[Section, ...]
    others: tuple[Section, ...] = ()
    everything: str = ""
    ranking: Ranking = field(default_factory=Ranking)
    dont_miss: DontMiss = field(default_factory=DontMiss)
    teasers: Teasers = field(default_factory=Teasers)
    max_age: timedelta = timedelta(hours=36)
    more: bool = True
    more_max: int = 5
    source_weights: Mapping[str, float] = field(default_factory=dict)
    source_sections: Mapping[str, str] = field(default_factory=dict)


def window(max_age: timedelta, *, last_issue: datetime | None, now: datetime) -> timedelta:
    """How old a story may be: the longer of ``max_age`` and the time since the last sent issue was
    made, which counts for at most seven days; so that downtime and weekends lose no story."""
    since_last = min(now - last_issue, LONGEST_WINDOW) if last_issue is not None else timedelta(0)
    return max(max_age, since_last)
