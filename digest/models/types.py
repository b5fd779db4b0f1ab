"""Column types that the tables share."""

from __future__ import annotations

from enum import StrEnum
from typing import Any

from sqlalchemy import BigInteger, Enum, Integer

from subscribers.database import JsonValue

# SQLite counts rows up by itself only for INTEGER PRIMARY KEY; PostgreSQL gets 64 bits.
Identifier = BigInteger().with_variant(Integer(), "sqlite")
Json = JsonValue()


def words(enum: type[StrEnum], name: str) -> Enum:
    """A string column that holds one of the enum's values, with a CHECK constraint ``name``."""
    return Enum(
        enum,
        name=name,
        native_enum=False,
        create_constraint=True,
        validate_strings=True,
        length=16,
        values_callable=lambda members: [member.value for member in members],
    )


JsonObject = dict[str, Any]
