"""Choosing the best few of many, each next one less if it is like what is already chosen (MMR).

``value = score × (1 − λ·max likeness to the chosen) × repeat^(already from that section)``. Both
penalties only ever shrink a value, so the queue is looked at lazily: of 50,000 candidates only the
few whose bound reaches the top are compared.
"""

from __future__ import annotations

import heapq
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field

from digest.picking.folding import likeness
from digest.picking.judging import Judged


@dataclass
class Chosen:
    """What is chosen so far, from anywhere in the issue: what the next one must not be like."""

    words: list[frozenset[str]] = field(default_factory=list)

    def add(self, one: Judged) -> None:
        self.words.append(one.words)

    def likest(self, words: frozenset[str], since: int) -> float:
        """The greatest likeness to what was chosen from position ``since`` on."""
        return max((likeness(words, other) for other in self.words[since:]), default=0.0)


def choose(
    pool: Iterable[Judged],
    room: int,
    chosen: Chosen,
    *,
    diversity: float,
    repeat: float,
    refuse: Callable[[Judged], str],
    group: Callable[[Judged], str],
    take: Callable[[Judged], None],
    counts: Counter[str] | None = None,
    bound: Callable[[Judged], float] | None = None,
    weighed: Callable[[Judged], Judged] | None = None,
) -> list[Judged]:
    """The best ``room`` of ``pool``, best first; ``chosen`` and ``counts`` grow.

    ``refuse`` gives the reason why one cannot be taken now, or ``""``; ``group`` the section that
    counts as a repetition; ``take`` is told of each one before the next is looked at. The
    factors and the score of those that were compared are updated, so that the product of the factors
    stays the score. Where another scale counts, ``bound`` gives the worth by it, and ``weighed`` the
    candidate as weighed by it, once it is looked at.
    """
    counts = Counter() if counts is None else counts
    picked: list[Judged] = []
    if room < 1:
        return picked
    worth = bound or (lambda one: one.worth)
    heap = [(-worth(one), one.candidate.published_at, one.candidate.id, one) for one in pool]
    heapq.heapify(heap)
    seen: dict[int, tuple[int, float]] = {}  # article → (how many it was compared with, likest so far)
    while heap and len(picked) < room:
        _, published, identity, one = heapq.heappop(heap)
        reason = refuse(one)
        if reason:
            one.reason = reason
            continue
        if weighed is not None and identity not in seen:
            one = weighed(one)
        compared, likest = seen.get(identity, (0, 0.0))
        likest = max(likest, chosen.likest(one.words, compared))
        seen[identity] = (len(chosen.words), likest)
        one.weigh(likeness=1.0 - diversity * likest, repeat=repeat ** counts[group(one)])
        if heap and (-one.score, published, identity) > heap[0][:3]:
            heapq.heappush(heap, (-one.score, published, identity, one))
            continue
        picked.append(one)
        chosen.add(one)
        take(one)
        counts[group(one)] += 1
    return picked


def best(pool: Sequence[Judged]) -> Judged | None:
    """The one with the greatest score, ties by (published, id)."""
    return min(pool, key=lambda one: (-one.score, *one.tie), default=None)
