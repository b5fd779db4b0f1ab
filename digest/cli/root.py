"""The root command: global options, and commands that are imported when they are used."""

from __future__ import annotations

import importlib
from pathlib import Path
from typing import Annotated, Any

import typer
from typer.core import TyperGroup

from digest.cli.commands import COMMANDS
from digest.cli.context import State


class LazyGroup(TyperGroup):
    """Imports a command's module when that command is looked up, and lists them without."""

    _listing = False

    def list_commands(self, ctx: Any) -> list[str]:
        return list(COMMANDS)

    def get_command(self, ctx: Any, cmd_name: str) -> Any:
        entry = COMMANDS.get(cmd_name)
        if entry is None:
            return None
        if self._listing or (ctx.resilient_parsing and not _named_on_the_line(ctx, cmd_name)):
            return _stub(cmd_name, entry.summary, entry.panel)
        found = getattr(importlib.import_module(entry.module), entry.attribute)
        if isinstance(found, typer.Typer):
            group = typer.main.get_group(found)
            group.name = cmd_name
            return group
        single = typer.Typer(add_completion=False)
        single.command(name=cmd_name)(found)
        return typer.main.get_command(single)

    def format_help(self, ctx: Any, formatter: Any) -> None:
        self._listing = True
        try:
            super().format_help(ctx, formatter)
        finally:
            self._listing = False


def _named_on_the_line(ctx: Any, name: str) -> bool:
    return name in ctx._protected_args


def _stub(name: str, summary: str, panel: str) -> Any:
    stub = typer.Typer(add_completion=False)

    def nothing() -> None: ...

    stub.command(name=name, help=summary, rich_help_panel=panel)(nothing)
    return typer.main.get_command(stub)


root = typer.Typer(
    name="digest",
    cls=LazyGroup,
    no_args_is_help=True,
    rich_markup_mode="rich",
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 110},
    help=(
        "Your daily digest: articles come in, your rules pick an issue, "
        "and each subscriber gets exactly one copy.\n\n"
        "Begin with [bold]digest demo[/bold], then [bold]digest init[/bold]."
    ),
)


@root.callback()
def options(
    ctx: typer.Context,
    folder: Annotated[
        Path | None,
        typer.Option("-C", metavar="DIR", envvar="DIGEST_DIR", help="The newsletter's folder."),
    ] = None,
    quiet: Annotated[bool, typer.Option("-q", help="Say nothing but errors.")] = False,
    verbose: Annotated[bool, typer.Option("-v", help="Say more.")] = False,
    no_color: Annotated[bool, typer.Option("--no-color", help="No colours (also NO_COLOR).")] = False,
    now: Annotated[
        str | None, typer.Option("--now", metavar="TIME", hidden=True, help="Where the clock starts.")
    ] = None,
    version: Annotated[bool, typer.Option("--version", "-V", help="Print the version.")] = False,
) -> None:
    if verbose:
        log_with_addresses()
    ctx.obj = State(folder=folder, quiet=quiet, verbose=verbose, no_color=no_color, now=now)
    if version:
        from digest import __version__

        typer.echo(f"digest {__version__}")
        raise typer.Exit


def log_with_addresses() -> None:
    """What ``-v`` does: log what happens, with the addresses of copies that were not taken."""
    import logging

    logging.basicConfig(level=logging.INFO, format="%(name)s: %(message)s")
    logging.getLogger("digest").setLevel(logging.DEBUG)
