"""``digest serve``: the public pages."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Annotated

import typer

from digest.cli.context import Json, state_of

if TYPE_CHECKING:
    from starlette.types import ASGIApp

    from digest.app import App

MOST_CONNECTIONS = 500
ARCHIVE_FRESH_FOR = 1.0  # seconds in which a page of the archive may be older than the database


def serve(
    ctx: typer.Context,
    host: Annotated[str | None, typer.Option("--host", help="Where to listen; else web.host.")] = None,
    port: Annotated[int | None, typer.Option("--port", min=0, max=65535, help="0: a free one.")] = None,
    json: Json = False,
) -> None:
    """Serve the public pages: one-click unsubscribe, confirm, preferences, archive.

    Put a web server with https in front of it, and its address into DIGEST_PUBLIC_URL.
    """
    import threading

    state = state_of(ctx)
    with public_serving(state.app, host=host, port=port) as url:
        state.emit(
            json, {"url": url}, lambda out: out.print(f"Serving {url} — Ctrl-C ends it.", markup=False)
        )
        threading.Event().wait()


def public_application(app: App) -> ASGIApp:
    """The public pages as an ASGI application."""
    from digest.web import public_pages

    return public_pages(
        app.settings,
        app.reader_desk(),
        app.sign_ups,
        app.readers,
        app.clock,
        app.editor_desk(),
        fresh_for=ARCHIVE_FRESH_FOR,
    )


@contextmanager
def public_serving(app: App, *, host: str | None = None, port: int | None = None) -> Iterator[str]:
    """Serve the public pages while the block runs, as ``[web]`` says; gives their local address."""
    from digest.cli.serving import serving

    web = app.settings.file.web
    with serving(
        public_application(app),
        host=host or web.host,
        port=web.port if port is None else port,
        proxies=web.trusted_proxies,
        most_connections=MOST_CONNECTIONS,
    ) as url:
        yield url
