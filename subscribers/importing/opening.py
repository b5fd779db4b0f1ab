"""A file, opened and understood: its columns, its rows in chunks, and what tells it again."""

from __future__ import annotations

import csv
import hashlib
import json
import os
import threading
from collections.abc import Iterator
from contextlib import suppress as ignoring
from dataclasses import dataclass
from queue import Full, Queue
from typing import BinaryIO

from subscribers.errors import ImportFailed
from subscribers.importing.formats import Columns, guess_delimiter, recognise, without_header
from subscribers.importing.records import delimited, json_lines
from subscribers.importing.rows import CellReader, Notes, ObjectReader
from subscribers.importing.text import Line, Source
from subscribers.importing.values import Candidate, Format, Options, Rejected

_HEADER_SAMPLE = 50

Batch = tuple[list[Candidate], list[Rejected]]


@dataclass(slots=True)
class Reading:
    """An opened file, understood: its columns, and batches of what its rows say."""

    source: Source
    columns: Columns
    batches: Iterator[Batch]
    notes: Notes


def open_file(stream: BinaryIO, options: Options) -> Reading:
    """Find out what the file is and how its columns are read.

    :raises ImportFailed: it is empty, no text, or no column holds addresses.
    """
    source = Source(stream, encoding=options.encoding)
    blocks = source.blocks()
    first: list[Line] = []
    for block in blocks:
        first += block
        if any(line.text.strip() for line in first):
            break
    while first and not first[0].text.strip() and not first[0].too_long:
        first.pop(0)
    if not first:
        raise ImportFailed("the file is empty", remedy="it should begin with a line of column names")
    notes = Notes()
    text = first[0].text.lstrip("\ufeff")
    if options.file_format is Format.JSONL or (options.file_format is None and text.lstrip()[:1] == "{"):
        return _open_json(source, first, blocks, options, notes)
    if first[0].too_long:
        raise ImportFailed("the first line is longer than a million characters: no line of column names")
    return _open_delimited(source, first, text, blocks, options, notes)


def _open_delimited(
    source: Source, first: list[Line], text: str, blocks: Iterator[list[Line]], options: Options, notes: Notes
) -> Reading:
    delimiter = "\t" if options.file_format is Format.TSV else guess_delimiter(text)
    headers = _cells(text, delimiter)
    sample = [_cells(line.text, delimiter) for line in first[1 : 1 + _HEADER_SAMPLE] if not line.too_long]
    wanted = None if options.file_format in {Format.CSV, Format.TSV} else options.file_format
    columns = None if options.mapping else without_header(headers, sample)
    body = first
    if columns is None:
        columns = recognise(headers, sample, wanted=wanted, mapping=options.mapping, delimiter=delimiter)
        body = first[1:]
    reader = CellReader(columns, notes)

    def batches() -> Iterator[Batch]:
        read = reader.read
        for records, rejects in delimited(_after(body, blocks), delimiter, len(columns.headers)):
            understood = [read(record) for record in records]
            candidates = [found for found in understood if type(found) is Candidate]
            if len(candidates) != len(understood):
                rejects += [found for found in understood if type(found) is Rejected]
            yield candidates, rejects

    return Reading(source, columns, batches(), notes)


def _open_json(
    source: Source, first: list[Line], blocks: Iterator[list[Line]], options: Options, notes: Notes
) -> Reading:
    keys: dict[str, None] = {}
    for line in first[:_HEADER_SAMPLE]:
        with ignoring(ValueError, RecursionError):
            found = json.loads(line.text)
            if isinstance(found, dict):
                keys.update(dict.fromkeys(map(str, found)))
    wanted = None if options.file_format is Format.JSONL else options.file_format
    columns = recognise(list(keys), [], wanted=wanted, mapping=options.mapping)
    if columns.file_format is Format.CSV:
        columns = Columns(Format.JSONL, columns.headers, columns.uses, columns.default_status)
    reader = ObjectReader(columns, notes)

    def batches() -> Iterator[Batch]:
        for objects, rejects in json_lines(_after(first, blocks)):
            understood = [reader.read(line, found) for line, found in objects]
            candidates = [found for found in understood if type(found) is Candidate]
            rejects += [found for found in understood if type(found) is Rejected]
            yield candidates, rejects

    return Reading(source, columns, batches(), notes)


def _after(first: list[Line], blocks: Iterator[list[Line]]) -> Iterator[list[Line]]:
    if first:
        yield first
    yield from blocks


def _cells(text: str, delimiter: str) -> list[str]:
    return next(csv.reader([text], delimiter=delimiter), [])


def in_chunks(batches: Iterator[Batch], rows: int) -> Iterator[Batch]:
    """Blocks of a file are gathered or cut into chunks of about ``rows`` rows."""
    candidates: list[Candidate] = []
    rejects: list[Rejected] = []
    for more, more_rejects in batches:
        candidates += more
        rejects += more_rejects
        while len(candidates) >= rows or len(rejects) >= rows:
            yield candidates[:rows], rejects
            candidates, rejects = candidates[rows:], []
    if candidates or rejects:
        yield candidates, rejects


def read_ahead(chunks: Iterator[Batch]) -> Iterator[Batch]:
    """Read the next chunk while the server works on this one.

    Not for SQLite: its driver asks for the interpreter lock at every row, and would wait each time.
    """
    ready: Queue[Batch | BaseException | None] = Queue(maxsize=1)
    stop = threading.Event()

    def put(item: Batch | BaseException | None) -> None:
        while not stop.is_set():
            with ignoring(Full):
                ready.put(item, timeout=0.1)
                return

    def read() -> None:
        try:
            for chunk in chunks:
                put(chunk)
                if stop.is_set():
                    return
            put(None)
        except BaseException as error:  # noqa: BLE001 - handed to the thread that waits
            put(error)

    reader = threading.Thread(target=read, name="import-reader", daemon=True)
    reader.start()
    try:
        while (item := ready.get()) is not None:
            if isinstance(item, BaseException):
                raise item
            yield item
    finally:
        stop.set()
        reader.join()


def fingerprint_of(stream: BinaryIO, options: Options) -> str:
    """What tells a file again: its size and both ends. Empty for a pipe."""
    try:
        size = os.fstat(stream.fileno()).st_size
        if not stream.seekable() or options.dry_run:
            return ""
        place = stream.tell()
        stream.seek(0)
        start = stream.read(1 << 16)
        stream.seek(max(0, size - (1 << 16)))
        end = stream.read(1 << 16)
        stream.seek(place)
    except (OSError, ValueError, AttributeError):
        return ""
    return hashlib.sha256(b"%d\0%b\0%b" % (size, start, end)).hexdigest()


def state_of(stream: BinaryIO) -> tuple[int, int] | None:
    try:
        found = os.fstat(stream.fileno())
    except (OSError, ValueError, AttributeError):
        return None
    return found.st_size, found.st_mtime_ns
