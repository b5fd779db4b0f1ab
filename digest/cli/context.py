"""What a command has at hand: settings, clock, app and output, each made when first asked for."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from digest.errors import ConfigError

if TYPE_CHECKING:
    from datetime import datetime

    from rich.console import Console

    from digest.app import App
    from digest.clock import Clock
    from digest.settings import Settings
    from digest.values import Progress

Json = Annotated[bool, typer.Option("--json", help="Print one JSON document on stdout, nothing else.")]
Yes = Annotated[bool, typer.Option("--yes", help="Do not ask.")]
Limit = Annotated[int, typer.Option("--limit", min=1, help="At most so many.")]
NoBrowser = Annotated[bool, typer.Option("--no-browser", help="Do not open a browser.")]


class State:
    """One run of the command line."""

    def __init__(
        self, *, folder: Path | None, quiet: bool, verbose: bool, no_color: bool, now: str | None
    ) -> None:
        self._folder = folder
        self._now = now
        self.quiet = quiet
        self.verbose = verbose
        self.no_color = no_color

    @cached_property
    def folder(self) -> Path:
        """The newsletter's folder. Raises ``ConfigError`` when there is none."""
        from digest.settings import FILE_NAME, find_folder

        if self._folder is None:
            return find_folder(Path.cwd())
        if not (self._folder / FILE_NAME).is_file():
            raise ConfigError(
                f"no {FILE_NAME} in {self._folder}", remedy=f"make one with `digest init {self._folder}`"
            )
        return self._folder.resolve()

    @cached_property
    def settings(self) -> Settings:
        """newsletter.toml and the environment. Raises ``ConfigError``."""
        from digest.settings import load

        return load(self.folder)

    @cached_property
    def clock(self) -> Clock:
        """The machine's clock, or one that started at ``--now``."""
        from digest.clock import OffsetClock, SystemClock

        return SystemClock() if self._now is None else OffsetClock(self.time(self._now))

    @cached_property
    def app(self) -> App:
        """Engine, sessions, transport, HTTP client. Raises ``ConfigError``, ``DatabaseError``."""
        from digest.app import App

        return App(self.settings, self.clock)

    @cached_property
    def out(self) -> Console:
        """Where people read."""
        from digest.cli.output import console

        return console(no_color=self.no_color, quiet=self.quiet)

    @cached_property
    def err(self) -> Console:
        """Where bars, warnings and notes go."""
        from digest.cli.output import console

        return console(stderr=True, no_color=self.no_color, quiet=self.quiet)

    def time(self, text: str) -> datetime:
        """An ISO 8601 time; without offset in the newsletter's zone. Raises ``ConfigError``."""
        from datetime import UTC, datetime
        from zoneinfo import ZoneInfo

        try:
            found = datetime.fromisoformat(text)
        except ValueError:
            raise ConfigError(f"{text!r} is no time", remedy="write it like 2026-11-23T07:00+04:00") from None
        if found.tzinfo is None:
            try:
                zone = ZoneInfo(self.settings.file.newsletter.timezone)
            except ConfigError:
                return found.replace(tzinfo=UTC)
            found = found.replace(tzinfo=zone)
        return found.astimezone(UTC)

    @contextmanager
    def progress(self, *, show: bool = True) -> Iterator[Progress]:
        """A progress bar on stderr when that is a terminal; notes are lines on stderr in any case."""
        from digest.cli.output import watch

        with watch(self.err, bars=show and not self.quiet and self.err.is_terminal) as watcher:
            yield watcher

    def emit(self, json: bool, payload: Any, human: Callable[[Console], None] | None = None) -> None:
        """Print ``payload`` as JSON, or call ``human`` with the console for people."""
        if json:
            from digest.cli.output import print_json

            print_json(payload)
        elif human is not None:
            human(self.out)

    def confirm(self, question: str, *, yes: bool) -> None:
        """Ask before something dangerous. Raises ``typer.Abort`` on no; without a terminal it needs --yes."""
        import sys

        if yes:
            return
        if not sys.stdin.isatty():
            raise ConfigError(f"{question} needs an answer", remedy="add --yes")
        typer.confirm(question, abort=True, err=True)

    def open_browser(self, url: str, *, wanted: bool) -> None:
        """Open ``url`` where there is a screen and somebody wants it."""
        import os
        import sys

        if (
            wanted
            and sys.stdout.isatty()
            and (os.environ.get("DISPLAY") or os.environ.get("WAYLAND_DISPLAY"))
        ):
            import webbrowser

            webbrowser.open(url)


def state_of(ctx: typer.Context) -> State:
    """The state of this run."""
    state = ctx.find_root().obj
    assert isinstance(state, State)  # noqa: S101 - the root callback sets it
    return state
