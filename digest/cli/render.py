"""``digest issue render`` and ``digest issue check``: an issue as files, and its preflight."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from digest.cli.context import Json, State, state_of

if TYPE_CHECKING:
    from rich.console import Console

    from digest.pipeline.examine_issue import Examination

IssueId = Annotated[str, typer.Argument(metavar="ID", help="A number, EDITION@DATE or EDITION@latest.")]
PREFLIGHT_EXIT = 4


def render(
    ctx: typer.Context,
    issue: IssueId,
    out: Annotated[Path, typer.Option("--out", metavar="DIR", help="Where the files are written.")],
    person: Annotated[
        str, typer.Option("--for", metavar="EMAIL", help="Whose copy: their links, name and sections.")
    ] = "",
    json: Json = False,
) -> None:
    """Write an issue as files: issue.mjml, issue.html, issue.txt and issue.eml.

    Example: digest issue render daily@latest --out proof
    """
    from digest.pipeline.render_files import render_to_files

    state = state_of(ctx)
    written = render_to_files(
        state.app.readers,
        state.settings,
        _resolve(state, issue),
        out,
        signer=state.app.signer,
        now=state.clock.now(),
        address=person,
    )
    for note in written.notes:
        state.err.print(f"note: {note}", markup=False, style="yellow")
    sizes = ", ".join(f"{name} {size / 1000:.1f} KB" for name, size in written.sizes.items())
    state.emit(json, written.as_json(), lambda console: console.print(f"{out}: {sizes}", markup=False))


def check(
    ctx: typer.Context,
    issue: IssueId,
    links: Annotated[
        bool, typer.Option("--links", help="Ask every story's page and every picture whether it is there.")
    ] = False,
    json: Json = False,
) -> None:
    """Examine an issue before it is sent; exit 4 when something must be mended first.

    Example: digest issue check daily@latest --links
    """
    from digest.pipeline.asking import ask_pictures_through, ask_through
    from digest.pipeline.examine_issue import examine_issue

    state = state_of(ctx)
    site = state.settings.file.newsletter.url
    with state.progress(show=not json) as progress:
        found = examine_issue(
            state.app.readers,
            state.settings,
            _resolve(state, issue),
            state.app.signer,
            now=state.clock.now(),
            ask_link=ask_through(state.app.http(), site=site) if links else None,
            ask_picture=ask_pictures_through(state.app.http(), site=site) if links else None,
            progress=progress,
        )
    state.emit(json, found.as_json(), lambda console: _print(console, found))
    if found.errors:
        raise typer.Exit(PREFLIGHT_EXIT)


def _print(console: Console, found: Examination) -> None:
    from digest.cli.output import rows

    lines = [
        (finding.level.value, finding.rule, finding.message, finding.where) for finding in found.findings
    ]
    rows(console, ("", "Rule", "What", "Where"), lines, empty="Nothing to mend: this issue may be sent.")
    if lines and not found.errors:
        console.print("Warnings only: this issue may be sent.", markup=False)


def _resolve(state: State, issue: str) -> int:
    from digest.issues.finding import resolve_issue_id

    with state.app.readers() as session:
        return resolve_issue_id(session, issue)
