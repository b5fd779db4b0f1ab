"""A person's whole story, from both packages: what ``subscribers show`` tells and a person may ask for."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import select
from sqlalchemy.orm import Session

from digest.models import DeliveryRow, IssueRow, NoticeRow
from subscribers.membership import Story, find_person, story_of
from subscribers.suppression import SuppressionKey


@dataclass(frozen=True, slots=True)
class Copy:
    """One issue that a person was sent, or was to be sent."""

    issue_id: int
    edition: str
    date: str
    status: str
    sent_at: datetime | None


@dataclass(frozen=True, slots=True)
class NoticeSent:
    """One mail to a person that was no issue."""

    kind: str
    status: str
    created_at: datetime
    sent_at: datetime | None


@dataclass(frozen=True, slots=True)
class WholeStory:
    """Everything that is known of a person."""

    story: Story
    copies: Sequence[Copy]
    notices: Sequence[NoticeSent]


def tell_whole_story(session: Session, email: str, key: SuppressionKey) -> WholeStory:
    """Return everything about the person with this address.

    :raises UnknownSubscriber: nobody has it. :raises InvalidAddress: it is none.
    """
    person = find_person(session, email)
    copies = session.execute(
        select(IssueRow.id, IssueRow.edition, IssueRow.date, DeliveryRow.status, DeliveryRow.sent_at)
        .join(IssueRow, IssueRow.id == DeliveryRow.issue_id)
        .where(DeliveryRow.subscriber_id == person.id)
        .order_by(DeliveryRow.id)
    )
    notices = session.scalars(
        select(NoticeRow).where(NoticeRow.subscriber_id == person.id).order_by(NoticeRow.id)
    )
    return WholeStory(
        story_of(session, person, key),
        [Copy(id_, edition, str(day), status.value, sent) for id_, edition, day, status, sent in copies],
        [NoticeSent(row.kind.value, row.status.value, row.created_at, row.sent_at) for row in notices],
    )
