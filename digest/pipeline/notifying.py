"""Tells the editors that an issue waits: one notice each, and a reminder when its time has come."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import TYPE_CHECKING

from digest.issues.finding import issue_row
from digest.models import NoticeKind, NoticeRow
from digest.pipeline.waiting import waiting_of
from subscribers.database import insert_or_ignore

if TYPE_CHECKING:
    from sqlalchemy.orm import Session, sessionmaker

    from digest.settings import Settings

SOONEST_END = timedelta(hours=1)


def announce_approval(
    sessions: sessionmaker[Session], settings: Settings, issue_id: int, *, now: datetime
) -> int:
    """Enqueue the notice that the issue waits for approval; return how many were new.

    Each editor gets one when it is built, and one more when its time has come (``Waiting.remind_at``).
    Calling it again is harmless. What they contain is put together when they are sent.
    """
    editors = settings.file.newsletter.editors
    if not editors:
        return 0
    with sessions.begin() as session:
        row = issue_row(session, issue_id)
        waiting = waiting_of(settings.edition(row.edition), row)
        stage = "reminder" if now >= waiting.remind_at else "first"
        context = {
            "edition": row.edition,
            "list": settings.edition(row.edition).title,
            "subject": row.subject,
            "date": row.date.isoformat(),
            "text": [row.subject, row.preheader, f"digest issue approve {row.id}"],
            "stage": stage,
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
                    expires_at=max(waiting.ends_at, now + SOONEST_END),
                )
                .execution_options(preserve_rowcount=True)
            )
            new += done.rowcount  # type: ignore[attr-defined]
        return new
