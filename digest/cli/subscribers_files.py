"""``digest subscribers import`` and ``export``: people in files."""

from __future__ import annotations

import sys
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from digest.cli.choosing import ListName, SegmentName, chosen_segment, pairs
from digest.cli.context import Json, State, state_of

if TYPE_CHECKING:
    from collections.abc import Iterator
    from contextlib import AbstractContextManager
    from typing import BinaryIO

    from digest.values import Progress
    from subscribers.importing import Report, Watcher

TASK = "importing"


class ImportFormat(StrEnum):
    """What ``--format`` takes."""

    AUTO = "auto"
    CSV = "csv"
    TSV = "tsv"
    JSONL = "jsonl"
    MAILCHIMP = "mailchimp"
    SUBSTACK = "substack"
    GHOST = "ghost"
    BUTTONDOWN = "buttondown"
    LISTMONK = "listmonk"
    OWN = "dontmiss"


class StatusOfNew(StrEnum):
    """What ``--status`` takes."""

    CONFIRMED = "confirmed"
    PENDING = "pending"


class ExportKind(StrEnum):
    """What ``export --format`` takes."""

    CSV = "csv"
    JSONL = "jsonl"


def import_command(
    ctx: typer.Context,
    file: Annotated[
        str,
        typer.Argument(metavar="FILE|-", help="CSV, TSV or JSON lines, gzip too; - reads standard input."),
    ],
    list_name: ListName = "",
    mapping: Annotated[
        list[str] | None,
        typer.Option(
            "--map", metavar="COLUMN=FIELD", help="Read a column as email, name, attributes.NAME, ignore…"
        ),
    ] = None,
    file_format: Annotated[
        ImportFormat, typer.Option("--format", help="Found out by the header.")
    ] = ImportFormat.AUTO,
    status: Annotated[
        StatusOfNew, typer.Option("--status", help="Of people whose row does not say.")
    ] = StatusOfNew.CONFIRMED,
    update: Annotated[
        bool, typer.Option("--update", help="Overwrite fields of people known already.")
    ] = False,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Write nothing; show how it is read.")] = False,
    errors: Annotated[
        Path | None, typer.Option("--errors", metavar="FILE", help="Where rejected rows go.")
    ] = None,
    encoding: Annotated[str, typer.Option("--encoding", metavar="E", help="Found out: UTF-8, UTF-16…")] = "",
    json: Json = False,
) -> None:
    """Import people from any system's export; all good rows in, bad ones listed with line and reason.

    Who left stays away, who bounced is suppressed. Stopped on the way, the same command completes it.

    Example: digest subscribers import members.csv --dry-run
    """
    from digest.cli.output_people import import_payload, print_import
    from subscribers.errors import UnknownList
    from subscribers.importing import Format, Options, import_people
    from subscribers.membership import find_list, only_list
    from subscribers.models import SubscriptionStatus
    from subscribers.suppression import SuppressionKey

    state = state_of(ctx)
    started = state.clock.monotonic()
    with state.app.readers() as session:
        list_id = find_list(session, list_name).id if list_name else None
        try:
            only = only_list(session).id
        except UnknownList:
            only = None
    options = Options(
        list_id,
        only,
        mapping=pairs(mapping, "--map COLUMN=FIELD"),
        file_format=None if file_format is ImportFormat.AUTO else Format(file_format.value),
        default_status=SubscriptionStatus(status.value),
        update=update,
        dry_run=dry_run,
        encoding=encoding or None,
        name="-" if file == "-" else Path(file).name,
        errors_file=errors or _errors_file(file),
    )
    with _opened(file) as (stream, size), state.progress() as progress:
        try:
            report = import_people(
                state.app.engine,
                stream,
                SuppressionKey(state.settings.suppression_key),
                options,
                now=state.clock.now(),
                bytes_in_all=size,
                watcher=_watcher(progress, size),
            )
        except UnknownList as error:
            raise _usage(state, error) from None
        finally:
            progress.finish(TASK)
    seconds = state.clock.monotonic() - started
    state.emit(
        json,
        import_payload(report, seconds, dry_run=dry_run),
        lambda out: print_import(out, report, seconds, dry_run=dry_run),
    )


def export_command(
    ctx: typer.Context,
    file: Annotated[str, typer.Argument(metavar="FILE|-", help="- writes to standard output.")],
    list_name: ListName = "",
    segment: SegmentName = "",
    file_format: Annotated[
        ExportKind | None, typer.Option("--format", help="By the file's name, else CSV.")
    ] = None,
    json: Json = False,
) -> None:
    """Export people with every field; importing the file gives the same people again.

    Example: digest subscribers export people.jsonl --segment delhi
    """
    from subscribers.exporting import ExportFormat, export_people, export_to_file
    from subscribers.membership import find_list

    state = state_of(ctx)
    by_name = ExportKind.JSONL if Path(file).suffix in {".jsonl", ".ndjson"} else ExportKind.CSV
    kind = ExportFormat((file_format or by_name).value)
    with state.app.readers() as session:
        list_id = find_list(session, list_name).id if list_name else None
        condition = chosen_segment(session, segment)
        connection = session.connection()
        if file == "-":
            number = export_people(
                connection, sys.stdout, file_format=kind, list_id=list_id, segment=condition
            )
            sys.stdout.flush()
            state.err.print(f"{number} rows")
            return
        number = export_to_file(
            Path(file),
            lambda out: export_people(connection, out, file_format=kind, list_id=list_id, segment=condition),
        )
    state.emit(json, {"rows": number}, lambda out: out.print(f"{number} rows in {file}", markup=False))


def _opened(file: str) -> AbstractContextManager[tuple[BinaryIO, int | None]]:
    from contextlib import contextmanager

    @contextmanager
    def opened() -> Iterator[tuple[BinaryIO, int | None]]:
        if file == "-":
            yield sys.stdin.buffer, None
        else:
            path = Path(file)
            with path.open("rb") as stream:
                yield stream, path.stat().st_size

    return opened()


def _errors_file(file: str) -> Path:
    return Path("import.errors.csv") if file == "-" else Path(file).with_name(Path(file).name + ".errors.csv")


def _watcher(progress: Progress, size: int | None) -> Watcher:
    progress.start(TASK, size)
    seen = 0

    def watch(report: Report, bytes_read: int, bytes_in_all: int | None) -> None:
        nonlocal seen
        counts = {"added": report.added, "updated": report.updated, "rejected": report.rejected}
        progress.advance(TASK, bytes_read - seen, **counts)
        seen = bytes_read

    return watch


def _usage(state: State, error: Exception) -> Exception:
    from digest.errors import ConfigError
    from subscribers.membership import list_names

    with state.app.readers() as session:
        names = list_names(session)
    remedy = f"--list with one of: {', '.join(names)}" if names else "digest lists create NAME"
    return ConfigError(str(error), remedy=remedy)
