"""Don't Miss: the picks from across the paper, first from what the page does not print."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence, Set

from digest.picking.folding import fold
from digest.picking.greedy import Chosen, choose
from digest.picking.judging import Judged, section_weights, too_old
from digest.picking.ranking import Scale
from digest.picking.rules import Rules
from digest.values import Item, Slot

PER_SECTION = 2


def pick_dont_miss(
    left: Sequence[Judged],
    rules: Rules,
    *,
    printed: Set[str],
    on_page: Set[int],
    held: Sequence[Item],
    chosen: Chosen,
) -> None:
    """Put the best of ``left`` into Don't Miss.

    Pins go first, then stories of sections that are not ``printed``, then the rest of the page's; at
    most ``ranking.per_source`` of a source and two of a section (where there is more than one to
    choose from); nothing that tells or resembles a story ``on_page``. The half-life is its own.
    """
    scale = Scale(rules.ranking, rules.dont_miss.half_life, section_weights(rules), rules.source_weights)
    longest = rules.dont_miss.max_age.total_seconds()
    room = rules.dont_miss.count - len(held)
    excluded = {fold(word) for word in rules.dont_miss.exclude}
    names = {section.key: fold(section.name) for section in (*rules.sections, *rules.others)}
    picked = sorted(
        (one for one in left if one.candidate.pin_slot == "dont-miss"),
        key=lambda one: (one.candidate.pin_order, one.candidate.id),
    )
    for one in picked:
        chosen.add(one)
    pool = []
    for one in left:
        if one.candidate.pin_slot == "dont-miss":
            continue
        reason = _barrier(one, longest, on_page, excluded, names)
        if not reason:
            pool.append(one)
        elif not one.reason:
            one.reason = reason
    originals = {one.candidate.id: one for one in left}
    sources = Counter(one.candidate.source for one in picked)
    groups = Counter(_group(one) for one in picked)
    one_source = len({one.candidate.source for one in left}) < 2
    one_group = len({_group(one) for one in left}) < 2
    taken: set[int] = {one.candidate.story_id for one in picked}

    def refuse(one: Judged) -> str:
        why = barrier(one)
        if why:
            original = originals[one.candidate.id]
            original.reason = f"{original.reason}; {why}"
            return original.reason
        return ""

    def barrier(one: Judged) -> str:
        if sources[one.candidate.source] >= rules.ranking.per_source and not one_source:
            return f"Don't Miss has {rules.ranking.per_source} of source {one.candidate.source}"
        if groups[_group(one)] >= PER_SECTION and _group(one) and not one_group:
            return f"Don't Miss has {PER_SECTION} of {_group(one)}"
        if not taken.isdisjoint(one.candidate.linked):
            return "much like another of Don't Miss"
        return ""

    def take(one: Judged) -> None:
        sources[one.candidate.source] += 1
        groups[_group(one)] += 1
        taken.add(one.candidate.story_id)

    for away in (True, False):
        picked += choose(
            [one for one in pool if (one.section not in printed) is away],
            room - len(picked),
            chosen,
            diversity=rules.ranking.diversity,
            repeat=rules.ranking.repeat,
            refuse=refuse,
            group=_group,
            take=take,
            counts=Counter(groups),
            bound=lambda one: scale.freshness(one.age) * one.merit,
            weighed=lambda one: Judged(one.candidate, one.section, scale, one.age),
        )
    places = {item.position for item in held}
    position = 0
    for one in picked:
        position += 1
        while position in places:
            position += 1
        original = originals[one.candidate.id]
        original.take_weight_of(one)
        where = "a section that is not printed" if one.section not in printed else "what did not fit"
        reason = "pinned to Don't Miss" if one.candidate.pin_slot else f"Don't Miss {position}: from {where}"
        original.put(Slot.DONT_MISS, one.section, position, reason)


def _barrier(
    one: Judged,
    longest: float,
    on_page: Set[int],
    excluded: Set[str],
    names: dict[str, str],
) -> str:
    candidate = one.candidate
    if too_old(one, longest):
        return "too old, also for Don't Miss"
    if one.sponsored:
        return "sponsored: never in Don't Miss unless pinned"
    if candidate.story_id in on_page or not on_page.isdisjoint(candidate.linked):
        return "told on the page"
    if excluded:
        if fold(one.section) in excluded or names.get(one.section, "") in excluded:
            return f"section {one.section} is excluded from Don't Miss"
        if any(fold(category) in excluded for category in candidate.categories):
            return "its category is excluded from Don't Miss"
    return ""


def _group(one: Judged) -> str:
    """The section, or for stories of none the first category."""
    return one.section or (fold(one.candidate.categories[0]) if one.candidate.categories else "")
