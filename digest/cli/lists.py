"""``digest lists``: what people join."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from digest.cli.choosing import ListArgument, SegmentName, chosen_segment
from digest.cli.context import Json, State, Yes, state_of

if TYPE_CHECKING:
    from subscribers.membership import ListCounts

app = typer.Typer(no_args_is_help=True, help="Mailing lists.")

Title = Annotated[str | None, typer.Option("--title", help="What readers see.")]
OptInChoice = Annotated[
    bool | None,
    typer.Option(
        "--double-opt-in/--single-opt-in",
        help="Whether people confirm by a link in a mail (new lists: single).",
        show_default=False,
    ),
]


@app.command()
def create(
    ctx: typer.Context,
    name: Annotated[str, typer.Argument(metavar="NAME", help="Letters, digits, '.', '-' and '_'.")],
    title: Title = None,
    double_opt_in: OptInChoice = None,
    json: Json = False,
) -> None:
    """Make a list. Example: digest lists create weekly --title "The week" --double-opt-in"""
    from subscribers.membership import create_list
    from subscribers.models import OptIn

    state = state_of(ctx)
    with state.app.sessions.begin() as session:
        optin = OptIn.DOUBLE if double_opt_in else OptIn.SINGLE
        create_list(session, name, now=state.clock.now(), title=title or "", optin=optin)
    _tell_one(state, name, json, f"list {name} is made")


@app.command("list")
def list_lists(ctx: typer.Context, json: Json = False) -> None:
    """List the lists with their counts. Example: digest lists list"""
    from digest.cli.output_people import list_payload, print_lists
    from subscribers.membership import count_lists

    state = state_of(ctx)
    with state.app.readers() as session:
        found = count_lists(session)
    state.emit(json, [list_payload(one) for one in found], lambda out: print_lists(out, found))


@app.command()
def show(ctx: typer.Context, name: ListArgument, json: Json = False) -> None:
    """Show one list. Example: digest lists show daily"""
    from digest.cli.output_people import list_payload, print_lists

    state = state_of(ctx)
    found = _counts(state, name)
    state.emit(json, list_payload(found), lambda out: print_lists(out, [found]))


@app.command()
def rename(
    ctx: typer.Context,
    name: ListArgument,
    new_name: Annotated[str, typer.Argument(metavar="[NEW]", help="The new name.")] = "",
    title: Title = None,
    double_opt_in: OptInChoice = None,
    json: Json = False,
) -> None:
    """Change a list's name, title or opt-in; editions in newsletter.toml that name it must follow.

    Example: digest lists rename daily morning --title "Good morning"
    """
    from subscribers.membership import rename_list
    from subscribers.models import OptIn

    state = state_of(ctx)
    optin = None if double_opt_in is None else OptIn.DOUBLE if double_opt_in else OptIn.SINGLE
    with state.app.sessions.begin() as session:
        row = rename_list(session, name, new_name=new_name or None, title=title, optin=optin)
        now_called = row.name
    if now_called != name:
        for edition in state.settings.file.editions:
            if state.settings.edition(edition).list_name == name:
                state.err.print(
                    f'edition {edition} still names {name}: write list = "{now_called}" in newsletter.toml',
                    markup=False,
                )
    _tell_one(state, now_called, json, f"list {now_called} is changed")


@app.command()
def delete(ctx: typer.Context, name: ListArgument, yes: Yes = False, json: Json = False) -> None:
    """Remove a list and its subscriptions; people and their ledger stay.

    Example: digest lists delete old --yes
    """
    from subscribers.membership import delete_list

    state = state_of(ctx)
    found = _counts(state, name)
    state.confirm(f"Delete the list {name} with {found.confirmed} confirmed subscriptions?", yes=yes)
    with state.app.sessions.begin() as session:
        delete_list(session, name)
    state.emit(json, {"deleted": name}, lambda out: out.print(f"list {name} is deleted", markup=False))


@app.command()
def stats(
    ctx: typer.Context,
    name: Annotated[str, typer.Argument(metavar="[NAME]", help="Only this list.")] = "",
    json: Json = False,
) -> None:
    """Count by standing, who would be mailed, and who came and left in 30 days.

    Example: digest lists stats
    """
    from digest.cli.output_people import print_stats, stats_payload
    from subscribers.audience import count_mailable
    from subscribers.membership import count_movement

    state = state_of(ctx)
    with state.app.readers() as session:
        found = [
            stats_payload(one, moved, count_mailable(session, one.id, confirmed=one.confirmed))
            for one, moved in count_movement(session, name=name or None, now=state.clock.now())
        ]
    state.emit(json, found, lambda out: print_stats(out, found))


@app.command()
def reconfirm(
    ctx: typer.Context, name: ListArgument, segment: SegmentName = "", yes: Yes = False, json: Json = False
) -> None:
    """Ask people again whether they want the mail; until they say so they get none.

    Example: digest lists reconfirm daily --segment inactive
    """
    from digest.errors import ConfigError
    from digest.pipeline.confirm import reconfirm
    from subscribers.audience import audience, count_audience
    from subscribers.membership import find_list

    state = state_of(ctx)
    if not state.settings.public_url:
        raise ConfigError(
            "a re-permission notice needs a link to confirm by", remedy="set DIGEST_PUBLIC_URL in .env"
        )
    with state.app.readers() as session:
        list_id = find_list(session, name).id
        condition = chosen_segment(session, segment)
        number = count_audience(session, audience(list_id, segment=condition))
    state.confirm(f"Ask {number} people again, and mail them nothing else until they answer?", yes=yes)
    with state.progress() as progress:
        asked = reconfirm(
            state.app.readers,
            state.app.sessions,
            state.settings,
            list_id,
            segment=condition,
            now=state.clock.now(),
            progress=progress,
        )
    state.emit(
        json,
        {"list": name, "asked": asked, "left_out": number - asked},
        lambda out: out.print(f"{asked} people are asked again; their notices go out with the next send"),
    )


def _counts(state: State, name: str) -> ListCounts:
    from subscribers.membership import count_lists

    with state.app.readers() as session:
        return count_lists(session, name=name)[0]


def _tell_one(state: State, name: str, json: bool, line: str) -> None:
    from digest.cli.output_people import list_payload

    found = _counts(state, name)
    state.emit(json, list_payload(found), lambda out: out.print(line, markup=False))
