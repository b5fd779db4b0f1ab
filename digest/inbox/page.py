"""The inbox's page: arrived mails newest first, live; HTML in a sandbox, text, headers, parts, source."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.middleware.trustedhost import TrustedHostMiddleware
from starlette.requests import Request
from starlette.responses import (
    FileResponse,
    HTMLResponse,
    PlainTextResponse,
    RedirectResponse,
    Response,
    StreamingResponse,
)
from starlette.routing import Route

from digest.inbox.mailbox import ArrivedMail, Mailbox
from digest.resources import templates_dir

VIEWS = (
    ("html", "HTML"),
    ("text", "Text"),
    ("headers", "Headers"),
    ("parts", "Parts"),
    ("source", "Source"),
)
_LOOK_EVERY = 0.2  # seconds between looks at the mailbox's version while a page listens
# A page of another site may neither read this (DNS rebinding: only loopback names) nor frame it.
_LOOPBACK = ["127.0.0.1", "localhost", "[::1]", "testserver"]
_PAGE_POLICY = (
    "default-src 'none'; style-src 'self' 'unsafe-inline'; script-src 'self'; img-src data:; "
    "connect-src 'self'; frame-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
)
_MAIL_POLICY = (
    "default-src 'none'; style-src 'unsafe-inline'; img-src http: https: data:; base-uri 'none'; "
    "form-action 'none'; frame-ancestors 'self'; sandbox allow-popups allow-popups-to-escape-sandbox"
)


def inbox_page(mailbox: Mailbox, *, smtp: str) -> Starlette:
    """The page as an ASGI application.

    :param smtp: where the receiver listens, as told to people: ``127.0.0.1:2525``.
    """
    page = _Page(mailbox, smtp)
    return Starlette(
        routes=[
            Route("/", page.show),
            Route("/mail/{id:int}", page.show),
            Route("/mail/{id:int}/html", page.html),
            Route("/mail/{id:int}/source", page.source),
            Route("/list/{id:int}", page.list),
            Route("/list/", page.list),
            Route("/events", page.events),
            Route("/clear", page.clear, methods=["POST"]),
            Route("/paper.css", _file("paper.css")),
            Route("/inbox.js", _file("inbox.js")),
        ],
        middleware=[Middleware(TrustedHostMiddleware, allowed_hosts=_LOOPBACK)],
    )


class _Page:
    def __init__(self, mailbox: Mailbox, smtp: str) -> None:
        self._mailbox = mailbox
        self._smtp = smtp
        self._templates = Environment(
            loader=FileSystemLoader(templates_dir() / "web"),
            autoescape=True,
            undefined=StrictUndefined,
            trim_blocks=True,
        )

    async def show(self, request: Request) -> Response:
        return self._page("inbox.html", request)

    async def list(self, request: Request) -> Response:
        return self._page("inbox_list.html", request)

    async def html(self, request: Request) -> Response:
        mail = self._found(request)
        assert mail is not None  # noqa: S101 - the route has an id
        return HTMLResponse(
            mail.opened.html,
            headers={"Content-Security-Policy": _MAIL_POLICY, "Referrer-Policy": "no-referrer"},
        )

    async def source(self, request: Request) -> Response:
        mail = self._found(request)
        assert mail is not None  # noqa: S101 - the route has an id
        return Response(
            mail.source,
            media_type="message/rfc822",
            headers={"Content-Disposition": f'attachment; filename="mail-{mail.id}.eml"'},
        )

    async def clear(self, request: Request) -> Response:
        if not _asked_from_here(request):
            return PlainTextResponse("asked from another site", status_code=403)
        self._mailbox.clear()
        return RedirectResponse("/", status_code=303)

    async def events(self, request: Request) -> Response:
        since = request.query_params.get("since", "")
        return StreamingResponse(
            self._changes(request, int(since) if since.isdecimal() else -1),
            media_type="text/event-stream",
            headers={"Cache-Control": "no-store"},
        )

    async def _changes(self, request: Request, seen: int) -> AsyncIterator[str]:
        yield "retry: 500\n\n"
        while not await request.is_disconnected():
            version = self._mailbox.version
            if version != seen:
                seen = version
                yield f"event: changed\ndata: {version}\n\n"
            await asyncio.sleep(_LOOK_EVERY)

    def _page(self, template: str, request: Request) -> HTMLResponse:
        view = request.query_params.get("view", "")
        values: dict[str, Any] = {
            "version": self._mailbox.version,
            "mails": self._mailbox.mails(),
            "mail": self._found(request) if "id" in request.path_params else None,
            "smtp": self._smtp,
            "views": VIEWS,
            "view": view if view in dict(VIEWS) else "html",
            "size": _size,
        }
        return HTMLResponse(
            self._templates.get_template(template).render(values),
            headers={"Content-Security-Policy": _PAGE_POLICY, "Cache-Control": "no-store"},
        )

    def _found(self, request: Request) -> ArrivedMail | None:
        mail = self._mailbox.get(request.path_params["id"])
        if mail is None and not request.url.path.startswith("/list/"):
            raise HTTPException(404, "this mail is gone")
        return mail


def _file(name: str) -> Any:
    async def send(request: Request) -> Response:
        return FileResponse(templates_dir() / "web" / name, headers={"Cache-Control": "no-cache"})

    return send


def _asked_from_here(request: Request) -> bool:
    """Whether a form was sent by this page; browsers tell with Sec-Fetch-Site, older ones with Origin."""
    own = f"{request.url.scheme}://{request.url.netloc}"
    site = request.headers.get("sec-fetch-site", "same-origin")
    return site == "same-origin" and request.headers.get("origin", own) == own


def _size(count: int) -> str:
    return f"{count} bytes" if count < 1024 else f"{count / 1024:.1f} KB"
