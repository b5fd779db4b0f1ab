"""The ASGI application: routes, limits on what strangers send, and errors as pages."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING

from sqlalchemy.exc import DBAPIError
from starlette.applications import Starlette
from starlette.concurrency import run_in_threadpool
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Route

from digest.errors import DatabaseError
from digest.rendering.words import words_of
from digest.web.archive import ArchivePages
from digest.web.clicks import ClickPages
from digest.web.desk import DeskPages
from digest.web.front import Front
from digest.web.health import HealthPages
from digest.web.pages import PRIVATE, Page, protection_for, show
from digest.web.preferences import PreferencePages
from digest.web.reader import ReaderPages
from digest.web.rights import RightsPages
from digest.web.shelf import Shelf
from digest.web.signup import SignUpPages
from subscribers.errors import SubscriberError, TokenError

if TYPE_CHECKING:
    from sqlalchemy.orm import Session, sessionmaker
    from starlette.types import ASGIApp, Receive, Scope, Send

    from digest.clock import Clock
    from digest.pipeline.desk import EditorDesk
    from digest.pipeline.reading import ReaderDesk
    from digest.pipeline.signing_up import SignUpDesk
    from digest.settings import Settings

LONGEST_BODY = 64 * 1024  # bytes; a form of ours has less than one kilobyte
LONGEST_PATH = 2048
LONGEST_WAIT = 20.0  # seconds for a whole body; a form fits into one packet
HSTS = "max-age=31536000"  # RFC 6797


def public_pages(
    settings: Settings,
    desk: ReaderDesk,
    sign_ups: SignUpDesk,
    readers: sessionmaker[Session],
    clock: Clock,
    editors: EditorDesk | None = None,
    *,
    fresh_for: float = 0.0,
) -> Starlette:
    """The application; ``readers`` are sessions that only read, ``editors`` the desk of approval mails.

    :param fresh_for: seconds for which an archive page is answered without asking whether it changed.
    """
    reader = ReaderPages(settings, desk, clock)
    choices = PreferencePages(settings, desk, clock)
    rights = RightsPages(settings, desk, clock)
    shelf = Shelf(readers, clock, fresh_for=fresh_for)
    archive = ArchivePages(settings, readers, shelf)
    clicks = ClickPages(desk.clicks, clock)
    sign_up = SignUpPages(settings, sign_ups, clock)

    health = HealthPages(settings, readers, clock)
    routes = [
        Route("/u/{token}", reader.ask_to_leave, methods=["GET"]),
        Route("/u/{token}", _with_form(reader.leave), methods=["POST"]),
        Route("/u/{token}/undo", _with_form(reader.come_back), methods=["POST"]),
        Route("/c/{token}", reader.ask_to_confirm, methods=["GET"]),
        Route("/c/{token}", _with_form(reader.confirm), methods=["POST"]),
        Route("/p/{token}", choices.form, methods=["GET"]),
        Route("/p/{token}", _with_form(choices.save), methods=["POST"]),
        Route("/p/{token}/data", _with_form(choices.ask_for_data), methods=["POST"]),
        Route("/p/{token}/erase", _with_form(choices.ask_to_be_erased), methods=["POST"]),
        Route("/p/{token}/address", _with_form(choices.ask_to_move), methods=["POST"]),
        Route("/my/data/{token}", rights.offer_data, methods=["GET"]),
        Route("/my/data/{token}", _with_form(rights.give_data), methods=["POST"]),
        Route("/my/erasure/{token}", rights.offer_erasure, methods=["GET"]),
        Route("/my/erasure/{token}", _with_form(rights.erase), methods=["POST"]),
        Route("/my/address/{token}", rights.offer_move, methods=["GET"]),
        Route("/my/address/{token}", _with_form(rights.move), methods=["POST"]),
        Route("/k/{token}", clicks.follow, methods=["GET"]),
        Route("/subscribe", sign_up.form, methods=["GET"]),
        Route("/subscribe", _with_form_or_json(sign_up.take_form, sign_up.take_json), methods=["POST"]),
        Route("/subscribe", sign_up.preflight, methods=["OPTIONS"]),
        Route("/archive", archive.index, methods=["GET"]),
        Route("/archive/search", archive.search, methods=["GET"]),
        Route("/archive/feed.xml", archive.feed, methods=["GET"]),
        Route("/sitemap.xml", archive.sitemap, methods=["GET"]),
        Route("/archive/{edition}", archive.of_edition, methods=["GET"]),
        Route("/archive/{edition}/{day}", archive.issue, methods=["GET"]),
        Route("/healthz", health.alive, methods=["GET"]),
        Route("/readyz", health.ready, methods=["GET"]),
        Route("/metrics", health.metrics, methods=["GET"]),
    ]
    if editors is not None:
        desk_pages = DeskPages(settings, editors, clock)
        routes += [
            Route("/d/{token}", desk_pages.look, methods=["GET"]),
            Route("/d/{token}/issue", desk_pages.issue, methods=["GET"]),
            Route("/d/{token}/do/{action}", _with_form(desk_pages.act), methods=["POST"]),
        ]
    words = words_of(settings.file.newsletter.language)
    newsletter = settings.file.newsletter

    def page(heading: str, sentence: str, status: int) -> Response:
        shown = Page(heading, (sentence,) if sentence else ())
        return show(shown, words, name=newsletter.name, site=newsletter.url, status=status)

    def bad_link(_request: Request, _error: Exception) -> Response:
        return page(
            words.text("This link does not work"),
            words.text("It is damaged or too old. Use the link in a newer mail, or answer any of our mails."),
            404,
        )

    def bad_field(_request: Request, error: Exception) -> Response:
        return page(words.text("This cannot be saved"), str(error), 400)

    def away(_request: Request, _error: Exception) -> Response:
        return page(
            words.text("We cannot do this now"),
            words.text("Nothing is lost. Please try again in a minute."),
            503,
        )

    def http_error(_request: Request, error: Exception) -> Response:
        assert isinstance(error, HTTPException)  # noqa: S101 - registered for it
        return page(f"{error.status_code} {error.detail}", "", error.status_code)

    application = Starlette(
        routes=routes,
        exception_handlers={
            TokenError: bad_link,
            SubscriberError: bad_field,
            DBAPIError: away,
            DatabaseError: away,
            HTTPException: http_error,
        },
    )
    # Its redirect to an address without the slash would be made of the Host header.
    application.router.redirect_slashes = False
    protection = protection_for(settings.public_url)
    if https_only(settings):
        protection = {**protection, "Strict-Transport-Security": HSTS}
    application.add_middleware(_Limits, headers=protection)
    application.add_middleware(
        Front, desk=desk, shelf=shelf, clock=clock, protection=protection, private=PRIVATE
    )
    return application


def https_only(settings: Settings) -> bool:
    """Whether readers come by https."""
    return settings.public_url.startswith("https://")


Act = Callable[[Request, dict[str, list[str]]], Response]


def _with_form(action: Act) -> Callable[[Request], Awaitable[Response]]:
    """Read a form within the limit, then act in a thread."""

    async def endpoint(request: Request) -> Response:
        body = await _body(request)
        return await run_in_threadpool(action, request, _fields(request, body))

    return endpoint


def _with_form_or_json(
    action: Act, json_action: Callable[[Request, bytes], Response]
) -> Callable[[Request], Awaitable[Response]]:
    """The same for an address that programs use as well."""

    async def endpoint(request: Request) -> Response:
        body = await _body(request)
        if request.headers.get("content-type", "").partition(";")[0].strip().lower() == "application/json":
            return await run_in_threadpool(json_action, request, body)
        return await run_in_threadpool(action, request, _fields(request, body))

    return endpoint


async def _body(request: Request) -> bytes:
    body = bytearray()
    try:
        async with asyncio.timeout(LONGEST_WAIT):
            async for chunk in request.stream():
                body += chunk
                if len(body) > LONGEST_BODY:
                    raise HTTPException(413)
    except TimeoutError:
        raise HTTPException(408, headers={"Connection": "close"}) from None
    return bytes(body)


def _fields(request: Request, body: bytes) -> dict[str, list[str]]:
    from urllib.parse import parse_qs

    if "multipart/form-data" in request.headers.get("content-type", ""):
        # RFC 8058, section 3.1 allows it; the only field that matters there is recognised by its name.
        return {"List-Unsubscribe": ["One-Click"]} if b'name="List-Unsubscribe"' in body else {}
    try:
        return parse_qs(
            body.decode("utf-8", "replace"), keep_blank_values=True, max_num_fields=200, errors="replace"
        )
    except ValueError:
        raise HTTPException(400) from None


class _Limits:
    """Refuses what no reader sends, and puts the protecting headers on every answer."""

    def __init__(self, app: ASGIApp, *, headers: dict[str, str]) -> None:
        self._app = app
        self._headers = headers

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        path = scope.get("raw_path") or scope["path"].encode()
        if len(path) > LONGEST_PATH or "\x00" in scope["path"]:
            await PlainTextResponse("Bad Request\n", 400, headers=self._headers)(scope, receive, send)
            return

        async def protected(message: dict[str, object]) -> None:
            if message["type"] == "http.response.start":
                headers = message.setdefault("headers", [])
                assert isinstance(headers, list)  # noqa: S101 - ASGI says so
                present = {name.lower() for name, _ in headers}
                headers += [
                    (name.encode(), value.encode())
                    for name, value in self._headers.items()
                    if name.lower().encode() not in present
                ]
            await send(message)

        await self._app(scope, receive, protected)  # type: ignore[arg-type]
