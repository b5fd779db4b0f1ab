"""The language of segments: a filter on people, read by lark and turned into a SQLAlchemy condition.

::

    attributes.city = "Delhi" and language in ("en", "hi")
    not (domain ends with ".example" or attributes.age < 30)
    list = "weekly" and created >= "2026-01-01" and name is set

Meaning, the same on both databases: text is compared exactly by ``=``, ``!=`` and ``in``, and
without regard to ASCII case by ``contains``, ``starts with`` and ``ends with``; an attribute is
compared as a number when the value is a number, and then text such as "31" counts as one; what is
absent equals nothing, so that ``!=`` holds for it; ``not`` always turns true and false round.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from functools import lru_cache
from typing import TYPE_CHECKING, Any, Final

from sqlalchemy import ColumnElement, and_, false, func, not_, or_

from subscribers.errors import SegmentSyntax
from subscribers.segments.fields import AsciiLower, Field, Value

if TYPE_CHECKING:
    from lark import Lark, Token

LONGEST_EXPRESSION: Final = 10_000
DEEPEST_EXPRESSION: Final = 50
MOST_VALUES: Final = 500  # SQLite takes expressions up to 1,000 deep

_GRAMMAR = r"""
    ?start: any
    ?any: all (_OR all)*
    ?all: negation (_AND negation)*
    ?negation: _NOT negation -> opposite
        | "(" any ")"
        | comparison
    comparison: field COMPARE value                    -> compare
        | field _IN "(" value ("," value)* ","? ")"    -> is_in
        | field _NOT _IN "(" value ("," value)* ","? ")" -> is_not_in
        | field _CONTAINS value                        -> contains
        | field _STARTS _WITH value                    -> starts
        | field _ENDS _WITH value                      -> ends
        | field _IS _SET                               -> is_set
        | field _IS _NOT _SET                          -> is_not_set
    field: NAME ("." (NAME | STRING))*
    ?value: STRING | NUMBER | TRUE | FALSE

    COMPARE: "=" | "!=" | "<=" | ">=" | "<" | ">"
    _OR.2: /or\b/i
    _AND.2: /and\b/i
    _NOT.2: /not\b/i
    _IN.2: /in\b/i
    _IS.2: /is\b/i
    _SET.2: /set\b/i
    _CONTAINS.2: /contains\b/i
    _STARTS.2: /starts\b/i
    _ENDS.2: /ends\b/i
    _WITH.2: /with\b/i
    TRUE.2: /true\b/i
    FALSE.2: /false\b/i
    NAME: /[^\W\d][\w-]*/
    STRING: /"(\\.|[^"\\])*"|'(\\.|[^'\\])*'/
    NUMBER: /-?\d+(\.\d+)?/
    %ignore /\s+/
"""
_WORDS_FOR_TERMINALS: Final = {
    "NAME": "a field",
    "STRING": 'a text in "quotes"',
    "NUMBER": "a number",
    "COMPARE": "= != < <= > >=",
    "LPAR": "(",
    "RPAR": ")",
    "COMMA": ",",
    "DOT": ".",
    "$END": "the end",
}
_VALUES: Final = frozenset({"STRING", "NUMBER", "TRUE", "FALSE"})
_ASCII_LOWER = str.maketrans("ABCDEFGHIJKLMNOPQRSTUVWXYZ", "abcdefghijklmnopqrstuvwxyz")


def parse_segment(expression: str) -> ColumnElement[bool]:
    """Return the condition on ``SubscriberRow`` that ``expression`` says.

    Only bound values and known columns come out, never text of the user's.

    :raises SegmentSyntax: one line with the place marked by ``▸``.
    """
    from lark.exceptions import UnexpectedCharacters, UnexpectedEOF, UnexpectedToken, VisitError

    if len(expression) > LONGEST_EXPRESSION:
        raise SegmentSyntax(f"the segment is longer than {LONGEST_EXPRESSION} characters")
    _check_depth(expression)
    try:
        tree = _parser().parse(expression)
    except UnexpectedToken as error:
        at_end = error.token.type == "$END"
        place = len(expression) if at_end else error.token.start_pos or 0
        raise _marked(expression, place, "expected " + _expected(error.accepts or error.expected)) from None
    except UnexpectedEOF as error:
        raise _marked(expression, len(expression), "expected " + _expected(error.expected)) from None
    except UnexpectedCharacters as error:
        place = error.pos_in_stream or 0
        quoted = expression[place] in "\"'"
        why = "this quote is never closed" if quoted else "expected " + _expected(error.allowed or set())
        raise _marked(expression, place, why) from None
    values = list(tree.scan_values(lambda leaf: getattr(leaf, "type", "") in _VALUES))
    if len(values) > MOST_VALUES:
        raise SegmentSyntax(f"the segment compares with more than {MOST_VALUES} values")
    try:
        condition: ColumnElement[bool] = _compiler(expression).transform(tree)
    except VisitError as error:
        if isinstance(error.orig_exc, SegmentSyntax):
            raise error.orig_exc from None
        raise
    return condition


def lists_named(expression: str) -> list[str]:
    """Return the names of lists that an expression (read before) compares with."""
    named: list[str] = []
    for comparison in _parser().parse(expression).iter_subtrees():
        if comparison.children and getattr(comparison.children[0], "data", None) == "field":
            field, *values = comparison.children
            if str(field.children[0]).lower() == "list":  # type: ignore[union-attr]
                named += [_unquoted(str(value)) for value in values if getattr(value, "type", "") == "STRING"]
    return named


@lru_cache(maxsize=1)
def _parser() -> Lark:
    from lark import Lark

    return Lark(_GRAMMAR, parser="lalr", propagate_positions=True)


def _check_depth(expression: str) -> None:
    depth = 0
    for found in re.finditer(r""""(?:\\.|[^"\\])*"|'(?:\\.|[^'\\])*'|[()]|\bnot\b""", expression, re.I):
        if found[0] == "(" or found[0].lower() == "not":
            depth += 1
        elif found[0] == ")":
            depth -= 1
        if depth > DEEPEST_EXPRESSION:
            raise _marked(expression, found.start(), f"more than {DEEPEST_EXPRESSION} levels")


def _marked(expression: str, place: int, why: str) -> SegmentSyntax:
    one_line = " ".join((expression[:place] + "▸" + expression[place:]).split())
    mark = one_line.index("▸")
    start, end = max(0, mark - 40), mark + 40
    shown = ("…" if start else "") + one_line[start:end] + ("…" if end < len(one_line) else "")
    return SegmentSyntax(f"segment, character {place + 1}: {why}: {shown}")


def _expected(terminals: Sequence[str] | set[str]) -> str:
    words = {
        _WORDS_FOR_TERMINALS.get(name, name.strip("_").lower()) for name in terminals if name != "IGNORE"
    }
    return " or ".join(sorted(words)) or "something else"


def _unquoted(text: str) -> str:
    return re.sub(r"\\(.)", r"\1", text[1:-1])


def _compiler(expression: str) -> Any:
    """The transformer of one expression; lark is only imported where a segment is read."""
    from lark import Transformer, v_args

    class Compiler(Transformer):  # type: ignore[type-arg]
        def any(self, conditions: list[ColumnElement[bool]]) -> ColumnElement[bool]:
            return or_(*conditions)

        def all(self, conditions: list[ColumnElement[bool]]) -> ColumnElement[bool]:
            return and_(*conditions)

        def opposite(self, conditions: list[ColumnElement[bool]]) -> ColumnElement[bool]:
            return not_(conditions[0])

        @v_args(meta=True)
        def field(self, meta: Any, names: list[Token]) -> Field:
            keys = tuple(_unquoted(str(name)) if name.type == "STRING" else str(name) for name in names)
            return Field.named(keys, lambda why: _marked(expression, meta.start_pos, why))

        def compare(self, parts: list[Any]) -> ColumnElement[bool]:
            field: Field = parts[0]
            return field.compared(str(parts[1]), _value(parts[2]), _at(expression, parts[1]))

        def is_in(self, parts: list[Any]) -> ColumnElement[bool]:
            field, *values = parts
            return or_(*[field.compared("=", _value(value), _at(expression, value)) for value in values])

        def is_not_in(self, parts: list[Any]) -> ColumnElement[bool]:
            return not_(self.is_in(parts))

        def contains(self, parts: list[Any]) -> ColumnElement[bool]:
            return _like(expression, parts, lambda text, value: text.contains(value, autoescape=True))

        def starts(self, parts: list[Any]) -> ColumnElement[bool]:
            return _like(expression, parts, lambda text, value: text.startswith(value, autoescape=True))

        def ends(self, parts: list[Any]) -> ColumnElement[bool]:
            return _like(expression, parts, lambda text, value: text.endswith(value, autoescape=True))

        def is_set(self, parts: list[Any]) -> ColumnElement[bool]:
            return func.coalesce(parts[0].text() != "", false())

        def is_not_set(self, parts: list[Any]) -> ColumnElement[bool]:
            return not_(self.is_set(parts))

    return Compiler()


def _at(expression: str, token: Token) -> Callable[[str], SegmentSyntax]:
    return lambda why: _marked(expression, token.start_pos or 0, why)


def _value(token: Token) -> Value:
    if token.type == "STRING":
        return _unquoted(str(token))
    if token.type == "NUMBER":
        return float(token)
    return token.type == "TRUE"


def _like(
    expression: str,
    parts: list[Any],
    test: Callable[[ColumnElement[str], str], ColumnElement[bool]],
) -> ColumnElement[bool]:
    field, token = parts
    value = _value(token)
    if not isinstance(value, str):
        raise _marked(expression, token.start_pos or 0, 'expected a text in "quotes"')
    lowered = AsciiLower(field.text())
    return func.coalesce(test(lowered, value.translate(_ASCII_LOWER)), false())
