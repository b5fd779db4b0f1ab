"""Lists and segments that commands name: found, and completed in the shell."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

if TYPE_CHECKING:
    from sqlalchemy import ColumnElement
    from sqlalchemy.orm import Session

    from subscribers.models import MailingListRow


def chosen_list(session: Session, name: str) -> MailingListRow:
    """The list called ``name``, or without a name the only one. Raises ``ConfigError`` if that is unclear."""
    from digest.errors import ConfigError
    from subscribers.errors import UnknownList
    from subscribers.membership.lists import find_list, only_list

    if name:
        return find_list(session, name)
    try:
        return only_list(session)
    except UnknownList as error:
        raise ConfigError(str(error), remedy=error.remedy) from None


def chosen_segment(session: Session, name: str) -> ColumnElement[bool] | None:
    """The condition of the segment called ``name``; ``None`` without a name."""
    from subscribers.segments import find_segment, parse_segment

    return parse_segment(find_segment(session, name).expression) if name else None


def _names(ctx: typer.Context, of: Callable[[Session], list[str]], incomplete: str) -> list[str]:
    """Names for the shell; whatever is wrong, it is no moment to complain."""
    try:
        from sqlalchemy.orm import Session

        from digest.settings import find_folder, load
        from subscribers.database import open_engine, reading

        named = ctx.find_root().params.get("folder") or os.environ.get("DIGEST_DIR")
        settings = load(Path(named) if named else find_folder(Path.cwd()))
        engine = open_engine(settings.database_url)
        with Session(reading(engine)) as session:
            found = of(session)
        engine.dispose()
    except Exception:  # noqa: BLE001 - a shell that completes shows nothing rather than an error
        return []
    return [name for name in found if name.startswith(incomplete)]


def complete_list(ctx: typer.Context, incomplete: str) -> list[str]:
    """The names of lists that begin so."""
    from subscribers.membership.lists import list_names

    return _names(ctx, list_names, incomplete)


def complete_segment(ctx: typer.Context, incomplete: str) -> list[str]:
    """The names of segments that begin so."""
    from subscribers.segments import all_segments

    return _names(ctx, lambda session: [segment.name for segment in all_segments(session)], incomplete)


def pairs(values: list[str] | None, what: str) -> dict[str, str]:
    """``["city=Delhi"]`` → ``{"city": "Delhi"}``. A value without ``=`` is a mistake of usage."""
    found: dict[str, Any] = {}
    for value in values or []:
        key, equals, text = value.partition("=")
        if not equals or not key.strip():
            raise typer.BadParameter(f"{value!r}: write {what}")
        found[key.strip()] = text.strip()
    return found


ListName = Annotated[
    str,
    typer.Option(
        "--list", metavar="L", help="This list (default: the only one).", autocompletion=complete_list
    ),
]
ListArgument = Annotated[
    str, typer.Argument(metavar="NAME", help="The list's name.", autocompletion=complete_list)
]
SegmentName = Annotated[
    str,
    typer.Option(
        "--segment", metavar="S", help="Only people in this segment.", autocompletion=complete_segment
    ),
]
SegmentArgument = Annotated[
    str, typer.Argument(metavar="NAME", help="The segment's name.", autocompletion=complete_segment)
]
