"""One import from beginning to end: read, understand, decide, write, chunk by chunk.

Each chunk is one transaction, so that whatever stops an import leaves whole chunks; run again, it
goes through the same file, finds what is in already, and adds the rest.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import closing
from dataclasses import replace
from datetime import datetime
from typing import BinaryIO, Final

from sqlalchemy.engine import Engine

from subscribers.addresses import Address, deserves_a_look, warnings_of
from subscribers.errors import ImportFailed, UnknownList
from subscribers.garbage import nothing_is_garbage
from subscribers.importing.chunks import COMPLETE_IT, Run, so_far
from subscribers.importing.formats import Columns
from subscribers.importing.opening import (
    Batch,
    Reading,
    fingerprint_of,
    in_chunks,
    open_file,
    read_ahead,
    state_of,
)
from subscribers.importing.rejects import ErrorsFile
from subscribers.importing.values import (
    Candidate,
    ColumnUse,
    Field,
    Format,
    Options,
    Rejected,
    Report,
    Watcher,
)
from subscribers.suppression import SuppressionKey

SAMPLE_ROWS: Final = 10


def import_people(
    engine: Engine,
    stream: BinaryIO,
    key: SuppressionKey,
    options: Options,
    *,
    now: datetime,
    bytes_in_all: int | None = None,
    watcher: Watcher | None = None,
) -> Report:
    """Import one file or stream; all good rows in, the others into ``options.errors_file``.

    :param stream: binary; gzip, and any encoding. Only read forwards.
    :param bytes_in_all: of the file, for ``watcher``.
    :raises ImportFailed: nothing could be imported, or the database or the disk gave up on the way
        (the message says how far it came; whole chunks before that are in).
    """
    report = Report()
    before = state_of(stream)
    errors = ErrorsFile(options.errors_file)
    try:
        reading = open_file(stream, options)
        options = _with_list(options, reading.columns)
        report.file_format, report.encoding = reading.columns.file_format, reading.source.encoding
        report.notes += reading.columns.notes
        run = Run(engine, options, report, now=now, fingerprint=fingerprint_of(stream, options))
        with nothing_is_garbage(), errors, run:
            try:
                chunks = _hashed(in_chunks(reading.batches, _chunk_rows(engine, options)), key)
                if engine.dialect.name != "sqlite":
                    chunks = read_ahead(chunks)
                with closing(run.written(chunks)) as written:
                    for candidates, rejects in written:
                        errors.add(rejects)
                        _take_samples(report, candidates, rejects)
                        if watcher is not None:
                            watcher(report, reading.source.bytes_read, bytes_in_all)
            finally:
                _describe(report, reading)
                if errors.written:
                    report.errors_file = options.errors_file
            if before != state_of(stream):
                report.notes.append("the file changed while it was read: run the import again")
    except OSError as error:
        raise ImportFailed(
            f"{error.filename or options.name}: {error.strerror or error}; {so_far(report)}",
            remedy=COMPLETE_IT,
        ) from error
    if report.rows == 0 or report.rows == report.rejected:
        raise ImportFailed(_nothing(report), remedy=_nothing_remedy(report))
    return report


def _chunk_rows(engine: Engine, options: Options) -> int:
    if options.chunk_rows is not None:
        return options.chunk_rows
    # For a server three chunks are in memory: one read, one planned, one being written.
    return 20_000 if engine.dialect.name == "sqlite" else 10_000


def _hashed(chunks: Iterator[Batch], key: SuppressionKey) -> Iterator[Batch]:
    """Chunks whose rows have the keyed hash of their address (while a server works on the one before)."""
    for candidates, rejects in chunks:
        for row in candidates:
            row.address_hash = key.hash(row.normalized)
        yield candidates, rejects


def _with_list(options: Options, columns: Columns) -> Options:
    if options.list_id is not None or columns.file_format is Format.OWN:
        return options
    if options.only_list_id is None:
        raise UnknownList("the file does not say which list its people are on", remedy="say it with --list")
    return replace(options, list_id=options.only_list_id)


def _take_samples(report: Report, candidates: Sequence[Candidate], rejects: Sequence[Rejected]) -> None:
    if len(report.sample) < SAMPLE_ROWS:
        report.sample += candidates[: SAMPLE_ROWS - len(report.sample)]
    if len(report.rejected_sample) < SAMPLE_ROWS:
        report.rejected_sample += rejects[: SAMPLE_ROWS - len(report.rejected_sample)]
    for row in candidates:
        if deserves_a_look(row.normalized, row.domain):
            for kind, words in warnings_of(Address(row.address, row.normalized, row.domain)).items():
                report.warnings[kind] = report.warnings.get(kind, 0) + 1
                samples = report.warning_samples.setdefault(kind, [])
                if len(samples) < SAMPLE_ROWS:
                    samples.append(f"line {row.line}: {words}")


def _describe(report: Report, reading: Reading) -> None:
    report.notes += reading.source.notes
    report.notes += [f"{number} × {reason}" for reason, number in reading.notes.counts.items()]
    if not report.columns:
        report.columns = [
            ColumnUse(header, "" if use == Field.IGNORE else use)
            for header, use in zip(reading.columns.headers, reading.columns.uses, strict=True)
        ]


def _nothing(report: Report) -> str:
    if report.rows == 0:
        return "no row was imported: after the column names the file is empty"
    first = report.rejected_sample[0]
    more = f"; all {report.rejected} rows are bad" if report.rejected > 1 else ""
    return f"no row was imported: line {first.line}: {first.reason}{more}"


def _nothing_remedy(report: Report) -> str:
    if report.errors_file is not None:
        return f"{report.errors_file} names every row"
    return "try --dry-run to see how the columns are read"
