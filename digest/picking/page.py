"""The page: the lead, each section in order, what spills over into "More", and Don't Miss."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from digest.picking.dont_miss import pick_dont_miss
from digest.picking.greedy import Chosen, best, choose
from digest.picking.judging import Judged, judge, too_old
from digest.picking.matching import Matcher
from digest.picking.rules import MORE, Rules
from digest.settings.model import Section
from digest.values import Candidate, Item, ItemKind, Pick, Slot


@dataclass(frozen=True, slots=True)
class Page:
    """What the rules picked, in print order; ``judged`` has every candidate with its reason.

    ``sections`` are the keys that are printed, in order, :data:`MORE` last; ``warnings`` name
    expressions that were too slow.
    """

    picks: tuple[Pick, ...]
    judged: tuple[Judged, ...]
    sections: tuple[str, ...]
    warnings: tuple[str, ...]

    def in_slot(self, slot: Slot, section: str = "") -> tuple[Pick, ...]:
        """The picks of a slot (and section), in print order."""
        return tuple(
            pick for pick in self.picks if pick.slot is slot and (not section or pick.section == section)
        )


def pick_page(
    candidates: Iterable[Candidate],
    rules: Rules,
    *,
    now: datetime,
    window: timedelta,
    held: Sequence[Item] = (),
) -> Page:
    """Pick an issue from ``candidates``.

    ``window`` is how old a story of the page may be (``rules.window``); ``held`` are the items that a
    hand has put or changed: they keep their place, count for their section, and their stories are
    taken. The same input gives the same page.
    Raises ``ConfigError`` for a section's expression that cannot be compiled.
    """
    matcher = Matcher((*rules.sections, *rules.others), source_sections=rules.source_sections)
    judged = judge(candidates, rules, matcher, now=now)
    desk = _Desk(rules, judged, held, window=window)
    desk.fill()
    return Page(tuple(desk.picks()), tuple(judged), tuple(desk.printed), matcher.warnings)


class _Desk:
    """One issue while it is being filled."""

    def __init__(
        self,
        rules: Rules,
        judged: list[Judged],
        held: Sequence[Item],
        *,
        window: timedelta,
    ) -> None:
        self.printed: list[str] = []
        self._rules = rules
        self._judged = judged
        self._held = [item for item in held if item.kind is ItemKind.STORY]
        self._window = window.total_seconds()
        self._too_old = f"older than {_span(window)}"
        self._keys = [section.key for section in rules.sections]
        self._chosen = Chosen()
        self._printed_as: dict[int, int | None] = {}  # story → the article that is printed for it
        self._under: dict[int, str] = {}  # story → the section under which it is printed
        self._homeless: list[Judged] = []  # of sections that were too short
        self._overflow: list[Judged] = []  # of sections that were full

    def fill(self) -> None:
        """Lead, sections, More, Don't Miss, in this order: each takes from what is left."""
        for item in self._held:
            if item.story_id is not None:
                self._printed_as[item.story_id] = item.article_id
                self._under[item.story_id] = item.section
        pool = [one for one in self._judged if not one.barred and self._has_a_place(one)]
        self._pick_lead(pool)
        by_place: dict[str, list[Judged]] = {}
        for one in pool:
            if one.is_out:
                by_place.setdefault(one.place, []).append(one)
        for section in self._rules.sections:
            self._fill_section(section, by_place.get(section.key, []))
        self._fill_more([] if MORE in self._keys else by_place.get(MORE, []))
        pick_dont_miss(
            [one for one in self._judged if one.is_out and not one.barred],
            self._rules,
            printed=frozenset(self.printed),
            on_page=frozenset(self._printed_as),
            held=[item for item in self._held if item.slot is Slot.DONT_MISS],
            chosen=self._chosen,
        )

    def picks(self) -> list[Pick]:
        """All picks in print order."""
        slots = {Slot.LEAD: 0, Slot.SECTION: 1, Slot.DONT_MISS: 2}
        places = {key: number for number, key in enumerate(self.printed)}
        found = [(slots[one.slot], one) for one in self._judged if one.slot is not None]
        found.sort(key=lambda pair: (pair[0], pair[0] == 1 and places[pair[1].place], pair[1].position))
        also = self._also()
        return [
            Pick(
                candidate=one.candidate._replace(also=also.get(one.candidate.id, one.candidate.also)),
                slot=one.slot or Slot.SECTION,
                section=one.place,
                position=one.position,
                reason=one.reason,
                score=one.score,
                factors=dict(one.factors),
                pinned=bool(one.candidate.pin_slot),
            )
            for _, one in found
        ]

    def _also(self) -> dict[int, tuple[str, ...]]:
        """By printed article, the sources of the near-duplicates that had to stay out for it."""
        told: dict[int, list[str]] = {}
        for one in self._judged:
            if one.duplicate_of is not None and one.is_out:
                told.setdefault(one.duplicate_of, []).append(one.candidate.source)
        return {article: tuple(dict.fromkeys(sources)) for article, sources in told.items()}

    def _has_a_place(self, one: Judged) -> bool:
        """Note the section under which a story would be printed, or the reason why it has none."""
        candidate = one.candidate
        if candidate.story_id in self._printed_as:
            one.bar("in the issue by hand")
        elif candidate.pin_slot == "dont-miss":
            return False
        elif candidate.pin_slot in self._keys:
            one.place = candidate.pin_slot
        elif one.section in self._keys:
            one.place = one.section
        elif candidate.pin_slot in ("any", "lead", MORE):
            one.place = MORE
        elif one.section:
            one.reason = f"of section {one.section}, which this edition does not print"
        else:
            one.reason = "no section"
        if one.place and too_old(one, self._window):
            one.reason = self._too_old
            one.place = ""
        return bool(one.place)

    def _pick_lead(self, pool: list[Judged]) -> None:
        if any(item.slot is Slot.LEAD for item in self._held):
            return
        pinned = _in_pin_order(one for one in pool if one.candidate.pin_slot == "lead")
        free = [one for one in pool if not one.candidate.pin_slot and not one.sponsored and one.place != MORE]
        lead = pinned[0] if pinned else best(free)
        if lead is not None:
            self._take(lead, lead.place)
            self._chosen.add(lead)
            place = "" if lead.place == MORE else lead.place
            lead.put(Slot.LEAD, place, 1, "pinned to the lead" if pinned else "the best score of the page")

    def _fill_section(self, section: Section, pool: list[Judged]) -> None:
        held = self._held_in(section.key)
        pinned = self._take_pinned(pool, section.key)
        free = [one for one in pool if not one.candidate.pin_slot]
        picked = [*pinned, *self._choose(free, section.max - len(held) - len(pinned), section.key)]
        if not held and len(picked) < max(section.min, 1):
            for one in picked:
                del self._printed_as[one.candidate.story_id], self._under[one.candidate.story_id]
                one.reason = f"section {section.key} has {len(picked)} of at least {section.min}"
            self._homeless += picked
            return
        self.printed.append(section.key)
        self._place(picked, section.key, held)
        for one in free:
            if one.is_out and one.duplicate_of is None:
                one.reason = f"section {section.key} is full ({section.max})"
                self._overflow.append(one)

    def _fill_more(self, pool: list[Judged]) -> None:
        """Stories of sections that were too short go first, then the best of what did not fit."""
        held = self._held_in(MORE)
        own = next((section for section in self._rules.sections if section.key == MORE), None)
        already = sum(one.place == MORE and not one.is_out for one in self._judged) if own else 0
        picked = self._take_pinned(pool, MORE)
        if self._rules.more:
            for one in self._homeless:
                self._take(one, MORE)
            picked += self._homeless
            room = (own.max if own else self._rules.more_max) - len(held) - already - len(picked)
            picked += self._choose([one for one in self._overflow if one.is_out], room, MORE)
        if not own and (picked or held):
            self.printed.append(MORE)
        elif own and picked and MORE not in self.printed:
            self.printed.insert(self._keys.index(MORE), MORE)
        self._place(picked, MORE, held, after=already)

    def _choose(self, pool: list[Judged], room: int, place: str) -> list[Judged]:
        def refuse(one: Judged) -> str:
            for story in one.candidate.linked:
                if self._under.get(story) == place:
                    one.duplicate_of = self._printed_as.get(story)
                    return f"much like {one.duplicate_of or 'another'}, which this section prints"
            return ""

        spill = place == MORE
        return choose(
            pool,
            room,
            self._chosen,
            diversity=self._rules.ranking.diversity,
            repeat=self._rules.ranking.repeat if spill else 1.0,
            refuse=refuse,
            group=lambda one: one.section if spill else place,
            take=lambda one: self._take(one, place),
        )

    def _take_pinned(self, pool: list[Judged], place: str) -> list[Judged]:
        pinned = _in_pin_order(one for one in pool if one.candidate.pin_slot)
        for one in pinned:
            self._take(one, place)
            self._chosen.add(one)
        return pinned

    def _take(self, one: Judged, place: str) -> None:
        self._printed_as[one.candidate.story_id] = one.candidate.id
        self._under[one.candidate.story_id] = place

    def _held_in(self, key: str) -> list[Item]:
        return [item for item in self._held if item.slot is Slot.SECTION and item.section == key]

    def _place(self, picked: list[Judged], key: str, held: list[Item], *, after: int = 0) -> None:
        """Give positions, around those that hands have filled."""
        taken = {item.position for item in held}
        position = after
        for one in picked:
            position += 1
            while position in taken:
                position += 1
            if one.candidate.pin_slot:
                reason = f"pinned to {key}"
            elif key == MORE and one.reason:
                reason = f"in More: {one.reason}"
            else:
                reason = f"number {position} of section {key}"
            one.put(Slot.SECTION, key, position, reason)


def _in_pin_order(pool: Iterable[Judged]) -> list[Judged]:
    return sorted(pool, key=lambda one: (one.candidate.pin_order, one.candidate.id))


def _span(window: timedelta) -> str:
    hours = window.total_seconds() / 3600
    return f"{hours / 24:g} days" if hours >= 48 and hours % 24 == 0 else f"{hours:.4g} hours"
