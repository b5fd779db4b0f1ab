"""``digest demo``: the whole job on the bundled sample newsroom, into an inbox of its own."""

from __future__ import annotations

from contextlib import AbstractContextManager, ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from digest.cli.context import Json, NoBrowser, state_of

if TYPE_CHECKING:
    from rich.console import Console
    from starlette.types import ASGIApp, Receive, Scope, Send

    from digest.pipeline.demo import DemoReport

ARRIVAL_SECONDS = 10.0
NOTICES_EVERY = 2.0  # seconds


def demo(
    ctx: typer.Context,
    folder: Annotated[
        Path | None, typer.Option("--dir", metavar="DIR", help="Keep the newsletter there, to play with.")
    ] = None,
    once: Annotated[bool, typer.Option("--once", help="End when everything is delivered.")] = False,
    no_browser: NoBrowser = False,
    json: Json = False,
) -> None:
    """Show the whole job on a bundled sample newsroom.

    Two feeds and a folder of stories become an issue, the issue becomes mail, and three invented
    readers get it in an inbox on this machine. Nothing leaves it. Then the preview is open, with
    the editor's desk, and the public pages that its links lead to, until Ctrl-C.

        digest demo --dir my-demo
    """
    from digest.app import App
    from digest.cli.serve import public_application
    from digest.cli.serving import serving
    from digest.inbox import Mailbox, Receiver
    from digest.inbox.page import inbox_page
    from digest.pipeline.demo import lay_out, read_again, run_demo
    from digest.pipeline.newsroom import Newsroom
    from digest.preview import Desk
    from digest.resources import newsroom_dir

    state = state_of(ctx)
    mailbox = Mailbox(state.clock)
    with ExitStack() as stack:
        place = (folder or Path(stack.enter_context(_passing_folder()))).resolve()
        newsroom = stack.enter_context(Newsroom(newsroom_dir(), state.clock))
        receiver = stack.enter_context(Receiver(mailbox))
        pages = _Later()
        public = stack.enter_context(serving(pages))
        settings = lay_out(place, newsroom, smtp_url=receiver.url, public_url=public)
        app = App(settings, state.clock)
        stack.callback(app.close)
        pages.application = public_application(app)
        with state.progress(show=not json) as progress:
            report = run_demo(
                app.engine, app.sessions, settings, clock=state.clock, http=app.http(),
                transport=app.transport(), signer=app.signer, progress=progress,
            )  # fmt: skip
        mailbox.wait_for(report.delivered, ARRIVAL_SECONDS)
        desk = Desk(settings, state.clock, reload=lambda: read_again(settings))
        stack.callback(desk.close)
        address = stack.enter_context(serving(desk.page))
        preview = address + desk.path(report.issue)
        tomorrow = address + desk.path(report.tomorrow) if report.tomorrow else None
        inbox = stack.enter_context(serving(inbox_page(mailbox, smtp=f"127.0.0.1:{receiver.port}")))
        payload = {
            "issue": report.issue,
            "recipients": report.recipients,
            "delivered": mailbox.arrived,
            "preview": preview,
            "inbox": inbox,
            "public": public,
            "dir": str(place) if folder else None,
            "desk": tomorrow,
        }
        places = {
            "Inbox": inbox,
            "Preview": preview,
            "Tomorrow's desk": tomorrow,
            "Public pages": public + "/archive",
        }
        state.emit(json, payload, lambda out: _tell(out, report, places, folder, once))
        if once:
            return
        for url in (inbox, preview):
            state.open_browser(url, wanted=not no_browser and not json)
        while True:
            state.clock.wait(NOTICES_EVERY)
            app.deliver_notices()  # of those who sign up, or ask for their data, on the public pages


class _Later:
    """An ASGI application that is known only after its address is."""

    application: ASGIApp

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        await self.application(scope, receive, send)


def _passing_folder() -> AbstractContextManager[str]:
    import tempfile

    return tempfile.TemporaryDirectory(prefix="digest-demo-", ignore_cleanup_errors=True)


def _tell(
    out: Console, report: DemoReport, places: dict[str, str | None], folder: Path | None, once: bool
) -> None:
    lines = [
        f"{report.stories} stories came in from two feeds and a folder.",
        f"Issue {report.issue}: {report.subject}",
        f"Delivered to {report.sent} of {report.recipients} invented readers; one of them reads Arabic.",
        "",
    ]
    if not once:
        lines += [f"  {name:<16} {url}" for name, url in places.items() if url]
        lines += ["", "Tomorrow's issue is built of what is left: change it on its desk, and send it.", ""]
    lines.append("What next")
    if folder:
        lines.append(f"  digest -C {folder} issue explain {report.issue}   why each story is in or out")
        lines.append(f"  edit {folder}/newsletter.toml or a story in {folder}/notebook; the preview follows")
    elif not once:
        lines.append("  digest demo --dir my-demo       keeps the newsletter, to change it")
    lines.append("  digest try https://YOUR-SITE    tomorrow's digest of your own site")
    lines.append("  digest init my-news --url https://YOUR-SITE")
    if not once:
        lines += ["", "Ctrl-C ends the demo."]
    out.print("\n".join(lines), markup=False, soft_wrap=True)
