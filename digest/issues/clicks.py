"""How often the items of an issue were followed; no person is stored with a click."""

from __future__ import annotations

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from digest.models import ClickCountRow


def clicks_of(session: Session, issue_id: int) -> dict[int, int]:
    """Clicks by item; items without any are left out."""
    rows = session.execute(
        select(ClickCountRow.item_id, func.sum(ClickCountRow.clicks))
        .where(ClickCountRow.issue_id == issue_id)
        .group_by(ClickCountRow.item_id)
    )
    return {int(item): int(number) for item, number in rows}
