"""``digest segments``: named filters on people."""

from __future__ import annotations

from typing import Annotated

import typer

from digest.cli.choosing import SegmentArgument
from digest.cli.context import Json, Yes, state_of

app = typer.Typer(no_args_is_help=True, help="Filters on subscribers.")


@app.command()
def create(
    ctx: typer.Context,
    name: Annotated[str, typer.Argument(metavar="NAME", help="What it is called.")],
    where: Annotated[str, typer.Option("--where", metavar="EXPR", help="Who is in it.")],
    json: Json = False,
) -> None:
    """Make a filter on people.

    Example: digest segments create delhi --where 'attributes.city = "Delhi" and language in ("en", "hi")'
    """
    from subscribers.segments import count_segment, create_segment

    state = state_of(ctx)
    with state.app.sessions.begin() as session:
        segment = create_segment(session, name, where, now=state.clock.now())
        count = count_segment(session, segment)
    payload = {"name": name, "where": where, "count": count}
    state.emit(json, payload, lambda out: out.print(f"segment {name} finds {count} people", markup=False))


@app.command("list")
def list_segments(ctx: typer.Context, json: Json = False) -> None:
    """List the filters and how many people each finds. Example: digest segments list"""
    from digest.cli.output_people import print_segments
    from subscribers.segments import all_segments, count_segment

    state = state_of(ctx)
    with state.app.readers() as session:
        found = [
            {"name": one.name, "where": one.expression, "count": count_segment(session, one)}
            for one in all_segments(session)
        ]
    state.emit(json, found, lambda out: print_segments(out, found))


@app.command()
def count(ctx: typer.Context, name: SegmentArgument, json: Json = False) -> None:
    """Count whom a filter finds. Example: digest segments count delhi"""
    from subscribers.segments import count_segment, find_segment

    state = state_of(ctx)
    with state.app.readers() as session:
        segment = find_segment(session, name)
        number = count_segment(session, segment)
    payload = {"name": name, "where": segment.expression, "count": number}
    state.emit(json, payload, lambda out: out.print(str(number)))


@app.command()
def delete(ctx: typer.Context, name: SegmentArgument, yes: Yes = False, json: Json = False) -> None:
    """Remove a filter; people are untouched. Example: digest segments delete delhi --yes"""
    from subscribers.segments import delete_segment

    state = state_of(ctx)
    state.confirm(f"Delete the segment {name}?", yes=yes)
    with state.app.sessions.begin() as session:
        delete_segment(session, name)
    state.emit(json, {"deleted": name}, lambda out: out.print(f"segment {name} is deleted", markup=False))
