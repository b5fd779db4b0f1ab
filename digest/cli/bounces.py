"""``digest bounces``: read the bounce mailbox, see what came back."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from digest.cli.context import Json, Limit, state_of

app = typer.Typer(no_args_is_help=True, help="Reports of failed deliveries, complaints and opt-outs by mail.")


class Kind(StrEnum):
    """What ``--kind`` takes."""

    HARD = "hard"
    SOFT = "soft"
    COMPLAINT = "complaint"
    UNSUBSCRIBE = "unsubscribe"
    IGNORED = "ignored"


@app.command()
def process(
    ctx: typer.Context,
    stream: Annotated[
        str,
        typer.Argument(metavar="[-]", help="- reads one message from standard input: for an MTA's alias."),
    ] = "",
    mbox: Annotated[
        Path | None, typer.Option("--mbox", metavar="FILE", help="Read this mbox instead; it is not changed.")
    ] = None,
    maildir: Annotated[
        Path | None, typer.Option("--maildir", metavar="DIR", help="Read this Maildir instead; not changed.")
    ] = None,
    json: Json = False,
) -> None:
    """Read the bounce mailbox: suppress who is gone, take off who asks.

    A message leaves the mailbox only when the database has it, and counts once however often it is read.
    From a mail server's alias, exit code 75 asks the server to keep the message and try again.

    Example: digest bounces process --mbox old-bounces.mbox
    """
    from digest.cli.output_bounces import counts_payload, print_counts
    from digest.pipeline.bounces import given_mailbox, poll

    state = state_of(ctx)
    given = given_mailbox(stream=stream, mbox=mbox, maildir=maildir)
    with state.progress() as progress:
        counts = poll(
            state.settings,
            state.app.sessions,
            signer=state.app.signer,
            clock=state.clock,
            mailbox=given,
            progress=progress,
        )
    state.emit(json, counts_payload(counts), lambda console: print_counts(console, counts))
    if counts.left:
        raise typer.Exit(5)


@app.command("list")
def list_bounces(
    ctx: typer.Context,
    kind: Annotated[list[Kind] | None, typer.Option("--kind", help="Only these; repeat it for more.")] = None,
    issue: Annotated[int | None, typer.Option("--issue", metavar="ID", help="Only of this issue.")] = None,
    limit: Limit = 50,
    json: Json = False,
) -> None:
    """What came back lately: who, why, and how it was found out.

    Example: digest bounces list --kind hard --limit 20
    """
    from digest.bounces.figures import list_events
    from digest.cli.output_bounces import event_payload, print_events

    state = state_of(ctx)
    with state.app.readers() as session:
        events = list_events(session, limit=limit, kinds=[one.value for one in kind or []], issue_id=issue)
    zone = state.settings.file.newsletter.timezone
    state.emit(
        json, [event_payload(event) for event in events], lambda console: print_events(console, events, zone)
    )


@app.command()
def stats(
    ctx: typer.Context,
    issue: Annotated[int | None, typer.Option("--issue", metavar="ID", help="Only of this issue.")] = None,
    json: Json = False,
) -> None:
    """Bounces by reason and by domain, with a chart.

    Example: digest bounces stats --issue 12
    """
    from dataclasses import asdict

    from digest.bounces.figures import bounce_figures
    from digest.cli.output_bounces import print_figures

    state = state_of(ctx)
    with state.app.readers() as session:
        figures = bounce_figures(session, issue_id=issue)
    state.emit(
        json,
        {name: dict(rows) for name, rows in asdict(figures).items()},
        lambda console: print_figures(console, figures),
    )
