"""What walks through an import: options in, rows and candidates between, a report out."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from pathlib import Path
from typing import NamedTuple, Protocol

from subscribers.addresses import AddressWarning
from subscribers.models import SubscriptionStatus, SuppressionCause


class Format(StrEnum):
    """What kind of file it is."""

    CSV = "csv"
    TSV = "tsv"
    JSONL = "jsonl"
    MAILCHIMP = "mailchimp"
    SUBSTACK = "substack"
    GHOST = "ghost"
    BUTTONDOWN = "buttondown"
    LISTMONK = "listmonk"
    OWN = "dontmiss"


class Field(StrEnum):
    """What a column may be read as; any other becomes an attribute."""

    EMAIL = "email"
    NAME = "name"
    FIRST_NAME = "first_name"
    LAST_NAME = "last_name"
    LANGUAGE = "language"
    TIMEZONE = "timezone"
    STATUS = "status"
    LIST = "list"
    SECTIONS = "sections"
    ATTRIBUTES = "attributes"  # one JSON object
    CREATED = "created_at"
    JOINED = "joined_at"  # the list; as created_at if there is none
    CONFIRMED = "confirmed_at"
    UNSUBSCRIBED = "unsubscribed_at"
    SUPPRESSED = "suppressed"  # the cause
    REASON = "suppression_reason"
    IP = "ip"
    SUBSCRIBED = "subscribed"  # yes or no
    DISABLED = "disabled"  # yes: unsubscribed
    IGNORE = "ignore"


@dataclass(frozen=True, slots=True)
class Options:
    """How to import.

    :param list_id: where people go; ``None``: in our own exports where their ``list`` column says (a list
        that is missing is made), in all others ``only_list_id``.
    :param only_list_id: the one list there is, if there is just one.
    :param mapping: column (as the header writes it, case ignored) → field or ``attributes.NAME``.
    :param file_format: ``None``: found out.
    :param default_status: of rows that carry none.
    :param update: overwrite fields of people who are known already.
    :param encoding: overrules what is found out.
    :param name: what the ledger calls the file.
    :param chunk_rows: of one transaction; ``None``: what suits the database in 200 MB.
    """

    list_id: int | None
    only_list_id: int | None = None
    mapping: Mapping[str, str] = field(default_factory=dict)
    file_format: Format | None = None
    default_status: SubscriptionStatus = SubscriptionStatus.CONFIRMED
    update: bool = False
    dry_run: bool = False
    encoding: str | None = None
    name: str = "-"
    errors_file: Path | None = None
    chunk_rows: int | None = None


@dataclass(slots=True)
class Candidate:
    """One row that can be imported. Mutable only for the speed of making a million."""

    line: int
    address: str
    normalized: str
    domain: str
    name: str
    language: str
    timezone: str
    attributes: str  # JSON text
    status: SubscriptionStatus | None  # None: the row carries none
    list_name: str = ""
    sections: str | None = None  # JSON text of a list; "null": all, on purpose; None: not said
    created_at: datetime | None = None
    joined_at: datetime | None = None
    confirmed_at: datetime | None = None
    unsubscribed_at: datetime | None = None
    suppress: SuppressionCause | None = None
    reason: str = ""
    ip: str | None = None
    address_hash: bytes = b""


class Rejected(NamedTuple):
    """One row that cannot be imported."""

    line: int
    row: str  # shortened to 1,000 characters
    reason: str


@dataclass(frozen=True, slots=True)
class ColumnUse:
    """What became of one column."""

    header: str
    used_as: str
    sample: str = ""


@dataclass(slots=True)
class Report:
    """What came of an import: ``rows`` is the sum of the five counts after it."""

    file_format: Format = Format.CSV
    encoding: str = "utf-8"
    columns: list[ColumnUse] = field(default_factory=list)
    rows: int = 0
    added: int = 0
    updated: int = 0
    unchanged: int = 0
    suppressed: int = 0
    rejected: int = 0
    duplicates: int = 0  # rows whose address came earlier in the file; among updated and unchanged
    kept_unsubscribed: int = 0  # people who had left, whom the file would have brought back
    warnings: dict[AddressWarning, int] = field(default_factory=dict)
    warning_samples: dict[AddressWarning, list[str]] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)
    sample: list[Candidate] = field(default_factory=list)
    rejected_sample: list[Rejected] = field(default_factory=list)
    errors_file: Path | None = None
    resumed: bool = False


class Watcher(Protocol):
    """Is told how far the import is."""

    def __call__(self, report: Report, bytes_read: int, bytes_in_all: int | None) -> None: ...
