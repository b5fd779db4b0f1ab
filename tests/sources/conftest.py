"""Fixtures of the tests of ingest: a site on loopback and a newsletter on each database."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.sources.playing import Newsletter, Site


@pytest.fixture
def site() -> Iterator[Site]:
    made = Site()
    yield made
    made.close()


@pytest.fixture
def newsletter(tmp_path: Path, database_url: str) -> Iterator[Newsletter]:
    made = Newsletter(tmp_path, database_url)
    yield made
    made.engine.dispose()
