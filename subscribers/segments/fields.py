"""What a segment may compare, as SQL that means the same on SQLite and PostgreSQL."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Final

from sqlalchemy import (
    ColumnElement,
    Float,
    String,
    case,
    cast,
    exists,
    false,
    func,
    literal,
    not_,
)
from sqlalchemy.ext.compiler import compiles
from sqlalchemy.sql.functions import FunctionElement

from subscribers.errors import SegmentSyntax
from subscribers.models import (
    MailingListRow,
    SubscriberRow,
    SubscriptionRow,
    SubscriptionStatus,
)

if TYPE_CHECKING:
    from sqlalchemy.sql.compiler import SQLCompiler

_TEXT_FIELDS: Final = {
    "address": SubscriberRow.normalized,
    "email": SubscriberRow.normalized,
    "domain": SubscriberRow.domain,
    "name": SubscriberRow.name,
    "language": SubscriberRow.language,
    "timezone": SubscriberRow.timezone,
}
_TIME_FIELDS: Final = {"created": SubscriberRow.created_at, "created_at": SubscriberRow.created_at}
_FIELD_NAMES: Final = "address, domain, name, language, timezone, created, list and attributes.NAME"
_NUMBER = r"^-?[0-9]{1,15}([.][0-9]{1,15})?$"
_UPPER, _LOWER = "ABCDEFGHIJKLMNOPQRSTUVWXYZ", "abcdefghijklmnopqrstuvwxyz"

Value = str | float | bool
Wrong = Callable[[str], SegmentSyntax]


@dataclass(frozen=True, slots=True)
class Field:
    """What stands on the left of a comparison."""

    keys: tuple[str, ...]
    wrong: Wrong

    @classmethod
    def named(cls, keys: tuple[str, ...], wrong: Wrong) -> Field:
        first = keys[0].lower()
        if first == "attributes":
            if len(keys) == 1:
                raise wrong("attributes of what? write attributes.NAME")
            if any('"' in key or "\0" in key for key in keys):
                raise wrong("an attribute's name cannot hold a quote")
            return cls((first, *keys[1:]), wrong)
        if len(keys) > 1 or first not in {*_TEXT_FIELDS, *_TIME_FIELDS, "list"}:
            raise wrong(f"{'.'.join(keys)} is no field; there are {_FIELD_NAMES}")
        return cls((first,), wrong)

    def compared(self, sign: str, value: Value, wrong: Wrong) -> ColumnElement[bool]:
        match self.keys[0]:
            case "list":
                return self._on_list(sign, value, wrong)
            case "created" | "created_at":
                return _compare(_TIME_FIELDS[self.keys[0]], sign, _moment(value, wrong))
            case "attributes":
                return self._attribute(sign, value, wrong)
        if sign not in {"=", "!="} or not isinstance(value, str):
            raise wrong(f"{self.keys[0]} is a text: compare it with = or != and a text in quotes")
        if self.keys[0] in {"address", "email", "domain"}:
            value = value.lower()
        return _compare(_TEXT_FIELDS[self.keys[0]], sign, value)

    def text(self) -> ColumnElement[str]:
        """The field as text, for what only texts can do."""
        if self.keys[0] == "attributes":
            return _AttributeText(self.keys[1:])
        if self.keys[0] in _TEXT_FIELDS:
            return _TEXT_FIELDS[self.keys[0]].expression
        raise self.wrong(f"{self.keys[0]} is no text")

    def _attribute(self, sign: str, value: Value, wrong: Wrong) -> ColumnElement[bool]:
        text = _AttributeText(self.keys[1:])
        if isinstance(value, bool):
            if sign not in {"=", "!="}:
                raise wrong("true and false are compared with = or !=")
            same = func.coalesce(text.in_(("true", "1") if value else ("false", "0")), false())
            return same if sign == "=" else not_(same)
        if isinstance(value, float):
            # A CASE is evaluated in order, so that no text is cast that is no number.
            number = case((text.regexp_match(_NUMBER), cast(text, Float(53))), else_=None)
            return _two_valued(number, sign, value)
        return _two_valued(text, sign, value)

    def _on_list(self, sign: str, value: Value, wrong: Wrong) -> ColumnElement[bool]:
        if sign not in {"=", "!="} or not isinstance(value, str):
            raise wrong('write list = "NAME" or list != "NAME"')
        there = exists().where(
            SubscriptionRow.subscriber_id == SubscriberRow.id,
            SubscriptionRow.status == SubscriptionStatus.CONFIRMED,
            SubscriptionRow.list_id == MailingListRow.id,
            MailingListRow.name == value,
        )
        # Its own tables must not be taken for those of the query around it.
        there = there.correlate(SubscriberRow)
        return there if sign == "=" else ~there


def _moment(value: Value, wrong: Wrong) -> datetime:
    if not isinstance(value, str):
        raise wrong('expected a date such as "2026-01-31"')
    try:
        moment = datetime.fromisoformat(value)
    except ValueError:
        raise wrong('expected a date such as "2026-01-31"') from None
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)


def _compare(column: Any, sign: str, value: object) -> ColumnElement[bool]:
    comparisons: dict[str, Callable[[Any, Any], Any]] = {
        "=": lambda left, right: left == right,
        "!=": lambda left, right: left != right,
        "<": lambda left, right: left < right,
        "<=": lambda left, right: left <= right,
        ">": lambda left, right: left > right,
        ">=": lambda left, right: left >= right,
    }
    compared: ColumnElement[bool] = comparisons[sign](column, value)
    return compared


def _two_valued(column: ColumnElement[Any], sign: str, value: object) -> ColumnElement[bool]:
    """A comparison that is false, not unknown, when the column is null (and true for ``!=``)."""
    if sign == "!=":
        return not_(func.coalesce(column == value, false()))
    return func.coalesce(_compare(column, sign, value), false())


class _AttributeText(FunctionElement[str]):
    """The attribute as text; ``true`` and ``false`` in words; null if it is absent."""

    name = "attribute_text"
    type = String()
    inherit_cache = True

    def __init__(self, keys: tuple[str, ...]) -> None:
        path = "$" + "".join(f'."{key}"' for key in keys)
        super().__init__(SubscriberRow.attributes, literal(path), *[literal(key) for key in keys])


class AsciiLower(FunctionElement[str]):
    """Lower case of A–Z only: all that SQLite and a C-locale PostgreSQL agree on."""

    name = "ascii_lower"
    type = String()
    inherit_cache = True


@compiles(_AttributeText, "sqlite")
def _attribute_text_sqlite(element: _AttributeText, compiler: SQLCompiler, **options: Any) -> str:
    column, path, *_keys = list(element.clauses)
    kind = func.json_type(column, path)
    value = cast(func.json_extract(column, path), String)
    return compiler.process(
        case((kind == "true", literal("true")), (kind == "false", literal("false")), else_=value), **options
    )


@compiles(_AttributeText, "postgresql")
def _attribute_text_postgresql(element: _AttributeText, compiler: SQLCompiler, **options: Any) -> str:
    column, _path, *keys = list(element.clauses)
    return compiler.process(func.jsonb_extract_path_text(column, *keys), **options)


@compiles(AsciiLower, "sqlite")
def _ascii_lower_sqlite(element: AsciiLower, compiler: SQLCompiler, **options: Any) -> str:
    return compiler.process(func.lower(*element.clauses), **options)


@compiles(AsciiLower, "postgresql")
def _ascii_lower_postgresql(element: AsciiLower, compiler: SQLCompiler, **options: Any) -> str:
    return compiler.process(func.translate(*element.clauses, literal(_UPPER), literal(_LOWER)), **options)
