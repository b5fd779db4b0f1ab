"""Connections that a test of ``tests.smtp.talking`` has left open are closed after it."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.smtp.talking import left_open


@pytest.fixture(autouse=True)
def _close_connections() -> Iterator[None]:
    yield
    while left_open:
        left_open.pop().abort()
