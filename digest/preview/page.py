"""The previewer's page: HTTP in, the desk called, HTML out. It answers only who knows the token."""

from __future__ import annotations

import asyncio
import re
import secrets
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qsl

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from starlette.applications import Starlette
from starlette.concurrency import run_in_threadpool
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.middleware.trustedhost import TrustedHostMiddleware
from starlette.requests import Request
from starlette.responses import FileResponse, HTMLResponse, RedirectResponse, Response, StreamingResponse
from starlette.routing import Mount, Route

from digest.errors import Explained, StaleEdit, UnknownIssue
from digest.issues.finding import issue_row
from digest.issues.places import slot_name
from digest.mail.opened import OpenedMessage
from digest.pipeline.asking import ask_pictures_through, ask_through
from digest.pipeline.templates import templates_of
from digest.preview.acting import LONGEST_FORM, act, slots_of
from digest.preview.frame import frame_html, frame_policy
from digest.preview.viewing import GMAIL_CLIPS_AT, SCHEMES, VIEWS, WIDTHS, Looking, Shown, look, show
from digest.resources import templates_dir
from subscribers.errors import SubscriberError

if TYPE_CHECKING:
    from digest.preview.desk import Desk

_LOOK_EVERY = 0.15  # seconds between looks at the count of changes while a page listens
_LOOPBACK = ["127.0.0.1", "localhost", "[::1]", "testserver"]
_POLICY = (
    "default-src 'none'; style-src 'self' 'unsafe-inline'; script-src 'self'; img-src data:; "
    "connect-src 'self'; frame-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
)
_PRIVATE = {"Cache-Control": "no-store", "Referrer-Policy": "no-referrer"}

Answer = Callable[[Request], Awaitable[Response]]


def desk_page(desk: Desk, *, actor: str = "preview") -> Starlette:
    """The page as an ASGI application, everything below ``/TOKEN``.

    :param actor: whose hand stands beside every edit.
    """
    page = _Page(desk, actor)
    inside = [
        Route("/", page.first),
        Route("/issue/{id:int}", page.show),
        Route("/issue/{id:int}/frame", page.frame),
        Route("/issue/{id:int}/do/{action}", page.act, methods=["POST"]),
        Route("/template/{folder}/{file}", page.template),
        Route("/events", page.events),
        Route("/paper.css", _file("paper.css")),
        Route("/preview.js", _file("preview.js")),
    ]
    return Starlette(
        routes=[
            Mount(
                "/{token}", routes=[Route(r.path, page.gate(r.endpoint), methods=r.methods) for r in inside]
            )
        ],
        middleware=[Middleware(TrustedHostMiddleware, allowed_hosts=_LOOPBACK)],
    )


class _Page:
    def __init__(self, desk: Desk, actor: str) -> None:
        self._desk = desk
        self._actor = actor
        self._templates = Environment(
            loader=FileSystemLoader(templates_dir() / "web"),
            autoescape=True,
            undefined=StrictUndefined,
            trim_blocks=True,
            lstrip_blocks=True,
        )

    def gate(self, answer: Answer) -> Answer:
        """Let in who knows the token; a wrong one is told nothing, not even that it is wrong."""

        async def guarded(request: Request) -> Response:
            given = request.path_params["token"].encode()
            if not secrets.compare_digest(given, self._desk.token.encode()):
                raise HTTPException(404)
            if request.method == "POST" and not _asked_from_here(request):
                raise HTTPException(403, "asked from another site")
            return await answer(request)

        return guarded

    async def first(self, request: Request) -> Response:
        from digest.issues.view import issue_summaries

        def newest() -> int | None:
            with self._desk.app.readers() as session:
                return next((one.id for one in issue_summaries(session, limit=1)), None)

        found = await run_in_threadpool(newest)
        if found is None:
            raise HTTPException(404, "there is no issue yet: `digest issue build EDITION` makes one")
        return RedirectResponse(self._desk.path(found))

    async def show(self, request: Request) -> Response:
        return await self._shown(request, _looking(request))

    async def frame(self, request: Request) -> Response:
        looking = _looking(request)
        message = await run_in_threadpool(self._message, request.path_params["id"], looking)
        if message is None:
            return HTMLResponse(
                "", headers={**_PRIVATE, "Content-Security-Policy": frame_policy(pictures=False)}
            )
        return HTMLResponse(
            frame_html(message.html, looking.scheme),
            headers={**_PRIVATE, "Content-Security-Policy": frame_policy(pictures=looking.pictures)},
        )

    def _message(self, issue_id: int, looking: Looking) -> OpenedMessage | None:
        app = self._desk.app
        try:
            with app.readers() as session:
                row = issue_row(session, issue_id)
        except UnknownIssue as error:
            raise HTTPException(404, str(error)) from error
        return look(app, row, looking, now=self._desk.clock.now()).message

    async def act(self, request: Request) -> Response:
        body = bytearray()
        async for chunk in request.stream():
            body += chunk
            if len(body) > LONGEST_FORM:
                raise HTTPException(413, "the form is too large")
        fields = parse_qsl(body.decode("utf-8", "replace"), keep_blank_values=True, max_num_fields=50)
        form = dict(fields)
        issue_id, action = request.path_params["id"], request.path_params["action"]
        ask_links = action == "links"
        said, failed = "", False
        try:
            said = await run_in_threadpool(self._do, issue_id, action, form)
        except StaleEdit as error:
            said, failed = f"{error}. What you see now is the newest; nothing of yours was written.", True
        except (Explained, SubscriberError) as error:
            said, failed = " — ".join(part for part in (str(error), error.remedy) if part), True
        back = dict(parse_qsl(form.get("back", "").removeprefix("?")))
        chosen = [
            value for name, value in parse_qsl(form.get("back", "").removeprefix("?")) if name == "section"
        ]
        return await self._shown(
            request,
            Looking.of(back, chosen),
            said=said,
            failed=failed,
            ask_links=ask_links,
            back=form.get("back", ""),
        )

    def _do(self, issue_id: int, action: str, form: dict[str, str]) -> str:
        desk = self._desk
        if action == "send":
            return desk.send(issue_id)
        if action == "links":
            return (
                "Every link of a story and every picture was asked; what is dead stands among the findings."
            )
        said = act(desk.app, issue_id, action, form, now=desk.clock.now(), actor=self._actor)
        return f"{said} {desk.send(issue_id)}" if action == "resume" else said

    async def template(self, request: Request) -> Response:
        """The source of a template, whose lines findings lead to."""
        templates = templates_of(self._desk.app.settings)
        folder, file = request.path_params["folder"], request.path_params["file"]
        name = f"{folder}/{file}"
        if name not in {*templates.own_files(folder), *templates.files(folder)}:
            raise HTTPException(404, "there is no such template")
        values = {
            "base": f"/{self._desk.token}",
            "file": name,
            "own": templates.is_own(name),
            "lines": templates.source(name).splitlines(),
        }
        return HTMLResponse(
            self._templates.get_template("template.html").render(values),
            headers={**_PRIVATE, "Content-Security-Policy": _POLICY},
        )

    async def events(self, request: Request) -> Response:
        since = request.query_params.get("since", "")
        return StreamingResponse(
            self._changes(request, int(since) if since.isdecimal() else -1),
            media_type="text/event-stream",
            headers=_PRIVATE,
        )

    async def _changes(self, request: Request, seen: int) -> AsyncIterator[str]:
        yield "retry: 500\n\n"
        while not await request.is_disconnected():
            if self._desk.changes != seen:
                seen = self._desk.changes
                yield f"event: changed\ndata: {seen}\n\n"
            await asyncio.sleep(_LOOK_EVERY)

    async def _look(self, request: Request, looking: Looking, *, ask_links: bool = False) -> Shown:
        desk = self._desk

        def see() -> Shown:
            app = desk.app
            site = app.settings.file.newsletter.url
            return show(
                app, request.path_params["id"], looking, now=desk.clock.now(),
                ask_link=ask_through(app.http(), site=site) if ask_links else None,
                ask_picture=ask_pictures_through(app.http(), site=site) if ask_links else None,
            )  # fmt: skip

        try:
            return await run_in_threadpool(see)
        except UnknownIssue as error:
            raise HTTPException(404, str(error)) from error

    async def _shown(
        self,
        request: Request,
        looking: Looking,
        *,
        said: str = "",
        failed: bool = False,
        ask_links: bool = False,
        back: str | None = None,
    ) -> HTMLResponse:
        changes = self._desk.changes  # before looking: what changes meanwhile is told by the next event
        shown = await self._look(request, looking, ask_links=ask_links)
        query = request.url.query if back is None else back.removeprefix("?")
        values: dict[str, Any] = {
            "base": f"/{self._desk.token}",
            "changes": changes,
            "shown": shown,
            "issue": shown.issue,
            "looking": looking,
            "query": f"?{query}" if query else "",
            "frame_query": looking.frame_query,
            "widths": WIDTHS,
            "schemes": SCHEMES,
            "views": VIEWS,
            "slots": slots_of(shown.issue),
            "slot_name": slot_name,
            "clips_at": GMAIL_CLIPS_AT,
            "size": _size,
            "fault": self._desk.fault or shown.fault,
            "said": said or self._desk.sending,
            "failed": failed,
            "name": self._desk.app.settings.file.newsletter.name,
            "place_of": _place_of,
            "template_of": _template_of,
        }
        return HTMLResponse(
            self._templates.get_template("preview.html").render(values),
            status_code=409 if failed else 200,
            headers={**_PRIVATE, "Content-Security-Policy": _POLICY},
        )


def _looking(request: Request) -> Looking:
    return Looking.of(request.query_params, request.query_params.getlist("section"))


_VIEW_OF = {"HTML": "view-html", "text part": "view-text", "headers": "view-headers"}


def _place_of(where: str) -> str:
    """Where on this page a finding leads: ``7`` for ``item 7``, ``subject``, ``view-headers``; else empty."""
    word, _, rest = where.partition(" ")
    if word == "item" and rest.isdigit():
        return rest
    if where in {"subject", "preheader"}:
        return where
    return "view-headers" if word == "header" else _VIEW_OF.get(where, "")


def _template_of(where: str) -> str:
    """``daily/issue.mjml.j2#L12`` for ``daily/issue.mjml.j2:12``, else empty."""
    found = re.fullmatch(r"([\w-]+/[\w.-]+\.j2)(?::(\d+))?", where)
    return "" if found is None else f"{found[1]}#L{found[2]}" if found[2] else found[1]


def _asked_from_here(request: Request) -> bool:
    """Whether a form was sent by this page; browsers tell with Sec-Fetch-Site, older ones with Origin."""
    own = f"{request.url.scheme}://{request.url.netloc}"
    site = request.headers.get("sec-fetch-site", "same-origin")
    return site == "same-origin" and request.headers.get("origin", own) == own


def _file(name: str) -> Answer:
    async def send(request: Request) -> Response:
        return FileResponse(templates_dir() / "web" / name, headers={"Cache-Control": "no-cache"})

    return send


def _size(count: int) -> str:
    return f"{count} bytes" if count < 1024 else f"{count / 1024:.1f} KB"
