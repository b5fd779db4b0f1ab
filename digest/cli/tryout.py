"""``digest try``: tomorrow's digest of any site, in a minute and without an account."""

from __future__ import annotations

from contextlib import ExitStack
from pathlib import Path
from tempfile import mkdtemp
from typing import TYPE_CHECKING, Annotated

import typer

from digest.cli.context import Json, NoBrowser, state_of

if TYPE_CHECKING:
    from rich.console import Console
    from sqlalchemy.orm import Session, sessionmaker

    from digest.pipeline.tryout import Tryout
    from digest.settings import Settings

_SHOWN = 12


def try_url(
    ctx: typer.Context,
    urls: Annotated[list[str], typer.Argument(metavar="URL", help="A site, a feed, or several of them.")],
    out: Annotated[
        Path | None, typer.Option("--out", metavar="DIR", help="Put the rendered issue there too.")
    ] = None,
    save: Annotated[
        Path | None, typer.Option("--save", metavar="DIR", help="Keep it as a newsletter in this folder.")
    ] = None,
    allow_private: Annotated[
        bool, typer.Option("--allow-private", help="The site is on a private network of yours.")
    ] = False,
    no_browser: NoBrowser = False,
    json: Json = False,
) -> None:
    """Show tomorrow's digest of any site, without an account.

    Finds the site's feeds, guesses sections from its categories, builds an issue and opens it, and
    says what it left out and why. Nothing is mailed. 127.0.0.1 and localhost are this machine and may be
    tried; other private addresses only with --allow-private.

        digest try https://example.org --save my-digest
    """
    from digest.app import App, http_client
    from digest.cli.init import make_lists
    from digest.pipeline.tryout import try_site

    state = state_of(ctx)
    folder = (save or Path(mkdtemp(prefix="digest-try-"))).resolve()
    with ExitStack() as stack:

        def sessions_of(settings: Settings) -> sessionmaker[Session]:
            app = App(settings, state.clock)
            stack.callback(app.close)
            return app.sessions

        http = stack.enter_context(http_client(urls[0], state.clock))
        if save is None:
            stack.push(lambda kind, *_: _forget(folder) if kind is not None else None)
        with state.progress(show=not json) as progress:
            tryout = try_site(
                urls,
                folder,
                clock=state.clock,
                http=http,
                sessions_of=sessions_of,
                progress=progress,
                allow_private=allow_private,
            )
        if save is not None:
            make_lists(state, tryout.settings)
    if out is not None:
        _copy(tryout.preview.parent, out)
    state.emit(json, tryout.as_json(), lambda console: _print(console, tryout, saved=save is not None))
    state.open_browser(tryout.preview.as_uri(), wanted=not no_browser and not json)


def _forget(folder: Path) -> None:
    import shutil

    shutil.rmtree(folder, ignore_errors=True)


def _copy(rendered: Path, out: Path) -> None:
    import shutil

    out.mkdir(parents=True, exist_ok=True)
    for file in rendered.iterdir():
        shutil.copy2(file, out / file.name)


def _print(console: Console, tryout: Tryout, *, saved: bool) -> None:
    from digest.cli.output import rows

    sections = ", ".join(f"{section.name} (up to {section.max})" for section in tryout.proposal.sections)
    console.print(f"{tryout.proposal.title}: {tryout.proposal.stories} stories", markup=False)
    for source in tryout.proposal.sources:
        console.print(f"  source   {source.url}", markup=False)
    console.print(f"  sections {sections or 'none: the stories carry no categories'}", markup=False)
    console.print(f"  subject  {tryout.issue['subject']}", markup=False)
    for note in tryout.notes:
        console.print(f"  note     {note}", markup=False)
    rows(
        console,
        ("Left out", "Why"),
        [(title[:60], reason) for title, reason in tryout.left_out[:_SHOWN]],
        empty="Nothing was left out.",
    )
    if len(tryout.left_out) > _SHOWN:
        console.print(f"… and {len(tryout.left_out) - _SHOWN} more", markup=False)
    console.print(f"The issue: {tryout.preview}", markup=False)
    if saved:
        console.print(f"Next: digest -C {tryout.folder} preview daily", markup=False)
    else:
        console.print("Keep it as a newsletter with --save DIR", markup=False)
