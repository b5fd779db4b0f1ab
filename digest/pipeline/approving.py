"""The approval notice: the whole issue as readers would get it, and above it what the editor can do.

It is composed when it is sent, so that it shows the issue as it is then.
"""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING
from zoneinfo import ZoneInfo

from digest.errors import ConfigError, DigestError
from digest.issues.drafts import load_draft
from digest.issues.finding import issue_row
from digest.pipeline.editors import desk_url
from digest.pipeline.render import render_issue
from digest.pipeline.waiting import Waiting, waiting_of
from digest.rendering.approval import ApprovalPanel, render_approval
from digest.rendering.notices import RenderedNotice
from digest.rendering.words import Words, words_of
from digest.values import Draft
from subscribers.tokens import Purpose, TokenSigner

if TYPE_CHECKING:
    from sqlalchemy.orm import Session, sessionmaker

    from digest.settings import Settings

NOBODY = 0  # no subscription has this number: the links of the editor's copy unsubscribe nobody


def approval_notice(
    readers: sessionmaker[Session],
    settings: Settings,
    signer: TokenSigner,
    issue_id: int,
    address: str,
    *,
    reminder: bool,
    at: datetime,
) -> RenderedNotice:
    """The notice for one editor. An issue that cannot be rendered is told by its contents.

    :raises UnknownIssue: it is gone. :raises ConfigError: its edition is.
    """
    with readers() as session:
        draft = load_draft(session, settings, issue_id)
        row = issue_row(session, issue_id)
        waiting = waiting_of(settings.edition(row.edition), row)
    words = words_of(draft.language)
    desk = desk_url(settings, signer, issue_id, address, at=at)
    html, text, fault = _issue(settings, signer, draft, desk)
    zone = settings.edition(draft.edition).timezone
    panel = ApprovalPanel(
        subject=_subject(draft, words, reminder=reminder),
        heading=heading_of(waiting, zone, words, day=at),
        sentences=(*((fault,) if fault else ()), *fate_of(waiting, zone, words, day=at)),
        desk_url=desk,
        commands=() if desk else _commands(issue_id),
    )
    return render_approval(panel, draft, html, text, words, settings.file.theme)


def heading_of(waiting: Waiting, zone: str, words: Words, *, day: datetime) -> str:
    """``Goes out at 07:30``."""
    if waiting.goes_at is None or waiting.goes_at <= day:
        return words.text("Goes out as soon as somebody approves it")
    return words.text("Goes out at {time}", time=clock_time(waiting.goes_at, zone, words, day=day))


def fate_of(waiting: Waiting, zone: str, words: Words, *, day: datetime) -> tuple[str, str]:
    """What happens without an approval."""
    time = clock_time(waiting.ends_at, zone, words, day=day)
    if waiting.skips:
        fate = words.text(
            "If nobody does by {time}, it is not sent, and its stories stay for the next issue.", time=time
        )
    else:
        fate = words.text("If nobody does by {time}, it is sent all the same, unless it is held.", time=time)
    return words.text("It is not sent before somebody approves it."), fate


def clock_time(moment: datetime, zone: str, words: Words, *, day: datetime) -> str:
    """``07:30`` in the edition's zone, with the date when it is another day."""
    tz = ZoneInfo(zone)
    local, today = moment.astimezone(tz), day.astimezone(tz)
    same = local.date() == today.date()
    return f"{local:%H:%M}" if same else f"{local:%H:%M}, {words.date(local.date(), 'day')}"


def _subject(draft: Draft, words: Words, *, reminder: bool) -> str:
    if reminder:
        return words.text("Still to approve: {subject}", subject=draft.subject)
    return words.text("To approve: {subject}", subject=draft.subject)


def _issue(settings: Settings, signer: TokenSigner, draft: Draft, desk: str) -> tuple[str, str, str]:
    """HTML, text, and what is wrong with it."""
    try:
        rendered = render_issue(draft, settings)
    except (DigestError, ConfigError) as error:
        return "", "", f"{error} {error.remedy}".strip()
    values = {"view_url": f"{desk}/issue" if desk else draft.archive_url}
    if settings.public_url:
        values["unsubscribe_url"] = f"{settings.public_url}/u/{signer.sign(Purpose.UNSUBSCRIBE, NOBODY)}"
        values["preferences_url"] = f"{settings.public_url}/p/{signer.sign(Purpose.PREFERENCES, NOBODY)}"
    return rendered.html_for(values), rendered.text_for(values), ""


def _commands(issue_id: int) -> tuple[str, ...]:
    return (
        f"digest issue approve {issue_id}",
        f"digest send {issue_id}",
        f"digest pause {issue_id}",
        f"digest issue show {issue_id}",
        f"digest issue drop {issue_id} ITEM",
        f"digest issue move {issue_id} ITEM --to SLOT/POS",
        f"digest issue edit {issue_id} ITEM --headline TEXT",
    )
