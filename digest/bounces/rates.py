"""When an issue comes back too often: bounces over 2 %, complaints over 0.1 % of it, and it is paused.

Who resumes it has seen the figures: it is paused again only when they have grown by as much once more.

Gmail wants user-reported spam below 0.10 % and never at 0.30 % (its rules for bulk senders, 2024); relays
suspend accounts at bounce rates of some percent.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final

from sqlalchemy import and_, case, func, or_, select
from sqlalchemy.orm import Session

from digest.bounces.policy import DELAYED
from digest.models import (
    DeliveryRow,
    DeliveryStatus,
    IssueEventRow,
    IssueRow,
    IssueStatus,
    NoticeKind,
    NoticeRow,
)
from subscribers.models import BounceEventRow, BounceKind

LEAST_BOUNCES: Final = 5  # one full mailbox among forty readers is no trend
LEAST_COMPLAINTS: Final = 2
ACTOR: Final = "bounces"  # who paused it, in the issue's history
ALARM_LASTS: Final = timedelta(days=2)
_GMAIL: Final = "Gmail asks for complaints below 0.10 % and blocks from 0.30 %"


@dataclass(frozen=True, slots=True)
class IssueRate:
    """How one issue came back: ``sent`` counts those refused at SMTP time too, at once or at last."""

    issue_id: int
    sent: int
    bounced: int
    complained: int

    @property
    def bounce_rate(self) -> float:
        """Bounces per copy, 0 to 1."""
        return self.bounced / self.sent if self.sent else 0.0

    @property
    def complaint_rate(self) -> float:
        """Complaints per copy, 0 to 1."""
        return self.complained / self.sent if self.sent else 0.0


@dataclass(frozen=True, slots=True)
class Alarm:
    """What the editors must know: ``name`` tells the same alarm again, ``text`` is one sentence."""

    name: str
    text: str
    issue_id: int | None = None
    paused: bool = False


def issue_rates(session: Session, issue_ids: Iterable[int]) -> list[IssueRate]:
    """Count copies, bounces (each person once) and complaints of these issues."""
    ids = sorted(set(issue_ids))
    if not ids:
        return []
    sent: dict[int, int] = {}
    for issue_id, number in session.execute(
        select(DeliveryRow.issue_id, func.count())
        .where(
            DeliveryRow.issue_id.in_(ids),
            or_(
                DeliveryRow.status.in_((DeliveryStatus.SENT, DeliveryStatus.REFUSED)),
                and_(DeliveryRow.status == DeliveryStatus.EXPIRED, DeliveryRow.reply.like("4%")),
            ),
        )
        .group_by(DeliveryRow.issue_id)
    ):
        sent[issue_id] = number
    # Whoever bounced counts, also where only we are to blame: blocklistings are what must stop an issue.
    failed = and_(
        BounceEventRow.kind.in_((BounceKind.HARD, BounceKind.SOFT)), BounceEventRow.reason != DELAYED
    )
    person = BounceEventRow.subscriber_id
    rows = session.execute(
        select(
            BounceEventRow.issue_id,
            func.count(func.distinct(case((failed, person)))),
            func.count(func.distinct(case((BounceEventRow.kind == BounceKind.COMPLAINT, person)))),
        )
        .where(BounceEventRow.issue_id.in_(ids))
        .group_by(BounceEventRow.issue_id)
    )
    counted = {row[0]: (row[1], row[2]) for row in rows}
    return [IssueRate(one, sent.get(one, 0), *counted.get(one, (0, 0))) for one in ids]


def judge_rate(rate: IssueRate, *, bounce_limit: float, complaint_limit: float) -> str:
    """Why this issue must not go on, in one sentence; empty when it may."""
    if rate.complained >= LEAST_COMPLAINTS and rate.complaint_rate > complaint_limit:
        return (
            f"{rate.complained} of {rate.sent} readers called it spam ({rate.complaint_rate:.2%}, "
            f"limit {complaint_limit:.2%}; {_GMAIL})"
        )
    if rate.bounced >= LEAST_BOUNCES and rate.bounce_rate > bounce_limit:
        return (
            f"{rate.bounced} of {rate.sent} copies came back ({rate.bounce_rate:.1%}, "
            f"limit {bounce_limit:.1%}; "
            f"relays suspend senders over some percent; {_GMAIL})"
        )
    return ""


def pause_by_rate(
    session: Session, issue_ids: Iterable[int], *, bounce_limit: float, complaint_limit: float, now: datetime
) -> list[Alarm]:
    """Pause those of the issues that are being sent and come back too often; return an alarm for each.

    One that was paused so before says the new figures.
    """
    alarms = []
    for rate in issue_rates(session, issue_ids):
        seen = _last_pause(session, rate.issue_id)
        why = judge_rate(
            rate,
            bounce_limit=seen.get("bounce_rate", 0.0) + bounce_limit,
            complaint_limit=seen.get("complaint_rate", 0.0) + complaint_limit,
        )
        if not why:
            continue
        issue = session.get_one(IssueRow, rate.issue_id, with_for_update=True)
        paused = issue.status is IssueStatus.SENDING
        if paused or (issue.status is IssueStatus.PAUSED and issue.paused_reason == seen.get("reason")):
            issue.status = IssueStatus.PAUSED
            issue.paused_reason = why
            _write_down(session, rate, why, now)
        what = "paused" if paused else "came back too often"
        alarms.append(
            Alarm(f"rate:{rate.issue_id}", f"issue {rate.issue_id} {what}: {why}", rate.issue_id, paused)
        )
    return alarms


def _last_pause(session: Session, issue_id: int) -> dict[str, Any]:
    ours = (IssueEventRow.actor == ACTOR, IssueEventRow.action == "paused")
    latest = select(IssueEventRow.detail).where(IssueEventRow.issue_id == issue_id, *ours)
    return session.scalar(latest.order_by(IssueEventRow.id.desc()).limit(1)) or {}


def _write_down(session: Session, rate: IssueRate, why: str, now: datetime) -> None:
    detail = {"reason": why, "bounce_rate": rate.bounce_rate, "complaint_rate": rate.complaint_rate}
    session.add(IssueEventRow(issue_id=rate.issue_id, at=now, action="paused", actor=ACTOR, detail=detail))
    session.flush()


def tell_editors(session: Session, alarms: Sequence[Alarm], *, editors: int, now: datetime) -> int:
    """Enqueue a notice of each alarm for each editor, once a day; return how many were new.

    :param editors: how many addresses ``[newsletter] editors`` has.
    """
    new = 0
    for alarm in alarms:
        for editor in range(editors):
            key = f"alarm:{alarm.name}:{now:%Y-%m-%d}:{editor}"[:200]
            if session.scalar(select(NoticeRow.id).where(NoticeRow.dedupe_key == key)) is not None:
                continue
            session.add(
                NoticeRow(
                    kind=NoticeKind.ALARM,
                    issue_id=alarm.issue_id,
                    editor=editor,
                    dedupe_key=key,
                    context={"text": alarm.text, "name": alarm.name},
                    status=DeliveryStatus.QUEUED,
                    created_at=now,
                    expires_at=now + ALARM_LASTS,
                )
            )
            new += 1
    session.flush()
    return new
