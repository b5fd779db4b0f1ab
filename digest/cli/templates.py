"""``digest templates``: the looks of an issue."""

from __future__ import annotations

from typing import Annotated

import typer

from digest.cli.context import Json, state_of

app = typer.Typer(no_args_is_help=True, help="The looks of an issue.")


@app.command(name="list")
def list_templates(ctx: typer.Context, json: Json = False) -> None:
    """List templates, the newsletter's own copies, and which edition uses which.

    Example: digest templates list
    """
    from digest.cli.output import rows
    from digest.pipeline.templates import list_templates as found_templates

    state = state_of(ctx)
    found = found_templates(state.settings)
    lines = [
        (
            each.name,
            each.summary,
            ", ".join(each.editions),
            f"{len(each.own)} of your own" + (", of another contract" if each.outdated else "")
            if each.own
            else "as shipped",
        )
        for each in found
    ]
    state.emit(
        json,
        [each.as_json() for each in found],
        lambda out: rows(out, ("Template", "What it is", "Editions", "Files"), lines, empty=""),
    )


@app.command()
def eject(
    ctx: typer.Context,
    name: Annotated[str, typer.Argument(help="daily, brief, parts or notices.")] = "daily",
    force: Annotated[bool, typer.Option("--force", help="Write over copies that are there.")] = False,
    json: Json = False,
) -> None:
    """Copy a template into the newsletter's folder to change it; docs/templates.md says what it is given.

    Example: digest templates eject daily
    """
    from digest.pipeline.templates import eject as copy

    state = state_of(ctx)
    files = copy(state.settings, name, force=force)
    state.emit(
        json,
        {"files": [str(path) for path in files]},
        lambda out: out.print("\n".join(str(path) for path in files), markup=False),
    )
