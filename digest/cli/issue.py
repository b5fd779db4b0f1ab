"""``digest issue``: build, look at, explain, edit, approve, cancel and correct issues."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from digest.cli.context import Json, Limit, State, state_of
from digest.cli.render import check, render

if TYPE_CHECKING:
    from datetime import date

    from rich.console import Console

    from digest.issues.view import IssueView

app = typer.Typer(no_args_is_help=True, help="Build, edit, render and check issues.")
app.command("render")(render)
app.command("check")(check)

IssueId = Annotated[str, typer.Argument(metavar="ID", help="A number, EDITION@DATE or EDITION@latest.")]
ItemId = Annotated[int, typer.Argument(metavar="ITEM", help="The item's number in `digest issue show`.")]
To = Annotated[
    str, typer.Option("--to", metavar="SLOT/POS", help="A slot or section key, and a position from 1.")
]
Actor = Annotated[str, typer.Option("--actor", metavar="NAME", help="Who edits (default: who is logged in).")]
Version = Annotated[
    int | None,
    typer.Option("--version", min=1, help="The version that you saw; refuse the edit if it is another one."),
]


@app.command()
def build(
    ctx: typer.Context,
    edition: Annotated[str, typer.Argument(help="The edition's name in newsletter.toml.")],
    date: Annotated[str, typer.Option("--date", metavar="D", help="Its civil date (default: today).")] = "",
    rebuild: Annotated[bool, typer.Option("--rebuild", help="Pick anew; what hands changed stays.")] = False,
    extra: Annotated[bool, typer.Option("--extra", help="A further issue of that day.")] = False,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Show what would be picked; store nothing.")
    ] = False,
    actor: Actor = "",
    json: Json = False,
) -> None:
    """Pick an issue by the rules and reserve its stories; again on the same day: the same issue.

    Example: digest issue build daily --date 2026-11-23. Exit 3 when there are too few stories.
    """
    from digest.pipeline.build import build_issue

    state = state_of(ctx)
    view = build_issue(
        state.app.sessions,
        state.settings,
        edition,
        day=_day(date),
        now=state.clock.now(),
        rebuild=rebuild,
        extra=extra,
        dry_run=dry_run,
        actor=_actor(actor),
    )
    for warning in view.warnings:
        state.err.print(f"warning: {warning}", markup=False, style="yellow", soft_wrap=True)
    _emit(state, json, view)


@app.command(name="list")
def list_issues(
    ctx: typer.Context,
    edition: Annotated[str, typer.Option("--edition", help="Only of this edition.")] = "",
    limit: Limit = 50,
    json: Json = False,
) -> None:
    """List issues, the newest first."""
    from digest.issues.view import issue_summaries

    state = state_of(ctx)
    with state.app.readers() as session:
        found = issue_summaries(session, edition=edition, limit=limit)

    from digest.cli.output_desk import print_summaries

    state.emit(json, [one.as_json() for one in found], lambda out: print_summaries(out, found))


@app.command()
def show(ctx: typer.Context, issue: IssueId, json: Json = False) -> None:
    """Show an issue with its items and their numbers, and what became of its copies.

    Example: digest issue show daily@latest
    """
    from digest.cli.output_desk import print_issue
    from digest.cli.output_send import print_summary
    from digest.issues.view import issue_view
    from digest.pipeline.delivered import summary_of

    state = state_of(ctx)
    issue_id = _id(state, issue)
    with state.app.readers() as session:
        view = issue_view(session, issue_id)
    told = summary_of(state.app.readers, issue_id)

    def human(out: Console) -> None:
        print_issue(out, view)
        if told.recipients:
            print_summary(out, told, zone=view.timezone, named=False)

    state.emit(json, {**view.as_json(), "deliveries": told.as_json() if told.recipients else None}, human)


@app.command()
def explain(
    ctx: typer.Context,
    issue: Annotated[
        str, typer.Argument(metavar="ID", help="An issue, or an edition: what it would print now.")
    ],
    limit: Limit = 100,
    json: Json = False,
) -> None:
    """Say of every candidate why it is in or out: its score, each factor, the reason.

    Example: digest issue explain daily@latest, or before there is an issue: digest issue explain daily
    """
    from digest.cli.output_desk import print_verdicts
    from digest.pipeline.explain import explain_edition, explain_issue

    state = state_of(ctx)
    if issue in state.settings.file.editions:
        found = explain_edition(state.app.readers, state.settings, issue, now=state.clock.now())
    else:
        found = explain_issue(state.app.readers, state.settings, _id(state, issue))
    state.emit(json, (one.as_json() for one in found), lambda out: print_verdicts(out, found, limit=limit))


@app.command()
def edit(
    ctx: typer.Context,
    issue: IssueId,
    item: Annotated[int | None, typer.Argument(metavar="[ITEM]", help="The item to change.")] = None,
    subject: Annotated[str | None, typer.Option("--subject", help="The issue's subject.")] = None,
    preheader: Annotated[str | None, typer.Option("--preheader", help="The line after the subject.")] = None,
    headline: Annotated[str | None, typer.Option("--headline", help="The item's headline.")] = None,
    teaser: Annotated[str | None, typer.Option("--teaser", help="The item's text.")] = None,
    url: Annotated[str | None, typer.Option("--url", help="The item's link.")] = None,
    label: Annotated[str | None, typer.Option("--label", help="The item's label.")] = None,
    actor: Actor = "",
    version: Version = None,
    json: Json = False,
) -> None:
    """Change the issue's subject and preheader, or an item's words; kept by every rebuild.

    Example: digest issue edit daily@latest 12 --headline "Harbour opens early"
    """
    from digest.pipeline.edit import edit_issue, edit_item

    state = state_of(ctx)
    words = {"headline": headline, "teaser": teaser, "url": url, "label": label}
    of_issue = subject is not None or preheader is not None
    of_item = any(text is not None for text in words.values())
    if not of_issue and not of_item:
        raise typer.BadParameter(
            "give --subject or --preheader, or an ITEM with --headline, --teaser, --url or --label"
        )
    if of_item and item is None:
        raise typer.BadParameter("--headline, --teaser, --url and --label need an ITEM")
    number, now, who = _id(state, issue), state.clock.now(), _actor(actor)
    if of_issue:
        view = edit_issue(
            state.app.sessions,
            number,
            now=now,
            actor=who,
            version=version,
            subject=subject,
            preheader=preheader,
        )
        version = None  # ours is the newest now
    if of_item and item is not None:
        view = edit_item(
            state.app.sessions,
            number,
            item,
            now=now,
            actor=who,
            version=version,
            settings=state.settings,
            **words,
        )
    _emit(state, json, view)


@app.command()
def insert(
    ctx: typer.Context,
    issue: IssueId,
    kind: Annotated[str, typer.Option("--kind", help="intro, note, sponsor, event or correction.")],
    to: To,
    headline: Annotated[str, typer.Option("--headline", help="Its headline.")] = "",
    text: Annotated[str, typer.Option("--text", help="Its text.")] = "",
    url: Annotated[str, typer.Option("--url", help="Its link.")] = "",
    image: Annotated[str, typer.Option("--image", help="The https address of its picture.")] = "",
    label: Annotated[str, typer.Option("--label", help="Its label; a sponsor's item always has one.")] = "",
    actor: Actor = "",
    version: Version = None,
    json: Json = False,
) -> None:
    """Put an item without an article into the issue.

    Example: digest issue insert daily@latest --kind intro --to top --text "Good morning."
    """
    from digest.pipeline.edit import insert_item

    state = state_of(ctx)
    _, view = insert_item(
        state.app.sessions,
        state.settings,
        _id(state, issue),
        kind=kind,
        to=to,
        now=state.clock.now(),
        actor=_actor(actor),
        version=version,
        headline=headline,
        text=text,
        url=url,
        image=image,
        label=label,
    )
    _emit(state, json, view)


@app.command()
def move(
    ctx: typer.Context,
    issue: IssueId,
    item: ItemId,
    to: To,
    actor: Actor = "",
    version: Version = None,
    json: Json = False,
) -> None:
    """Move an item. Example: digest issue move daily@latest 12 --to lead, or --to business/1"""
    from digest.pipeline.edit import move_item

    state = state_of(ctx)
    view = move_item(
        state.app.sessions,
        state.settings,
        _id(state, issue),
        item,
        to=to,
        now=state.clock.now(),
        actor=_actor(actor),
        version=version,
    )
    _emit(state, json, view)


@app.command()
def drop(
    ctx: typer.Context,
    issue: IssueId,
    item: ItemId,
    actor: Actor = "",
    version: Version = None,
    json: Json = False,
) -> None:
    """Take an item out; a rebuild leaves it out, and its story is free for another issue."""
    from digest.pipeline.edit import drop_item

    state = state_of(ctx)
    view = drop_item(
        state.app.sessions,
        _id(state, issue),
        item,
        now=state.clock.now(),
        actor=_actor(actor),
        version=version,
        settings=state.settings,
    )
    _emit(state, json, view)


@app.command()
def approve(ctx: typer.Context, issue: IssueId, actor: Actor = "", json: Json = False) -> None:
    """Let an issue go out that waits for an editor (approve = true in newsletter.toml)."""
    from digest.pipeline.edit import approve_issue

    state = state_of(ctx)
    view = approve_issue(state.app.sessions, _id(state, issue), now=state.clock.now(), actor=_actor(actor))
    _emit(state, json, view)


@app.command()
def cancel(ctx: typer.Context, issue: IssueId, actor: Actor = "", json: Json = False) -> None:
    """Take an issue back: its stories are free again, copies that wait are not sent."""
    from digest.pipeline.edit import cancel_issue

    state = state_of(ctx)
    view = cancel_issue(state.app.sessions, _id(state, issue), now=state.clock.now(), actor=_actor(actor))
    _emit(state, json, view)


@app.command()
def correct(
    ctx: typer.Context,
    issue: IssueId,
    text: Annotated[
        str, typer.Option("--text", help="What was wrong (default: that the story is withdrawn).")
    ] = "",
    actor: Actor = "",
    json: Json = False,
) -> None:
    """Build a correction issue to exactly those who got a wrong copy; `digest send` sends it.

    Example: digest articles withdraw 17, then: digest issue correct daily@latest --text "The figure is 3."
    """
    from digest.pipeline.correct import correct_issue

    state = state_of(ctx)
    view = correct_issue(
        state.app.sessions,
        state.settings,
        _id(state, issue),
        now=state.clock.now(),
        text=text,
        actor=_actor(actor),
    )
    _emit(state, json, view)


def _emit(state: State, json: bool, view: IssueView) -> None:
    from digest.cli.output_desk import print_issue

    state.emit(json, view.as_json(), lambda out: print_issue(out, view))


def _id(state: State, text: str) -> int:
    from digest.issues.finding import resolve_issue_id

    with state.app.readers() as session:
        return resolve_issue_id(session, text)


def _day(text: str) -> date | None:
    from datetime import date

    if not text:
        return None
    try:
        return date.fromisoformat(text)
    except ValueError:
        raise typer.BadParameter(f"{text!r} is no date; write it like 2026-11-23") from None


def _actor(given: str) -> str:
    from digest.cli.output_desk import actor_name

    return given or actor_name()
