"""One edition, from feeds to inboxes: fetch, build, check, send. What cron and the scheduler call.

Idempotent: an edition has one issue per civil date, whoever calls, however often. A run that was
killed is taken up where it stopped: an issue that exists is not picked again, only sent further.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from enum import StrEnum
from typing import TYPE_CHECKING, Any
from zoneinfo import ZoneInfo

from sqlalchemy import select

from digest.calendar import Due
from digest.clock import require_sane_clock
from digest.errors import EmptyIssue, SourceError
from digest.issues import lifecycle
from digest.issues.view import issue_view
from digest.models import IssueRow, IssueStatus
from digest.pipeline.timetable import decision_for, remember, require_list
from digest.pipeline.waiting import waiting_of

if TYPE_CHECKING:
    from sqlalchemy.orm import Session, sessionmaker

    from digest.issues.view import IssueView
    from digest.pipeline.delivered import Summary
    from digest.settings import EditionSettings, Settings

logger = logging.getLogger("digest.run")

LATE = timedelta(minutes=15)
"""From here on a run says that it is late."""


class Ending(StrEnum):
    """How a run ended."""

    SENT = "sent"
    ALREADY_SENT = "already_sent"
    NOT_DUE = "not_due"
    TOO_LATE = "too_late"
    EMPTY = "empty"
    WAITS_FOR_APPROVAL = "waits_for_approval"
    WAITS_FOR_TIME = "waits_for_time"
    UNFINISHED = "unfinished"

    @property
    def is_done(self) -> bool:
        """Whether nothing is left to do."""
        return self in {Ending.SENT, Ending.ALREADY_SENT, Ending.NOT_DUE}


@dataclass(frozen=True)
class Steps:
    """What a run is made of; each raises what it raises by itself.

    ``fetch`` returns the report for ``--json``; ``announce`` tells the editors that an issue waits;
    ``ping`` is called with ``"start"``, ``"success"`` or ``"fail"`` and never raises.
    """

    fetch: Callable[[], dict[str, Any]]
    build: Callable[[date | None], IssueView]
    send: Callable[[int], Summary]
    announce: Callable[[int], object]
    ping: Callable[[str], None]


@dataclass(frozen=True)
class RunReport:
    """What a run did."""

    edition: str
    ending: Ending
    message: str
    fetch: dict[str, Any] | None = None
    issue: dict[str, Any] | None = None
    send: dict[str, Any] | None = None

    def as_json(self) -> dict[str, Any]:
        """For ``--json``."""
        return {
            "edition": self.edition,
            "ending": str(self.ending),
            "message": self.message,
            "fetch": self.fetch,
            "issue": self.issue,
            "send": self.send,
        }


def run_edition(
    sessions: sessionmaker[Session],
    settings: Settings,
    name: str,
    steps: Steps,
    *,
    now: datetime,
    day: date | None = None,
    if_due: bool = False,
) -> RunReport:
    """Bring today's issue (or that of ``day``) as far as it goes now.

    :param if_due: do nothing unless the schedule says that the edition is due.
    :raises PreflightFailed: and all that fetching, building and sending raise.
    """
    edition = settings.edition(name)
    require_sane_clock(now)
    standing = _standing(sessions, edition, now=now, day=day, if_due=if_due)
    if standing.ending is not None:
        if standing.ending is Ending.TOO_LATE:
            logger.warning("%s: %s", name, standing.message)
            steps.ping("fail")  # no issue goes out: whoever watches should know now
        elif standing.ending is not Ending.NOT_DUE:
            logger.info("%s: %s", name, standing.message)
        return RunReport(name, standing.ending, standing.message)
    if standing.issue_id is not None:
        waits = _waits(sessions, settings, edition, standing.issue_id, ask=standing.ask, now=now)
        if waits is not None:  # as it did at the last look: no step is taken, so none is told
            return _waiting(sessions, name, steps, standing.issue_id, waits)
    with sessions() as session:
        require_list(session, edition)
    steps.ping("start")
    fetched: dict[str, dict[str, Any]] = {}
    try:
        report = _work(sessions, settings, edition, steps, standing, fetched, now=now)
    except EmptyIssue as error:
        logger.info("%s: %s", name, error)
        steps.ping("success")  # nothing to say is no failure: the stories stay for the next issue
        with sessions.begin() as session:
            remember(session, name, now=now, skipped=standing.day)
        return RunReport(name, Ending.EMPTY, str(error), fetched.get("report"))
    except BaseException:
        steps.ping("fail")
        raise
    if report.ending.is_done:
        steps.ping("success")
    return report


@dataclass(frozen=True)
class _Standing:
    day: date
    ending: Ending | None = None
    message: str = ""
    issue_id: int | None = None
    ask: bool = False


def _standing(
    sessions: sessionmaker[Session],
    edition: EditionSettings,
    *,
    now: datetime,
    day: date | None,
    if_due: bool,
) -> _Standing:
    """Whether there is anything to do, and for which date."""
    today = now.astimezone(ZoneInfo(edition.timezone)).date()
    with sessions.begin() as session:
        remember(session, edition.name, now=now)
        row = _issue_of(session, edition.name, day or today)
        if row is not None and row.status is IssueStatus.SENT:
            return _Standing(row.date, Ending.ALREADY_SENT, f"the issue of {row.date} is sent already")
        issue_id = None if row is None else row.id
        underway = row is not None and (row.status is not IssueStatus.BUILT or edition.own.approve)
        if day is not None or underway:
            return _Standing(day or today, issue_id=issue_id)
        decision = decision_for(session, edition, now=now)
        occurrence = decision.occurrence
        if occurrence is None or decision.due is Due.NOTHING:
            if if_due:
                return _Standing(today, Ending.NOT_DUE, "not due")
            return _Standing(today, issue_id=issue_id)
        if row is None or row.date != occurrence.day:
            row = _issue_of(session, edition.name, occurrence.day)
        if row is not None and row.status in lifecycle.UNDERWAY:
            return _Standing(row.date, issue_id=row.id)  # past midnight, and still on its way
        if decision.due is Due.SKIP:
            remember(session, edition.name, now=now, skipped=occurrence.day)
            if row is not None:
                lifecycle.cancel(session, row.id, now=now, actor="schedule")
            message = (
                f"the issue of {occurrence.day} is {_span(decision.lateness)} late, later than "
                f"'late' allows: skipped; its stories stay for the next issue"
            )
            return _Standing(occurrence.day, Ending.TOO_LATE, message)
        if decision.lateness > LATE and row is None:
            logger.warning("%s: %s late", edition.name, _span(decision.lateness))
        issue_id = None if row is None else row.id
        return _Standing(occurrence.day, issue_id=issue_id, ask=decision.due is Due.ASK)


def _work(
    sessions: sessionmaker[Session],
    settings: Settings,
    edition: EditionSettings,
    steps: Steps,
    standing: _Standing,
    fetched: dict[str, dict[str, Any]],
    *,
    now: datetime,
) -> RunReport:
    name = edition.name
    with sessions() as session:
        existing = _issue_of(session, name, standing.day)
    if existing is None:
        try:
            report = fetched["report"] = steps.fetch()
            logger.info("%s: fetched: %s new, %s updated", name, report["new"], report["updated"])
        except SourceError as error:
            logger.warning("%s: %s; building from what is there", name, error)
    view = steps.build(standing.day)
    logger.info("%s: issue %s: %s", name, view.id, view.subject)
    assert view.id is not None  # noqa: S101 - only a dry run has none
    waits = _waits(sessions, settings, edition, view.id, ask=standing.ask, now=now)
    if waits is not None:
        logger.info("%s: %s", name, waits[1])
        return _waiting(sessions, name, steps, view.id, waits, fetched.get("report"))
    summary = steps.send(view.id)
    sent = summary.as_json()
    ending = Ending.UNFINISHED if summary.unfinished else Ending.SENT
    counts = ", ".join(
        f"{sent[key]} {key}" for key in ("sent", "deferred", "refused", "uncertain") if sent[key]
    )
    message = f"issue {view.id}: {counts or 'nobody to send to'}"
    logger.info("%s: %s", name, message)
    return RunReport(name, ending, message, fetched.get("report"), view.as_json(), sent)


def _waiting(
    sessions: sessionmaker[Session],
    name: str,
    steps: Steps,
    issue_id: int,
    waits: tuple[Ending, str],
    fetched: dict[str, Any] | None = None,
) -> RunReport:
    """What is reported of an issue that waits, or that waited too long."""
    ending, message = waits
    if ending is Ending.WAITS_FOR_APPROVAL:
        steps.announce(issue_id)
    elif ending is Ending.TOO_LATE:
        logger.warning("%s: %s", name, message)
        steps.ping("fail")
    with sessions() as session:
        view = issue_view(session, issue_id)
    return RunReport(name, ending, message, fetched, view.as_json())


def _waits(
    sessions: sessionmaker[Session],
    settings: Settings,
    edition: EditionSettings,
    issue_id: int,
    *,
    ask: bool,
    now: datetime,
) -> tuple[Ending, str] | None:
    """Whether the issue must wait for an editor or for ``send_at``, or has waited too long."""
    with sessions.begin() as session:
        row = session.get_one(IssueRow, issue_id)
        if row.status not in lifecycle.UNSENT:
            return None
        waiting = waiting_of(edition, row)
        held = lifecycle.held_by(session, issue_id) if row.status is IssueStatus.BUILT else None
        if row.status is IssueStatus.BUILT and (edition.own.approve or ask or held is not None):
            if now < waiting.ends_at:
                why = "is late and " if ask else ""
                remedy = f"`digest issue approve {issue_id}`"
                return Ending.WAITS_FOR_APPROVAL, f"issue {issue_id} {why}waits for {remedy}"
            if waiting.skips or held is not None:
                lifecycle.cancel(session, issue_id, now=now, actor="schedule")
                remember(session, edition.name, now=now, skipped=row.date)
                message = f"nobody approved issue {issue_id} in time: cancelled; its stories stay"
                _tell_editors(session, settings, issue_id, message, now=now)
                return Ending.TOO_LATE, message
            lifecycle.approve(session, issue_id, now=now, actor="schedule")
            message = f"nobody approved issue {issue_id} in time: it is sent, as `unapproved` says"
            logger.warning("%s: %s", edition.name, message)
            _tell_editors(session, settings, issue_id, message, now=now)
        if waiting.goes_at is not None and now < waiting.goes_at:
            return Ending.WAITS_FOR_TIME, f"issue {issue_id} goes out at {edition.own.send_at}"
    return None


def _tell_editors(session: Session, settings: Settings, issue_id: int, text: str, *, now: datetime) -> None:
    from digest.bounces.rates import Alarm, tell_editors

    alarm = Alarm(name=f"approval of issue {issue_id}", text=text, issue_id=issue_id)
    tell_editors(session, [alarm], editors=len(settings.file.newsletter.editors), now=now)


def _issue_of(session: Session, edition: str, day: date) -> IssueRow | None:
    return session.scalars(
        select(IssueRow).where(
            IssueRow.edition == edition,
            IssueRow.date == day,
            IssueRow.ordinal == 0,
            IssueRow.status != IssueStatus.CANCELLED,
        )
    ).one_or_none()


def _span(span: timedelta) -> str:
    minutes = round(span.total_seconds() / 60)
    return f"{minutes // 60} h {minutes % 60} min" if minutes >= 60 else f"{minutes} min"
