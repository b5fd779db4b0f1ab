"""Places in an issue: slots, sections and positions, as people write them and as they are stored."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from digest.errors import UsageError
from digest.models import IssueItemRow, IssueRow
from digest.values import Item, SectionHeading, Slot


@dataclass(frozen=True, slots=True)
class Place:
    """Where an item stands or is to stand; ``position`` counts from 1, 0 is the end."""

    slot: Slot
    section: str = ""
    position: int = 0


def place_from(text: str, headings: Sequence[SectionHeading]) -> Place:
    """``SLOT/POS`` or ``SLOT`` as a place; a slot is ``top``, ``lead``, ``dont-miss``, ``sponsor``,
    ``corrections``, ``bottom`` or the key of one of ``headings``. Raises ``UsageError``."""
    name, slash, position = text.strip().rpartition("/")
    if not slash:
        name, position = position, "0"
    if not (position.isascii() and position.isdigit()) or (slash and int(position) < 1) or len(position) > 6:
        raise UsageError(
            f"{text!r} is no place: {position!r} is no position", remedy="write SLOT/POS, POS from 1"
        )
    slots = {slot.value.replace("_", "-"): slot for slot in Slot if slot is not Slot.SECTION}
    key = name.strip()
    if key.replace("_", "-") in slots:
        return Place(slots[key.replace("_", "-")], "", int(position))
    keys = [heading.key for heading in headings]
    if key in keys:
        return Place(Slot.SECTION, key, int(position))
    raise UsageError(f"{key!r} is no slot and no section", remedy=f"known: {', '.join([*slots, *keys])}")


def known_headings(row: IssueRow, sections: Sequence[SectionHeading]) -> list[SectionHeading]:
    """The sections that an item may be moved to: the issue's own and its edition's."""
    own = {
        entry["key"]: SectionHeading(entry["key"], entry["name"], entry["layout"]) for entry in row.sections
    }
    return [*own.values(), *(heading for heading in sections if heading.key not in own)]


def with_heading(row: IssueRow, heading: SectionHeading | None) -> None:
    """A section that the issue did not print so far gets its heading, at the end."""
    if heading is not None and all(entry["key"] != heading.key for entry in row.sections):
        entry = {"key": heading.key, "name": heading.name, "layout": heading.layout}
        row.sections = [*row.sections, entry]


def slot_name(there: Place | Item | IssueItemRow) -> str:
    """The slot as ``place_from`` reads it: a section's is its key."""
    return there.section if there.slot is Slot.SECTION else there.slot.value.replace("_", "-")


def name_of(place: Place) -> str:
    """The place as ``place_from`` reads it."""
    return f"{slot_name(place)}/{place.position}" if place.position else slot_name(place)
