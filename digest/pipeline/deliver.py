"""Delivering an issue: checked, frozen, enqueued and sent; again and again until nothing is left to do.

Every step may be repeated: what a kill leaves behind, the same call finishes.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any, Literal

from sqlalchemy import Select, select, update
from sqlalchemy.engine import Engine
from sqlalchemy.orm import Session, sessionmaker

from digest.clock import Clock
from digest.delivery.enqueue import enqueue
from digest.delivery.machine import OPEN, Outbox, Policy
from digest.delivery.outbox import SqlOutbox
from digest.delivery.worker import TASK, End, Habits, Lane, Run, Worker
from digest.delivery.writer import Writer
from digest.errors import IssueError, IssueNotApproved, ServerUnavailable
from digest.issues import corrections, lifecycle
from digest.issues.finding import issue_row
from digest.models import DeliveryRow, DeliveryStatus, IssueRow, IssueStatus, NoticeRow
from digest.pipeline.delivered import Summary, copies_of, summary_of
from digest.values import Progress, Silent
from subscribers.audience import audience
from subscribers.database import reading, session_factory
from subscribers.membership.lists import find_list
from subscribers.tokens import TokenSigner

if TYPE_CHECKING:
    from digest.settings import EditionSettings, Settings
    from digest.values import Transport

Decision = Literal["resend", "drop"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Order:
    """What is asked of one delivery.

    :param missing: also who was confirmed since, or was missed.
    :param uncertain: what is done with copies in doubt before anything else.
    :param force: whatever the preflight says.
    :param examine: raises ``PreflightFailed``; called before the issue is frozen.
    :param companions: processes that share the issue; each takes its part of the connections.
    """

    missing: bool = False
    uncertain: Decision | None = None
    force: bool = False
    examine: Callable[[int], None] | None = None
    companions: int = 1


def deliver(
    engine: Engine,
    settings: Settings,
    issue_id: int,
    *,
    transport: Transport,
    signer: TokenSigner,
    clock: Clock,
    order: Order | None = None,
    progress: Progress | None = None,
    stop: threading.Event | None = None,
    habits: Habits | None = None,
) -> Summary:
    """Deliver an issue as far as it goes now.

    :raises IssueNotApproved: it waits for an editor. :raises PreflightFailed: see ``Order.examine``.
    :raises IssueError: it is paused or cancelled. :raises TransportError: nothing could be sent.
    :raises DatabaseUnusable: the database went away.
    """
    order = order or Order()
    progress = progress or Silent()
    sessions = session_factory(engine)
    readers = session_factory(reading(engine))
    if not prepare(sessions, readers, settings, issue_id, clock=clock, order=order):
        return summary_of(readers, issue_id)
    writer = Writer(engine, clock)
    try:
        run = _work(
            engine, readers, writer, settings, issue_id,
            transport=transport, signer=signer, clock=clock, order=order, progress=progress,
            stop=stop or threading.Event(), habits=habits or Habits(),
        )  # fmt: skip
    finally:
        writer.close()
    _close(sessions, settings, issue_id, run, signer=signer, now=clock.now())
    if run.error is not None and (
        run.of(DeliveryStatus.SENT) == 0 or not isinstance(run.error, ServerUnavailable)
    ):
        raise run.error
    summary = summary_of(readers, issue_id, run)
    with readers() as session:
        reason = run.reason if run.end is End.PAUSED else issue_row(session, issue_id).paused_reason
    if summary.status is IssueStatus.PAUSED and reason:
        raise IssueError(
            f"issue {issue_id} is paused: {reason} ({summary.sent:,} of {summary.recipients:,} are sent)",
            remedy=f"mend the cause, then `digest resume {issue_id}`",
        )
    return summary


def prepare(
    sessions: sessionmaker[Session],
    readers: sessionmaker[Session],
    settings: Settings,
    issue_id: int,
    *,
    clock: Clock,
    order: Order,
) -> bool:
    """Check, freeze, render, enqueue; False when the issue is sent already and nothing more is asked.

    Whoever is killed in between finds the issue frozen and enqueues it the next time.
    """
    with readers() as session:
        row = issue_row(session, issue_id)
        holder = lifecycle.held_by(session, issue_id) if row.status is IssueStatus.BUILT else None
    edition = settings.edition(row.edition)
    if row.status is IssueStatus.SENT and not (order.missing or order.uncertain):
        return False
    _check_standing(row, edition, order, holder)
    if row.status in lifecycle.UNSENT and order.examine is not None and not order.force:
        order.examine(issue_id)
    from digest.issues.drafts import load_draft  # here: an issue that is sent already loads nothing
    from digest.pipeline.render import newest_rendition, render_issue, store_rendition

    now = clock.now()
    if row.status in lifecycle.UNSENT:
        with readers() as session:
            render_issue(load_draft(session, settings, issue_id), settings)  # fails before it is frozen
        with sessions.begin() as session:
            lifecycle.freeze(session, issue_id, now=now)
    with readers() as session:
        stored = newest_rendition(session, issue_id) if row.enqueued_at else None
        draft = None if stored else load_draft(session, settings, issue_id)
        if stored and order.missing:
            from digest.pipeline.correct import draft_without_withdrawn

            draft = draft_without_withdrawn(session, settings, issue_id, stored[0])
    rendered = render_issue(draft, settings) if draft else None
    with sessions.begin() as session:
        if rendered is not None:
            rendition: int | None = store_rendition(session, issue_id, rendered, now=now)
        else:
            rendition = stored[0] if stored else None
        row = issue_row(session, issue_id, lock=True)
        if row.enqueued_at is None or order.missing:
            enqueue(session, issue_id, audience_of(session, row, edition), rendition_id=rendition)
            row.enqueued_at = row.enqueued_at or now
            row.expires_at = max(row.expires_at or now, now + edition.own.expire_after)
        if order.uncertain is not None:
            decide(session, issue_id, order.uncertain)
        if row.status is IssueStatus.SENT or (row.status is IssueStatus.PAUSED and order.uncertain):
            row.status, row.paused_reason = IssueStatus.SENDING, ""
    return True


def _check_standing(row: IssueRow, edition: EditionSettings, order: Order, holder: str | None) -> None:
    if row.status is IssueStatus.CANCELLED:
        raise IssueError(
            f"issue {row.id} is cancelled", remedy=f"build it again: `digest issue build {row.edition}`"
        )
    if holder is not None:
        raise IssueNotApproved(
            f"issue {row.id} is held" + (f" by {holder}" if holder else ""),
            remedy=f"`digest issue approve {row.id}`",
        )
    if row.status is IssueStatus.BUILT and edition.own.approve:
        raise IssueNotApproved(
            f"issue {row.id} waits for an editor", remedy=f"`digest issue approve {row.id}`"
        )
    if row.status is IssueStatus.PAUSED and order.uncertain is None:
        raise IssueError(
            f"issue {row.id} is paused" + (f": {row.paused_reason}" if row.paused_reason else ""),
            remedy=f"`digest resume {row.id}` goes on",
        )


def audience_of(session: Session, row: IssueRow, edition: EditionSettings) -> Select[Any]:
    """Who gets the issue: the list, narrowed by the edition's segment; a correction goes to those who got
    what it corrects, and who are still on the list."""
    list_id = find_list(session, row.list_name).id
    if row.corrects_id is not None:
        items = [
            mark.item for mark in corrections.marks(session, row.corrects_id) if mark.corrected_by == row.id
        ]
        return audience(
            list_id,
            segment=corrections.chose_sections_of(session, items),
            only=corrections.got_wrong(session, row.corrects_id, row.corrects_rendition_id),
        )
    segment = None
    if edition.own.segment:
        from subscribers.segments import find_segment, parse_segment

        segment = parse_segment(find_segment(session, edition.own.segment).expression)
    return audience(list_id, segment=segment)


def decide(session: Session, issue_id: int, decision: Decision) -> int:
    """Send copies in doubt once more, or give them up; return how many. None goes out a third time."""
    doubtful = [DeliveryRow.issue_id == issue_id, DeliveryRow.status == DeliveryStatus.UNCERTAIN]
    if decision == "resend":
        doubtful.append(DeliveryRow.resends == 0)
        values: dict[str, Any] = {
            "status": DeliveryStatus.QUEUED,
            "resends": DeliveryRow.resends + 1,
            "next_attempt_at": None,
        }
    else:
        values = {"status": DeliveryStatus.CANCELLED, "next_attempt_at": None}
    changed = session.execute(
        update(DeliveryRow)
        .where(*doubtful)
        .values(values)
        .execution_options(synchronize_session=False, preserve_rowcount=True)
    )
    return int(changed.rowcount)  # type: ignore[attr-defined]


def _work(
    engine: Engine,
    readers: sessionmaker[Session],
    writer: Writer,
    settings: Settings,
    issue_id: int,
    *,
    transport: Transport,
    signer: TokenSigner,
    clock: Clock,
    order: Order,
    progress: Progress,
    stop: threading.Event,
    habits: Habits,
) -> Run:
    from digest.pipeline.composing import issue_composer
    from digest.pipeline.lanes import notice_lane, paces_of, policy_of

    with readers() as session:
        row = issue_row(session, issue_id)
        list_id = find_list(session, row.list_name).id
        copies, open_copies = copies_of(session, issue_id)
    policy = policy_of(settings, row, companions=order.companions)
    outbox: Outbox = SqlOutbox(engine, writer, clock, issue_id=issue_id, list_id=list_id, policy=policy)
    lanes = [
        notice_lane(engine, readers, writer, settings, signer=signer, clock=clock, policy=policy),
        Lane(outbox, issue_composer(readers, settings, issue_id, signer)),
    ]
    pace, domain_pace = paces_of(settings, writer, clock)
    progress.start(TASK, open_copies)
    try:
        return Worker(
            transport, lanes, clock, policy,
            pace=pace, domain_pace=domain_pace, progress=progress, stop=stop, habits=habits, copies=copies,
        ).run()  # fmt: skip
    finally:
        progress.finish(TASK)


def deliver_notices(
    engine: Engine,
    settings: Settings,
    *,
    transport: Transport,
    signer: TokenSigner,
    clock: Clock,
    stop: threading.Event | None = None,
    habits: Habits | None = None,
) -> Run:
    """Send the notices that are due, by one connection, and return what became of them."""
    readers = session_factory(reading(engine))
    with readers() as session:
        if session.scalar(select(NoticeRow.id).where(NoticeRow.status.in_(OPEN)).limit(1)) is None:
            return Run()  # as nearly always: nothing is written, and no connection opened
    from digest.pipeline.lanes import notice_lane, paces_of

    writer = Writer(engine, clock)
    policy = Policy(connections=1)
    try:
        lane = notice_lane(engine, readers, writer, settings, signer=signer, clock=clock, policy=policy)
        pace, _ = paces_of(settings, writer, clock)
        return Worker(transport, [lane], clock, policy, pace=pace, stop=stop, habits=habits).run()
    finally:
        writer.close()


def _close(
    sessions: sessionmaker[Session],
    settings: Settings,
    issue_id: int,
    run: Run,
    *,
    signer: TokenSigner,
    now: datetime,
) -> None:
    """Judge the refusals, and mark the issue sent when every copy has come to its end."""
    from digest.pipeline.bounces import process_refusals, rules_of

    if run.of(DeliveryStatus.REFUSED) or run.end is End.DONE:  # what expired was not this worker's doing
        process_refusals(sessions, rules_of(settings, sessions, signer), now=now, issue_id=issue_id)
    if run.end is not End.DONE or run.backlog.unfinished:
        return
    with sessions.begin() as session:
        row = issue_row(session, issue_id, lock=True)
        if row.status not in lifecycle.UNDERWAY:
            return
        row.paused_reason = ""  # that too many came back stops nothing any more: the editors were told
        if row.sent_at is not None:
            row.status = IssueStatus.SENT  # it was sent before; some more have got it now
        else:
            lifecycle.publish(session, issue_id, now=now)
