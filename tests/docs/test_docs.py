"""The docs say what is: links lead somewhere, commands and paths that are named exist, rooms are listed."""

from __future__ import annotations

import re
import shlex
import subprocess
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any

import pytest
from pydantic import BaseModel

ROOT = Path(__file__).resolve().parents[2]
PAGES = sorted([*ROOT.glob("*.md"), *(ROOT / "docs").glob("*.md")])
GLOBAL = {"-C", "-q", "-v", "--no-color", "--version", "--help", "-h", "--now", "--show-completion"}
_LINK = re.compile(r"\[[^\]\n]+\]\(([^)\s]+)\)")
_FENCE = re.compile(r"^```(\w*)\n(.*?)^```", re.DOTALL | re.MULTILINE)
_INLINE = re.compile(r"`([^`\n]+)`")
_COMMAND = re.compile(r"(?:^|[\s/|(])digest((?: +[^\s#;]+)+)")
_PATH = re.compile(r"(?:digest|subscribers|tests|benchmarks|examples|docs)/[\w./-]*")
_TEST = re.compile(r"(tests/[\w/]+\.py)::(\w+)")
each_page = pytest.mark.parametrize("page", PAGES, ids=lambda page: page.relative_to(ROOT).as_posix())


def code_of(page: Path) -> Iterator[str]:
    """Each line of a shell block, and each piece of inline code."""
    text = page.read_text(encoding="utf-8")
    for kind, block in _FENCE.findall(text):
        if kind in {"", "sh", "console"}:
            yield from block.splitlines()
    yield from _INLINE.findall(_FENCE.sub("", text))


@cache
def commands() -> dict[tuple[str, ...], set[str] | None]:
    """Each command's options by its words; None for a group."""
    import typer

    from digest.cli.commands import COMMANDS
    from digest.cli.root import root

    found: dict[tuple[str, ...], set[str] | None] = {}

    def walk(words: tuple[str, ...], command: Any) -> None:
        children = getattr(command, "commands", None)
        if not children:
            found[words] = {name for one in command.params for name in (*one.opts, *one.secondary_opts)}
            return
        found[words] = None
        for name, child in children.items():
            walk((*words, name), child)

    group: Any = typer.main.get_command(root)
    context = group.make_context("digest", ["--help"], resilient_parsing=True)
    for name in COMMANDS:
        context._protected_args = [name]
        walk((name,), group.get_command(context, name))
    return found


def fault_of(words: list[str]) -> str:
    """What is wrong with a command line after ``digest``, or empty."""
    while words and words[0].startswith("-"):
        option = words.pop(0)
        if option not in GLOBAL:
            return f"there is no global option {option}"
        if option in {"-C", "--now"}:
            words.pop(0)
    if not words or not re.fullmatch(r"[a-z-]+", words[0]):
        return ""
    name: tuple[str, ...] = (words.pop(0),)
    if name not in commands():
        return f"there is no command {name[0]}"
    if commands()[name] is None and words and re.fullmatch(r"[a-z-]+", words[0]):
        name = (*name, words.pop(0))
        if name not in commands():
            return f"there is no command {' '.join(name)}"
    known = (commands()[name] or set()) | {"--help", "-h"}
    for word in words:
        for option in re.findall(r"(?:^|[\[|])(--?[a-z][\w-]*)", word):
            if option not in known:
                return f"{' '.join(name)} has no option {option}"
    return ""


@each_page
def test_every_relative_link_leads_to_a_file(page: Path) -> None:
    text = _FENCE.sub("", page.read_text(encoding="utf-8"))
    for target in _LINK.findall(text):
        if re.match(r"[a-z]+:", target):
            continue
        path, _, anchor = target.partition("#")
        file = (page.parent / path).resolve() if path else page
        assert file.exists(), f"{page.name}: {target}"
        assert file.is_relative_to(ROOT), f"{page.name}: {target} leads out of the project"
        if anchor:
            heads = re.findall(r"^#+ (.+)$", file.read_text(encoding="utf-8"), re.MULTILINE)
            slugs = {re.sub(r"[^\w\- ]", "", head.lower()).strip().replace(" ", "-") for head in heads}
            assert anchor in slugs, f"{page.name}: {target}"


@each_page
def test_every_command_that_is_named_exists_with_its_options(page: Path) -> None:
    for code in code_of(page):
        for line in _COMMAND.findall(code.replace("\\|", "|")):
            try:
                words = shlex.split(line.replace("…", ""))
            except ValueError:
                words = line.split()
            assert fault_of(words) == "", f"{page.name}: digest{line}"


@each_page
def test_every_make_target_and_path_that_is_named_exists(page: Path) -> None:
    targets = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(encoding="utf-8"), re.MULTILINE))
    for code in code_of(page):
        if called := re.match(r"make((?: [a-z-]+(?![=\w]))+)", code):
            assert set(called[1].split()) <= targets, f"{page.name}: {code}"
        for path in _PATH.findall(code) if page.name != "CHANGELOG.md" else ():
            assert (ROOT / path).exists() or "LANGUAGE" in code, f"{page.name}: {path}"


@pytest.mark.parametrize(
    "line",
    [
        "fetsch",
        "issue bild daily",
        "send 1 --resend",
        "--loud fetch",
        "subscribers import x [--list L|--everywhere]",
    ],
)
def test_a_command_that_is_not_there_is_noticed(line: str) -> None:
    assert fault_of(line.split())


def test_every_room_stands_in_the_table_of_the_architecture() -> None:
    text = (ROOT / "docs/architecture.md").read_text(encoding="utf-8")
    table = "\n".join(line for line in text.splitlines() if line.startswith("|"))
    for package in ("digest", "subscribers"):
        for entry in (ROOT / package).iterdir():
            is_room = (entry / "__init__.py").is_file() or entry.suffix == ".py"
            if not is_room or entry.name in {"__init__.py"}:
                continue
            name = entry.stem + ("/" if entry.is_dir() else "")
            assert f"`{name}`" in table, f"{package}/{entry.name} is not in the table"


def test_every_test_that_the_page_of_security_names_exists() -> None:
    named = _TEST.findall((ROOT / "docs/security.md").read_text(encoding="utf-8"))
    assert len(named) > 60
    for file, test in named:
        source = (ROOT / file).read_text(encoding="utf-8")
        assert re.search(rf"^ *def {test}\(", source, re.MULTILINE), f"{file}::{test}"


def test_every_key_of_the_settings_is_explained() -> None:
    from digest.settings.model import File

    text = (ROOT / "docs/settings.md").read_text(encoding="utf-8")

    def explained(model: type[BaseModel]) -> None:
        for name, field in model.model_fields.items():
            assert re.search(rf"`\[*{field.alias or name}(?:\.NAME)?\]*`", text), f"{model.__name__}.{name}"
            for inner in re.findall(r"digest\.settings\.model\.(\w+)", str(field.annotation)):
                kind = getattr(__import__("digest.settings.model", fromlist=[inner]), inner)
                if isinstance(kind, type) and issubclass(kind, BaseModel):
                    explained(kind)

    explained(File)


def test_nothing_names_the_machine_it_was_made_on() -> None:
    """No path of somebody's machine, and nothing about where packages came from."""
    listed = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, check=False)
    if listed.returncode:
        pytest.skip("this is no git checkout")
    places = re.compile(rb"/(?:work|home/\w+|Users)/[\w.]|/tmp/\w+/\w|index-url https?:|--trusted-host ")
    for name in filter(None, listed.stdout.decode().split("\0")):
        file = ROOT / name
        if not file.is_file() or file == Path(__file__):
            continue
        found = places.search(file.read_bytes())
        assert found is None, f"{name}: {found[0]!r}"


def test_every_page_that_the_code_refers_to_exists() -> None:
    for package in ("digest", "subscribers", "templates"):
        for file in (ROOT / package).rglob("*"):
            if file.suffix not in {".py", ".j2", ".html", ".ini", ".toml"}:
                continue
            for name in re.findall(r"\b(?:docs/[\w-]+|[A-Z]{3,})\.md\b", file.read_text(encoding="utf-8")):
                assert (ROOT / name).is_file(), f"{file.relative_to(ROOT)}: {name}"
