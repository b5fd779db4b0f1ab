"""The previewer while it runs: settings that are read again when they are saved, a watcher, the sending."""

from __future__ import annotations

import secrets
import threading
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from sqlalchemy import func, select

from digest.app import App
from digest.clock import Clock
from digest.errors import ConfigError, Explained
from digest.models import DeliveryRow, DeliveryStatus, IssueRow
from digest.pipeline.render import own_templates
from digest.preview.watching import Stamps, Watcher, stamps
from digest.resources import templates_dir
from digest.settings import FILE_NAME, Settings, load
from subscribers.errors import SubscriberError

if TYPE_CHECKING:
    from starlette.applications import Starlette

_NEWEST = 20  # issues that are watched


@dataclass(frozen=True)
class _Look:
    """What differs when a page must be shown anew."""

    settings: Stamps
    templates: Stamps
    stories: Stamps
    issues: tuple[tuple[object, ...], ...]


class Desk:
    """The preview of one newsletter; close it at the end.

    :param reload: reads the settings again; by default newsletter.toml of the folder.
    :param token: the secret in the address; a new one if not given.
    """

    def __init__(
        self,
        settings: Settings,
        clock: Clock,
        *,
        reload: Callable[[], Settings] | None = None,
        token: str = "",
    ) -> None:
        self.clock = clock
        self.token = token or secrets.token_urlsafe(18)
        self.fault = ""
        """What is wrong with newsletter.toml, while the last sound one is in use."""
        self.sending = ""
        """What became of the last send that was begun here, for the editor to read."""
        self._folder = settings.folder
        self._reload = reload or (lambda: load(self._folder))
        self._app = App(settings, clock)
        self._stop = threading.Event()
        self._sender: threading.Thread | None = None
        self._lock = threading.Lock()
        self._watcher = Watcher(self._look, self._noticed)

    @property
    def app(self) -> App:
        """The application with the settings as they were last sound."""
        return self._app

    @property
    def changes(self) -> int:
        """Grows whenever an open page must look again."""
        return self._watcher.count

    @property
    def page(self) -> Starlette:
        """The ASGI application."""
        from digest.preview.page import desk_page

        return desk_page(self)

    def path(self, issue_id: int) -> str:
        """The issue's path, with the token."""
        return f"/{self.token}/issue/{issue_id}"

    def send(self, issue_id: int) -> str:
        """Begin to deliver the issue, in a thread. Raises ``PreflightFailed`` and what forbids the sending.

        What it comes to is in ``sending``; a process that ends meanwhile leaves an issue that
        ``digest send`` finishes.
        """
        from digest.pipeline.deliver import Order, prepare

        with self._lock:
            if self._sender is not None and self._sender.is_alive():
                return "It is being sent already."
            app = self._app
            prepare(
                app.sessions, app.readers, app.settings, issue_id,
                clock=self.clock, order=Order(examine=app.examiner()),
            )  # fmt: skip
            self.sending = ""
            self._sender = threading.Thread(
                target=self._deliver, args=(app, issue_id), name="sender", daemon=True
            )
            self._sender.start()
        return "Sending has begun."

    def close(self) -> None:
        """Stop watching; a sending that runs comes to the end of what is on the wire."""
        self._watcher.close()
        self._stop.set()
        if self._sender is not None:
            self._sender.join(30)
        self._app.close()

    def poke(self) -> None:
        """Tell open pages to look again, without waiting for the watcher to notice."""
        self._watcher.poke()

    def _deliver(self, app: App, issue_id: int) -> None:
        from digest.pipeline.deliver import deliver

        try:
            summary = deliver(
                app.engine, app.settings, issue_id,
                transport=app.transport(), signer=app.signer, clock=self.clock, stop=self._stop,
            )  # fmt: skip
            self.sending = f"Sent to {summary.sent} of {summary.recipients}."
        except (Explained, SubscriberError) as error:
            self.sending = " — ".join(part for part in (str(error), error.remedy) if part)
        self.poke()

    def _look(self) -> _Look:
        app = self._app
        with app.readers() as session:
            issues = session.execute(
                select(IssueRow.id, IssueRow.version, IssueRow.status, IssueRow.subject)
                .order_by(IssueRow.id.desc())
                .limit(_NEWEST)
            ).all()
            underway = [row.id for row in issues if row.status in {"sending", "paused"}]
            done = session.execute(
                select(DeliveryRow.issue_id, func.count())
                .where(DeliveryRow.issue_id.in_(underway), DeliveryRow.status == DeliveryStatus.SENT)
                .group_by(DeliveryRow.issue_id)
            ).all()
        return _Look(
            settings=stamps([self._folder / FILE_NAME]),
            templates=stamps([templates_dir(), own_templates(app.settings)]),
            stories=stamps(self._story_folders(app.settings).values()),
            issues=tuple(tuple(row) for row in (*issues, *done)),
        )

    def _story_folders(self, settings: Settings) -> dict[str, Path]:
        """Sources that are files here, by name."""
        found = {}
        for source in settings.file.sources:
            if "://" not in source.url:
                place = settings.folder / source.url
                if place.exists():
                    found[source.name] = place
        return found

    def _noticed(self, before: object, now: object) -> None:
        if not (isinstance(before, _Look) and isinstance(now, _Look)):
            return
        if before.settings != now.settings:
            self._read_settings()
        if before.stories != now.stories:
            self._take_in_stories()

    def _read_settings(self) -> None:
        try:
            settings = self._reload()
        except ConfigError as error:
            self.fault = f"{error} (the last sound settings are in use)"
            return
        self.fault = ""
        old, self._app = self._app, App(settings, self.clock)
        old.close()

    def _take_in_stories(self) -> None:
        """A story in a folder was saved: take it in, and pick the unsent issues anew, keeping hand edits."""
        from digest.pipeline.build import build_issue
        from digest.pipeline.collect import collect

        app = self._app
        try:
            report = collect(
                app.sessions,
                app.settings,
                clock=self.clock,
                http=app.http(),
                only=self._story_folders(app.settings),
            )
            if not (report.new or report.updated):
                return
            with app.readers() as session:
                unsent = session.execute(
                    select(IssueRow.edition, IssueRow.date)
                    .where(IssueRow.status == "built", IssueRow.ordinal == 0)
                    .order_by(IssueRow.date)
                ).all()
            for edition, day in unsent:
                build_issue(
                    app.sessions,
                    app.settings,
                    edition,
                    day=day,
                    now=self.clock.now(),
                    rebuild=True,
                    actor="preview",
                )
        except (Explained, SubscriberError) as error:
            self.fault = str(error)
