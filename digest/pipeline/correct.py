"""Corrections: a story is withdrawn, and an issue says so to exactly those who got it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime

from sqlalchemy import select
from sqlalchemy.orm import Session, sessionmaker

from digest.errors import EmptyIssue, IssueError, IssueLocked
from digest.issues import corrections, decisions, editing
from digest.issues.drafts import load_draft
from digest.issues.events import record
from digest.issues.finding import issue_row
from digest.issues.items import as_row, load_items
from digest.issues.lifecycle import UNDERWAY, UNSENT
from digest.issues.searching import make_findable
from digest.issues.storing import next_ordinal
from digest.issues.view import IssueView, issue_view
from digest.issues.wording import edited_text
from digest.models import IssueItemRow, IssueRow, IssueStatus
from digest.picking.subject import (
    PREHEADER_LENGTH,
    SUBJECT_LENGTH,
    Occasion,
    preheader_of,
    shorten,
    subject_of,
)
from digest.pipeline.replacing import take_out
from digest.settings import Settings
from digest.values import Draft, Item, ItemKind, Origin, Slot


@dataclass(frozen=True, slots=True)
class Withdrawn:
    """What became of one issue that carried the withdrawn article. ``copies`` got another rendition;
    ``swapped_in`` is the item that took its place."""

    issue: int
    status: str
    copies: int = 0
    swapped_in: int | None = None
    needs_correction: bool = False

    def as_json(self) -> dict[str, object]:
        """What ``articles withdraw --json`` says of one issue."""
        return {
            "issue": self.issue,
            "status": self.status,
            "copies": self.copies,
            "swapped_in": self.swapped_in,
            "needs_correction": self.needs_correction,
        }


def withdraw_article(
    sessions: sessionmaker[Session],
    settings: Settings,
    article_id: int,
    *,
    now: datetime,
    actor: str = "",
    reason: str = "",
) -> list[Withdrawn]:
    """Withdraw an article: no issue picks it any more, and those that carry it lose it as far as possible.

    Unsent: the story is swapped. Being sent: copies that have not begun get a new rendition with the story
    swapped. Sent: the issue is marked, and ``issue correct`` tells those who got it. All of it, or, when
    the new rendition cannot be made, nothing.
    Raises ``UnknownArticle``, ``RenderError``, ``ConfigError``.
    """
    with sessions.begin() as session:
        decisions.withdraw(session, article_id, now=now, actor=actor, reason=reason)
        return [
            _withdraw_from(session, settings, row, item, now=now, actor=actor, reason=reason)
            for row, item in corrections.printed_items(session, article_id)
        ]


def correct_issue(
    sessions: sessionmaker[Session],
    settings: Settings,
    issue_id: int,
    *,
    now: datetime,
    text: str = "",
    actor: str = "",
) -> IssueView:
    """Build the issue that tells those who got a wrong rendition what was wrong, and only them.

    Building again gives the same one as long as it is unsent, with what was withdrawn meanwhile, and with
    the new ``text`` if there is one. What a sent correction told is not told again.
    Raises ``IssueLocked`` for an issue of which no copy has gone out, ``IssueError`` when nothing was
    withdrawn (since) and no ``text`` is given, ``EmptyIssue`` when nobody got a wrong copy.
    """
    with sessions.begin() as session:
        wrong = issue_row(session, issue_id, lock=True)
        if wrong.status not in {IssueStatus.SENT, *UNDERWAY}:
            raise IssueLocked(
                f"issue {wrong.id} is {wrong.status}: no copy of it is out",
                remedy=f"build it again: `digest issue build {wrong.edition}`"
                if wrong.status is IssueStatus.CANCELLED
                else f"`digest issue edit {wrong.id}` changes it",
            )
        marks = corrections.marks(session, wrong.id)
        standing = session.scalar(
            select(IssueRow)
            .where(IssueRow.corrects_id == wrong.id, IssueRow.status.in_(UNSENT))
            .order_by(IssueRow.id)
            .limit(1)
            .with_for_update()
        )
        new = [mark for mark in marks if mark.corrected_by is None]
        if standing is not None:
            _say_more(session, standing, wrong, marks, new, text.strip(), now=now, actor=actor)
            return issue_view(session, standing.id)
        if not new and not text.strip():
            raise _nothing_to_correct(wrong, marks)
        rendition = _wrong_rendition(session, wrong, [mark.rendition_id for mark in new])
        if not corrections.anybody_got_wrong(session, wrong.id, rendition):
            raise EmptyIssue(
                f"nobody got a wrong copy of issue {wrong.id}", remedy="there is nothing to correct"
            )
        row = _correction_row(session, settings, wrong, rendition, [mark.headline for mark in new], now=now)
        session.add(row)
        session.flush()
        _add_items(session, row, wrong, new, text.strip(), now=now, actor=actor)
        record(session, row.id, "built", now=now, actor=actor, corrects=wrong.id)
        session.flush()
        return issue_view(session, row.id)


def draft_without_withdrawn(
    session: Session, settings: Settings, issue_id: int, rendition_id: int
) -> Draft | None:
    """What copies carry that go out from now on, when ``rendition_id``, the newest one, has stories that
    were withdrawn after the issue was sent; None when that rendition may go out as it is."""
    gone = {mark.item for mark in corrections.marks(session, issue_id) if mark.rendition_id == rendition_id}
    if not gone:
        return None
    draft = load_draft(session, settings, issue_id)
    left = tuple(item for item in draft.items if item.id not in gone)
    edition = settings.edition(draft.edition)
    occasion = Occasion(edition.title, edition.name, draft.date, draft.language)
    told = [item.headline for item in draft.items if item.id in gone]
    subject, preheader = draft.subject, draft.preheader
    if any(corrections.names_headline(subject, headline) for headline in told):
        subject = subject_of("", left, occasion)
    if any(corrections.names_headline(preheader, headline) for headline in told):
        preheader = preheader_of("", left, occasion, subject=subject)
    return replace(draft, items=left, subject=subject, preheader=preheader)


def _withdraw_from(
    session: Session,
    settings: Settings,
    row: IssueRow,
    item: IssueItemRow,
    *,
    now: datetime,
    actor: str,
    reason: str,
) -> Withdrawn:
    words = reason or "the story was withdrawn"
    last = None if row.status in UNSENT else corrections.newest_rendition_id(session, row.id)
    if last is None:  # no copy was made so far, even if it is frozen: nobody can have it
        new = take_out(session, settings, row, item, now=now, actor=actor, reason=words, swap=True)
        if row.status not in UNSENT:
            make_findable(session, row.id)
        return Withdrawn(row.id, row.status.value, swapped_in=new)
    record(
        session, row.id, corrections.WITHDRAWN,
        now=now, actor=actor, item=item.id, headline=item.headline, rendition=last, reason=words,
    )  # fmt: skip
    got = corrections.anybody_got_wrong(session, row.id, last)
    if row.status is IssueStatus.SENT:
        make_findable(session, row.id)
        return Withdrawn(row.id, row.status.value, needs_correction=got)
    from digest.pipeline.render import render_issue, store_rendition

    # Copies that carry the story are out: it stays in the ledger.
    new = take_out(session, settings, row, item, now=now, actor=actor, reason=words, swap=True, release=False)
    make_findable(session, row.id)
    rendered = render_issue(load_draft(session, settings, row.id), settings)
    copies = corrections.give_waiting(session, row.id, store_rendition(session, row.id, rendered, now=now))
    return Withdrawn(row.id, row.status.value, copies, new, needs_correction=got)


def _nothing_to_correct(wrong: IssueRow, marks: Sequence[corrections.Mark]) -> IssueError:
    if marks:
        return IssueError(
            f"issue {marks[-1].corrected_by} has corrected issue {wrong.id} already",
            remedy='say what else was wrong with --text "…"',
        )
    return IssueError(
        f"nothing of issue {wrong.id} was withdrawn",
        remedy='`digest articles withdraw ID` first, or say what was wrong with --text "…"',
    )


def _say_more(
    session: Session,
    row: IssueRow,
    wrong: IssueRow,
    marks: Sequence[corrections.Mark],
    new: Sequence[corrections.Mark],
    text: str,
    *,
    now: datetime,
    actor: str,
) -> None:
    """Let a correction that is not sent yet speak of what was withdrawn since it was built, too."""
    if text:
        for item in load_items(session, row.id):
            if item.kind is ItemKind.CORRECTION:
                editing.edit_item(session, row.id, item.id, now=now, actor=actor, teaser=text)
    if not new:
        return
    of_it = [mark.rendition_id for mark in marks if mark.corrected_by in {None, row.id}]
    row.corrects_rendition_id = _wrong_rendition(session, wrong, of_it)
    _add_items(session, row, wrong, new, text, now=now, actor=actor)
    # What an editor approved, if so, is no longer all that it says.
    row.status, row.approved_at, row.approved_by = IssueStatus.BUILT, None, ""
    row.version += 1
    session.flush()


def _add_items(
    session: Session,
    row: IssueRow,
    wrong: IssueRow,
    marks: Sequence[corrections.Mark],
    text: str,
    *,
    now: datetime,
    actor: str,
) -> None:
    there = len(load_items(session, row.id))
    for position, item in enumerate(_correction_items(wrong, marks, text, actor), start=there + 1):
        session.add(as_row(replace(item, position=position), row.id, edited_at=now))
    record(
        session, wrong.id, corrections.CORRECTED,
        now=now, actor=actor, by=row.id, items=[mark.item for mark in marks],
    )  # fmt: skip


def _wrong_rendition(session: Session, wrong: IssueRow, renditions: list[int | None]) -> int | None:
    """The last rendition that was wrong; None when every copy was."""
    last = max((number for number in renditions if number is not None), default=None)
    newest = corrections.newest_rendition_id(session, wrong.id)
    return None if last is None or last == newest else last


def _correction_row(
    session: Session,
    settings: Settings,
    wrong: IssueRow,
    rendition: int | None,
    headlines: list[str],
    *,
    now: datetime,
) -> IssueRow:
    from zoneinfo import ZoneInfo

    from digest.rendering.words import words_of

    day = now.astimezone(ZoneInfo(wrong.timezone)).date()
    words = words_of(wrong.language)
    subject = f"{words.text('Correction')}: {headlines[0] if headlines else wrong.subject}"
    return IssueRow(
        edition=wrong.edition,
        date=day,
        ordinal=next_ordinal(session, wrong.edition, day),
        status=IssueStatus.BUILT,
        ledger=wrong.ledger,
        list_name=wrong.list_name,
        language=wrong.language,
        timezone=wrong.timezone,
        template=wrong.template,
        subject=shorten(subject, SUBJECT_LENGTH),
        preheader=shorten(
            f"{settings.edition(wrong.edition).title}, {words.date(wrong.date, 'long')}", PREHEADER_LENGTH
        ),
        sections=[],
        locked=[],
        version=1,
        corrects_id=wrong.id,
        corrects_rendition_id=rendition,
        built_at=now,
    )


def _correction_items(
    wrong: IssueRow, marks: Sequence[corrections.Mark], text: str, actor: str
) -> list[Item]:
    from digest.rendering.words import words_of

    words = words_of(wrong.language)
    day = words.date(wrong.date, "long")
    standard = words.text("We have withdrawn this story from our issue of {date}.", date=day)
    headlines = [mark.headline for mark in marks] or [wrong.subject]
    return [
        Item(
            kind=ItemKind.CORRECTION,
            slot=Slot.CORRECTIONS,
            headline=headline,
            teaser=edited_text("teaser", text) or standard,
            language=wrong.language,
            origin=Origin.HAND,
            locked=True,
            actor=actor,
        )
        for headline in headlines
    ]
