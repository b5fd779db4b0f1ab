"""``digest schedule``: when editions are due, the process that runs them, and its installation."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from digest.cli.context import Json, Yes, state_of

if TYPE_CHECKING:
    from rich.console import Console

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
def run(ctx: typer.Context, json: Json = False) -> None:
    """Run what is due until it is told to stop: for systemd or a container.

    Editions when they are due, retries, feeds at their own pace, notices, bounces, retention. Of several
    processes one leads; when it is killed, another follows within a minute. SIGTERM ends it within the
    time of a message. With ``[web] serve = true`` it serves the public pages as well.
    """
    import logging
    import os
    import signal
    import socket
    import threading
    from contextlib import ExitStack

    from digest.cli.serve import public_serving
    from digest.pipeline.leadership import Lease
    from digest.schedule import Office
    from digest.schedule.jobs import jobs_of

    state = state_of(ctx)
    logging.basicConfig(
        level=logging.WARNING if state.quiet else logging.INFO,
        format="%(asctime)s %(name)s: %(message)s",
    )
    application = state.app
    stop = threading.Event()
    received: list[int] = []

    def on_signal(number: int, _frame: object) -> None:
        received.append(number)
        stop.set()

    for ending in (signal.SIGTERM, signal.SIGINT):
        signal.signal(ending, on_signal)
    holder = f"{socket.gethostname()[:40]}:{os.getpid()}"
    office = Office(jobs_of(application), Lease(application.sessions, "schedule", holder), state.clock)
    state.emit(
        json,
        {"pid": os.getpid(), "editions": list(state.settings.file.editions)},
        lambda out: out.print("Running what is due; Ctrl-C ends it.", markup=False),
    )
    with ExitStack() as beside:
        if state.settings.file.web.serve:
            beside.enter_context(public_serving(application))
        office.run(stop)
    application.close()
    if signal.SIGINT in received:
        raise typer.Exit(130)
