"""Writes the command reference from the commands themselves: ``python -m digest.cli.reference FILE``.

``--check FILE`` exits 1 when the file is not current.
"""

from __future__ import annotations

import inspect
import re
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

HEAD = """# The commands

Written from the commands themselves by `make docs`; a test holds it current. Global options stand before
the command: `-C DIR` (also `DIGEST_DIR`), `-q`, `-v`, `--no-color`. `--json` prints one JSON document on
stdout and nothing else there. Exit codes: 0 done, 1 failed, 2 usage or configuration, 3 nothing to do,
4 stopped by the preflight, 5 unfinished (the same command later gets further), 130 interrupted.
"""


def reference() -> str:
    """The whole reference as Markdown."""
    import typer

    from digest.cli.commands import COMMANDS
    from digest.cli.root import root

    group: Any = typer.main.get_command(root)
    context = group.make_context("digest", ["--help"], resilient_parsing=True)
    parts = [HEAD]
    panel = ""
    for name, entry in COMMANDS.items():
        if entry.panel != panel:
            panel = entry.panel
            parts.append(f"\n## {panel}\n")
        context._protected_args = [name]
        parts += _described(f"digest {name}", group.get_command(context, name), depth=3)
    return "\n".join(parts).rstrip() + "\n"


def _described(path: str, command: Any, *, depth: int) -> Iterator[str]:
    yield f"{'#' * depth} `{path}`\n"
    text = inspect.cleandoc(command.help or "").replace("\f", "")
    if text:
        yield re.sub(r"\[/?(?:bold|dim)\]", "", text) + "\n"
    children = getattr(command, "commands", None)
    if children:
        for name, child in children.items():
            if not child.hidden:
                yield from _described(f"{path} {name}", child, depth=depth + 1)
        return
    rows = [_row(parameter) for parameter in command.params if not getattr(parameter, "hidden", False)]
    rows = [row for row in rows if row]
    if rows:
        yield "| argument or option | meaning |\n|---|---|\n" + "\n".join(rows) + "\n"


def _row(parameter: Any) -> str:
    if parameter.name in {"help", "install_completion", "show_completion"}:
        return ""
    is_option = parameter.param_type_name == "option"
    names = ", ".join([*parameter.opts, *parameter.secondary_opts]) if is_option else _argument(parameter)
    flag = getattr(parameter, "is_flag", False)
    if is_option and not flag:
        names += f" {parameter.metavar or parameter.name.upper()}"
    many = "…" if getattr(parameter, "multiple", False) or parameter.nargs == -1 else ""
    meaning = " ".join((getattr(parameter, "help", None) or "").split()).replace("|", "\\|")
    default = parameter.default
    shown = default is not None and default not in (False, True, "", ()) and not callable(default)
    if shown and isinstance(default, str | int | float):
        meaning += f" Default: `{default}`."
    return f"| `{names}`{many} | {meaning} |"


def _argument(parameter: Any) -> str:
    name = parameter.metavar or parameter.name.upper()
    return name if parameter.required or name.startswith("[") else f"[{name}]"


def main(arguments: list[str]) -> int:
    """Write the reference, or compare."""
    check = arguments[:1] == ["--check"]
    file = Path(arguments[-1])
    text = reference()
    if not check:
        file.write_text(text, encoding="utf-8")
        return 0
    if file.is_file() and file.read_text(encoding="utf-8") == text:
        return 0
    sys.stderr.write(f"{file} is not what the commands say: run `make docs`\n")
    return 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
