"""What editors decided of articles: pins, hides, edits, withdrawals; each with its actor and time."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime

from sqlalchemy import and_, or_, select, update
from sqlalchemy.orm import Session

from digest.errors import ArticleError, UnknownArticle
from digest.models import (
    ArticleRevisionRow,
    ArticleRow,
    Decision,
    EditorialDecisionRow,
    LedgerEntryRow,
    LedgerState,
)

ANY_SLOT = "any"
LONGEST_HEADLINE = 300
LONGEST_TEASER = 1000
LONGEST_LABEL = 60


@dataclass(frozen=True, slots=True)
class Standing:
    """What is decided of an article at one moment; None where nothing is."""

    pin_slot: str = ""
    pin_order: int = 0
    again: bool = False
    until: datetime | None = None
    hidden: bool = False
    headline: str | None = None
    teaser: str | None = None
    section: str | None = None
    label: str | None = None


def standing_decisions(session: Session, *, at: datetime, newest: int | None = None) -> dict[int, Standing]:
    """What is decided, by article; what is over at the moment ``at`` does not count.

    Looking back, ``newest`` is the last decision that was known then: rows are compared by number,
    because the clocks of two commands need not agree. Otherwise everything decided so far counts.
    """
    ended = EditorialDecisionRow.ended_at
    known = ended.is_(None) if newest is None else or_(ended.is_(None), ended > at)
    if newest is not None:
        known = and_(known, EditorialDecisionRow.id <= newest)
    found: dict[int, Standing] = {}
    rows = session.execute(
        select(
            EditorialDecisionRow.id,
            EditorialDecisionRow.article_id,
            EditorialDecisionRow.decision,
            EditorialDecisionRow.slot,
            EditorialDecisionRow.again,
            EditorialDecisionRow.until,
            EditorialDecisionRow.headline,
            EditorialDecisionRow.teaser,
            EditorialDecisionRow.section,
            EditorialDecisionRow.label,
        )
        .where(
            known,
            or_(EditorialDecisionRow.until.is_(None), EditorialDecisionRow.until > at),
        )
        .order_by(EditorialDecisionRow.id)
    )
    for number, article, decision, slot, again, until, *texts in rows:
        before = found.get(article, Standing())
        if decision is Decision.PIN:
            after = replace(before, pin_slot=slot or ANY_SLOT, pin_order=number, again=again, until=until)
        elif decision is Decision.HIDE:
            after = replace(before, hidden=True)
        elif decision is Decision.EDIT:
            names = ("headline", "teaser", "section", "label")
            given = {name: text for name, text in zip(names, texts, strict=True) if text is not None}
            after = replace(before, **given)
        else:
            continue
        found[article] = after
    return found


def pin(
    session: Session,
    article_id: int,
    *,
    now: datetime,
    slot: str = "",
    until: datetime | None = None,
    again: bool = False,
    actor: str = "",
) -> None:
    """Print the article in the next issue, in ``slot`` (``lead``, ``dont-miss``, a section key) or in its
    own section, until it is printed or ``until``. A hidden article is shown again.

    Raises ``UnknownArticle``; ``ArticleError`` when it is withdrawn, or printed and not ``again``.
    """
    article = article_row(session, article_id)
    if article.withdrawn_at is not None:
        raise ArticleError(
            f"article {article_id} is withdrawn and cannot be pinned",
            remedy="`digest articles add URL` takes in another one",
        )
    if until is not None and until <= now:
        raise ArticleError(
            f"the pin of article {article_id} would be over already", remedy="give a later --until"
        )
    printed = session.scalar(
        select(LedgerEntryRow.issue_id)
        .where(LedgerEntryRow.story_id == article.story_id, LedgerEntryRow.state == LedgerState.PUBLISHED)
        .order_by(LedgerEntryRow.id.desc())
        .limit(1)
    )
    if printed is not None and not again:
        raise ArticleError(
            f"the story of article {article_id} was printed in issue {printed}",
            remedy='`--again` prints it once more, marked "Updated"',
        )
    if again:
        _renew(session, article, now=now)
    _end(session, article_id, {Decision.PIN, Decision.HIDE}, now=now)
    session.add(
        EditorialDecisionRow(
            article_id=article_id,
            decision=Decision.PIN,
            slot=slot,
            until=until,
            again=again,
            actor=actor,
            at=now,
        )
    )


def _renew(session: Session, article: ArticleRow, *, now: datetime) -> None:
    """What a source said of a printed story since is what is printed of it again."""
    newest = session.scalar(
        select(ArticleRevisionRow)
        .where(ArticleRevisionRow.article_id == article.id, ArticleRevisionRow.revision > article.revision)
        .order_by(ArticleRevisionRow.revision.desc())
        .limit(1)
    )
    if newest is None:
        return
    session.add(
        ArticleRevisionRow(
            article_id=article.id,
            revision=article.revision,
            title=article.title,
            summary=article.summary,
            at=now,
        )
    )
    article.title, article.summary, article.revision = newest.title, newest.summary, newest.revision
    article.updated_at = newest.at
    session.delete(newest)


def unpin(session: Session, article_id: int, *, now: datetime) -> bool:
    """End the article's pin; tells whether there was one. Raises ``UnknownArticle``."""
    article_row(session, article_id)
    return _end(session, article_id, {Decision.PIN}, now=now)


def hide(session: Session, article_id: int, *, now: datetime, actor: str = "", reason: str = "") -> None:
    """Leave the article out of coming issues; a pin of it ends. Raises ``UnknownArticle``."""
    article_row(session, article_id)
    _end(session, article_id, {Decision.PIN, Decision.HIDE}, now=now)
    session.add(
        EditorialDecisionRow(
            article_id=article_id, decision=Decision.HIDE, reason=reason, actor=actor, at=now
        )
    )


def unhide(session: Session, article_id: int, *, now: datetime) -> bool:
    """Let the article be picked again; tells whether it was hidden. Raises ``UnknownArticle``."""
    article_row(session, article_id)
    return _end(session, article_id, {Decision.HIDE}, now=now)


def edit(
    session: Session,
    article_id: int,
    *,
    now: datetime,
    headline: str | None = None,
    teaser: str | None = None,
    section: str | None = None,
    label: str | None = None,
    actor: str = "",
) -> None:
    """Print the article with other words, a label, or in another section; None leaves a field as it is,
    and an empty text gives it back to the rules. Raises ``UnknownArticle``, ``ArticleError``."""
    article_row(session, article_id)
    for name, text, limit in (
        ("headline", headline, LONGEST_HEADLINE),
        ("teaser", teaser, LONGEST_TEASER),
        ("label", label, LONGEST_LABEL),
    ):
        if text is not None and len(text) > limit:
            raise ArticleError(
                f"the {name} has {len(text)} characters; at most {limit} fit", remedy="shorten it"
            )
    session.add(
        EditorialDecisionRow(
            article_id=article_id,
            decision=Decision.EDIT,
            headline=_line(headline),
            teaser=_line(teaser),
            section=section,
            label=_line(label),
            actor=actor,
            at=now,
        )
    )


def withdraw(
    session: Session, article_id: int, *, now: datetime, actor: str = "", reason: str = ""
) -> ArticleRow:
    """Mark the article as withdrawn: no issue picks it any more. Raises ``UnknownArticle``."""
    article = article_row(session, article_id)
    if article.withdrawn_at is None:
        article.withdrawn_at = now
        _end(session, article_id, {Decision.PIN}, now=now)
        session.add(
            EditorialDecisionRow(
                article_id=article_id, decision=Decision.WITHDRAW, reason=reason, actor=actor, at=now
            )
        )
    return article


def article_row(session: Session, article_id: int) -> ArticleRow:
    """The article of that number. Raises ``UnknownArticle``."""
    row = session.get(ArticleRow, article_id) if 0 < article_id < 2**63 else None
    if row is None:
        raise UnknownArticle(f"there is no article {article_id}", remedy="`digest articles list` shows them")
    return row


def _end(session: Session, article_id: int, kinds: set[Decision], *, now: datetime) -> bool:
    ended = session.execute(
        update(EditorialDecisionRow)
        .where(
            EditorialDecisionRow.article_id == article_id,
            EditorialDecisionRow.decision.in_(kinds),
            EditorialDecisionRow.ended_at.is_(None),
        )
        .values(ended_at=now)
        .execution_options(synchronize_session=False)
    )
    return bool(ended.rowcount)  # type: ignore[attr-defined]


def _line(text: str | None) -> str | None:
    """One line without control characters, so that nothing breaks out of its place."""
    if text is None:
        return None
    return " ".join("".join(" " if ord(ch) < 32 or 127 <= ord(ch) < 160 else ch for ch in text).split())
