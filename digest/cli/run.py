"""``digest run``: an edition from feeds to inboxes."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Annotated

import typer

from digest.cli.context import Json, state_of

if TYPE_CHECKING:
    from rich.console import Console

    from digest.pipeline.run import RunReport


def run(
    ctx: typer.Context,
    edition: Annotated[str, typer.Argument(help="The edition's name in newsletter.toml.")],
    date: Annotated[
        str | None, typer.Option("--date", metavar="D", help="The issue of that civil date, e.g. 2026-11-23.")
    ] = None,
    if_due: Annotated[
        bool, typer.Option("--if-due", help="Do nothing unless the edition's schedule says it is due.")
    ] = False,
    json: Json = False,
) -> None:
    """Fetch, build, check and send one edition: what cron calls.

    Idempotent: one issue per edition and civil date, whoever calls, however often. A run that was killed
    is taken up where it stopped. Exit 3: nothing to do (too few articles, not approved yet, too late);
    4: the preflight found an error; 5: unfinished, the same command later gets further.
    """
    from digest.cli.parsing import civil_date
    from digest.pipeline.run import run_edition

    state = state_of(ctx)
    day = civil_date(date) if date else None
    _log_steps(state.quiet)
    with state.progress(show=not json) as progress:
        try:
            report = run_edition(
                state.app.sessions,
                state.settings,
                edition,
                state.app.steps(edition, progress=progress),
                now=state.clock.now(),
                day=day,
                if_due=if_due,
            )
        finally:
            state.app.close()  # the dead-man's switch has the last word
    state.emit(json, report.as_json(), lambda out: _tell(out, report))
    if code := exit_code(report):
        raise typer.Exit(code)


def exit_code(report: RunReport) -> int:
    """0 done, 3 nothing to do, 5 unfinished."""
    from digest.cli.edge import DONE, NOTHING, UNFINISHED
    from digest.pipeline.run import Ending

    if report.ending.is_done:
        return DONE
    return UNFINISHED if report.ending is Ending.UNFINISHED else NOTHING


def _tell(out: Console, report: RunReport) -> None:
    if report.ending != "not_due":
        out.print(f"{report.edition}: {report.message}", markup=False)


def _log_steps(quiet: bool) -> None:
    """One line a step on stderr, as cron's mail and a journal want it."""
    logging.basicConfig(level=logging.WARNING if quiet else logging.INFO, format="%(name)s: %(message)s")
