"""Where in a template a place of its output was written: asked for, it is rendered once more, with marks."""

from __future__ import annotations

import re
from bisect import bisect_right
from collections.abc import Callable, Iterator
from itertools import accumulate

from jinja2 import nodes

from digest.rendering.limits import LimitedEnvironment

Locate = Callable[[int], tuple[str, int] | None]
"""Template and line of an offset (characters) in what it gave, or None when that cannot be told."""

_OPEN, _CLOSE = "\ue000", "\ue001"  # for private use: no template has them
_MARK = re.compile(f"{_OPEN}([^{_CLOSE}]*):([0-9]+){_CLOSE}")


def nowhere(offset: int) -> None:
    """Tells no place: for what was not made from a template."""
    return


class MarkedEnvironment(LimitedEnvironment):
    """Writes template and line before each line that a template gives."""

    def _parse(self, source: str, name: str | None, filename: str | None) -> nodes.Template:
        tree = super()._parse(source, name, filename)
        for output in tree.find_all(nodes.Output):
            output.nodes = [part for node in output.nodes for part in _marked(node, name or "")]
        return tree


def place_in(marked: str, output: str, offset: int) -> tuple[str, int] | None:
    """Template and line of an offset in ``output``, read from the same with marks."""
    pieces = _MARK.split(marked)
    texts, names, lines = pieces[0::3], pieces[1::3], pieces[2::3]
    if "".join(texts) != output:
        return None  # a template that measures or compares its own output writes something else
    starts = list(accumulate(len(text) for text in texts[:-1]))
    at = bisect_right(starts, offset) - 1
    return (names[at], int(lines[at])) if at >= 0 else None


def _marked(node: nodes.Expr, name: str) -> Iterator[nodes.Expr]:
    if not isinstance(node, nodes.TemplateData):
        yield _mark(name, node.lineno)
        yield node
        return
    for number, line in enumerate(node.data.splitlines(keepends=True)):
        yield _mark(name, node.lineno + number)
        yield nodes.TemplateData(line, lineno=node.lineno + number)


def _mark(name: str, line: int) -> nodes.TemplateData:
    return nodes.TemplateData(f"{_OPEN}{name}:{line}{_CLOSE}", lineno=line)
