"""What a newsletter needs done, as jobs: editions, unfinished issues, feeds, notices, bounces, retention."""

from __future__ import annotations

import threading
from datetime import timedelta
from typing import TYPE_CHECKING
from zoneinfo import ZoneInfo

from sqlalchemy import select

from digest.bounces.rates import Alarm, tell_editors
from digest.delivery.compaction import compact
from digest.errors import ConfigError, DigestError
from digest.issues import lifecycle
from digest.models import IssueRow, IssueStatus
from digest.pipeline.run import run_edition
from digest.pipeline.timetable import decision_for
from digest.schedule.loop import Job
from subscribers.errors import SubscriberError

if TYPE_CHECKING:
    from digest.app import App

LOOK = timedelta(seconds=10)
"""How often an edition's clock is looked at: an issue begins at most this much after its time."""

RETRY_SECONDS = 60.0


def jobs_of(app: App, *, once: bool = False) -> list[Job]:
    """All jobs of a newsletter, as its settings say; with ``once`` none that stays."""
    settings = app.settings
    jobs = [
        Job(f"edition {name}", lambda stop, name=name: run_due(app, name, stop), LOOK)  # type: ignore[misc]
        for name in settings.file.editions
        if settings.edition(name).own.schedule
    ]
    jobs += [
        Job("unfinished issues", Unfinished(app), LOOK),
        Job("feeds", lambda _stop: fetch_due(app), timedelta(seconds=60)),
        Job("notices", lambda stop: send_notices(app, stop), timedelta(seconds=10)),
        Job("retention", lambda _stop: retain(app), timedelta(hours=6)),
    ]
    if settings.file.bounces is not None:
        every = settings.file.bounces.poll
        jobs.append(Job("bounces", lambda stop: watch_bounces(app, every, stop, once=once), every))
    return jobs


def run_due(app: App, name: str, stop: threading.Event) -> None:
    """Run the edition if it is due; a failure is told to the editors once a day."""
    if _is_being_sent(app, name):
        return  # `unfinished issues` goes on with it
    try:
        run_edition(
            app.sessions,
            app.settings,
            name,
            app.steps(name, stop=stop),
            now=app.clock.now(),
            if_due=True,
        )
    except (DigestError, ConfigError, SubscriberError) as error:
        _tell_editors(app, f"run {name}", f"Edition {name} could not be sent: {error} {error.remedy}".strip())
        raise


class Unfinished:
    """Goes on with every issue that is being sent: new ones at once, what is deferred each minute.

    One that fails leaves the others; what failed is raised at the end.
    """

    def __init__(self, app: App) -> None:
        self._app = app
        self._next: dict[int, float] = {}

    def __call__(self, stop: threading.Event) -> None:
        app = self._app
        with app.readers() as session:
            issues = session.scalars(
                select(IssueRow.id).where(IssueRow.status == IssueStatus.SENDING).order_by(IssueRow.id)
            ).all()
        failed: DigestError | ConfigError | SubscriberError | None = None
        for issue_id in issues:
            if stop.is_set() or app.clock.monotonic() < self._next.get(issue_id, 0.0):
                continue
            self._next[issue_id] = app.clock.monotonic() + RETRY_SECONDS
            try:
                app.deliver(issue_id, stop=stop)
            except (DigestError, ConfigError, SubscriberError) as error:
                text = f"Issue {issue_id} cannot be sent further: {error} {error.remedy}".strip()
                _tell_editors(app, f"issue {issue_id}", text)
                failed = error
        if failed is not None:
            raise failed


def fetch_due(app: App) -> None:
    """Visit the sources whose ``refresh`` time is over: a feed that is full loses nothing."""
    from digest.pipeline.collect import collect

    collect(app.sessions, app.settings, clock=app.clock, http=app.http(), due_only=True)


def send_notices(app: App, stop: threading.Event) -> None:
    """Send the notices that wait."""
    app.deliver_notices(stop=stop)


def watch_bounces(app: App, every: timedelta, stop: threading.Event, *, once: bool = False) -> None:
    """Read the bounce mailbox, and unless ``once`` stay by it while its server tells of new mail."""
    from digest.pipeline.bounces import poll, watch

    if once:
        poll(app.settings, app.sessions, signer=app.signer, clock=app.clock)
        return
    watch(app.settings, app.sessions, signer=app.signer, clock=app.clock, stop=stop, every=every)


def retain(app: App) -> None:
    """Compact old deliveries to counts."""
    compact(app.sessions, before=app.clock.now() - app.settings.file.retention.deliveries)


def _is_being_sent(app: App, name: str) -> bool:
    """Whether the issue that is due is on its way; past midnight that is still yesterday's."""
    edition, now = app.settings.edition(name), app.clock.now()
    with app.readers() as session:
        due = decision_for(session, edition, now=now).occurrence
        days = {now.astimezone(ZoneInfo(edition.timezone)).date(), *((due.day,) if due else ())}
        underway = session.scalar(
            select(IssueRow.id)
            .where(
                IssueRow.edition == name,
                IssueRow.date.in_(days),
                IssueRow.ordinal == 0,
                IssueRow.status.in_(lifecycle.UNDERWAY),
            )
            .limit(1)
        )
    return underway is not None


def _tell_editors(app: App, name: str, text: str) -> None:
    alarm = Alarm(name=name, text=text)
    with app.sessions.begin() as session:
        tell_editors(session, [alarm], editors=len(app.settings.file.newsletter.editors), now=app.clock.now())
