"""``digest inbox``: a local mail server that keeps what it gets, and a page that shows it."""

from __future__ import annotations

from typing import Annotated

import typer

from digest.cli.context import Json, NoBrowser, state_of


def inbox(
    ctx: typer.Context,
    smtp_port: Annotated[int, typer.Option("--smtp-port", min=0, max=65535, help="0: any free one.")] = 2525,
    port: Annotated[
        int, typer.Option("--port", min=0, max=65535, help="Of the page; 0: any free one.")
    ] = 8025,
    no_browser: NoBrowser = False,
    json: Json = False,
) -> None:
    """A local mail server that keeps what it gets.

    Nothing is passed on, so any address is safe. Point a newsletter at it and send:

        digest inbox
        DIGEST_SMTP_URL="smtp://127.0.0.1:2525?starttls=never" digest send daily@latest
    """
    from digest.cli.serving import serving
    from digest.inbox import Mailbox, Receiver
    from digest.inbox.page import inbox_page

    state = state_of(ctx)
    mailbox = Mailbox(state.clock)
    with (
        Receiver(mailbox, port=smtp_port) as receiver,
        serving(inbox_page(mailbox, smtp=f"127.0.0.1:{receiver.port}"), port=port) as url,
    ):
        state.emit(
            json,
            {"smtp": receiver.url, "url": url},
            lambda out: out.print(
                f"Mail server   {receiver.url}\nInbox         {url}\n\nCtrl-C ends both.", markup=False
            ),
        )
        state.open_browser(url, wanted=not no_browser)
        while True:
            state.clock.wait(3600)
