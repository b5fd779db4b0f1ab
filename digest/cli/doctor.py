"""``digest doctor``: is everything that mail depends on as it should be?"""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING

import typer

from digest.cli.context import Json, state_of

if TYPE_CHECKING:
    from rich.console import Console

    from digest.checks.alignment import Check


def doctor(ctx: typer.Context, json: Json = False) -> None:
    """Check settings, keys, database, templates, SMTP log-in, SPF, DKIM, DMARC, bounces, public address.

    Each line is ok, warn or fail with a remedy; exit 1 when something failed.
    """
    from digest.pipeline.doctor import examine

    state = state_of(ctx)
    checks = examine(state.settings, state.app.world(), now=state.clock.now())
    state.emit(json, {"checks": [asdict(check) for check in checks]}, lambda out: _tell(out, checks))
    if any(check.status == "fail" for check in checks):
        raise typer.Exit(1)


def _tell(out: Console, checks: list[Check]) -> None:
    from rich.text import Text

    looks = {"ok": ("✓", "green"), "warn": ("!", "yellow"), "fail": ("✗", "red")}
    for check in checks:
        sign, colour = looks[check.status]
        line = Text(f"{sign} ", style=colour)
        line.append(f"{check.name}: ", style="bold").append(check.detail)
        if check.remedy and check.status != "ok":
            line.append(f"\n    → {check.remedy}", style="dim")
        out.print(line)
