"""A newsletter of one list, and commands that are run in its folder."""

from __future__ import annotations

import gc
import json
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Protocol

import pytest

from digest.cli.edge import run


class Said(str):
    """What a command printed on stdout, with its exit code and what it said on stderr."""

    code: int
    err: str

    @property
    def json(self) -> Any:
        return json.loads(self)


class Digest(Protocol):
    """``digest("lists", "list")`` runs it in the newsletter's folder."""

    def __call__(self, *arguments: str, code: int = 0) -> Said: ...


@pytest.fixture
def newsletter(tmp_path: Path, migrated_sqlite: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    (tmp_path / "newsletter.toml").write_text(
        '[newsletter]\nname = "N"\nurl = "https://n.example"\nsender = "N <n@n.example>"\n'
        'timezone = "Asia/Dubai"\n[smtp]\nhost = "127.0.0.1"\nport = 1\nstarttls = "never"\n'
        "[editions.daily]\n"
    )
    secrets = tmp_path / ".env"
    secrets.touch(mode=0o600)
    secrets.write_text(
        f"DIGEST_SECRET_KEY={'s' * 32}\nDIGEST_SUPPRESSION_KEY={'k' * 32}\n"
        "DIGEST_PUBLIC_URL=http://127.0.0.1:8000\n"
    )
    shutil.copy(migrated_sqlite, tmp_path / "digest.sqlite3")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COLUMNS", "140")
    yield tmp_path
    gc.collect()


@pytest.fixture
def digest(newsletter: Path, capsys: pytest.CaptureFixture[str]) -> Digest:
    def command(*arguments: str, code: int = 0) -> Said:
        capsys.readouterr()
        done = run(list(arguments))
        printed = capsys.readouterr()
        assert done == code, f"{arguments}: {done}, {printed.out}{printed.err}"
        said = Said(printed.out)
        said.code, said.err = done, printed.err
        if code and "--json" not in arguments:
            assert printed.out == ""
            assert printed.err.count("\n") == 1, printed.err
        return said

    command("lists", "create", "daily", "--title", "The day")
    return command


@pytest.fixture
def two_lists(digest: Digest) -> Digest:
    digest("lists", "create", "weekly", "--double-opt-in")
    return digest
