"""Exporting people: CSV or JSON lines with every field, streamed; importing it gives the same people again.

One row per person and list. In CSV a cell that a spreadsheet would run as a formula gets an
apostrophe in front; the import of such a file takes it off again.
"""

from __future__ import annotations

import csv
import os
from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from enum import StrEnum
from json.encoder import encode_basestring as quoted
from pathlib import Path
from typing import Any, Final, TextIO

from sqlalchemy import ColumnElement, Connection, Select, String, Text, cast, func, select, type_coerce
from sqlalchemy.orm import aliased

from subscribers.models import MailingListRow, SubscriberRow, SubscriptionRow, SuppressionRow

COLUMNS: Final = (
    "email", "name", "language", "timezone", "status", "list", "sections", "attributes", "created_at",
    "joined_at", "confirmed_at", "unsubscribed_at", "suppressed", "suppression_reason",
)  # fmt: skip
FORMULA_STARTS: Final = frozenset("=+-@\t\r＝＋－＠'")
_BATCH = 2000


class ExportFormat(StrEnum):
    """How people are written."""

    CSV = "csv"
    JSONL = "jsonl"


def export_people(
    connection: Connection,
    out: TextIO,
    *,
    file_format: ExportFormat = ExportFormat.CSV,
    list_id: int | None = None,
    segment: ColumnElement[bool] | None = None,
    watcher: Callable[[int], None] | None = None,
) -> int:
    """Write people to ``out`` and return the number of rows; constant memory.

    :param list_id: only this list; ``None``: all, and people who are on none.
    :param watcher: is told the rows of each batch.
    """
    rows = connection.execute(
        _query(list_id, segment, connection.dialect.name), execution_options={"yield_per": _BATCH}
    )
    number = 0
    write = _csv_writer(out) if file_format is ExportFormat.CSV else _jsonl_writer(out)
    for batch in rows.partitions(_BATCH):
        write(batch)
        number += len(batch)
        if watcher is not None:
            watcher(len(batch))
    return number


def export_to_file(path: Path, write: Callable[[TextIO], int]) -> int:
    """Let ``write`` fill a new file that takes the place of ``path`` only when it is whole.

    Only its owner may read it (0600), since it holds addresses.
    """
    beside = path.with_name(f".{path.name}.{os.getpid()}.part")
    try:
        descriptor = os.open(beside, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        with os.fdopen(descriptor, "w", encoding="utf-8", newline="") as out:
            number = write(out)
        beside.replace(path)
    except BaseException:
        with suppress(OSError):
            beside.unlink()
        raise
    return number


def defused(cell: str) -> str:
    """Return a cell that no spreadsheet runs (OWASP, "CSV Injection")."""
    return "'" + cell if cell[:1] in FORMULA_STARTS and cell else cell


def _query(list_id: int | None, segment: ColumnElement[bool] | None, dialect: str) -> Select[Any]:
    def moment(column: Any) -> Any:
        # PostgreSQL is asked for what SQLite stores: a million datetimes would take 4 s of CPU here.
        if dialect == "sqlite":
            return type_coerce(column, String)
        return func.to_char(func.timezone("UTC", column), "YYYY-MM-DD HH24:MI:SS.US")

    by_domain = aliased(SuppressionRow)
    chosen: Any = select(
        SubscriberRow.address,
        SubscriberRow.name,
        SubscriberRow.language,
        SubscriberRow.timezone,
        # As text: a million enums, JSON values and datetimes would be made only to be written again.
        type_coerce(SubscriptionRow.status, String),
        MailingListRow.name,
        cast(SubscriptionRow.sections, Text),
        cast(SubscriberRow.attributes, Text),
        moment(SubscriberRow.created_at),
        moment(SubscriptionRow.created_at),
        moment(SubscriptionRow.confirmed_at),
        moment(SubscriptionRow.unsubscribed_at),
        # Whose domain is suppressed is exported as suppressed, so that moving house brings nobody back.
        type_coerce(func.coalesce(SuppressionRow.cause, by_domain.cause), String),
        func.coalesce(SuppressionRow.reason, by_domain.reason),
    )
    chosen = (
        chosen.select_from(SubscriberRow)
        .outerjoin(SubscriptionRow, SubscriptionRow.subscriber_id == SubscriberRow.id)
        .outerjoin(MailingListRow, MailingListRow.id == SubscriptionRow.list_id)
        .outerjoin(SuppressionRow, SuppressionRow.address_hash == SubscriberRow.suppression_hash)
        .outerjoin(by_domain, by_domain.domain == SubscriberRow.domain)
        .order_by(SubscriberRow.id, SubscriptionRow.list_id)
    )
    if list_id is not None:
        chosen = chosen.where(SubscriptionRow.list_id == list_id)
    if segment is not None:
        chosen = chosen.where(segment)
    query: Select[Any] = chosen
    return query


def _csv_writer(out: TextIO) -> Callable[[Iterable[Any]], None]:
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow(COLUMNS)

    def cells(rows: Iterable[Any]) -> Iterator[tuple[Any, ...]]:
        for row in rows:
            (email, name, language, timezone, status, list_name, sections, attributes,
             created, joined, confirmed, left, cause, reason) = row  # fmt: skip
            yield (
                "'" + email if email[0] in FORMULA_STARTS else email,
                "'" + name if name and name[0] in FORMULA_STARTS else name,
                language, timezone, status, list_name, sections, attributes,
                _moment(created),
                joined and _moment(joined),
                confirmed and _moment(confirmed),
                left and _moment(left),
                cause,
                reason and defused(reason),
            )  # fmt: skip

    return lambda rows: writer.writerows(cells(rows))


def _jsonl_writer(out: TextIO) -> Callable[[Iterable[Any]], None]:
    heads = [f"{quoted(column)}: " for column in COLUMNS]

    def line(row: Any) -> str:
        values = [
            *map(_text, row[:6]),
            row[6] or "null",
            row[7],
            *(f'"{_moment(moment)}"' if moment else "null" for moment in row[8:12]),
            *map(_text, row[12:]),
        ]
        return "{" + ", ".join([head + value for head, value in zip(heads, values, strict=True)]) + "}\n"

    return lambda rows: out.writelines(map(line, rows))


def _text(value: str | None) -> str:
    return "null" if value is None else quoted(value)


def _moment(value: str) -> str:
    """ISO 8601 in UTC, from the text that SQLite stores; microseconds only if there are."""
    return f"{value[:10]}T{value[11:19] if value.endswith('.000000') else value[11:]}Z"
