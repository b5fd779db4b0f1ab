"""Lists: made, found, renamed, removed and counted."""

from __future__ import annotations

import re
from collections import Counter
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import delete, func, literal, select
from sqlalchemy.orm import Session

from subscribers.errors import InvalidField, NameTaken, UnknownList
from subscribers.membership.fields import clean_name
from subscribers.models import (
    MailingListRow,
    OptIn,
    SubscriptionRow,
    SubscriptionStatus,
)

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}").fullmatch
RECENT = timedelta(days=30)


@dataclass(frozen=True, slots=True)
class ListCounts:
    """A list and how many people stand how on it."""

    id: int
    name: str
    title: str
    optin: OptIn
    confirmed: int
    pending: int
    unsubscribed: int


@dataclass(frozen=True, slots=True)
class ListMovement:
    """How a list moved in the last 30 days."""

    joined: int
    left: int


def create_list(
    session: Session,
    name: str,
    *,
    now: datetime,
    title: str = "",
    optin: OptIn = OptIn.SINGLE,
) -> MailingListRow:
    """Make a list. A name is what one types: letters, digits, ``.``, ``-`` and ``_``.

    :raises InvalidField: no such name. :raises NameTaken: there is one of this name.
    """
    _check_name(session, name)
    row = MailingListRow(name=name, title=clean_name(title) or name, optin=optin, created_at=now)
    session.add(row)
    session.flush()
    return row


def find_list(session: Session, name: str) -> MailingListRow:
    """Return the list called ``name``.

    :raises UnknownList: there is none; the remedy names those there are.
    """
    row = session.scalars(select(MailingListRow).where(MailingListRow.name == name)).one_or_none()
    if row is None:
        raise UnknownList(f"no list is called {name!r}", remedy=_those_there_are(session))
    return row


def only_list(session: Session) -> MailingListRow:
    """Return the list if there is just one.

    :raises UnknownList: there are none or several.
    """
    rows = session.scalars(select(MailingListRow).limit(2)).all()
    if not rows:
        raise UnknownList("there is no list yet", remedy="digest lists create NAME")
    if len(rows) > 1:
        raise UnknownList("there are several lists: say which with --list", remedy=_those_there_are(session))
    return rows[0]


def list_names(session: Session) -> list[str]:
    """Return the names of all lists."""
    return list(session.scalars(select(MailingListRow.name).order_by(MailingListRow.name)))


def count_lists(session: Session, *, name: str | None = None) -> list[ListCounts]:
    """Return all lists (or the one called ``name``) with their counts; the covering index is enough.

    :raises UnknownList: there is none called ``name``.
    """
    return [counts for counts, _movement in _counted(session, name, since=None)]


def count_movement(
    session: Session, *, name: str | None = None, now: datetime
) -> list[tuple[ListCounts, ListMovement]]:
    """Return what ``count_lists`` does, and how each list moved in 30 days: one pass for both.

    :raises UnknownList: there is none called ``name``.
    """
    return _counted(session, name, since=now - RECENT)


def _counted(
    session: Session, name: str | None, *, since: datetime | None
) -> list[tuple[ListCounts, ListMovement]]:
    chosen = select(MailingListRow).order_by(MailingListRow.name)
    moved = (
        (literal(0), literal(0))
        if since is None
        else (
            func.count().filter(SubscriptionRow.confirmed_at >= since),
            func.count().filter(SubscriptionRow.unsubscribed_at >= since),
        )
    )
    counted = select(SubscriptionRow.list_id, SubscriptionRow.status, func.count(), *moved).group_by(
        SubscriptionRow.list_id, SubscriptionRow.status
    )
    if name is not None:
        row = find_list(session, name)
        chosen = chosen.where(MailingListRow.id == row.id)
        counted = counted.where(SubscriptionRow.list_id == row.id)
    counts: dict[tuple[int, SubscriptionStatus], int] = {}
    joined: Counter[int] = Counter()
    left: Counter[int] = Counter()
    for list_id, status, number, came, went in session.execute(counted):
        counts[list_id, status] = number
        joined[list_id] += came
        left[list_id] += went
    return [
        (
            ListCounts(
                row.id,
                row.name,
                row.title,
                row.optin,
                *(counts.get((row.id, status), 0) for status in _COLUMNS),
            ),
            ListMovement(joined[row.id], left[row.id]),
        )
        for row in session.scalars(chosen)
    ]


def rename_list(
    session: Session,
    name: str,
    *,
    new_name: str | None = None,
    title: str | None = None,
    optin: OptIn | None = None,
) -> MailingListRow:
    """Change a list's name, title or opt-in; subscriptions and links in old mails stay good.

    :raises UnknownList: there is none called ``name``. :raises NameTaken: the new name is in use.
    """
    row = find_list(session, name)
    if new_name is not None and new_name != name:
        _check_name(session, new_name)
        row.name = new_name
    if title is not None:
        row.title = clean_name(title) or row.name
    if optin is not None:
        row.optin = optin
    session.flush()
    return row


def delete_list(session: Session, name: str) -> None:
    """Remove a list and its subscriptions; people, their ledger and suppressions stay.

    :raises UnknownList: there is none.
    """
    row = find_list(session, name)
    session.execute(delete(MailingListRow).where(MailingListRow.id == row.id))


_COLUMNS = (SubscriptionStatus.CONFIRMED, SubscriptionStatus.PENDING, SubscriptionStatus.UNSUBSCRIBED)


def _check_name(session: Session, name: str) -> None:
    if not _NAME(name):
        raise InvalidField(
            f"{name[:80]!r} cannot name a list", remedy="use letters, digits, '.', '-' and '_', at most 64"
        )
    if session.scalar(select(MailingListRow.id).where(MailingListRow.name == name)) is not None:
        raise NameTaken(f"there is a list {name} already", remedy="digest lists list")


def _those_there_are(session: Session) -> str:
    names = list_names(session)
    return f"there are: {', '.join(names[:20])}" if names else "digest lists create NAME"
