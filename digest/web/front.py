"""What comes by the thousand, ahead of all the rest: one-click posts, and archive pages that are at hand.

A mail provider posts for many readers within minutes of an issue, and readers follow its archive link
together. Both are answered here with the same bytes as by the pages behind, which get everything that
is not plain: another form, a damaged link, a database that does not answer.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, MutableMapping
from typing import TYPE_CHECKING, Any

from digest.pipeline.leaving import Leave
from subscribers.errors import TokenError
from subscribers.membership import How
from subscribers.models import ConsentMethod
from subscribers.tokens import Purpose

if TYPE_CHECKING:
    from starlette.types import ASGIApp, Receive, Scope, Send

    from digest.clock import Clock
    from digest.pipeline.reading import ReaderDesk
    from digest.web.shelf import Shelf

ONE_CLICK = b"List-Unsubscribe=One-Click"  # RFC 8058, section 3.1
ANSWER = b"unsubscribed\n"
LONGEST_WAIT = 20.0  # seconds for a body of 26 bytes
_LONGEST_ADDRESS = 300
Headers = list[tuple[bytes, bytes]]


class Front:
    """ASGI middleware.

    :param protection: headers of every answer; ``private`` those of answers that nobody may keep.
    """

    def __init__(
        self,
        app: ASGIApp,
        *,
        desk: ReaderDesk,
        shelf: Shelf,
        clock: Clock,
        protection: Mapping[str, str],
        private: Mapping[str, str],
    ) -> None:
        self._app = app
        self._desk = desk
        self._shelf = shelf
        self._clock = clock
        self._protection = _bytes(protection)
        self._gone: Headers = [
            (b"content-type", b"text/plain; charset=utf-8"),
            (b"content-length", str(len(ANSWER)).encode()),
            *self._protection,
            *_bytes(private),
        ]

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http" and len(scope["path"]) < _LONGEST_ADDRESS:
            path: str = scope["path"]
            if scope["method"] == "POST" and path.startswith("/u/"):
                await self._leave(scope, receive, send)
                return
            if path.startswith("/archive/") and scope["method"] in ("GET", "HEAD"):
                address = path if not scope["query_string"] else ""
                leaf = self._shelf.at_hand(address) if address else None
                if leaf is not None:
                    headers = leaf.headers() + self._protection
                    asked = _asked(scope["headers"])
                    if leaf.is_at(*asked):
                        await _answer(send, 304, headers, b"")
                        return
                    headers.append((b"content-type", leaf.media_type.encode()))
                    headers.append((b"content-length", str(len(leaf.body)).encode()))
                    await _answer(send, 200, headers, leaf.body if scope["method"] == "GET" else b"")
                    return
        await self._app(scope, receive, send)

    async def _leave(self, scope: Scope, receive: Receive, send: Send) -> None:
        try:
            (subscription_id, *_) = self._desk.ids(Purpose.UNSUBSCRIBE, scope["path"][3:], self._clock.now())
        except (TokenError, ValueError):
            await self._app(scope, receive, send)
            return
        try:
            async with asyncio.timeout(LONGEST_WAIT):
                first: MutableMapping[str, Any] = await receive()
        except TimeoutError:
            headers = [(b"connection", b"close"), (b"content-length", b"0"), *self._protection]
            await _answer(send, 408, headers, b"")
            return
        if first.get("more_body") or first.get("body", b"").strip() != ONE_CLICK:
            await self._app(scope, _again(first, receive), send)
            return
        client = scope.get("client")
        loop = asyncio.get_running_loop()
        answered: asyncio.Future[Exception | None] = loop.create_future()

        def done(error: Exception | None) -> None:
            loop.call_soon_threadsafe(_settle, answered, error)

        how = How(ConsentMethod.ONE_CLICK, ip=client[0] if client else "")
        self._desk.writer.leave(Leave(subscription_id, how, self._clock.now(), done))
        if await answered is not None:
            # The pages behind try once more, and say so when the database is away.
            await self._app(scope, _again(first, receive), send)
            return
        await _answer(send, 200, self._gone, ANSWER)


def _settle(answered: asyncio.Future[Exception | None], error: Exception | None) -> None:
    if not answered.done():  # who asked may have hung up
        answered.set_result(error)


def _again(first: MutableMapping[str, Any], receive: Receive) -> Receive:
    """A body whose beginning was read already."""
    given = False

    async def receiving() -> MutableMapping[str, Any]:
        nonlocal given
        if not given:
            given = True
            return first
        return await receive()

    return receiving


async def _answer(send: Send, status: int, headers: Headers, body: bytes) -> None:
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": body})


def _asked(headers: Headers) -> tuple[str | None, str | None]:
    """If-None-Match and If-Modified-Since."""
    match = since = None
    for name, value in headers:
        if name == b"if-none-match":
            match = value.decode("latin-1")
        elif name == b"if-modified-since":
            since = value.decode("latin-1")
    return match, since


def _bytes(headers: Mapping[str, str]) -> Headers:
    return [(name.lower().encode(), value.encode()) for name, value in headers.items()]
