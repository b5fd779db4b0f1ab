"""The newsletter of harbour.py: prepared once, copied for each test."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.whole.harbour import Newsletter, prepare


@pytest.fixture(scope="session")
def prepared(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("harbour")
    prepare(folder)
    return folder


@pytest.fixture
def newsletter(prepared: Path, tmp_path: Path) -> Newsletter:
    return Newsletter(prepared).copy(tmp_path / "newsletter")
