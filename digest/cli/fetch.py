"""``digest fetch``: takes in what is new from the sources."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from digest.cli.context import Json, state_of

if TYPE_CHECKING:
    from rich.console import Console

    from digest.pipeline.collect import CollectReport


def fetch(
    ctx: typer.Context,
    source: Annotated[
        list[str] | None, typer.Option("--source", metavar="NAME", help="Only this source; repeatable.")
    ] = None,
    json: Json = False,
) -> None:
    """Take in what is new from the sources.

    Each source is asked politely (at most two connections a host, nothing twice), new stories are
    stored once, and a source that fails takes no other down. A source named by --source is asked
    even while it is left alone after failures.

    Example: digest fetch --source asianlite
    """
    from digest.pipeline.collect import collect

    state = state_of(ctx)
    with state.progress() as progress:
        report = collect(
            state.app.sessions,
            state.settings,
            clock=state.clock,
            http=state.app.http(),
            only=source or (),
            progress=progress,
        )
    state.emit(json, report.as_json(), lambda console: _print(console, report))
    if report.all_failed:
        raise typer.Exit(1)


def _print(console: Console, report: CollectReport) -> None:
    from digest.cli.output import rows

    rows(
        console,
        ("Source", "Status", "#New", "#Updated", "#Unchanged", "Remark"),
        [
            (
                source.name,
                source.status,
                source.new,
                source.updated,
                source.unchanged,
                source.error + (f" — {source.remedy}" if source.remedy else "") or "; ".join(source.notes),
            )
            for source in report.sources
        ],
        empty="There is no source in newsletter.toml yet: add [[sources]] with a name and a url.",
    )
    if report.sources:
        console.print(f"{report.new} new, {report.updated} updated.", markup=False)
