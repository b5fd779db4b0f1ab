"""Words and lines of ``send``: progress for programs, and the summary with what to do about the rest."""

from __future__ import annotations

import json
import sys
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from rich.console import Console

    from digest.pipeline.delivered import Summary


class JsonLines:
    """Progress as one JSON object a line on stderr: ``{"task","done","total","sent",…}``."""

    def __init__(self) -> None:
        self._totals: dict[str, int | None] = {}
        self._done: dict[str, int] = {}

    def start(self, task: str, total: int | None = None) -> None:
        self._totals[task] = total
        self._done[task] = 0
        self._write({"task": task, "done": 0, "total": total})

    def advance(self, task: str, by: int = 1, **counts: int) -> None:
        self._done[task] = self._done.get(task, 0) + by
        self._write({"task": task, "done": self._done[task], "total": self._totals.get(task), **counts})

    def finish(self, task: str) -> None:
        self._write({"task": task, "finished": True})

    def note(self, message: str) -> None:
        self._write({"note": message})

    def _write(self, line: dict[str, object]) -> None:
        sys.stderr.write(json.dumps(line, ensure_ascii=False) + "\n")
        sys.stderr.flush()


def print_summary(out: Console, summary: Summary, *, zone: str, named: bool = True) -> None:
    """What became of the copies, and the next step for those that are not at their end.

    With ``named`` False the first line does not name the issue, which stands above it.
    """
    from functools import partial

    from rich.text import Text

    from digest.cli.output import local
    from digest.models import IssueStatus

    say = partial(out.print, soft_wrap=True)  # commands on one line, to be copied
    parts = [f"{summary.sent:,} sent"]
    for name in ("deferred", "refused", "uncertain", "suppressed", "expired", "cancelled", "waiting"):
        count = getattr(summary, name)
        if count:
            parts.append(f"{count:,} {name}")
    name = f"Issue {summary.issue}: " if named else "Copies     "
    say(Text(f"{name}{summary.recipients:,} recipients: " + ", ".join(parts)))
    if summary.delivered:
        say(Text(f"This run: {summary.delivered:,} in {summary.seconds:,.1f} s, {summary.rate:,.0f}/s"))
    for reply, count in summary.replies:
        say(Text(f"  {count:,} × {reply}", style="dim"))
    if summary.reason:
        say(Text(summary.reason))
    if summary.status is IssueStatus.PAUSED:
        say(Text(f"Paused: `digest resume {summary.issue}` goes on."))
    elif summary.unfinished:
        when = f" (next: {local(summary.next_at, zone)})" if summary.next_at else ""
        say(Text(f"Not finished: `digest send {summary.issue}` goes on with what is due{when}."))
    if summary.held:
        say(
            Text(
                f"{summary.held:,} in doubt: the server may or may not have them. "
                f"`digest send {summary.issue} --uncertain resend` or `--uncertain drop`."
            )
        )
    if summary.refused:
        say(Text("Refused for good; invalid addresses are suppressed: `digest bounces list`."))
