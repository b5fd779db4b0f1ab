"""What the help says arrives on the screen: nothing in brackets is taken for markup and lost."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

import typer
from rich.text import Text

from digest.cli.commands import COMMANDS
from digest.cli.root import root

_MEANT = re.compile(r"\[/?(?:bold|dim)\]")


def _commands() -> Iterator[tuple[str, Any]]:
    group: Any = typer.main.get_command(root)
    context = group.make_context("digest", ["--help"], resilient_parsing=True)
    for name in COMMANDS:
        context._protected_args = [name]
        found = [(f"digest {name}", group.get_command(context, name))]
        while found:
            path, command = found.pop()
            yield path, command
            found += [(f"{path} {child}", each) for child, each in getattr(command, "commands", {}).items()]


def test_no_word_of_the_help_is_lost_as_markup() -> None:
    lost = [
        f"{path}: {text}"
        for path, command in _commands()
        for text in (command.help, *(getattr(each, "help", "") for each in command.params))
        if text and Text.from_markup(text).plain != _MEANT.sub("", text)
    ]
    assert lost == []
