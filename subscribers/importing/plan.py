"""What an import does to the database, decided before anything is written.

Pure: candidates and what is known of them in, changes out. People who left stay away, suppressed
addresses stay suppressed, and of an address that comes twice in a file the last row's fields win.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from subscribers.importing.values import Candidate, Options, Rejected
from subscribers.models import ConsentAction, SubscriptionStatus, SuppressionCause

CONFIRMED, PENDING, UNSUBSCRIBED = (
    SubscriptionStatus.CONFIRMED.value,
    SubscriptionStatus.PENDING.value,
    SubscriptionStatus.UNSUBSCRIBED.value,
)
_ACTIONS = {
    CONFIRMED: ConsentAction.CONFIRMED.value,
    PENDING: ConsentAction.REQUESTED.value,
    UNSUBSCRIBED: ConsentAction.UNSUBSCRIBED.value,
}

Moment = Callable[[datetime], Any]
Row = list[Any]


class Subscription:
    """A subscription as it is known or becomes; ``row`` while it is new."""

    __slots__ = ("changed", "confirmed_at", "id", "row", "sections", "status", "unsubscribed_at")

    def __init__(self, id_: int, status: str, sections: str | None, row: Row | None = None) -> None:
        self.id = id_
        self.status = status
        self.sections = sections
        self.row = row
        self.changed = False
        self.confirmed_at: Any = None  # only what changes
        self.unsubscribed_at: Any = None


class Person:
    """A person as they are known or become; ``row`` while they are new."""

    __slots__ = (
        "attributes",
        "changed",
        "id",
        "language",
        "name",
        "row",
        "seen",
        "subscriptions",
        "timezone",
    )

    def __init__(
        self, id_: int, name: str, language: str, timezone: str, attributes: str, row: Row | None = None
    ) -> None:
        self.id = id_
        self.name = name
        self.language = language
        self.timezone = timezone
        self.attributes = attributes  # JSON text
        self.row = row
        self.subscriptions: dict[int, Subscription] = {}
        self.changed = False
        self.seen = False


@dataclass(slots=True)
class Tally:
    """What became of the rows of one chunk; added to the report when the chunk is in."""

    added: int = 0
    updated: int = 0
    unchanged: int = 0
    suppressed: int = 0
    duplicates: int = 0
    kept_unsubscribed: int = 0


@dataclass(slots=True)
class Changes:
    """What one chunk writes. Rows are in the order of the columns of ``subscribers.importing.store``."""

    tally: Tally = field(default_factory=Tally)

    people: list[Row] = field(default_factory=list)
    changed_people: list[Person] = field(default_factory=list)
    subscriptions: list[Row] = field(default_factory=list)
    changed_subscriptions: list[Subscription] = field(default_factory=list)
    events: list[tuple[Any, ...]] = field(default_factory=list)
    suppressions: list[tuple[Any, ...]] = field(default_factory=list)


@dataclass(slots=True)
class Known:
    """What the database knows of one chunk's addresses."""

    people: dict[str, Person]
    suppressed_hashes: set[bytes]
    suppressed_domains: set[str]
    lists: dict[str, int]

    def with_what_is_on_its_way(self, addresses: set[str], before: Known) -> None:
        """Add what a chunk before this one, which is being written, makes of the same ``addresses``.

        Its rows are in their final form by now, so what changes in them from here on is an update.
        """
        for address in addresses & before.people.keys():
            person = self.people[address] = before.people[address]
            person.row, person.changed = None, False
            for subscription in person.subscriptions.values():
                subscription.row, subscription.changed = None, False
                subscription.confirmed_at = subscription.unsubscribed_at = None
        self.suppressed_hashes |= before.suppressed_hashes


class Planner:
    """Decides chunk by chunk."""

    def __init__(
        self,
        options: Options,
        *,
        moment: Moment,
        now: datetime,
        import_id: int,
        first_subscriber_id: int,
        resumed: bool,
    ) -> None:
        """``first_subscriber_id``: people from here on came with this import, or with its ``resumed`` run."""
        self._options = options
        self._resumed = resumed
        self._moment = moment
        self._now = moment(now)
        self._import_id = import_id
        self._first = first_subscriber_id
        self._default = options.default_status.value

    def plan(
        self,
        candidates: list[Candidate],
        known: Known,
        person_ids: Iterator[int],
        subscription_ids: Iterator[int],
    ) -> tuple[Changes, list[Rejected]]:
        """Return what to write for ``candidates``, and those that name no list."""
        changes = Changes()
        rejects: list[Rejected] = []
        tally = changes.tally
        people = known.people
        check_suppressed = bool(known.suppressed_hashes or known.suppressed_domains)
        for row in candidates:
            list_id = self._options.list_id
            if list_id is None and row.list_name:
                list_id = known.lists.get(row.list_name)
                if list_id is None:
                    reason = f"no list is called {row.list_name[:64]!r}"
                    rejects.append(Rejected(row.line, row.address, reason))
                    continue
            person = people.get(row.normalized)
            in_run = person is not None and person.id >= self._first
            address_hash = row.address_hash
            if (
                check_suppressed
                and (address_hash in known.suppressed_hashes or row.domain in known.suppressed_domains)
                and not (in_run and row.suppress)
            ):
                tally.suppressed += 1
                continue
            if person is None:
                person = self._new_person(row, next(person_ids), address_hash, changes)
                people[row.normalized] = person
                outcome = "added"
                if list_id is None:
                    self._event(changes, person.id, None, ConsentAction.ADDED.value, row)
            else:
                outcome = "unchanged"
                if self._options.update or in_run:
                    outcome = self._fields(row, person, changes)
            if list_id is not None:
                subscription = person.subscriptions.get(list_id)
                if subscription is None:
                    self._new_subscription(row, person, list_id, next(subscription_ids), changes)
                    if outcome == "unchanged":
                        outcome = "updated"
                else:
                    if person.seen or (in_run and not self._resumed):
                        tally.duplicates += 1
                    if self._transition(row, person, list_id, subscription, in_run, changes):
                        outcome = "updated"
            person.seen = True
            if row.suppress is not None:
                self._suppress(row, person, address_hash, row.suppress, changes)
                known.suppressed_hashes.add(address_hash)
                check_suppressed = True
                outcome = "suppressed"
            setattr(tally, outcome, getattr(tally, outcome) + 1)
        return changes, rejects

    def _new_person(self, row: Candidate, person_id: int, address_hash: bytes, changes: Changes) -> Person:
        created = self._now if row.created_at is None else self._moment(row.created_at)
        values = [
            person_id, row.address, row.normalized, row.domain, address_hash, row.name, row.language,
            row.timezone, row.attributes, created, self._now,
        ]  # fmt: skip
        changes.people.append(values)
        return Person(person_id, row.name, row.language, row.timezone, row.attributes, values)

    def _new_subscription(
        self, row: Candidate, person: Person, list_id: int, subscription_id: int, changes: Changes
    ) -> None:
        status = self._default if row.status is None else row.status.value
        if row.suppress is not None and row.status is None:
            status = UNSUBSCRIBED
        joined = row.joined_at or row.created_at
        created = self._now if joined is None else self._moment(joined)
        confirmed = None if row.confirmed_at is None else self._moment(row.confirmed_at)
        left = None if row.unsubscribed_at is None else self._moment(row.unsubscribed_at)
        if status == CONFIRMED:
            confirmed, left = confirmed or created, None
        elif status == UNSUBSCRIBED:
            left = left or self._now
        sections = None if row.sections == "null" else row.sections
        values = [subscription_id, person.id, list_id, status, sections, created, confirmed, left]
        changes.subscriptions.append(values)
        person.subscriptions[list_id] = Subscription(subscription_id, status, sections, values)
        self._event(changes, person.id, list_id, _ACTIONS[status], row)

    def _transition(
        self,
        row: Candidate,
        person: Person,
        list_id: int,
        subscription: Subscription,
        in_run: bool,
        changes: Changes,
    ) -> bool:
        """Carry a status over to a subscription that is there already."""
        wanted = None if row.status is None else row.status.value
        overwrite = self._options.update or in_run
        changed = False
        if wanted == UNSUBSCRIBED and subscription.status != UNSUBSCRIBED:
            left = self._now if row.unsubscribed_at is None else self._moment(row.unsubscribed_at)
            self._set(subscription, changes, UNSUBSCRIBED, left=left)
            changed = True
        elif subscription.status == UNSUBSCRIBED and wanted != UNSUBSCRIBED:
            # Who left is not brought back by a file.
            changes.tally.kept_unsubscribed += 1
        elif subscription.status == PENDING and wanted == CONFIRMED and overwrite:
            confirmed = self._now if row.confirmed_at is None else self._moment(row.confirmed_at)
            self._set(subscription, changes, CONFIRMED, confirmed=confirmed)
            changed = True
        if changed:
            self._event(changes, person.id, list_id, _ACTIONS[subscription.status], row)
        if row.sections is not None and overwrite:
            sections = None if row.sections == "null" else row.sections
            if _parsed(sections) != _parsed(subscription.sections):
                subscription.sections = sections
                if subscription.row is not None:
                    subscription.row[4] = sections
                else:
                    self._mark(subscription, changes)
                self._event(changes, person.id, list_id, ConsentAction.SECTIONS.value, row)
                changed = True
        return changed

    def _set(
        self,
        subscription: Subscription,
        changes: Changes,
        status: str,
        *,
        confirmed: Any = None,
        left: Any = None,
    ) -> None:
        subscription.status = status
        if subscription.row is not None:
            subscription.row[3] = status
            subscription.row[6] = confirmed or subscription.row[6]
            subscription.row[7] = left
        else:
            subscription.confirmed_at = confirmed
            subscription.unsubscribed_at = left
            self._mark(subscription, changes)

    @staticmethod
    def _mark(subscription: Subscription, changes: Changes) -> None:
        if not subscription.changed:
            subscription.changed = True
            changes.changed_subscriptions.append(subscription)

    def _fields(self, row: Candidate, person: Person, changes: Changes) -> str:
        """Take over what the row says of a person; empty cells say nothing."""
        name = row.name or person.name
        language = row.language or person.language
        timezone = row.timezone or person.timezone
        attributes = person.attributes
        if row.attributes not in ("{}", attributes):
            before = _parsed(attributes)
            merged = {**before, **json.loads(row.attributes)}
            if merged != before:
                attributes = json.dumps(merged, ensure_ascii=False, separators=(",", ":"))
        if (name, language, timezone, attributes) == (
            person.name,
            person.language,
            person.timezone,
            person.attributes,
        ):
            return "unchanged"
        person.name, person.language, person.timezone = name, language, timezone
        person.attributes = attributes
        if person.row is not None:
            person.row[5:9] = [name, language, timezone, attributes]
        elif not person.changed:
            person.changed = True
            changes.changed_people.append(person)
        return "updated"

    def _suppress(
        self,
        row: Candidate,
        person: Person,
        address_hash: bytes,
        cause: SuppressionCause,
        changes: Changes,
    ) -> None:
        changes.suppressions.append(("address", address_hash, cause.value, row.reason, self._now))
        self._event(changes, person.id, None, ConsentAction.SUPPRESSED.value, row)

    def _event(
        self, changes: Changes, subscriber_id: int, list_id: int | None, action: str, row: Candidate
    ) -> None:
        changes.events.append(
            (subscriber_id, list_id, action, "import", self._now, self._import_id, row.line, row.ip)
        )


def _parsed(value: str | None) -> Any:
    return None if value is None else json.loads(value)
