"""How Alembic reaches our tables: on the connection it is given, or on DIGEST_DATABASE_URL."""

from __future__ import annotations

import os
from typing import Any, Literal

from alembic import context
from sqlalchemy import Connection

import digest.models
from subscribers.database import Base, JsonValue, UtcDateTime, open_engine


def _render(kind: str, item: Any, _context: Any) -> str | Literal[False]:
    """Types of ours are written into migrations as plain SQLAlchemy types: migrations outlive our code."""
    if kind == "type" and isinstance(item, UtcDateTime):
        return "sa.DateTime(timezone=True)"
    if kind == "type" and isinstance(item, JsonValue):
        return "sa.JSON().with_variant(postgresql.JSONB(), 'postgresql')"
    return False


def _run(connection: Connection) -> None:
    context.configure(
        connection=connection,
        target_metadata=Base.metadata,
        render_item=_render,
        render_as_batch=connection.dialect.name == "sqlite",
        transaction_per_migration=True,
    )
    with context.begin_transaction():
        context.run_migrations()


assert digest.models.people  # importing the models fills the metadata  # noqa: S101
given = context.config.attributes.get("connection")
if given is not None:
    _run(given)
else:
    with open_engine(os.environ["DIGEST_DATABASE_URL"]).connect() as opened:
        _run(opened)
        opened.commit()
