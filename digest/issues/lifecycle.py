"""The statuses of an issue: ``built → approved → sending ⇄ paused → sent | cancelled``.

Every function locks the issue's row, changes it in the caller's transaction, writes an event, and is
harmless when it is called again.
"""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import func, select, update
from sqlalchemy.orm import Session

from digest.errors import IssueError, IssueLocked
from digest.issues.events import record
from digest.issues.finding import issue_row
from digest.issues.ledger import publish_reserved, release
from digest.issues.searching import make_findable
from digest.models import Decision, EditorialDecisionRow, IssueEventRow, IssueItemRow, IssueRow, IssueStatus

UNSENT = frozenset({IssueStatus.BUILT, IssueStatus.APPROVED})
UNDERWAY = frozenset({IssueStatus.SENDING, IssueStatus.PAUSED})
HELD = "held"


def approve(session: Session, issue_id: int, *, now: datetime, actor: str = "") -> IssueRow:
    """An editor lets the issue go out. Raises ``IssueLocked`` when it is cancelled or sent."""
    row = issue_row(session, issue_id, lock=True)
    if row.status is IssueStatus.BUILT:
        row.status = IssueStatus.APPROVED
        row.approved_at, row.approved_by = now, actor
        record(session, row.id, "approved", now=now, actor=actor)
    elif row.status in {IssueStatus.SENT, IssueStatus.CANCELLED}:
        raise _locked(row, "there is nothing to approve")
    return row


def hold(session: Session, issue_id: int, *, now: datetime, actor: str = "") -> IssueRow:
    """Keep an issue back that has not begun to go out: until somebody approves it, neither schedule nor
    policy sends it. One that is being sent is paused. Raises ``IssueLocked`` when it is sent or cancelled.
    """
    row = issue_row(session, issue_id, lock=True)
    if row.status in UNDERWAY:
        return pause(session, issue_id, now=now, reason=f"held by {actor}" if actor else "", actor=actor)
    if row.status not in UNSENT:
        raise _locked(row, "there is nothing to hold")
    if row.status is IssueStatus.APPROVED or held_by(session, row.id) is None:
        row.status = IssueStatus.BUILT
        row.approved_at, row.approved_by = None, ""
        record(session, row.id, HELD, now=now, actor=actor)
        session.flush()
    return row


def held_by(session: Session, issue_id: int) -> str | None:
    """Who holds an unsent issue back (empty: unnamed), None when nobody does. Approval ends it."""
    last = session.execute(
        select(IssueEventRow.action, IssueEventRow.actor)
        .where(IssueEventRow.issue_id == issue_id, IssueEventRow.action.in_((HELD, "approved")))
        .order_by(IssueEventRow.id.desc())
        .limit(1)
    ).one_or_none()
    return last.actor if last is not None and last.action == HELD else None


def freeze(session: Session, issue_id: int, *, now: datetime) -> IssueRow:
    """The first copy is about to be claimed: the issue gets its number and may not be edited any more.

    A paused issue stays paused. Raises ``IssueLocked`` when the issue is cancelled; approval is the
    caller's to check.
    """
    row = issue_row(session, issue_id, lock=True)
    if row.status is IssueStatus.CANCELLED:
        raise IssueLocked(
            f"issue {row.id} is cancelled", remedy=f"build it again: `digest issue build {row.edition}`"
        )
    if row.number is None:
        row.number = _next_number(session, row.edition)
    if row.status in UNSENT:
        row.status = IssueStatus.SENDING
        row.frozen_at = now
        record(session, row.id, "frozen", now=now, number=row.number)
        make_findable(session, row.id)
    session.flush()
    return row


def publish(session: Session, issue_id: int, *, now: datetime) -> IssueRow:
    """Every copy has reached its end: the issue is sent and its stories are printed.

    Pins of the printed articles end here: what was pinned is printed. Raises ``IssueLocked`` when the
    issue is cancelled or was never frozen.
    """
    row = issue_row(session, issue_id, lock=True)
    if row.status is IssueStatus.SENT:
        return row
    if row.status not in UNDERWAY:
        raise _locked(row, "it is not being sent")
    row.status = IssueStatus.SENT
    row.sent_at = now
    publish_reserved(session, row.id, now=now)
    _end_pins(session, row, now=now)
    record(session, row.id, "sent", now=now)
    make_findable(session, row.id)  # stories may have been swapped while copies went out
    return row


def pause(session: Session, issue_id: int, *, now: datetime, reason: str = "", actor: str = "") -> IssueRow:
    """Stop claiming copies. Raises ``IssueLocked`` when the issue is not being sent."""
    row = issue_row(session, issue_id, lock=True)
    if row.status is IssueStatus.PAUSED:
        return row
    if row.status is not IssueStatus.SENDING:
        raise _locked(row, "only one that is being sent can be paused")
    row.status = IssueStatus.PAUSED
    row.paused_reason = reason
    record(session, row.id, "paused", now=now, actor=actor, reason=reason)
    return row


def resume(session: Session, issue_id: int, *, now: datetime, actor: str = "") -> IssueRow:
    """Let a paused issue go on. Raises ``IssueLocked`` when it is neither paused nor sending."""
    row = issue_row(session, issue_id, lock=True)
    if row.status is IssueStatus.SENDING:
        return row
    if row.status is not IssueStatus.PAUSED:
        raise _locked(row, "it is not paused")
    row.status = IssueStatus.SENDING
    row.paused_reason = ""
    record(session, row.id, "resumed", now=now, actor=actor)
    return row


def cancel(session: Session, issue_id: int, *, now: datetime, actor: str = "") -> IssueRow:
    """Take the issue back: its stories are free again, its number stays used.

    Copies that are already out stay out; the ones that wait are the outbox's to cancel. Raises
    ``IssueLocked`` when the issue is sent.
    """
    row = issue_row(session, issue_id, lock=True)
    if row.status is IssueStatus.CANCELLED:
        return row
    if row.status is IssueStatus.SENT:
        raise IssueLocked(
            f"issue {row.id} is sent and cannot be cancelled",
            remedy=f"`digest issue correct {row.id}` corrects it",
        )
    row.status = IssueStatus.CANCELLED
    released = release(session, row.id)
    record(session, row.id, "cancelled", now=now, actor=actor, stories=released)
    session.flush()
    return row


def must_be_unsent(row: IssueRow) -> None:
    """Raise ``IssueLocked`` unless the issue may still be edited."""
    if row.status in UNSENT:
        return
    if row.status is IssueStatus.CANCELLED:
        raise IssueLocked(
            f"issue {row.id} is cancelled", remedy=f"build it again: `digest issue build {row.edition}`"
        )
    raise IssueLocked(
        f"issue {row.id} is {row.status} and can no longer be edited",
        remedy="`digest articles withdraw` takes a story out of copies that wait; "
        f"`digest issue correct {row.id}` mails a correction",
    )


def _locked(row: IssueRow, why: str) -> IssueLocked:
    """The issue's status forbids what was asked; the remedy is what that status allows."""
    match row.status:
        case IssueStatus.CANCELLED:
            remedy = f"build it again: `digest issue build {row.edition}`"
        case IssueStatus.SENT:
            remedy = f"`digest issue correct {row.id}` mails a correction"
        case IssueStatus.SENDING | IssueStatus.PAUSED:
            remedy = f"`digest issue show {row.id}` tells how far it is"
        case _:
            remedy = f"`digest send {row.id}` sends it"
    return IssueLocked(f"issue {row.id} is {row.status}: {why}", remedy=remedy)


def _next_number(session: Session, edition: str) -> int:
    # Locking the newest numbered row keeps two first claims from the same number on PostgreSQL; the unique
    # constraint would refuse the second one in any case. SQLite has one writer.
    session.execute(
        select(IssueRow.id)
        .where(IssueRow.edition == edition, IssueRow.number.is_not(None))
        .order_by(IssueRow.number.desc())
        .limit(1)
        .with_for_update()
    )
    largest = session.scalar(select(func.max(IssueRow.number)).where(IssueRow.edition == edition))
    if largest is not None and largest >= 2**31 - 1:
        raise IssueError(
            f"edition {edition} has used up its numbers", remedy="begin an edition of another name"
        )
    return (largest or 0) + 1


def _end_pins(session: Session, row: IssueRow, *, now: datetime) -> None:
    printed = select(IssueItemRow.article_id).where(
        IssueItemRow.issue_id == row.id, IssueItemRow.article_id.is_not(None), IssueItemRow.dropped.is_(False)
    )
    session.execute(
        update(EditorialDecisionRow)
        .where(
            EditorialDecisionRow.decision == Decision.PIN,
            EditorialDecisionRow.ended_at.is_(None),
            EditorialDecisionRow.article_id.in_(printed),
        )
        .values(ended_at=now)
        .execution_options(synchronize_session=False)
    )
