"""The words and charts of ``digest bounces``."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from digest.cli.output import local, rows

if TYPE_CHECKING:
    from rich.console import Console

    from digest.bounces.figures import BounceEvent, BounceFigures
    from digest.pipeline.bounces import Counts

_BAR = 40  # columns of the longest bar


def counts_payload(counts: Counts) -> dict[str, int]:
    """The contract's keys first."""
    return asdict(counts)


def print_counts(console: Console, counts: Counts) -> None:
    """What one poll did, in a line or two."""
    if not (counts.read or counts.repeated or counts.refusals or counts.left):
        console.print("nothing new in the bounce mailbox")
        return
    named = (
        (counts.hard, "hard"),
        (counts.soft, "soft"),
        (counts.complaints, "complaints"),
        (counts.unsubscribes, "opt-outs"),
        (counts.ignored, "no bounces"),
        (counts.unreadable, "unreadable, kept aside"),
    )
    parts = ", ".join(f"{number} {name}" for number, name in named if number)
    console.print(f"read {counts.read}" + (f": {parts}" if parts else ""))
    for number, words in (
        (counts.refusals, "refused at once by servers, now judged"),
        (counts.suppressed, "suppressed: never mailed again"),
        (counts.repeated, "known already: counted once"),
        (counts.overlong, "name more recipients than are read: kept whole in bounces-unread"),
        (counts.left, "stay in the mailbox: they could not be taken out or kept aside"),
        (counts.paused, "issues paused: too much came back (digest issue list)"),
    ):
        if number:
            console.print(f"  {number} {words}")


def event_payload(event: BounceEvent) -> dict[str, Any]:
    """One event for programs."""
    payload = asdict(event)
    payload["list"] = payload.pop("list_name")
    return payload


def print_events(console: Console, events: Sequence[BounceEvent], zone: str) -> None:
    """The latest events as a table."""
    rows(
        console,
        ("When", "Kind", "Who", "Why", "Code", "Found by", "#Issue"),
        [
            (
                local(event.at, zone),
                event.kind,
                event.email or "–",
                event.reason,
                event.code,
                event.how,
                event.issue or "",
            )
            for event in events
        ],
        empty="nothing has come back",
    )


def print_figures(console: Console, figures: BounceFigures) -> None:
    """Bars by reason and by domain."""
    if not figures.by_kind:
        console.print("nothing has come back")
        return
    console.print(" · ".join(f"{number} {kind}" for kind, number in figures.by_kind))
    for title, counted in (("by reason", figures.by_reason), ("by domain", figures.by_domain)):
        if not counted:
            continue
        console.print(f"\n{title}", style="bold")
        widest = max(len(name) for name, _ in counted)
        most = max(number for _, number in counted)
        for name, number in counted:
            bar = "█" * max(1, round(_BAR * number / most))
            console.print(f"  {name:<{widest}}  {bar} {number}", markup=False)
