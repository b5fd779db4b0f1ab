"""When editions are due, from settings and from what has been issued already."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime
from itertools import islice
from typing import TYPE_CHECKING, Any
from zoneinfo import ZoneInfo

from sqlalchemy import func, select

from digest.calendar import Decision, Due, Timetable, check_cron, decide
from digest.errors import ConfigError
from digest.models import FactRow, IssueRow, IssueStatus
from digest.settings.parts import nearest
from subscribers.database import insert_or_ignore
from subscribers.models import MailingListRow

if TYPE_CHECKING:
    from sqlalchemy.orm import Session

    from digest.settings import EditionSettings, Settings


def timetable_of(edition: EditionSettings) -> Timetable | None:
    """The edition's timetable, None without a schedule. Raises ``ConfigError`` for a wrong cron line."""
    own = edition.own
    if not own.schedule:
        return None
    check_cron(own.schedule)
    return Timetable(own.schedule, edition.timezone, frozenset(own.skip_dates), frozenset(own.only_dates))


def check_editions(settings: Settings) -> None:
    """Raise ``ConfigError`` for a cron line that is wrong: at the start, not at seven."""
    for name in settings.file.editions:
        timetable_of(settings.edition(name))


def require_list(session: Session, edition: EditionSettings) -> None:
    """Raise ``ConfigError`` when the edition goes to a list that is not there."""
    known = session.scalars(select(MailingListRow.name).order_by(MailingListRow.name)).all()
    if edition.list_name not in known:
        guess = nearest(edition.list_name, list(known))
        also = f', or set list = "{guess}"' if guess else ""
        raise ConfigError(
            f"edition {edition.name} goes to the list {edition.list_name!r}, which does not exist",
            remedy=f"`digest lists create {edition.list_name}`{also}",
        )


def decision_for(session: Session, edition: EditionSettings, *, now: datetime) -> Decision:
    """What is due of an edition now."""
    timetable = timetable_of(edition)
    if timetable is None:
        return Decision(Due.NOTHING)
    facts = facts_of(session, edition.name)
    done = max((day for day in (_last_sent(session, edition.name), facts.skipped) if day), default=None)
    return decide(timetable, edition.own.late, now=now, done=done, known_since=facts.known_since)


@dataclass(frozen=True)
class EditionFacts:
    """What the scheduler remembers of an edition."""

    known_since: datetime | None = None
    skipped: date | None = None


def facts_of(session: Session, edition: str) -> EditionFacts:
    """Read them; nothing is known of an edition that no scheduler has seen."""
    row = session.get(FactRow, f"edition:{edition}")
    if row is None:
        return EditionFacts()
    known, skipped = row.value.get("known_since"), row.value.get("skipped")
    return EditionFacts(
        datetime.fromisoformat(known) if known else None, date.fromisoformat(skipped) if skipped else None
    )


def remember(session: Session, edition: str, *, now: datetime, skipped: date | None = None) -> None:
    """Note that the edition is known, or that a date was skipped as too late."""
    name = f"edition:{edition}"
    row = session.get(FactRow, name)
    if row is None:  # two processes may see an edition first at the same moment
        fact = {"name": name, "value": {"known_since": now.isoformat()}, "at": now}
        session.execute(insert_or_ignore(session, FactRow).values(**fact))
        row = session.get_one(FactRow, name)
    if skipped is not None:
        row.value = {**row.value, "skipped": skipped.isoformat()}
        row.at = now


def _last_sent(session: Session, edition: str) -> date | None:
    """The newest civil date whose scheduled issue needs nothing more."""
    return session.scalar(
        select(func.max(IssueRow.date)).where(
            IssueRow.edition == edition, IssueRow.ordinal == 0, IssueRow.status == IssueStatus.SENT
        )
    )


@dataclass(frozen=True)
class Prospect:
    """When an edition comes next. ``late`` is in seconds, 0 when it is not late."""

    edition: str
    zone: str
    times: tuple[datetime, ...]
    last_issue: int | None
    last_date: date | None
    late: float
    due: Due

    def as_json(self) -> dict[str, Any]:
        """For ``--json``: times in the edition's zone."""
        zone = ZoneInfo(self.zone)
        times = [moment.astimezone(zone).isoformat(timespec="seconds") for moment in self.times]
        return {
            "edition": self.edition,
            "zone": self.zone,
            "next_at": times[0] if times else None,
            "next": times,
            "last_issue": self.last_issue,
            "last_date": None if self.last_date is None else self.last_date.isoformat(),
            "late": self.late,
            "due": str(self.due),
        }


def prospects(session: Session, settings: Settings, *, now: datetime, count: int = 5) -> list[Prospect]:
    """The next ``count`` times of each edition. Raises ``ConfigError`` for a wrong cron line."""
    found = []
    for name in settings.file.editions:
        edition = settings.edition(name)
        timetable = timetable_of(edition)
        decision = decision_for(session, edition, now=now)
        if facts_of(session, name).known_since is None:
            decision = Decision(Due.NOTHING)  # no scheduler has seen it yet: nothing is owed
        last = session.execute(
            select(IssueRow.id, IssueRow.date)
            .where(IssueRow.edition == name, IssueRow.status == IssueStatus.SENT)
            .order_by(IssueRow.date.desc(), IssueRow.ordinal.desc())
            .limit(1)
        ).first()
        times = () if timetable is None else tuple(o.at for o in islice(timetable.after(now), count))
        late = decision.lateness.total_seconds() if decision.due is not Due.NOTHING else 0.0
        found.append(
            Prospect(
                edition=name,
                zone=edition.timezone,
                times=times,
                last_issue=last[0] if last else None,
                last_date=last[1] if last else None,
                late=late,
                due=decision.due,
            )
        )
    return found
