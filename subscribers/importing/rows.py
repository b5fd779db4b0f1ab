"""From a record to a candidate: cells cleaned and understood, or the row rejected with its reason."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import lru_cache
from json.encoder import encode_basestring as quoted
from typing import Any

from subscribers.addresses import parse_address
from subscribers.errors import InvalidAddress, InvalidField
from subscribers.importing.formats import NO, STATUS_WORDS, YES, Columns, simple
from subscribers.importing.records import Record, shown
from subscribers.importing.values import Candidate, Field, Format, Rejected
from subscribers.membership.fields import (
    MOST_ATTRIBUTE_BYTES,
    clean_attributes,
    clean_language,
    clean_name,
    clean_timezone,
)
from subscribers.models import SubscriptionStatus, SuppressionCause

_PLAIN_FIELDS = frozenset({Field.EMAIL, Field.NAME, Field.IGNORE})


class _UnusableError(Exception):
    """A row cannot be taken; the text is the reason."""


@dataclass(slots=True)
class Notes:
    """What was let pass, counted by reason."""

    counts: dict[str, int] = field(default_factory=dict)

    def add(self, reason: str) -> None:
        self.counts[reason] = self.counts.get(reason, 0) + 1


class CellReader:
    """Reads the rows of one delimited file; what each column means is settled once."""

    def __init__(self, columns: Columns, notes: Notes) -> None:
        self._width = len(columns.headers)
        self._columns = columns
        self._notes = notes
        self._email = columns.uses.index(Field.EMAIL)
        self._name = columns.uses.index(Field.NAME) if Field.NAME in columns.uses else -1
        self._attributes = [
            (f"{quoted(use.removeprefix('attributes.'))}:", index)
            for index, use in enumerate(columns.uses)
            if use.startswith("attributes.")
        ]
        self._others = [
            (use, index)
            for index, use in enumerate(columns.uses)
            if use in set(Field) and use not in _PLAIN_FIELDS
        ]
        self._special = bool(self._others or columns.suppress or columns.default_status)
        # Our own exports put an apostrophe before what a spreadsheet would run as a formula.
        self._own = columns.file_format is Format.OWN

    def read(self, record: Record) -> Candidate | Rejected:
        """Return what a row says, or why it cannot be taken."""
        line, cells = record
        if len(cells) != self._width:
            if len(cells) > self._width and any(cell.strip() for cell in cells[self._width :]):
                reason = f"{len(cells)} cells, where the header has {self._width}"
                return Rejected(line, _row(cells), reason)
            cells = cells[: self._width] + [""] * (self._width - len(cells))
        if self._own:
            cells = [harmless.removeprefix("'") if harmless[:1] == "'" else harmless for harmless in cells]
        try:
            address = parse_address(cells[self._email])
        except InvalidAddress as error:
            return Rejected(line, _row(cells), f"address: {error.reason}")
        members = [
            prefix + quoted(cells[index].strip())
            for prefix, index in self._attributes
            if cells[index].strip()
        ]
        attributes = "{" + ",".join(members) + "}" if members else "{}"
        if len(attributes) > MOST_ATTRIBUTE_BYTES // 4 and len(attributes.encode()) > MOST_ATTRIBUTE_BYTES:
            return Rejected(line, _row(cells), f"more than {MOST_ATTRIBUTE_BYTES} bytes of attributes")
        name = clean_name(cells[self._name]) if self._name >= 0 else ""
        candidate = Candidate(line, *address, name, "", "", attributes, None)
        if self._special:
            try:
                fill_in(
                    candidate,
                    {use: cells[index].strip() for use, index in self._others},
                    self._columns,
                    self._notes,
                )
            except (_UnusableError, InvalidField) as error:
                return Rejected(line, _row(cells), str(error))
        return candidate


class ObjectReader:
    """Reads the objects of JSON lines; attributes keep their types."""

    def __init__(self, columns: Columns, notes: Notes) -> None:
        self._columns = columns
        self._notes = notes
        self._uses = dict(zip(columns.headers, columns.uses, strict=True))

    def read(self, line: int, found: Mapping[str, Any]) -> Candidate | Rejected:
        """Return what an object says, or why it cannot be taken."""
        fields: dict[str, str] = {}
        attributes: dict[str, Any] = {}
        sections: list[str] | None = None
        sections_said = False
        try:
            for key, value in found.items():
                use = self._uses.get(key) or f"attributes.{simple(key)}"
                if use == Field.IGNORE or (value is None and use != Field.SECTIONS):
                    continue
                if use == Field.ATTRIBUTES:
                    if isinstance(value, dict):
                        attributes.update(value)
                    elif isinstance(value, str):
                        fields[use] = value
                    continue
                if use == Field.SECTIONS:
                    sections_said = True
                    sections = None if value is None else _texts(value)
                elif use.startswith("attributes."):
                    attributes[use.removeprefix("attributes.")] = value
                elif isinstance(value, bool):
                    fields[use] = "true" if value else "false"
                else:
                    fields[use] = str(value).strip()
            address = parse_address(fields.get(Field.EMAIL, ""))
            text = json.dumps(clean_attributes(attributes), ensure_ascii=False, separators=(",", ":"))
            candidate = Candidate(line, *address, clean_name(fields.get(Field.NAME, "")), "", "", text, None)
            fill_in(candidate, fields, self._columns, self._notes)
            if sections_said:
                candidate.sections = json.dumps(sections, ensure_ascii=False)
        except InvalidAddress as error:
            return Rejected(line, _object_shown(found), f"address: {error.reason}")
        except (_UnusableError, InvalidField, UnicodeEncodeError) as error:
            return Rejected(line, _object_shown(found), str(error))
        return candidate


def fill_in(candidate: Candidate, fields: Mapping[str, str], columns: Columns, notes: Notes) -> None:
    """Put the less usual fields into ``candidate``."""
    get = fields.get
    if not candidate.name and (get(Field.FIRST_NAME) or get(Field.LAST_NAME)):
        candidate.name = clean_name(f"{get(Field.FIRST_NAME, '')} {get(Field.LAST_NAME, '')}")
    extra: dict[str, Any] = {}
    # For merge fields ("Dear Ann"), which a full name cannot give.
    for name_part in (Field.FIRST_NAME, Field.LAST_NAME):
        if get(name_part):
            extra[name_part.value] = clean_name(fields[name_part])
    candidate.language = _or_attribute(clean_language, get(Field.LANGUAGE, ""), Field.LANGUAGE, extra, notes)
    candidate.timezone = _or_attribute(clean_timezone, get(Field.TIMEZONE, ""), Field.TIMEZONE, extra, notes)
    if get(Field.ATTRIBUTES):
        extra = {**_object(fields[Field.ATTRIBUTES]), **extra}
    if extra:
        merged = clean_attributes({**json.loads(candidate.attributes), **extra})
        candidate.attributes = json.dumps(merged, ensure_ascii=False, separators=(",", ":"))
    if get(Field.SECTIONS):
        candidate.sections = _sections(fields[Field.SECTIONS])
    candidate.list_name = get(Field.LIST, "")
    candidate.created_at = _moment(get(Field.CREATED, ""), notes)
    candidate.joined_at = _moment(get(Field.JOINED, ""), notes)
    candidate.confirmed_at = _moment(get(Field.CONFIRMED, ""), notes)
    candidate.unsubscribed_at = _moment(get(Field.UNSUBSCRIBED, ""), notes)
    candidate.ip = get(Field.IP, "")[:45] or None
    candidate.status, candidate.suppress = _standing(fields, columns)
    if candidate.status is None and candidate.suppress is None and candidate.unsubscribed_at is not None:
        candidate.status = SubscriptionStatus.UNSUBSCRIBED
    cause = get(Field.SUPPRESSED, "")
    if cause:
        candidate.suppress = _cause(cause)
        candidate.reason = clean_name(get(Field.REASON, ""))


def _standing(
    fields: Mapping[str, str], columns: Columns
) -> tuple[SubscriptionStatus | None, SuppressionCause | None]:
    status: SubscriptionStatus | None = columns.default_status
    suppress: SuppressionCause | None = columns.suppress
    word = fields.get(Field.STATUS, "")
    if word:
        found = _status_of(word)
        if isinstance(found, SuppressionCause):
            return SubscriptionStatus.UNSUBSCRIBED, found
        status = found
    if Field.SUBSCRIBED in fields and not _yes(fields[Field.SUBSCRIBED]):
        status = SubscriptionStatus.UNSUBSCRIBED
    if Field.DISABLED in fields and _yes(fields[Field.DISABLED]):
        status = SubscriptionStatus.UNSUBSCRIBED
    if suppress is not None:
        status = SubscriptionStatus.UNSUBSCRIBED
    return status, suppress


@lru_cache(maxsize=1024)
def _status_of(word: str) -> SubscriptionStatus | SuppressionCause:
    found = STATUS_WORDS.get(simple(word))
    if found is None:
        raise _UnusableError(f"status {word[:40]!r} is not known, and nobody is mailed on a guess")
    return found


def _cause(word: str) -> SuppressionCause:
    try:
        return SuppressionCause(word)
    except ValueError:
        return SuppressionCause.IMPORTED


def _yes(word: str) -> bool:
    word = word.lower()
    if word in YES:
        return True
    if word in NO:
        return False
    raise _UnusableError(f"{word[:40]!r} is neither yes nor no")


def _or_attribute(
    clean: Callable[[str], str], text: str, kept_as: Field, extra: dict[str, Any], notes: Notes
) -> str:
    """Clean a field; what cannot be used is kept as an attribute, since the person is worth more."""
    if not text:
        return ""
    try:
        return clean(text)
    except InvalidField:
        extra[kept_as.value] = text
        notes.add(f"{kept_as.value} could not be read and was kept as an attribute")
        return ""


@lru_cache(maxsize=65_536)
def _parsed_moment(text: str) -> datetime | None:
    try:
        found = datetime.fromisoformat(text)
    except ValueError:
        return None
    found = found if found.tzinfo else found.replace(tzinfo=UTC)
    return found.astimezone(UTC) if 1970 <= found.year < 9999 else None


def _moment(text: str, notes: Notes) -> datetime | None:
    if not text:
        return None
    found = _parsed_moment(text)
    if found is None:
        notes.add("a date could not be read (2026-01-31 12:00:00 can) and was left out")
    return found


def _object(text: str) -> dict[str, Any]:
    try:
        found = json.loads(text)
    except (ValueError, RecursionError):
        found = None
    if not isinstance(found, dict):
        raise _UnusableError("attributes: no JSON object")
    return found


def _sections(text: str) -> str:
    """``["a","b"]``, or ``a, b``; ``*`` is all of them."""
    if text == "*":
        return "null"
    if text.startswith("["):
        try:
            return json.dumps(_texts(json.loads(text)), ensure_ascii=False)
        except ValueError:
            raise _UnusableError("sections: no JSON list") from None
    return json.dumps([part.strip() for part in text.split(",") if part.strip()], ensure_ascii=False)


def _texts(value: Any) -> list[str]:
    if not isinstance(value, list) or len(value) > 100:
        raise _UnusableError("sections: no list of keys")
    return [str(part)[:64] for part in value]


def _row(cells: Sequence[str]) -> str:
    """The row as it stood in the file, or nearly so."""
    out = io.StringIO()
    csv.writer(out, lineterminator="").writerow(cells)
    return shown(out.getvalue())


def _object_shown(found: Mapping[str, Any]) -> str:
    return shown(json.dumps(found, ensure_ascii=False, default=str))
