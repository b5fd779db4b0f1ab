"""The consent ledger: one row appended for every change of standing."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import insert
from sqlalchemy.orm import Session

from subscribers.addresses import redact
from subscribers.models import ConsentAction, ConsentEventRow, ConsentMethod


@dataclass(frozen=True, slots=True)
class How:
    """How a change came about: the evidence that is kept with it.

    :param wording: what the person was shown when they agreed.
    :param ip: where the click came from, if there was one.
    :param note: a reason, an actor; addresses in it are taken out before it is stored.
    """

    method: ConsentMethod
    wording: str = ""
    ip: str = ""
    note: str = ""


BY_COMMAND = How(ConsentMethod.COMMAND)


def record(
    session: Session,
    action: ConsentAction,
    how: How,
    *,
    now: datetime,
    subscriber_id: int | None = None,
    list_id: int | None = None,
    address_hash: bytes | None = None,
) -> None:
    """Append one change to the ledger."""
    session.add(
        ConsentEventRow(
            subscriber_id=subscriber_id,
            list_id=list_id,
            address_hash=address_hash,
            action=action,
            at=now,
            **_evidence(how),
        )
    )


def record_many(
    session: Session, action: ConsentAction, changes: Sequence[tuple[int, int, How]], *, now: datetime
) -> None:
    """Append the same change for many: (subscriber id, list id, evidence)."""
    rows = [
        {
            "subscriber_id": subscriber_id,
            "list_id": list_id,
            "action": action,
            "at": now,
            **_evidence(how),
        }
        for subscriber_id, list_id, how in changes
    ]
    if rows:
        session.execute(insert(ConsentEventRow), rows)


def _evidence(how: How) -> dict[str, str | None]:
    return {
        "method": how.method,
        "wording": redact(how.wording) or None,
        "ip": how.ip[:45] or None,
        "note": redact(how.note) or None,
    }
