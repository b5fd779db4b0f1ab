"""``digest db``: upgrade, check and backup."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from digest.cli.context import Json, state_of

if TYPE_CHECKING:
    from rich.console import Console

app = typer.Typer(no_args_is_help=True, help="The database: upgrade, check, backup.")


@app.command()
def upgrade(ctx: typer.Context, json: Json = False) -> None:
    """Bring the schema up to date (every command does so by itself; SQLite is backed up first)."""
    from digest.migrations import HEAD, ensure_schema

    state = state_of(ctx)
    before = ensure_schema(state.app.bare_engine)
    state.emit(
        json,
        {"version": HEAD, "before": before},
        lambda out: out.print(
            f"The schema is at version {HEAD}" + (f" (was {before})." if before else "."), markup=False
        ),
    )


@app.command()
def check(ctx: typer.Context, json: Json = False) -> None:
    """Look for damage: integrity, references, missing tables and columns. Exit 1 when there is any."""
    from digest.migrations.examination import examine

    state = state_of(ctx)
    report = examine(state.app.bare_engine)

    def human(out: Console) -> None:
        for problem in report.problems:
            out.print(f"✗ {problem}", markup=False, style="red")
        if not report.problems:
            out.print(
                f"The database is sound: schema {report.version}, {report.tables} tables.", markup=False
            )

    state.emit(json, report.as_json(), human)
    if report.problems:
        raise typer.Exit(1)


@app.command()
def backup(
    ctx: typer.Context,
    file: Annotated[Path, typer.Argument(help="Where the copy goes; it appears when it is complete.")],
    json: Json = False,
) -> None:
    """Write a consistent copy while everything runs.

    Keep DIGEST_SECRET_KEY and DIGEST_SUPPRESSION_KEY with it: without the first, links in old
    mails die; without the second, people who were erased or suppressed are forgotten.
    """
    from digest.migrations.backup import backup as write_copy

    state = state_of(ctx)
    size = write_copy(state.app.engine, file)
    state.emit(
        json,
        {"file": str(file), "bytes": size},
        lambda out: out.print(
            f"{file}: {size:,} bytes. Keep .env with it: both keys in it are needed, and the suppression key "
            "can never be replaced.",
            markup=False,
        ),
    )
