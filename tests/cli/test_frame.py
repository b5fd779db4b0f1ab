"""The command line's edge: what a newcomer types wrong gets one line, and scripts get exit codes."""

from __future__ import annotations

import importlib
import inspect
import json
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
import typer

from digest.cli.commands import COMMANDS

if TYPE_CHECKING:
    from tests.conftest import Runner

ROOT = Path(__file__).resolve().parents[2]


def test_the_version_is_told_before_anything_is_loaded() -> None:
    program = (
        "import sys; sys.argv = ['digest', '--version']; from digest.__main__ import main; main();"
        "print(sorted({'typer', 'rich', 'sqlalchemy', 'pydantic'} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout.splitlines()[0].startswith("digest ")
    assert done.stdout.splitlines()[1] == "[]"


@pytest.mark.parametrize(
    "arguments", [["--help"], [], ["issue", "--help"], ["subscribers", "import", "--help"]]
)
def test_help_loads_neither_database_nor_parsers_nor_web_stack(arguments: list[str]) -> None:
    heavy = {"sqlalchemy", "lxml", "starlette", "uvicorn", "alembic", "trafilatura", "premailer", "mjml"}
    program = (
        f"import sys; sys.argv = ['digest', *{arguments!r}]; from digest.__main__ import main; main();"
        f"print(sorted(set(sys.modules) & {heavy!r}))"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout.splitlines()[-1] == "[]", done.stdout


@pytest.mark.parametrize("name", COMMANDS)
def test_every_command_that_is_listed_exists_and_teaches(name: str) -> None:
    entry = COMMANDS[name]
    found = getattr(importlib.import_module(entry.module), entry.attribute)
    if isinstance(found, typer.Typer):
        assert found.registered_commands
        documented = [command.callback for command in found.registered_commands]
    else:
        documented = [found]
    for command in documented:
        assert command is not None
        assert inspect.getdoc(command), f"{name}: {command} has no help"


@pytest.mark.parametrize(
    ("arguments", "code", "line"),
    [
        (["nonsense"], 2, "No such command 'nonsense'"),
        (["issue", "list", "--nonsense"], 2, "No such option"),
        (["issue", "list"], 2, "no newsletter.toml"),
        (["-C", "/nowhere", "doctor"], 2, "no newsletter.toml in /nowhere"),
        (["--now", "yesterday", "fetch"], 2, "no newsletter.toml"),
    ],
)
def test_a_mistake_is_one_line_on_stderr_and_exit_2(
    run_digest: type[Runner], tmp_path: Path, arguments: list[str], code: int, line: str
) -> None:
    done = run_digest.run(*arguments, cwd=tmp_path)
    assert done.returncode == code
    assert done.stdout == ""
    assert done.stderr.count("\n") == 1
    assert line in done.stderr
    assert done.stderr.startswith("digest: ")


def test_a_mistake_under_json_is_one_document(run_digest: type[Runner], tmp_path: Path) -> None:
    done = run_digest.run("issue", "list", "--json", cwd=tmp_path)
    assert done.returncode == 2
    error = json.loads(done.stdout)["error"]
    assert set(error) == {"code", "message", "remedy"}
    assert error["code"] == "config_error"


def test_the_command_reference_is_current() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "digest.cli.reference", "--check", "docs/commands.md"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr


def test_init_makes_a_newsletter_that_can_be_used_and_keeps_what_is_there(
    run_digest: type[Runner], tmp_path: Path
) -> None:
    done = run_digest.run("init", "harbour", "--name", 'The "Harbour" <x>', "--json", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    made = json.loads(done.stdout)
    assert made["files"] == ["newsletter.toml", ".env", ".gitignore"]
    folder = tmp_path / "harbour"
    assert (folder / ".env").stat().st_mode & 0o777 == 0o600
    keys = (folder / ".env").read_text()
    again = run_digest.run("init", "harbour", "--json", cwd=tmp_path)
    assert json.loads(again.stdout)["kept"] == ["newsletter.toml", ".env", ".gitignore"]
    assert (folder / ".env").read_text() == keys
    assert run_digest.run("db", "check", cwd=folder).returncode == 0


@pytest.mark.parametrize(
    ("damage", "line"),
    [
        (lambda path: path.write_bytes(b"not a database at all" * 500), "not a database"),
        (lambda path: (path.unlink(), path.mkdir()), "digest.sqlite3"),
    ],
)
def test_a_database_that_cannot_be_used_is_one_line(
    run_digest: type[Runner], tmp_path: Path, damage: object, line: str
) -> None:
    run_digest.run("init", "--json", cwd=tmp_path)
    for extra in tmp_path.glob("digest.sqlite3-*"):
        extra.unlink()
    damage(tmp_path / "digest.sqlite3")  # type: ignore[operator]
    done = run_digest.run("issue", "list", cwd=tmp_path)
    assert done.returncode == 1
    assert line in done.stderr
    assert done.stderr.count("\n") == 1
