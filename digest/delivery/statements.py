"""The two hot statements, intent and result, for a whole group of copies at once on each database.

They go straight to the driver: through SQLAlchemy one statement costs as much as the four
microseconds that a row may. A group is one statement, so that the interpreter's lock is let go and
taken back once a group, not once a row. On SQLite the rows that have all else in common (fence and date,
fence and attempts: mostly the whole group) share a statement, so that no JSON is looked into row by row.
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

    def intend(
        self, cursor: Any, intents: Sequence[tuple[int, int, datetime]], now: datetime
    ) -> set[tuple[int, int]]:
        """Turn ``(id, fence, date)`` that still hold into sending; return their ids and fences: a group may
        ask for a row by an older fence, too. Asked again, it is answered anew."""
        if not self.sqlite:
            ids, fences, dates = (list(column) for column in zip(*sorted(intents), strict=True))
            cursor.execute(self.intend_sql, (ids, fences, dates, now))
            return set(cursor.fetchall())
        alike: dict[tuple[int, datetime], list[int]] = {}
        for row, fence, date in intents:
            alike.setdefault((fence, date), []).append(row)
        granted: set[tuple[int, int]] = set()
        at = _text(now)
        for (fence, date), rows in alike.items():
            found = cursor.execute(self.intend_sql, (_text(date), f"[{','.join(map(str, rows))}]", fence, at))
            granted.update((row, fence) for (row,) in found.fetchall())
        return granted

    def record(self, cursor: Any, results: Sequence[tuple[int, int, Verdict]]) -> None:
        """Store verdicts. An acceptance is a fact, and stands although the row was taken for in doubt
        meanwhile; anything else counts only while the row is ours."""
        accepted = [r for r in results if r[2].status is DeliveryStatus.SENT]
        if accepted:
            self._accept(cursor, accepted)
        if len(accepted) < len(results):
            others = [r for r in results if r[2].status is not DeliveryStatus.SENT]
            self._judge(cursor, others)

    def _accept(self, cursor: Any, results: Sequence[tuple[int, int, Verdict]]) -> None:
        at = results[-1][2].sent_at  # of a group that is written at once
        if not self.sqlite:
            rows = sorted((row, fence, result.attempts, result.queue_id) for row, fence, result in results)
            cursor.execute(self.accept_sql, [at, *(list(column) for column in zip(*rows, strict=True))])
            return
        alike: dict[tuple[int, int], dict[int, str]] = {}
        for row, fence, result in results:
            alike.setdefault((fence, result.attempts), {})[row] = result.queue_id
        for (fence, attempts), names in alike.items():
            cursor.execute(self.accept_sql, (attempts, at and _text(at), json.dumps(names), fence))

    def _judge(self, cursor: Any, results: Sequence[tuple[int, int, Verdict]]) -> None:
        rows = [
            (
                row,
                fence,
                verdict.status.value,
                verdict.attempts,
                verdict.next_attempt_at,
                verdict.reply,
            )
            for row, fence, verdict in results
        ]
        if self.sqlite:
            cursor.execute(self.judge_sql, (json.dumps(rows, default=_text),))
        else:
            rows.sort(key=lambda row: row[0])
            cursor.execute(self.judge_sql, [list(column) for column in zip(*rows, strict=True)])


def hot_statements(table: str, *, sqlite: bool) -> Hot:
    """The statements of ``deliveries`` or ``notices``."""
    opened = _OPEN_ISSUE.format(t=table) if table == "deliveries" else ""
    # ruff: noqa: S608 - the table's name is one of ours
    if sqlite:
        mark = "?"

        def source(**columns: str) -> tuple[str, list[str]]:
            return "FROM json_each(?) AS v", [
                f"json_extract(v.value, '$[{number}]')" for number in range(len(columns))
            ]
    else:
        mark = "%s"

        def source(**columns: str) -> tuple[str, list[str]]:
            arrays = ", ".join(f"%s::{kind}[]" for kind in columns.values())
            return f"FROM unnest({arrays}) AS v({', '.join(columns)})", [f"v.{name}" for name in columns]

    intents, (row, fence, date) = source(id="bigint", fence="integer", date="timestamptz")
    mine = f"{table}.id = {row} AND {table}.fence = {fence}"
    accepted, (_, _, tries, queue) = source(id="bigint", fence="integer", attempts="integer", queue="text")
    asked = accepting = mine
    if sqlite:
        intents = accepted = "FROM json_each(?) AS v"
        date, tries, queue = "?", "?", "v.value"
        asked = f"{table}.id = v.value AND {table}.fence = ?"
        accepting = f"{table}.id = CAST(v.key AS INTEGER) AND {table}.fence = ?"
    judged, (_, _, status, attempts, due, reply) = source(
        id="bigint", fence="integer", status="text", attempts="integer", due="timestamptz", reply="text"
    )
    return Hot(
        table=table,
        sqlite=sqlite,
        intend_sql=(
            f"UPDATE {table} SET status = 'sending', first_sent_at = {date} {intents}"
            f" WHERE {asked} AND {table}.{LEASED} AND {table}.lease_until > {mark} {opened}"
            f" RETURNING {table}.id" + ("" if sqlite else f", {table}.fence")
        ),
        accept_sql=(
            f"UPDATE {table} SET status = 'sent', attempts = {tries}, sent_at = {mark}, queue_id = {queue},"
            f" reply = '', next_attempt_at = NULL, lease_until = NULL {accepted} WHERE {accepting}"
        ),
        judge_sql=(
            f"UPDATE {table} SET status = {status}, attempts = {attempts}, next_attempt_at = {due},"
            f" reply = CASE WHEN {reply} = '' THEN {table}.reply ELSE {reply} END, lease_until = NULL"
            f" {judged} WHERE {mine} AND {table}.{LEASED}"
        ),
    )


def _text(moment: datetime) -> str:
    """As SQLAlchemy stores it on SQLite: UTC without a zone, always with six digits of microseconds."""
    if moment.tzinfo is not UTC:
        moment = moment.astimezone(UTC)
    return moment.isoformat(" ", "microseconds")[:26]
