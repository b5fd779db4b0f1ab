"""What a newsletter needs done, as jobs: editions, unfinished issues, feeds, notices, bounces, retention."""

from __future__ import annotations

import threading
from datetime import timedelta
from typing import TYPE_CHECKING
from zoneinfo import ZoneInfo

from sqlalchemy import select

from digest.bounces.rates import Alarm, tell_editors
from digest.delivery.compaction import compact
from digest.errors import DigestError
from digest.models import IssueRow, IssueStatus
from digest.pipeline.run import run_edition
from digest.schedule.loop import Job

if TYPE_CHECKING:
    from digest.app import App

LOOK = timedelta(seconds=10)
"""How often an edition's clock is looked at: an issue begins at most this much after its time."""


def jobs_of(app: App) -> list[Job]:
    """All jobs of a newsletter, as its settings say."""
    settings = app.settings
    jobs = [
        Job(f"edition {name}", lambda stop, name=name: run_due(app, name, stop), LOOK)  # type: ignore[misc]
        for name in settings.file.editions
        if settings.edition(name).own.schedule
    ]
    jobs += [
        Job("unfinished issues", lambda stop: deliver_unfinished(app, stop), timedelta(seconds=60)),
        Job("feeds", lambda _stop: fetch_due(app), timedelta(seconds=60)),
        Job("notices", lambda stop: send_notices(app, stop), timedelta(seconds=10)),
        Job("retention", lambda _stop: retain(app), timedelta(hours=6)),
    ]
    if settings.file.bounces is not None:
        jobs.append(Job("bounces", lambda _stop: poll_bounces(app), settings.file.bounces.poll))
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
    except DigestError as error:
        _tell_editors(app, f"run {name}", f"Edition {name} could not be sent: {error} {error.remedy}".strip())
        raise


def deliver_unfinished(app: App, stop: threading.Event) -> None:
    """Go on with every issue that is being sent: what is due, deferred, or was left by a killed worker."""
    with app.readers() as session:
        issues = session.scalars(select(IssueRow.id).where(IssueRow.status == IssueStatus.SENDING)).all()
    for issue_id in issues:
        if stop.is_set():
            return
        app.deliver(issue_id, stop=stop)


def fetch_due(app: App) -> None:
    """Visit the sources whose ``refresh`` time is over: a feed that is full loses nothing."""
    from digest.pipeline.collect import collect

    collect(app.sessions, app.settings, clock=app.clock, http=app.http(), due_only=True)


def send_notices(app: App, stop: threading.Event) -> None:
    """Send the notices that wait."""
    from digest.pipeline.deliver import deliver_notices

    deliver_notices(
        app.engine,
        app.settings,
        transport=app.transport(),
        signer=app.signer,
        clock=app.clock,
        stop=stop,
    )


def poll_bounces(app: App) -> None:
    """Read the bounce mailbox."""
    from digest.pipeline.bounces import poll

    poll(app.settings, app.sessions, signer=app.signer, clock=app.clock)


def retain(app: App) -> None:
    """Compact old deliveries to counts."""
    compact(app.sessions, before=app.clock.now() - app.settings.file.retention.deliveries)


def _is_being_sent(app: App, name: str) -> bool:
    edition = app.settings.edition(name)
    today = app.clock.now().astimezone(ZoneInfo(edition.timezone)).date()
    with app.readers() as session:
        status = session.scalar(
            select(IssueRow.status).where(
                IssueRow.edition == name,
                IssueRow.date == today,
                IssueRow.ordinal == 0,
                IssueRow.status != IssueStatus.CANCELLED,
            )
        )
    return status in {IssueStatus.SENDING, IssueStatus.PAUSED}


def _tell_editors(app: App, name: str, text: str) -> None:
    alarm = Alarm(name=name, text=text)
    with app.sessions.begin() as session:
        tell_editors(session, [alarm], editors=len(app.settings.file.newsletter.editors), now=app.clock.now())
