"""What became of an issue's copies: the numbers that ``send`` prints and ``issue show`` tells later."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from sqlalchemy import func, select
from sqlalchemy.orm import Session, sessionmaker

from digest.delivery.machine import ENDED
from digest.delivery.worker import End, Run
from digest.issues.finding import issue_row
from digest.models import DeliveryRow, DeliveryStatus, IssueStatus


@dataclass(frozen=True, slots=True, kw_only=True)
class Summary:
    """What became of all copies of an issue, and what this run did of it.

    ``status`` is the issue's. ``waiting`` copies are queued or claimed. ``held`` of the uncertain ones
    wait for a decision. ``delivered`` counts this run's; ``seconds`` and ``rate`` (a second) are its own
    too.
    """

    issue: int
    status: IssueStatus = IssueStatus.SENDING
    recipients: int = 0
    sent: int = 0
    deferred: int = 0
    refused: int = 0
    uncertain: int = 0
    suppressed: int = 0
    expired: int = 0
    cancelled: int = 0
    waiting: int = 0
    held: int = 0
    delivered: int = 0
    seconds: float = 0.0
    end: End = End.DONE
    reason: str = ""
    next_at: datetime | None = None
    replies: tuple[tuple[str, int], ...] = field(default=())

    @property
    def rate(self) -> float:
        """Copies a second of this run."""
        return self.delivered / self.seconds if self.seconds else 0.0

    @property
    def unfinished(self) -> bool:
        """Whether the same command, later, will get further."""
        return self.end in {End.LATER, End.FAILED, End.PAUSED} or bool(
            self.end is End.DONE and (self.waiting or self.deferred or self.uncertain > self.held)
        )

    def as_json(self) -> dict[str, Any]:
        """The JSON of ``send``."""
        return {
            "issue": self.issue,
            "status": self.status.value,
            "recipients": self.recipients,
            "sent": self.sent,
            "deferred": self.deferred,
            "refused": self.refused,
            "uncertain": self.uncertain,
            "suppressed": self.suppressed,
            "expired": self.expired,
            "cancelled": self.cancelled,
            "waiting": self.waiting,
            "held": self.held,
            "delivered": self.delivered,
            "seconds": round(self.seconds, 3),
            "rate": round(self.rate, 1),
            "end": self.end.value,
            "reason": self.reason,
            "next_at": self.next_at,
        }


def statuses_of(session: Session, issue_id: int) -> dict[DeliveryStatus, int]:
    """How many copies have which status, in the order of the machine; statuses that none has are left out."""
    counted = session.execute(
        select(DeliveryRow.status, func.count())
        .where(DeliveryRow.issue_id == issue_id)
        .group_by(DeliveryRow.status)
    )
    found = {row[0]: row[1] for row in counted}
    return {status: found[status] for status in DeliveryStatus if status in found}


def copies_of(session: Session, issue_id: int) -> tuple[int, int]:
    """All copies, and those that are not at their end."""
    counts = statuses_of(session, issue_id)
    total = sum(counts.values())
    return total, total - sum(count for status, count in counts.items() if status in ENDED)


def summary_of(readers: sessionmaker[Session], issue_id: int, run: Run | None = None) -> Summary:
    """The counts of an issue, compacted ones included."""
    with readers() as session:
        row = issue_row(session, issue_id)
        status = row.status
        counts: dict[str, int] = {name: int(count) for name, count in row.counts.items()}
        for state, count in statuses_of(session, issue_id).items():
            counts[state.value] = counts.get(state.value, 0) + count
        held = session.scalar(
            select(func.count()).where(
                DeliveryRow.issue_id == issue_id,
                DeliveryRow.status == DeliveryStatus.UNCERTAIN,
                DeliveryRow.next_attempt_at.is_(None),
            )
        )
        replies = session.execute(
            select(DeliveryRow.reply, func.count())
            .where(
                DeliveryRow.issue_id == issue_id,
                DeliveryRow.status.in_((DeliveryStatus.REFUSED, DeliveryStatus.DEFERRED)),
            )
            .group_by(DeliveryRow.reply)
            .order_by(func.count().desc())
            .limit(5)
        ).all()
    run = run or Run()
    return Summary(
        issue=issue_id,
        status=status,
        recipients=sum(counts.values()),
        waiting=sum(counts.get(status, 0) for status in ("queued", "claimed", "sending")),
        held=held or 0,
        delivered=run.of(DeliveryStatus.SENT),
        seconds=run.seconds,
        end=run.end,
        reason=run.reason,
        next_at=run.backlog.next_at,
        replies=tuple((reply, count) for reply, count in replies),
        **{
            name: counts.get(name, 0)
            for name in ("sent", "deferred", "refused", "uncertain", "suppressed", "expired", "cancelled")
        },
    )
