"""From the stored issue to the draft: all that rendering needs, nothing looked up later."""

from __future__ import annotations

from datetime import date

from sqlalchemy import select
from sqlalchemy.orm import Session

from digest.issues.finding import issue_row
from digest.issues.items import load_items
from digest.issues.view import headings_of
from digest.models import IssueEventRow, IssueRow, IssueStatus
from digest.settings import Settings
from digest.values import Draft, Masthead, PreviousIssue
from subscribers.models import MailingListRow


def load_draft(session: Session, settings: Settings, issue_id: int) -> Draft:
    """The draft of an issue. Raises ``UnknownIssue``; ``ConfigError`` when its edition is gone."""
    row = issue_row(session, issue_id)
    edition = settings.edition(row.edition)
    newsletter = settings.file.newsletter
    title = session.scalar(select(MailingListRow.title).where(MailingListRow.name == row.list_name))
    return Draft(
        issue_id=row.id,
        edition=row.edition,
        date=row.date,
        number=row.number,
        ordinal=row.ordinal,
        subject=row.subject,
        preheader=row.preheader,
        language=row.language,
        timezone=row.timezone,
        template=row.template,
        masthead=Masthead(
            name=edition.title,
            url=newsletter.url,
            postal_address=newsletter.postal_address,
            list_title=title or edition.title,
            reply_to=edition.reply_to,
        ),
        sections=headings_of(row),
        items=tuple(load_items(session, row.id)),
        archive_url=archive_url(settings, row),
        previous=_previous(session, settings, row),
        notices=_notices(session, row),
    )


def _notices(session: Session, row: IssueRow) -> tuple[str, ...]:
    """What readers are told of the issue itself: days whose stories it carries as well."""
    days = [
        date.fromisoformat(day)
        for detail in session.scalars(
            select(IssueEventRow.detail).where(
                IssueEventRow.issue_id == row.id, IssueEventRow.action == CARRIED_OVER
            )
        )
        for day in detail.get("days", [])
    ]
    if not days:
        return ()
    from digest.rendering.words import words_of

    words = words_of(row.language)
    shown = ", ".join(words.date(day, "long") for day in sorted(set(days)))
    return (words.text("With stories of {date}", date=shown),)


CARRIED_OVER = "carried-over"
"""The event of an issue that carries the stories of days without an issue; ``days`` in its detail."""


def archive_url(settings: Settings, row: IssueRow) -> str:
    """Where the issue can be read in a browser, or empty without a public address."""
    if not settings.public_url:
        return ""
    ordinal = f"-{row.ordinal}" if row.ordinal else ""
    return f"{settings.public_url}/archive/{row.edition}/{row.date.isoformat()}{ordinal}"


def previous_issue(session: Session, row: IssueRow) -> IssueRow | None:
    """The newest sent issue of the edition before this one (corrections are none)."""
    return session.scalar(
        select(IssueRow)
        .where(
            IssueRow.edition == row.edition,
            IssueRow.status == IssueStatus.SENT,
            IssueRow.corrects_id.is_(None),
            (IssueRow.date < row.date) | ((IssueRow.date == row.date) & (IssueRow.ordinal < row.ordinal)),
        )
        .order_by(IssueRow.date.desc(), IssueRow.ordinal.desc())
        .limit(1)
    )


def _previous(session: Session, settings: Settings, row: IssueRow) -> PreviousIssue | None:
    found = previous_issue(session, row)
    url = archive_url(settings, found) if found is not None else ""
    if found is None or not url:
        return None  # without a public address there is nothing to link to
    return PreviousIssue(title=found.subject, date=found.date, url=url)
