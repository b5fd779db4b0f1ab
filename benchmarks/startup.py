"""How much CPU each command costs before it does anything: user + system seconds of a whole process.

`digest --version` must cost less than `python -c "import typer"`; every command but fetch, preview and
serve starts within 0.8 s. The median of five runs after a warm-up is printed. The newsletter is a new one, so
that a command finds nothing to do (no issue, no source; the key is there after the warm-up) and ends at once.
Bytecode is kept, as of an installed package: PYTHONDONTWRITEBYTECODE would have every run compile anew.
"""

from __future__ import annotations

import os
import resource
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
RUNS = 5
ENVIRONMENT = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"} | {
    "PYTHONPATH": str(ROOT)
}
COMMANDS = [
    ["issue", "list"],
    ["articles", "list"],
    ["subscribers", "list"],
    ["subscribers", "count"],
    ["lists", "list"],
    ["segments", "list"],
    ["db", "check"],
    ["templates", "list"],
    ["bounces", "list"],
    ["issue", "build", "daily"],
    ["issue", "show", "daily@latest"],
    ["send", "daily@latest"],
    ["run", "daily"],
    ["stats"],
    ["doctor"],
    ["schedule", "list"],
    ["dkim", "new"],
]


def cpu(command: list[str], folder: str) -> float:
    """Median CPU seconds of a process."""
    figures = []
    for _ in range(RUNS + 1):
        before = resource.getrusage(resource.RUSAGE_CHILDREN)
        subprocess.run(command, cwd=folder, capture_output=True, check=False, env=ENVIRONMENT)
        after = resource.getrusage(resource.RUSAGE_CHILDREN)
        figures.append(after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime)
    return statistics.median(figures[1:])


def main() -> int:
    """Print the table; exit 1 when a bound is broken."""
    python = sys.executable
    with tempfile.TemporaryDirectory() as folder:
        subprocess.run(
            [python, "-m", "digest", "init", folder],
            check=True,
            capture_output=True,
            env=ENVIRONMENT,
        )
        typer = cpu([python, "-c", "import typer"], folder)
        version = cpu([python, "-m", "digest", "--version"], folder)
        print(f"{'python -c import typer':40} {typer:6.3f} s CPU")
        print(f"{'digest --version':40} {version:6.3f} s CPU   {'ok' if version < typer else 'TOO SLOW'}")
        good = version < typer
        for command in [["--help"], *COMMANDS]:
            spent = cpu([python, "-m", "digest", *command], folder)
            good &= spent <= 0.8
            verdict = "ok" if spent <= 0.8 else "TOO SLOW"
            print(f"{'digest ' + ' '.join(command):40} {spent:6.3f} s CPU   {verdict}")
    return 0 if good else 1


if __name__ == "__main__":
    sys.exit(main())
