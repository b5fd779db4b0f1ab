"""``digest init``: a new newsletter in a folder."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from digest.cli.context import Json, State, state_of

if TYPE_CHECKING:
    from rich.console import Console

    from digest.pipeline.begin import Beginning, ProposedSection, ProposedSource
    from digest.settings import Settings


def init(
    ctx: typer.Context,
    folder: Annotated[
        Path | None, typer.Argument(metavar="[DIR]", help="Where; the current folder if not given.")
    ] = None,
    name: Annotated[str | None, typer.Option("--name", help="The newsletter's name.")] = None,
    url: Annotated[
        str | None, typer.Option("--url", help="Your site; its feeds are found and sections proposed.")
    ] = None,
    feed: Annotated[
        list[str] | None, typer.Option("--feed", metavar="URL", help="A feed; repeat for more.")
    ] = None,
    json: Json = False,
) -> None:
    """Make a new newsletter in a folder.

    Writes newsletter.toml (with sections proposed from your feeds), .env with new keys (mode 0600),
    .gitignore, the database, and the edition's list. What is there already is kept.

        digest init harbour --name "The Harbour" --url https://harbour.example
    """
    from digest.pipeline.begin import begin

    state = state_of(ctx)
    target = (folder or Path.cwd()).resolve()
    site = url or "https://example.org"
    sources, sections, language, unread = _propose(state, url, feed or [])
    made = begin(
        target,
        name=name or target.name.replace("-", " ").title(),
        url=site,
        sources=sources,
        sections=sections,
        language=language,
        timezone=_machine_zone(),
        unread=unread,
    )
    lists = make_lists(state, made.settings)
    payload = {"dir": str(made.folder), "files": list(made.written), "kept": list(made.kept), "lists": lists}
    state.emit(json, payload, lambda out: _tell(out, made, lists, [section.name for section in sections]))


def make_lists(state: State, settings: Settings) -> list[str]:
    """Create the database and the list of each edition where missing; returns the new ones."""
    from digest.app import App
    from subscribers.membership.lists import create_list, list_names

    app = App(settings, state.clock)
    made = []
    with app.sessions.begin() as session:
        there = set(list_names(session))
        for edition_name in settings.file.editions:
            edition = settings.edition(edition_name)
            if edition.list_name not in there:
                create_list(session, edition.list_name, now=state.clock.now(), title=edition.title)
                there.add(edition.list_name)
                made.append(edition.list_name)
    app.close()
    return made


def _propose(
    state: State, url: str | None, feeds: list[str]
) -> tuple[list[ProposedSource], list[ProposedSection], str, list[str]]:
    """Sources, sections, language, and the addresses that could not be read: those stand as comments."""
    if not url and not feeds:
        return [], [], "en", []
    from digest.app import http_client
    from digest.errors import SourceError
    from digest.pipeline.tryout import propose_newsletter

    given = [url] if url and not feeds else feeds
    try:
        with state.progress() as progress, http_client(given[0], state.clock) as http:
            return (*propose_newsletter(given, clock=state.clock, http=http, progress=progress), [])
    except SourceError as error:
        state.err.print(
            f"{error}; the newsletter is made all the same, with that source as a comment", markup=False
        )
        return [], [], "en", given


def _machine_zone() -> str:
    """The machine's own zone if it has a name, else UTC."""
    from zoneinfo import ZoneInfo

    zone = Path("/etc/localtime")
    try:
        name = str(zone.resolve()).split("zoneinfo/", 1)[1]
        ZoneInfo(name)
    except (IndexError, OSError, ValueError, KeyError):
        return "UTC"
    return "UTC" if name in {"Etc/UTC", "UCT", "Universal", "Zulu"} else name


def _tell(out: Console, made: Beginning, lists: list[str], sections: list[str]) -> None:
    out.print(f"Your newsletter is in {made.folder}", markup=False)
    for file in made.written:
        out.print(f"  {file}", markup=False)
    for file in made.kept:
        out.print(f"  {file} (was there, kept)", markup=False)
    if sections:
        out.print(f"Sections proposed from your feeds: {', '.join(sections)}", markup=False)
    if lists:
        out.print(f"List: {', '.join(lists)}", markup=False)
    out.print(
        "\nNext:  digest fetch · digest issue build daily · digest preview\n"
        "Then:  digest subscribers add you@example.org · digest send daily@latest · digest doctor",
        markup=False,
    )
