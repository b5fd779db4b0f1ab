"""From lines to records: delimited text and JSON lines, where one bad record takes no other with it."""

from __future__ import annotations

import csv
import json
from collections import deque
from collections.abc import Iterator
from typing import Any, Final, NamedTuple

from subscribers.importing.text import LONGEST_LINE, Line
from subscribers.importing.values import Rejected

MOST_LINES: Final = 100  # of one record
_SHOWN = 1000

csv.field_size_limit(LONGEST_LINE)


class Record(NamedTuple):
    """The cells of one record and the line it begins on."""

    line: int
    cells: list[str]


def shown(text: str) -> str:
    """Return a row as the errors file shows it: on one line, short, control characters spelled out."""
    short = text if len(text) <= _SHOWN else text[:_SHOWN] + "…"
    if short.isprintable():
        return short
    return "".join(
        character if character.isprintable() else character.encode("unicode_escape").decode()
        for character in short
    )


def delimited(
    source: Iterator[list[Line]], delimiter: str, width: int
) -> Iterator[tuple[list[Record], list[Rejected]]]:
    """Yield records and rejects, a block at a time.

    Blocks without a quote are simply split. A quote that is never closed costs its own line only: it
    is given up after 100 lines, at the end of the file, or when what it swallowed is no record of
    ``width`` cells; reading goes on after the line it stands on.
    """
    carried: list[Line] = []
    for lines in source:
        block = carried + lines
        carried = []
        if any('"' in line.text for line in block):
            parser = _Quoted(block, delimiter, width)
            records, rejects = parser.run()
            carried = parser.unfinished
        else:
            records, rejects = [], []
            for line in block:
                if line.too_long:
                    rejects.append(_too_long(line))
                elif line.text:
                    records.append(Record(line.number, line.text.split(delimiter)))
        yield records, rejects
    if carried:
        parser = _Quoted(carried, delimiter, width, at_end=True)
        yield parser.run()


def json_lines(
    source: Iterator[list[Line]],
) -> Iterator[tuple[list[tuple[int, dict[str, Any]]], list[Rejected]]]:
    """Yield (line, object) and rejects, a block at a time."""
    for lines in source:
        objects: list[tuple[int, dict[str, Any]]] = []
        rejects: list[Rejected] = []
        for line in lines:
            if line.too_long:
                rejects.append(_too_long(line))
                continue
            text = line.text.strip()
            if not text:
                continue
            try:
                found = json.loads(text)
            except (ValueError, RecursionError) as error:
                rejects.append(Rejected(line.number, shown(line.text), f"no JSON: {error}"))
                continue
            if isinstance(found, dict):
                objects.append((line.number, found))
            else:
                rejects.append(Rejected(line.number, shown(line.text), "no JSON object"))
        yield objects, rejects


class _Quoted:
    """Parses one block with quotes; what is unfinished at its end is left for the next."""

    def __init__(self, lines: list[Line], delimiter: str, width: int, *, at_end: bool = False) -> None:
        self._lines = deque(lines)
        self._delimiter = delimiter
        self._width = width
        self._at_end = at_end
        self._taken: list[Line] = []
        self.unfinished: list[Line] = []

    def run(self) -> tuple[list[Record], list[Rejected]]:
        records: list[Record] = []
        rejects: list[Rejected] = []
        while self._lines:
            line = self._lines.popleft()
            if line.too_long:
                rejects.append(_too_long(line))
            elif '"' not in line.text:
                if line.text:
                    records.append(Record(line.number, line.text.split(self._delimiter)))
            else:
                outcome = self._parse(line)
                if outcome is None:
                    break
                (records if isinstance(outcome, Record) else rejects).append(outcome)  # type: ignore[arg-type]
        return records, rejects

    def _parse(self, first: Line) -> Record | Rejected | None:
        """Read the record that begins on ``first``; ``None`` if its end is not in this block."""
        taken = [first]
        text = first.text
        is_open = _is_open(text, self._delimiter)
        while is_open:
            if len(taken) > MOST_LINES or len(text) > LONGEST_LINE:
                return self._give_up(taken)
            if not self._lines:
                if self._at_end:
                    return self._give_up(taken)
                self.unfinished = taken
                return None
            following = self._lines.popleft()
            taken.append(following)
            if following.too_long:
                return self._give_up(taken)
            text += "\n" + following.text
            is_open = '"' not in following.text or _is_open(text, self._delimiter)
        spread = len(taken) > 1
        try:
            # Over several lines only what is well formed is one record; else the quote swallowed rows.
            lines = _kept(text) if spread else [text]
            cells = next(csv.reader(lines, delimiter=self._delimiter, strict=spread))
        except (csv.Error, StopIteration) as error:
            if spread:
                return self._give_up(taken)
            return Rejected(first.number, shown(first.text), f"cannot be read: {error}")
        if spread and len(cells) != self._width:
            return self._give_up(taken)
        return Record(first.number, cells)

    def _give_up(self, taken: list[Line]) -> Rejected:
        self._lines.extendleft(reversed(taken[1:]))
        return Rejected(taken[0].number, shown(taken[0].text), "a quote is never closed")


def _kept(text: str) -> list[str]:
    return [line + "\n" for line in text.split("\n")]


def _is_open(text: str, delimiter: str) -> bool:
    """Whether a quoted cell is still open at the end of ``text``."""
    if text.count('"') % 2 == 0:
        return False
    # An odd quote inside an unquoted cell (5" disc) opens nothing.
    try:
        next(csv.reader(_kept(text), delimiter=delimiter, strict=True))
    except csv.Error as error:
        return "unexpected end" in str(error)
    except StopIteration:
        return False
    return False


def _too_long(line: Line) -> Rejected:
    return Rejected(line.number, shown(line.text), f"the line is longer than {LONGEST_LINE} characters")
