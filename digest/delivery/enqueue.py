"""Enqueueing an issue's audience by one ``INSERT … SELECT``; doing it again is harmless."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, cast

from sqlalchemy import CursorResult, Select, Table, literal, select
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.orm import Session

from digest.models import DeliveryRow, DeliveryStatus
from subscribers.models import SubscriberRow, SubscriptionRow


def enqueue(session: Session, issue_id: int, chosen: Select[Any], *, rendition_id: int | None = None) -> int:
    """Give everybody in ``chosen`` (``subscribers.audience.audience``) one copy; return how many are new."""
    columns: Sequence[str] = ("issue_id", "subscriber_id", "subscription_id", "status", "rendition_id")
    rows = cast(Table, DeliveryRow.__table__)
    source = chosen.with_only_columns(
        literal(issue_id),
        SubscriberRow.id,
        SubscriptionRow.id,
        literal(DeliveryStatus.QUEUED.value),
        literal(rendition_id, rows.c.rendition_id.type),
        maintain_column_froms=True,
    )
    key = ["issue_id", "subscriber_id"]
    statement: Any
    if session.get_bind().dialect.name == "sqlite":
        statement = sqlite.insert(rows).from_select(columns, source, include_defaults=False)
    else:
        statement = postgresql.insert(rows).from_select(columns, source, include_defaults=False)
    statement = statement.on_conflict_do_nothing(index_elements=key)
    counted = session.execute(statement, execution_options={"preserve_rowcount": True})
    return cast(CursorResult[Any], counted).rowcount


def already_enqueued(issue_id: int) -> Select[tuple[int]]:
    """The subscribers who have a copy of the issue, for ``audience(except_=…)``."""
    return select(DeliveryRow.subscriber_id).where(  # type: ignore[return-value]
        DeliveryRow.issue_id == issue_id, DeliveryRow.subscriber_id.is_not(None)
    )
