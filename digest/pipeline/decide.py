"""What editors decide of articles, and what that does to issues that are built and not sent yet.

A decision counts for every issue that is built from now on. New words come into an open issue at once,
but for what a hand has written there; for everything else the open issue is named, with the command.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import Unpack

from sqlalchemy import select
from sqlalchemy.orm import Session, sessionmaker

from digest.errors import UsageError
from digest.issues import decisions, editing
from digest.issues.edits import ArticleWords
from digest.issues.items import load_items
from digest.issues.lifecycle import UNSENT
from digest.issues.places import slot_name
from digest.issues.stock import load_printables
from digest.models import IssueItemRow, IssueRow
from digest.picking.printing import reprint
from digest.pipeline.build import describe
from digest.settings import Settings
from digest.settings.parts import nearest
from digest.values import Slot


@dataclass(frozen=True, slots=True)
class Consequence:
    """What a decision does to an open issue: what it ``changed`` there at once, and how a hand can do the
    rest (``advice``). ``item`` is None when the issue does not print the article."""

    issue: int
    item: int | None
    changed: tuple[str, ...] = ()
    advice: str = ""

    def as_json(self) -> dict[str, object]:
        """What ``articles pin|hide|edit --json`` say of one issue."""
        return {
            "issue": self.issue, "item": self.item, "changed": list(self.changed), "advice": self.advice
        }  # fmt: skip

    @property
    def line(self) -> str:
        """For people."""
        told = f"its {' and '.join(self.changed)} there changed" if self.changed else ""
        return f"issue {self.issue} is open: {'; '.join(part for part in (told, self.advice) if part)}"


def pin_article(
    sessions: sessionmaker[Session],
    settings: Settings,
    article_id: int,
    *,
    now: datetime,
    slot: str = "",
    until: datetime | None = None,
    again: bool = False,
    actor: str = "",
) -> list[Consequence]:
    """Print the article in the next issue: as the ``lead``, in ``dont-miss``, in the section ``slot``, or
    in its own. Raises ``UnknownArticle``, ``ArticleError``, ``UsageError`` for an unknown slot."""
    slot = slot.strip().replace("dont_miss", "dont-miss")
    keys = [section.key for section in settings.file.sections]
    _known(slot, ["lead", "dont-miss", *keys], f"{slot!r} is no slot and no section to pin to")
    with sessions.begin() as session:
        decisions.pin(session, article_id, now=now, slot=slot, until=until, again=again, actor=actor)
        return [
            Consequence(row.id, item.id if item else None, advice=advice)
            for row, item in _open_issues(session, article_id)
            if (advice := _to_pin(row, item, slot))
        ]


def unpin_article(sessions: sessionmaker[Session], article_id: int, *, now: datetime) -> bool:
    """End the pin; tells whether there was one. Raises ``UnknownArticle``."""
    with sessions.begin() as session:
        return decisions.unpin(session, article_id, now=now)


def hide_article(
    sessions: sessionmaker[Session], article_id: int, *, now: datetime, actor: str = ""
) -> list[Consequence]:
    """Leave the article out of coming issues. Raises ``UnknownArticle``."""
    with sessions.begin() as session:
        decisions.hide(session, article_id, now=now, actor=actor)
        return [
            Consequence(
                row.id, item.id, advice=f"`digest issue drop {row.id} {item.id}` takes it out there, too"
            )
            for row, item in _open_issues(session, article_id)
            if item is not None
        ]


def unhide_article(sessions: sessionmaker[Session], article_id: int, *, now: datetime) -> bool:
    """Let the article be picked again; tells whether it was hidden. Raises ``UnknownArticle``."""
    with sessions.begin() as session:
        return decisions.unhide(session, article_id, now=now)


def edit_article(
    sessions: sessionmaker[Session],
    settings: Settings,
    article_id: int,
    *,
    now: datetime,
    section: str | None = None,
    actor: str = "",
    **words: Unpack[ArticleWords],
) -> list[Consequence]:
    """Print the article with other words or in another section, in every issue built from now on, and with
    other words in open ones. Raises ``UnknownArticle``, ``ArticleError``, ``UsageError`` for an unknown
    section."""
    if section:
        by_name = {one.name.casefold(): one.key for one in settings.file.sections}
        section = by_name.get(section.casefold(), section)
        _known(section, [one.key for one in settings.file.sections], f"there is no section {section!r}")
    given = [name for name, text in words.items() if text is not None]
    with sessions.begin() as session:
        decisions.edit(session, article_id, now=now, section=section, actor=actor, **words)
        session.flush()
        found = [
            _carry_into(session, settings, row, item, given, section, now=now, actor=actor)
            for row, item in _open_issues(session, article_id)
            if item is not None
        ]
        return [one for one in found if one.changed or one.advice]


def _open_issues(session: Session, article_id: int) -> Iterator[tuple[IssueRow, IssueItemRow | None]]:
    """The unsent issues, each with the item that prints the article, if it does; locked."""
    rows = session.scalars(
        select(IssueRow).where(IssueRow.status.in_(UNSENT)).order_by(IssueRow.id).with_for_update()
    )
    for row in rows.all():
        item = session.scalar(
            select(IssueItemRow).where(
                IssueItemRow.issue_id == row.id,
                IssueItemRow.article_id == article_id,
                IssueItemRow.dropped.is_(False),
            )
        )
        yield row, item


def _to_pin(row: IssueRow, item: IssueItemRow | None, slot: str) -> str:
    """How an open issue gets what was pinned; empty when it has it, or corrects another one."""
    if row.corrects_id is not None:
        return ""
    if item is None:
        if row.ordinal:
            return ""
        return f"`digest issue build {row.edition} --date {row.date} --rebuild` picks it anew, with this one"
    if slot in {"", slot_name(item)}:
        return ""
    return f"`digest issue move {row.id} {item.id} --to {slot}` moves it there"


def _carry_into(
    session: Session,
    settings: Settings,
    row: IssueRow,
    item: IssueItemRow,
    given: Iterable[str],
    section: str | None,
    *,
    now: datetime,
    actor: str,
) -> Consequence:
    """Give an item of an open issue the words that the article has now."""
    by_hand = editing.edited_fields(session, row.id, item.id)
    text = load_printables(session, [item.article_id or 0])[item.article_id or 0]
    decided = decisions.standing_decisions(session, at=now)[text.id]
    sources = {source.name: source for source in settings.file.sources}
    stored = next(one for one in load_items(session, row.id) if one.id == item.id)
    printed = reprint(
        stored, text, settings.file.teasers, sources.get(text.source),
        headline=decided.headline or "", teaser=decided.teaser or "",
        label=text.label if decided.label is None else decided.label,
    )  # fmt: skip
    words = {name: str(getattr(printed, name)) for name in given if name not in by_hand}
    changed = editing.reword(session, row, item, words, now=now, actor=actor)
    if changed and row.corrects_id is None:
        session.flush()
        describe(session, settings.edition(row.edition), row, load_items(session, row.id))
    advice = [
        f"a hand wrote its {name} there: `digest issue edit {row.id} {item.id} --{name} …`"
        for name in given
        if name in by_hand
    ]
    if section and item.slot is Slot.SECTION and item.section != section:
        advice.append(f"`digest issue move {row.id} {item.id} --to {section}` moves it there")
    return Consequence(row.id, item.id, changed, "; ".join(advice))


def _known(name: str, known: list[str], complaint: str) -> None:
    if not name or name in known:
        return
    guess = nearest(name, known)
    hint = f"did you mean {guess!r}?" if guess else f"known: {', '.join(known) or 'none'}"
    raise UsageError(complaint, remedy=hint)
