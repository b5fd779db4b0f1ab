"""The last look before sending: links that are dead, and headlines that the sources have changed."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING

from sqlalchemy import select
from sqlalchemy.orm import Session, sessionmaker

from digest.issues.events import record
from digest.issues.finding import issue_row
from digest.issues.lifecycle import UNSENT
from digest.models import ArticleRow, IssueItemRow, IssueRow
from digest.pipeline.replacing import take_out
from digest.settings import Settings
from digest.values import ItemKind

if TYPE_CHECKING:
    from digest.pipeline.asking import AskLink

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
