"""``digest serve``: the public pages."""

from __future__ import annotations

from typing import Annotated

import typer

from digest.cli.context import Json, state_of


def serve(
    ctx: typer.Context,
    host: Annotated[str | None, typer.Option("--host", help="Where to listen; else [web] host.")] = None,
    port: Annotated[int | None, typer.Option("--port", min=0, max=65535, help="0: a free one.")] = None,
    json: Json = False,
) -> None:
    """Serve the public pages: one-click unsubscribe, confirm, preferences, archive.

    Put a web server with https in front of it, and its address into DIGEST_PUBLIC_URL.
    """
    import threading

    from digest.cli.serving import serving
    from digest.web import public_pages

    state = state_of(ctx)
    web = state.settings.file.web
    app = state.app
    pages = public_pages(state.settings, app.reader_desk(), app.sign_ups, app.readers, state.clock)
    with serving(pages, host=host or web.host, port=web.port if port is None else port) as url:
        state.emit(
            json, {"url": url}, lambda out: out.print(f"Serving {url} — Ctrl-C ends it.", markup=False)
        )
        threading.Event().wait()
