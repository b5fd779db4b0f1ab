"""What a template may cost: loops, calls and output are counted, and a rendering that costs too much ends.

Jinja's sandbox forbids what is dangerous, not what is endless: nested loops, recursive macros and
strings that double each time would still run for hours or fill the memory.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from functools import wraps
from typing import Any

from jinja2 import Environment, nodes, pass_context, pass_environment, pass_eval_context
from jinja2.exceptions import SecurityError
from jinja2.filters import do_batch, do_join, do_replace, do_sum
from jinja2.nodes import EvalContext
from jinja2.runtime import Context, Macro, markup_join, str_join
from jinja2.sandbox import ImmutableSandboxedEnvironment

from digest.rendering.pictures import PictureView
from digest.rendering.scripts import Typography
from digest.rendering.theme import Colours, Look
from digest.rendering.view import IssueView, ItemView, LinkView, SectionView

MAX_STEPS = 50_000  # rounds of loops and calls; an issue of 100 stories takes about 3,000
MAX_OUTPUT = 8_000_000  # characters that are written anywhere, macros included
MAX_STRING = 1_000_000
MAX_SOURCE = 64_000  # characters of one template file

_TEXT_FILTERS = {
    "capitalize", "e", "escape", "forceescape", "lower", "safe", "string", "striptags", "title", "trim",
    "truncate", "upper", "urlencode", "wordcount",
}  # fmt: skip
_FILTERS = {
    "abs", "count", "d", "default", "dictsort", "first", "float", "groupby", "int", "items", "last", "length",
    "list", "map", "max", "min", "reject", "rejectattr", "reverse", "round", "select", "selectattr", "sort",
    "unique",
}  # fmt: skip
# Those that make long strings from short ones: "a".center(10**9), "{:999999999d}".format(1).
_METHODS = {
    "center", "ljust", "rjust", "zfill", "expandtabs", "format", "format_map", "join", "replace", "translate",
}  # fmt: skip
_VIEWS = {
    view: frozenset(name for name in dir(view) if not name.startswith("_"))
    for view in (ItemView, SectionView, IssueView, LinkView, PictureView, Look, Typography, Colours)
}
_CONTAINERS = (list, tuple, dict, set, frozenset)


class TooCostly(Exception):  # noqa: N818 - the template is, no promise is broken
    """A template loops or writes without end."""


@dataclass(slots=True)
class Budget:
    """What is left for one rendering."""

    steps: int = MAX_STEPS
    output: int = MAX_OUTPUT

    def spend(self, *, steps: int = 0, characters: int = 0) -> None:
        self.steps -= steps
        self.output -= characters
        if self.steps < 0:
            raise TooCostly(f"it takes more than {MAX_STEPS:,} steps; a loop in it may never end")
        if self.output < 0:
            raise TooCostly(f"it writes more than {MAX_OUTPUT:,} characters")


_budget: ContextVar[Budget] = ContextVar("budget")


@contextmanager
def spending(budget: Budget) -> Iterator[None]:
    """What this thread's templates cost is taken from ``budget`` meanwhile."""
    token = _budget.set(budget)
    try:
        yield
    finally:
        _budget.reset(token)


class LimitedEnvironment(ImmutableSandboxedEnvironment):
    """A sandbox in which every step is counted. Raises ``TooCostly``."""

    intercepted_binops = frozenset({"+", "*", "**", "%"})

    def __init__(self, **options: Any) -> None:
        super().__init__(finalize=_written, **options)
        given = self.filters
        self.filters = {
            **{name: _short(given[name]) for name in _FILTERS},
            **{name: _short(given[name], of_text=True) for name in _TEXT_FILTERS},
            "counted": _counted,
            "concatenated": _concatenated,
            "join": _join,
            "replace": _replace,
            "batch": _batch,
            "sum": _sum,
        }
        for name in ("lipsum", "cycler"):
            self.globals.pop(name, None)

    def _parse(self, source: str, name: str | None, filename: str | None) -> nodes.Template:
        if len(source) > MAX_SOURCE:
            raise TooCostly(f"the file has more than {MAX_SOURCE:,} characters")
        return _count_steps(super()._parse(source, name, filename))

    def wrap_str_format(self, value: Any) -> None:
        """Jinja would allow ``str.format`` here, which pads without limit; it is no attribute at all."""
        return

    def is_safe_attribute(self, obj: Any, attr: str, value: Any) -> bool:
        if isinstance(obj, str) and attr in _METHODS:
            return False
        return super().is_safe_attribute(obj, attr, value)

    def call(__self, __context: Context, __obj: Any, *args: Any, **kwargs: Any) -> Any:  # noqa: N805 - as Jinja's
        _budget.get().spend(steps=1)
        if type(__obj) is Macro:  # a macro's own; the checks below are for what comes from outside
            kwargs.pop("_loop_vars", None)
            kwargs.pop("_block_vars", None)
            return _measured(__obj(__context.eval_ctx, *args, **kwargs))
        return _measured(super().call(__context, __obj, *args, **kwargs))

    def getattr(self, obj: Any, attribute: str) -> Any:
        # Our own views are plain values: the sandbox's many questions cost half of a rendering.
        if attribute in _VIEWS.get(type(obj), ()):
            return getattr(obj, attribute)
        return super().getattr(obj, attribute)

    def call_binop(self, context: Context, operator: str, left: Any, right: Any) -> Any:
        _check_operands(operator, left, right)
        result = super().call_binop(context, operator, left, right)
        if isinstance(result, list | tuple) and len(result) > MAX_STEPS:
            raise TooCostly("a list in it is too long")
        return _measured(result)


def _check_operands(operator: str, left: Any, right: Any) -> None:
    numbers = isinstance(left, int | float) and isinstance(right, int | float)
    if operator in {"%", "**"} and not numbers:
        raise SecurityError(f"{operator!r} is only for numbers here")
    if operator == "**" and (abs(left) > 1e6 or abs(right) > 8):
        raise TooCostly("a power in it is too large")
    if operator != "*":
        return
    size = 1
    for side in (left, right):
        if isinstance(side, str | list | tuple):
            size *= len(side)
        elif isinstance(side, int):
            size *= max(1, side.bit_length()) if numbers else min(abs(side), MAX_STRING + 1)
    if size > MAX_STRING:
        raise TooCostly("a product in it is too large")


def _count_steps(tree: nodes.Template) -> nodes.Template:
    """Put a counter into every loop, macro, block and file; bound what ``~`` makes."""
    if any(loop.recursive for loop in tree.find_all(nodes.For)):
        raise TooCostly("recursive loops are not available")
    bodies: tuple[type[nodes.Node], ...] = (nodes.For, nodes.Macro, nodes.CallBlock, nodes.Block)
    for node in list(tree.find_all(bodies)):
        _insert_counter(node)
    _insert_counter(tree)
    _bound_concatenations(tree)
    return tree


def _insert_counter(node: Any) -> None:
    size = sum(len(text.data) for text in node.find_all(nodes.TemplateData))
    counter = nodes.Filter(nodes.Const(size), "counted", [], [], None, None, lineno=node.lineno)
    node.body.insert(0, nodes.Output([counter], lineno=node.lineno))


def _bound_concatenations(node: nodes.Node) -> None:
    for name, value in node.iter_fields():
        if isinstance(value, list):
            setattr(node, name, [_bounded(child) for child in value])
        elif isinstance(value, nodes.Node):
            setattr(node, name, _bounded(value))


def _bounded(child: Any) -> Any:
    if not isinstance(child, nodes.Node):
        return child
    _bound_concatenations(child)
    if isinstance(child, nodes.Concat):
        parts = nodes.List(child.nodes, lineno=child.lineno)
        return nodes.Filter(parts, "concatenated", [], [], None, None, lineno=child.lineno)
    return child


def _written(value: Any) -> Any:
    if isinstance(value, _CONTAINERS):
        raise SecurityError("a whole list cannot be printed; loop over it, or join it")
    if isinstance(value, str):
        _budget.get().spend(characters=len(value))
    return value


@pass_context  # what is given the context is never folded into a constant
def _counted(context: Context, size: int) -> str:
    _budget.get().spend(steps=1, characters=size)
    return ""


@pass_eval_context
def _concatenated(eval_context: EvalContext, parts: list[Any]) -> Any:
    _check_total(parts)
    return markup_join(parts) if eval_context.autoescape else str_join(parts)


@pass_eval_context
def _join(eval_context: EvalContext, value: Any, d: str = "", attribute: str | None = None) -> Any:
    items = list(value)
    if len(str(d)) * len(items) > MAX_STRING:
        raise TooCostly("a joined text in it is too long")
    if attribute is None:
        _check_total(items)
    return _measured(do_join(eval_context, items, d, attribute))


@pass_eval_context
def _replace(eval_context: EvalContext, s: Any, old: str, new: str, count: int | None = None) -> Any:
    _check_total([s, old, new])
    if (str(s).count(str(old)) if old else len(str(s))) * len(str(new)) > MAX_STRING:
        raise TooCostly("a replaced text in it is too long")
    return _measured(do_replace(eval_context, s, old, new, count))


def _batch(value: Any, linecount: int, fill_with: Any = None) -> Iterator[list[Any]]:
    if linecount > 100:
        raise TooCostly("batch() is for up to 100")
    return do_batch(value, linecount, fill_with)


@pass_environment
def _sum(environment: Environment, value: Any, attribute: str | None = None) -> Any:
    # Without a start of the template's own, only numbers can be added.
    return do_sum(environment, value, attribute)


def _check_total(parts: list[Any]) -> None:
    if any(isinstance(part, _CONTAINERS) for part in parts):
        raise SecurityError("a whole list cannot be printed; loop over it, or join it")
    if sum(len(part) if isinstance(part, str) else 20 for part in parts) > MAX_STRING:
        raise TooCostly(f"a text in it is longer than {MAX_STRING:,} characters")


def _measured(result: Any) -> Any:
    if isinstance(result, str) and len(result) > MAX_STRING:
        raise TooCostly(f"a text in it is longer than {MAX_STRING:,} characters")
    return result


def _short(function: Callable[..., Any], *, of_text: bool = False) -> Callable[..., Any]:
    @wraps(function)  # keeps the mark of what Jinja passes as the first argument
    def checked(*args: Any, **kwargs: Any) -> Any:
        if of_text and any(isinstance(argument, _CONTAINERS) for argument in args):
            raise SecurityError("a whole list cannot be printed; loop over it, or join it")
        return _measured(function(*args, **kwargs))

    return checked
