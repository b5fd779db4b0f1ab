"""``digest schedule``: when editions are due, the process that runs them, and its installation."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from digest.cli.context import Json, State, Yes, state_of

if TYPE_CHECKING:
    import threading

    from rich.console import Console

    from digest.app import App
    from digest.pipeline.timetable import Prospect

app = typer.Typer(no_args_is_help=True, help="What is due when, and the process that does it.")


@app.command("list")
def list_(ctx: typer.Context, json: Json = False) -> None:
    """Show the next times of each edition, in its zone and in yours, and whether one is late."""
    from digest.pipeline.timetable import prospects

    state = state_of(ctx)
    with state.app.readers() as session:
        found = prospects(session, state.settings, now=state.clock.now())
    state.emit(json, [one.as_json() for one in found], lambda out: _tell(out, found))


@app.command()
def install(
    ctx: typer.Context,
    systemd: Annotated[bool, typer.Option("--systemd", help="A systemd service (the default).")] = False,
    cron: Annotated[bool, typer.Option("--cron", help="Lines for crontab, hourly fetch included.")] = False,
    yes: Yes = False,
    json: Json = False,
) -> None:
    """Show the unit file or crontab lines for this newsletter; with --yes install them."""
    from digest.pipeline.installing import crontab_lines, install_crontab, install_unit, systemd_unit

    state = state_of(ctx)
    if cron:
        text = crontab_lines(state.settings)
        where = install_crontab(text, state.settings) if yes else None
    else:
        text = systemd_unit(state.settings)
        where = install_unit(text, state.settings) if yes else None

    def human(out: Console) -> None:
        out.print(text, markup=False, soft_wrap=True)
        if where is None:
            out.print("Nothing was installed: add --yes to do so.", markup=False, style="dim")
        else:
            out.print(f"Installed: {where}", markup=False)

    state.emit(json, {"text": text, "installed": where}, human)


def _tell(out: Console, found: list[Prospect]) -> None:
    from datetime import datetime
    from zoneinfo import ZoneInfo

    if not found:
        out.print("No edition yet: add [editions.daily] to newsletter.toml.", markup=False)
    for one in found:
        last = f"last issue {one.last_date}" if one.last_date else "no issue yet"
        out.print(f"{one.edition} ({one.zone}): {last}", markup=False, style="bold")
        if one.due != "nothing":
            out.print(f"  due now, {round(one.late / 60)} min late: {one.due}", markup=False, style="yellow")
        if not one.times:
            out.print("  no schedule: runs only by `digest run`", markup=False)
        for moment in one.times:
            there: datetime = moment.astimezone(ZoneInfo(one.zone))
            here = moment.astimezone()
            same = there.utcoffset() == here.utcoffset()
            yours = "" if same else f"   ({here:%a %H:%M} here)"
            out.print(f"  {there:%a %Y-%m-%d %H:%M %Z}{yours}", markup=False)


@app.command()
def run(
    ctx: typer.Context,
    once: Annotated[
        bool, typer.Option("--once", help="Do what is due now, then end: for cron. Exit 1: a job failed.")
    ] = False,
    json: Json = False,
) -> None:
    """Run what is due until it is told to stop: for systemd or a container.

    Editions when they are due, retries, feeds at their own pace, notices, bounces, retention. Of several
    processes one leads; when it is killed, another follows within a minute. SIGTERM ends it within the
    time of a message. With ``web.serve = true`` it serves the public pages as well.
    """
    import logging
    import os
    import signal
    import socket
    import threading
    from contextlib import ExitStack

    from digest.cli.serve import public_serving
    from digest.pipeline.leadership import Lease
    from digest.pipeline.timetable import check_editions
    from digest.schedule import Office
    from digest.schedule.jobs import jobs_of

    state = state_of(ctx)
    logging.basicConfig(
        level=logging.WARNING if state.quiet or once else logging.INFO,
        format="%(name)s: %(message)s" if once else "%(asctime)s %(name)s: %(message)s",
    )
    check_editions(state.settings)
    application = state.app
    stop = threading.Event()
    received: list[int] = []

    def on_signal(number: int, _frame: object) -> None:
        received.append(number)
        stop.set()

    for ending in (signal.SIGTERM, signal.SIGINT):
        signal.signal(ending, on_signal)
    failed = False
    if once or _database_answers(state, stop):
        _tell_faults(application)
        holder = f"{socket.gethostname()[:40]}:{os.getpid()}"
        jobs = jobs_of(application, once=once)
        office = Office(jobs, Lease(application.sessions, "schedule", holder), state.clock)
        state.emit(
            json,
            {"pid": os.getpid(), "editions": list(state.settings.file.editions)},
            None if once else lambda out: out.print("Running what is due; Ctrl-C ends it.", markup=False),
        )
        with ExitStack() as beside:
            if state.settings.file.web.serve and not once:
                beside.enter_context(public_serving(application))
            office.run(stop, once=once)
        failed = once and office.failed
    application.close()
    if signal.SIGINT in received:
        raise typer.Exit(130)
    if failed:
        raise typer.Exit(1)


def _tell_faults(application: App) -> None:
    """Say at the start what would fail at seven; the rest of the newsletter goes on."""
    import logging

    from digest.errors import ConfigError
    from digest.pipeline.timetable import require_list

    for name in application.settings.file.editions:
        try:
            with application.readers() as session:
                require_list(session, application.settings.edition(name))
        except ConfigError as error:
            logging.getLogger("digest.schedule").error("%s; %s", error, error.remedy)


def _database_answers(state: State, stop: threading.Event) -> bool:
    """Wait for a database that is away at the start, as after a power cut; False when told to stop."""
    import logging

    from digest.errors import DatabaseError, SchemaTooNew
    from digest.schedule.loop import TICK, one_line

    told = False
    while not stop.is_set():
        try:
            state.app.engine.connect().close()
        except SchemaTooNew:
            raise  # waiting mends nothing
        except Exception as error:
            if not isinstance(error, DatabaseError) and not hasattr(error, "orig"):
                raise
            if not told:
                logging.getLogger("digest.schedule").error(
                    "the database cannot be used: %s; waiting for it", one_line(error)
                )
                told = True
            state.clock.wait(TICK, until=stop)
        else:
            if told:
                logging.getLogger("digest.schedule").info("the database works again")
            return True
    return False
