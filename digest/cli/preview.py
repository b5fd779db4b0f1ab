"""``digest preview``: the issue in the browser, live, with the editor's desk."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from digest.cli.context import Json, NoBrowser, state_of

if TYPE_CHECKING:
    from digest.cli.context import State


def preview(
    ctx: typer.Context,
    issue: Annotated[
        str, typer.Argument(metavar="[ID|EDITION]", help="An issue, or an edition's latest one.")
    ] = "",
    port: Annotated[int, typer.Option("--port", min=0, max=65535, help="0: any free one.")] = 0,
    no_browser: NoBrowser = False,
    json: Json = False,
) -> None:
    """See an issue in the browser, live.

    Phone, tablet and full width, light and dark, as any reader gets it; the editor's desk beside it.
    The page follows within a second when a template, newsletter.toml or a story is saved. Only who has
    the address, with its token, may look.

        digest preview daily
    """
    from digest.cli.serving import serving
    from digest.preview import Desk

    state = state_of(ctx)
    desk = Desk(state.settings, state.clock)
    try:
        issue_id = _which(state, issue)
        with serving(desk.page, port=port) as address:
            url = address + desk.path(issue_id)
            state.emit(
                json,
                {"url": url, "issue": issue_id},
                lambda out: out.print(f"Preview   {url}\n\nCtrl-C ends it.", markup=False, soft_wrap=True),
            )
            state.open_browser(url, wanted=not no_browser and not json)
            while True:
                state.clock.wait(3600)
    finally:
        desk.close()


def _which(state: State, text: str) -> int:
    """The issue that is meant; without a word the newest. Raises ``UnknownIssue``."""
    from digest.errors import UnknownIssue
    from digest.issues.finding import resolve_issue_id
    from digest.issues.view import issue_summaries

    with state.app.readers() as session:
        if text in state.settings.file.editions:
            return resolve_issue_id(session, f"{text}@latest")
        if text:
            return resolve_issue_id(session, text)
        newest = next(iter(issue_summaries(session, limit=1)), None)
    if newest is None:
        raise UnknownIssue("there is no issue yet", remedy="`digest issue build EDITION` makes one")
    return newest.id
