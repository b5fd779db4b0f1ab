"""A person's whole story, from both packages: what ``subscribers show`` tells and a person may ask for."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Date, column, select, table
from sqlalchemy.orm import Session

from subscribers.database import UtcDateTime
from subscribers.membership import Story, find_person, story_of
from subscribers.models import SubscriberRow
from subscribers.suppression import SuppressionKey

# Only what is read here: mapping all of ``digest.models`` would take 0.15 s of a command that a person
# waits for. A test holds these names against the models.
_issues = table("issues", column("id"), column("edition"), column("date", Date))
_deliveries = table(
    "deliveries",
    column("id"),
    column("issue_id"),
    column("subscriber_id"),
    column("status"),
    column("sent_at", UtcDateTime),
)
_notices = table(
    "notices",
    column("id"),
    column("subscriber_id"),
    column("kind"),
    column("status"),
    column("created_at", UtcDateTime),
    column("sent_at", UtcDateTime),
)


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
    return whole_story_of(session, find_person(session, email), key)


def whole_story_of(session: Session, person: SubscriberRow, key: SuppressionKey) -> WholeStory:
    """Return everything about this person."""
    copies = session.execute(
        select(_issues.c.id, _issues.c.edition, _issues.c.date, _deliveries.c.status, _deliveries.c.sent_at)
        .join_from(_deliveries, _issues, _issues.c.id == _deliveries.c.issue_id)
        .where(_deliveries.c.subscriber_id == person.id)
        .order_by(_deliveries.c.id)
    )
    notices = session.execute(
        select(_notices.c.kind, _notices.c.status, _notices.c.created_at, _notices.c.sent_at)
        .where(_notices.c.subscriber_id == person.id)
        .order_by(_notices.c.id)
    )
    return WholeStory(
        story_of(session, person, key),
        [Copy(id_, edition, str(day), status, sent) for id_, edition, day, status, sent in copies],
        [NoticeSent(*row) for row in notices],
    )
