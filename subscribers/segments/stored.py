"""Segments under a name: stored, listed, counted, removed."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import delete, func, select
from sqlalchemy.orm import Session

from subscribers.errors import NameTaken, UnknownList, UnknownSegment
from subscribers.models import MailingListRow, SegmentRow, SubscriberRow
from subscribers.segments.language import lists_named, parse_segment


@dataclass(frozen=True, slots=True)
class Segment:
    """A stored filter."""

    name: str
    expression: str


def create_segment(session: Session, name: str, expression: str, *, now: datetime) -> Segment:
    """Store a filter under ``name`` after reading it.

    :raises SegmentSyntax: it cannot be read. :raises UnknownList: it names a list that is not there.
    :raises NameTaken: there is one of this name.
    """
    parse_segment(expression)
    for wanted in lists_named(expression):
        if session.scalar(select(MailingListRow.id).where(MailingListRow.name == wanted)) is None:
            raise UnknownList(f"segment {name}: no list is called {wanted!r}")
    if session.scalar(select(SegmentRow.id).where(SegmentRow.name == name)) is not None:
        raise NameTaken(f"there is a segment {name} already", remedy=f"digest segments delete {name}")
    session.add(SegmentRow(name=name, expression=expression, created_at=now))
    session.flush()
    return Segment(name, expression)


def find_segment(session: Session, name: str) -> Segment:
    """Return the filter called ``name``.

    :raises UnknownSegment: there is none.
    """
    row = session.scalars(select(SegmentRow).where(SegmentRow.name == name)).one_or_none()
    if row is None:
        raise UnknownSegment(f"no segment is called {name!r}", remedy="digest segments list")
    return Segment(row.name, row.expression)


def all_segments(session: Session) -> list[Segment]:
    """Return all filters by name."""
    return [
        Segment(row.name, row.expression)
        for row in session.scalars(select(SegmentRow).order_by(SegmentRow.name))
    ]


def delete_segment(session: Session, name: str) -> None:
    """Remove the filter; people are untouched.

    :raises UnknownSegment: there is none.
    """
    find_segment(session, name)
    session.execute(delete(SegmentRow).where(SegmentRow.name == name))


def count_segment(session: Session, segment: Segment) -> int:
    """Return how many people the filter finds, on whatever list and in whatever standing."""
    condition = parse_segment(segment.expression)
    return session.scalar(select(func.count()).select_from(SubscriberRow).where(condition)) or 0
