"""Corrections: dead links just before sending, withdrawn stories, and the issue that says what was wrong."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING

from sqlalchemy import select
from sqlalchemy.orm import Session, sessionmaker

from digest.errors import EmptyIssue, IssueError, IssueLocked
from digest.issues import corrections, decisions
from digest.issues.drafts import load_draft
from digest.issues.events import record
from digest.issues.finding import issue_row
from digest.issues.items import as_row
from digest.issues.lifecycle import UNDERWAY, UNSENT
from digest.issues.storing import next_ordinal
from digest.issues.view import IssueView, issue_view
from digest.models import ArticleRow, IssueItemRow, IssueRow, IssueStatus
from digest.pipeline.replacing import take_out
from digest.settings import Settings
from digest.values import Item, ItemKind, Origin, Slot

if TYPE_CHECKING:
    from digest.pipeline.examine_issue import AskLink

RULE_ACTOR = "link check"


@dataclass(frozen=True, slots=True)
class LinkNote:
    """What the look at one item's link and article found."""

    item: int
    headline: str
    url: str
    message: str


@dataclass(frozen=True, slots=True)
class Recheck:
    """The last look before sending: stories that were taken out, and what is only worth a note."""

    dead: tuple[LinkNote, ...] = ()
    unknown: tuple[LinkNote, ...] = ()
    renamed: tuple[LinkNote, ...] = ()

    @property
    def lines(self) -> tuple[str, ...]:
        """One line for each finding, for people."""
        return tuple(
            f"item {n.item} ({n.headline[:60]}): {n.message}"
            for n in (*self.dead, *self.unknown, *self.renamed)
        )


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


def recheck_issue(
    sessions: sessionmaker[Session], settings: Settings, issue_id: int, ask: AskLink, *, now: datetime
) -> Recheck:
    """Look at the links of an unsent issue just before it goes out.

    404 or 410 twice is dead: the story is dropped, swapped or kept as the edition's ``dead_links`` says.
    Everything else that is no page is unknown and only noted, as is a headline that the source changed.
    The network is asked outside of any transaction. An issue that is being sent is left alone.
    """
    with sessions() as session:
        row = issue_row(session, issue_id)
        if row.status not in UNSENT:
            return Recheck()
        items = _linked_items(session, row)
        titles = _titles(session, items)
    renamed = tuple(
        LinkNote(item.id, item.headline, item.url or "", f"the source now says {titles[item.article_id]!r}")
        for item in items
        if item.article_id in titles and not item.locked and titles[item.article_id] != item.headline
    )
    gone, unknown = _ask(items, ask)
    if not gone:
        return Recheck(unknown=unknown, renamed=renamed)
    policy = settings.edition(row.edition).own.dead_links
    with sessions.begin() as session:
        row = issue_row(session, issue_id, lock=True)
        if row.status not in UNSENT:
            return Recheck(unknown=unknown, renamed=renamed)
        approved = row.status, row.approved_at, row.approved_by
        for note in gone:
            item = session.get_one(IssueItemRow, note.item)
            if policy != "keep" and not item.dropped:
                take_out(
                    session, settings, row, item,
                    now=now, actor=RULE_ACTOR, reason=note.message, swap=policy == "swap",
                )  # fmt: skip
        # A policy did this, not a hand: what an editor approved may go out without the dead story.
        row.status, row.approved_at, row.approved_by = approved
        record(session, row.id, "links-checked", now=now, actor=RULE_ACTOR, dead=[note.item for note in gone])
    return Recheck(dead=gone, unknown=unknown, renamed=renamed)


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

    Building again gives the same one as long as it is unsent. Raises ``IssueLocked`` for an issue of which
    no copy has gone out, ``IssueError`` when nothing was withdrawn and no ``text`` is given, ``EmptyIssue``
    when nobody got a wrong copy.
    """
    with sessions.begin() as session:
        wrong = issue_row(session, issue_id, lock=True)
        if wrong.status not in {IssueStatus.SENT, *UNDERWAY}:
            raise IssueLocked(f"issue {wrong.id} is {wrong.status}: no copy of it is out, so edit it")
        standing = session.scalar(
            select(IssueRow.id).where(IssueRow.corrects_id == wrong.id, IssueRow.status.in_(UNSENT)).limit(1)
        )
        if standing is not None:
            return issue_view(session, standing)
        marks = corrections.marks(session, wrong.id)
        if not marks and not text.strip():
            raise IssueError(
                f"nothing of issue {wrong.id} was withdrawn",
                remedy='`digest articles withdraw ID` first, or say what was wrong with --text "…"',
            )
        rendition = _wrong_rendition(session, wrong, [mark.rendition_id for mark in marks])
        if not corrections.got_rendition(session, wrong.id, rendition):
            raise EmptyIssue(
                f"nobody got a wrong copy of issue {wrong.id}", remedy="there is nothing to correct"
            )
        row = _correction_row(session, settings, wrong, rendition, [mark.headline for mark in marks], now=now)
        session.add(row)
        session.flush()
        for position, item in enumerate(_correction_items(wrong, marks, text, actor), start=1):
            session.add(as_row(_placed(item, position), row.id, edited_at=now))
        record(session, row.id, "built", now=now, actor=actor, corrects=wrong.id)
        record(session, wrong.id, "corrected", now=now, actor=actor, by=row.id)
        session.flush()
        return issue_view(session, row.id)


def _linked_items(session: Session, row: IssueRow) -> list[IssueItemRow]:
    found = session.scalars(
        select(IssueItemRow).where(
            IssueItemRow.issue_id == row.id,
            IssueItemRow.kind == ItemKind.STORY,
            IssueItemRow.dropped.is_(False),
            IssueItemRow.url.is_not(None),
        )
    )
    return sorted(found, key=lambda item: item.id)


def _titles(session: Session, items: list[IssueItemRow]) -> dict[int | None, str]:
    """The articles' headlines as they are now."""
    wanted = [item.article_id for item in items if item.article_id is not None]
    rows = session.execute(select(ArticleRow.id, ArticleRow.title).where(ArticleRow.id.in_(wanted)))
    return {number: " ".join(title.split()) for number, title in rows}


def _ask(items: list[IssueItemRow], ask: AskLink) -> tuple[tuple[LinkNote, ...], tuple[LinkNote, ...]]:
    """Who is dead (asked twice) and of whom nothing certain is known; a few at a time."""
    from concurrent.futures import ThreadPoolExecutor

    with ThreadPoolExecutor(max_workers=8) as pool:
        first = list(pool.map(ask, [item.url or "" for item in items]))
        suspects = [item for item, state in zip(items, first, strict=True) if state.dead]
        second = dict(
            zip(
                [item.id for item in suspects],
                pool.map(ask, [item.url or "" for item in suspects]),
                strict=True,
            )
        )
    dead, unknown = [], []
    for item, state in zip(items, first, strict=True):
        again = second.get(item.id)
        said = (
            f"the link answers {state.status}"
            if state.status
            else f"the link does not answer: {state.detail}"
        )
        note = LinkNote(item.id, item.headline, item.url or "", said)
        if again is not None and again.dead:
            dead.append(note)
        elif not 200 <= state.status < 400:
            unknown.append(note)
    return tuple(dead), tuple(unknown)


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
    if row.status in UNSENT:
        new = take_out(session, settings, row, item, now=now, actor=actor, reason=words, swap=True)
        return Withdrawn(row.id, row.status.value, swapped_in=new)
    last = corrections.newest_rendition_id(session, row.id)
    record(
        session, row.id, corrections.WITHDRAWN,
        now=now, actor=actor, item=item.id, headline=item.headline, rendition=last, reason=words,
    )  # fmt: skip
    if row.status is IssueStatus.SENT:
        return Withdrawn(row.id, row.status.value, needs_correction=True)
    # Copies that carry the story are out: it stays in the ledger.
    new = take_out(session, settings, row, item, now=now, actor=actor, reason=words, swap=True, release=False)
    copies = 0
    if last is not None:
        from digest.pipeline.render import render_issue, store_rendition

        session.flush()
        rendered = render_issue(load_draft(session, settings, row.id), settings)
        copies = corrections.give_waiting(
            session, row.id, store_rendition(session, row.id, rendered, now=now)
        )
    got = corrections.got_rendition(session, row.id, last) > 0
    return Withdrawn(row.id, row.status.value, copies, new, needs_correction=got)


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

    from digest.picking.subject import PREHEADER_LENGTH, SUBJECT_LENGTH, shorten
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


def _correction_items(wrong: IssueRow, marks: list[corrections.Mark], text: str, actor: str) -> list[Item]:
    from digest.rendering.words import words_of

    words = words_of(wrong.language)
    day = words.date(wrong.date, "long")
    own = text.strip()
    standard = words.text("We have withdrawn this story from our issue of {date}.", date=day)
    headlines = [mark.headline for mark in marks] or [wrong.subject]
    return [
        Item(
            kind=ItemKind.CORRECTION,
            slot=Slot.CORRECTIONS,
            headline=headline,
            teaser=own or standard,
            language=wrong.language,
            origin=Origin.HAND,
            locked=True,
            actor=actor,
        )
        for headline in headlines
    ]


def _placed(item: Item, position: int) -> Item:
    from dataclasses import replace

    return replace(item, position=position)
