"""The two hot statements, intent and result, for a whole group of copies at once on each database.

They go straight to the driver: through SQLAlchemy one statement costs as much as the four
microseconds that a row may. A group is one statement, so that the interpreter's lock is let go and
taken back once a group, not once a row.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from digest.delivery.machine import Verdict
from digest.models import DeliveryStatus

LEASED = "status IN ('claimed', 'sending')"  # word for word as in the partial index
_OPEN_ISSUE = "AND EXISTS (SELECT 1 FROM issues WHERE issues.id = {t}.issue_id AND issues.status = 'sending')"


@dataclass(frozen=True, slots=True)
class Hot:
    """The statements of one table on one database. Both are harmless when they run twice."""

    table: str
    intend_sql: str
    accept_sql: str
    judge_sql: str
    sqlite: bool

    def intend(self, cursor: Any, intents: Sequence[tuple[int, int, datetime]], now: datetime) -> set[int]:
        """Turn ``(id, fence, date)`` that still hold from claimed to sending; return their ids."""
        if self.sqlite:
            rows = json.dumps([(row, fence, _text(date)) for row, fence, date in intents])
            found = cursor.execute(self.intend_sql, (rows, _text(now))).fetchall()
        else:
            ids, fences, dates = (list(column) for column in zip(*sorted(intents), strict=True))
            cursor.execute(self.intend_sql, (ids, fences, dates, now))
            found = cursor.fetchall()
        return {row[0] for row in found}

    def record(self, cursor: Any, results: Sequence[tuple[int, int, Verdict]]) -> None:
        """Store verdicts. An acceptance is a fact, and stands although the row was taken for in doubt
        meanwhile; anything else counts only while the row is ours."""
        accepted = [r for r in results if r[2].status is DeliveryStatus.SENT]
        if accepted:
            self._write(cursor, self.accept_sql, accepted)
        if len(accepted) < len(results):
            others = [r for r in results if r[2].status is not DeliveryStatus.SENT]
            self._write(cursor, self.judge_sql, others)

    def _write(self, cursor: Any, sql: str, results: Sequence[tuple[int, int, Verdict]]) -> None:
        rows = [
            (
                row,
                fence,
                verdict.status.value,
                verdict.attempts,
                verdict.next_attempt_at,
                verdict.sent_at,
                verdict.reply,
                verdict.queue_id,
            )
            for row, fence, verdict in results
        ]
        if self.sqlite:
            cursor.execute(sql, (json.dumps(rows, default=_text),))
        else:
            rows.sort(key=lambda row: row[0])
            cursor.execute(sql, [list(column) for column in zip(*rows, strict=True)])


def hot_statements(table: str, *, sqlite: bool) -> Hot:
    """The statements of ``deliveries`` or ``notices``."""
    opened = _OPEN_ISSUE.format(t=table) if table == "deliveries" else ""
    # ruff: noqa: S608 - the table's name is one of ours
    if sqlite:
        cell = "json_extract(v.value, '$[{}]')".format
        source = "FROM json_each(?) AS v"
        columns = [cell(number) for number in range(8)]
        dates = [cell(2)]
        until = "?"
    else:
        names = ["id", "fence", "status", "attempts", "next_attempt_at", "sent_at", "reply", "queue_id"]
        source = (
            "FROM unnest(%s::bigint[], %s::integer[], %s::text[], %s::integer[], %s::timestamptz[],"
            f" %s::timestamptz[], %s::text[], %s::text[]) AS v({', '.join(names)})"
        )
        columns = [f"v.{name}" for name in names]
        dates = ["v.date"]
        until = "%s"
    intend_source = (
        source
        if sqlite
        else "FROM unnest(%s::bigint[], %s::integer[], %s::timestamptz[]) AS v(id, fence, date)"
    )
    row, fence, status, attempts, due, sent, reply, queue = columns
    mine = f"{table}.id = {row} AND {table}.fence = {fence}"
    return Hot(
        table=table,
        sqlite=sqlite,
        intend_sql=(
            f"UPDATE {table} SET status = 'sending', first_sent_at = {dates[0]} {intend_source}"
            f" WHERE {mine} AND {table}.status = 'claimed' AND {table}.lease_until > {until} {opened}"
            f" RETURNING {table}.id"
        ),
        accept_sql=(
            f"UPDATE {table} SET status = {status}, attempts = {attempts}, sent_at = {sent},"
            f" reply = {reply}, queue_id = {queue}, next_attempt_at = NULL, lease_until = NULL"
            f" {source} WHERE {mine}"
        ),
        judge_sql=(
            f"UPDATE {table} SET status = {status}, attempts = {attempts}, next_attempt_at = {due},"
            f" reply = CASE WHEN {reply} = '' THEN {table}.reply ELSE {reply} END, lease_until = NULL"
            f" {source} WHERE {mine} AND {table}.{LEASED}"
        ),
    )


def _text(moment: datetime) -> str:
    """As SQLAlchemy stores it on SQLite: UTC without a zone, always with six digits of microseconds."""
    return moment.astimezone(UTC).strftime("%Y-%m-%d %H:%M:%S.%f")
