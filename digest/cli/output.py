"""Words and tables that the commands share: JSON, times, tables, progress."""

from __future__ import annotations

import re
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import date, datetime
from enum import Enum
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal
from zoneinfo import ZoneInfo

if TYPE_CHECKING:
    from rich.console import Console
    from rich.progress import TaskID
    from rich.table import Table
    from rich.text import Text

    from digest.values import Progress


_CONTROLS = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u202d\u202e]")


def harmless(text: str) -> str:
    """``text`` without what steers a terminal: a stranger's headline moves no cursor and sets no title."""
    return _CONTROLS.sub("", text)


def console(*, stderr: bool = False, no_color: bool = False, quiet: bool = False) -> Console:
    """A console whose text is harmless; only Rich's own styles reach the terminal as codes."""
    from rich.console import Console
    from rich.segment import Segment

    class Harmless(Console):
        def render(self, renderable: Any, options: Any = None) -> Iterator[Segment]:
            for piece in super().render(renderable, options):
                yield piece if piece.control else Segment(harmless(piece.text), piece.style)

    return Harmless(stderr=stderr, no_color=no_color or None, highlight=False, quiet=quiet)


def print_json(payload: Any) -> None:
    """One JSON document on stdout, flushed, so that a program that waits for it gets it.

    An iterator becomes an array that is written as it comes, one object a line: tens of thousands fit.
    """
    import json

    if isinstance(payload, Iterator):
        between = "[\n"
        for one in payload:
            sys.stdout.write(between + _escaped(json.dumps(one, ensure_ascii=False, default=_plain)))
            between = ",\n"
        sys.stdout.write("[]\n" if between == "[\n" else "\n]\n")
    else:
        text = json.dumps(payload, ensure_ascii=False, default=_plain, indent=2)
        sys.stdout.write(_escaped(text) + "\n")
    sys.stdout.flush()


_STEERING = re.compile("[\x7f-\x9f\u202d\u202e\ud800-\udfff]")


def _escaped(text: str) -> str:
    """JSON that steers no terminal either: such characters stand in strings only, and are written as
    escapes, so that programs read the same; half a surrogate pair, which no encoding takes, likewise."""
    return _STEERING.sub(lambda found: f"\\u{ord(found[0]):04x}", text)


def _plain(value: Any) -> Any:
    if isinstance(value, datetime):
        return value.isoformat(timespec="seconds").replace("+00:00", "Z")
    if isinstance(value, date | Path):
        return str(value)
    if isinstance(value, Enum):
        return value.value
    if isinstance(value, set | frozenset):
        return sorted(value)
    raise TypeError(f"{type(value).__name__} has no JSON form")


def table(*columns: str, title: str = "") -> Table:
    """A plain table: no box, a thin line under the head; text that is too wide wraps."""
    from rich import box
    from rich.table import Table

    made = Table(title=title or None, title_justify="left", box=box.SIMPLE_HEAD, pad_edge=False)
    for column in columns:
        justify: Literal["left", "right"] = "right" if column.startswith("#") else "left"
        made.add_column(column.lstrip("#"), justify=justify, overflow="fold")
    return made


def rows(console: Console, columns: Sequence[str], lines: Sequence[Sequence[object]], *, empty: str) -> None:
    """Print a table, or ``empty`` when it has no line; where the screen is too narrow for the words, each
    line as a block of its own. Nothing is cut. Cells are text, never markup."""
    from rich.text import Text

    if not lines:
        console.print(empty, markup=False)
        return
    cells = [
        [cell if isinstance(cell, Text) else Text("" if cell is None else str(cell)) for cell in line]
        for line in lines
    ]
    made = table(*columns)
    for line in cells:
        made.add_row(*line)
    widths = _widths([[Text(column.lstrip("#")) for column in columns], *cells], console.width)
    if widths:
        for column, width in zip(made.columns, widths, strict=True):
            column.width = width
        console.print(made)
        return
    for line in cells:
        _print_block(console, [column.lstrip("#") for column in columns], line)


_LONG_WORD = 16  # a longer one may be folded: an address, or a headline without spaces
_BETWEEN = 3  # from one column to the next


def _widths(lines: Sequence[Sequence[Text]], screen: int) -> list[int]:
    """How wide the columns are made; empty when words would have to be folded that people read as one.

    Rich folds the words of one column while another has room; here the neediest one gets what is left.
    """
    from rich.cells import cell_len

    columns = list(zip(*lines, strict=True))
    widths = [
        min(_LONG_WORD, max((cell_len(word) for cell in column for word in cell.plain.split()), default=0))
        for column in columns
    ]
    wanted = [max(cell.cell_len for cell in column) for column in columns]
    room = screen - sum(widths) - _BETWEEN * len(widths) - 1
    if room < 0:
        return []
    while room:
        missing = [want - width for want, width in zip(wanted, widths, strict=True)]
        neediest = missing.index(max(missing))
        if missing[neediest] <= 0:
            break
        widths[neediest] += 1
        room -= 1
    return widths


def _print_block(console: Console, names: Sequence[str], cells: Sequence[Text]) -> None:
    from rich.table import Table
    from rich.text import Text

    block = Table.grid(padding=(0, 1))
    block.add_column(overflow="fold")
    block.add_column(overflow="fold")
    for name, cell in zip(names, cells, strict=True):
        if cell.plain:
            block.add_row(Text(name, style="bold"), cell)
    console.print(block)
    console.print()


def local(moment: datetime | None, zone: str) -> str:
    """``2026-11-23 07:00`` in ``zone``, or a dash."""
    return "–" if moment is None else moment.astimezone(ZoneInfo(zone)).strftime("%Y-%m-%d %H:%M")


class _Lines:
    """Progress without bars: notes only."""

    def __init__(self, console: Console) -> None:
        self._console = console

    def start(self, task: str, total: int | None = None) -> None: ...

    def advance(self, task: str, by: int = 1, **counts: int) -> None: ...

    def finish(self, task: str) -> None: ...

    def note(self, message: str) -> None:
        self._console.print(message, markup=False)


class _Bars(_Lines):
    """Progress bars with rate, time left and counts."""

    def __init__(self, console: Console) -> None:
        from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

        super().__init__(console)
        self.bars = Progress(
            TextColumn("{task.description}"),
            BarColumn(),
            MofNCompleteColumn(),
            TextColumn("{task.fields[rate]}"),
            TimeRemainingColumn(),
            TextColumn("{task.fields[counts]}"),
            console=console,
            transient=True,
        )
        self._tasks: dict[str, TaskID] = {}
        self._counts: dict[str, dict[str, int]] = {}

    def start(self, task: str, total: int | None = None) -> None:
        self._tasks[task] = self.bars.add_task(task, total=total, counts="", rate="")

    def advance(self, task: str, by: int = 1, **counts: int) -> None:
        if task not in self._tasks:
            self.start(task)
        known = self._counts[task] = counts | (self._counts.get(task, {}) | counts)  # in their latest order
        shown = " · ".join(f"{value} {name}" for name, value in known.items() if value)
        speed = self.bars.tasks[self._tasks[task]].speed
        self.bars.update(self._tasks[task], advance=by, counts=shown, rate=f"{speed:,.0f}/s" if speed else "")

    def finish(self, task: str) -> None:
        if task in self._tasks:
            self.bars.remove_task(self._tasks.pop(task))


@contextmanager
def watch(console: Console, *, bars: bool) -> Iterator[Progress]:
    """Something that shows progress while the block runs."""
    if not bars:
        yield _Lines(console)
        return
    shown = _Bars(console)
    with shown.bars:
        yield shown
