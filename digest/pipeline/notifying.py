"""Tells the editors that an issue waits: one notice each, and a reminder when its time has come."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING

from digest.calendar import send_moment
from digest.issues.drafts import load_draft
from digest.issues.finding import issue_row
from digest.models import NoticeKind, NoticeRow
from digest.values import ItemKind
from subscribers.database import insert_or_ignore

if TYPE_CHECKING:
    from sqlalchemy.orm import Session, sessionmaker

    from digest.models import IssueRow
    from digest.settings import Settings


def announce_approval(
    sessions: sessionmaker[Session], settings: Settings, issue_id: int, *, now: datetime
) -> int:
    """Enqueue the notice that the issue waits for approval; return how many were new.

    Each editor gets one when it is built, and one more when it should have gone out (``send_at``).
    Calling it again is harmless.
    """
    editors = settings.file.newsletter.editors
    if not editors:
        return 0
    with sessions.begin() as session:
        row = issue_row(session, issue_id)
        stage = "reminder" if _is_overdue(settings, row, now) else "first"
        draft = load_draft(session, settings, issue_id)
        lines = [
            f"{place}. {item.headline}"
            for place, item in enumerate((i for i in draft.items if i.kind is ItemKind.STORY), start=1)
        ]
        context = {
            "edition": row.edition,
            "list": settings.edition(row.edition).title,
            "subject": row.subject,
            "date": row.date.isoformat(),
            "text": [row.subject, row.preheader, *lines, f"digest issue approve {row.id}"],
        }
        new = 0
        for editor in range(len(editors)):
            done = session.execute(
                insert_or_ignore(session, NoticeRow)
                .values(
                    kind=NoticeKind.APPROVAL,
                    issue_id=row.id,
                    editor=editor,
                    dedupe_key=f"approval:{row.id}:{stage}:{editor}",
                    language=row.language,
                    context=context,
                    created_at=now,
                )
                .execution_options(preserve_rowcount=True)
            )
            new += done.rowcount  # type: ignore[attr-defined]
        return new


def _is_overdue(settings: Settings, row: IssueRow, now: datetime) -> bool:
    edition = settings.edition(row.edition)
    if not edition.own.send_at:
        return False
    return now >= send_moment(row.date, edition.own.send_at, edition.timezone)
