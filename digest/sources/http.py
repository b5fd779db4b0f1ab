"""Asking the internet for one body, safely: checked addresses, total deadline, bounded decompression.

The network backend resolves a name once and connects to exactly the address that it checked, so a
name that answers differently the second time gains nothing. Every read is limited by the request's
*total* deadline, because one byte each half second never trips a read timeout. Bodies are read raw
and inflated piece by piece up to a limit.
"""

from __future__ import annotations

import ipaddress
import socket
import ssl
import threading
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from email.utils import parsedate_to_datetime
from typing import TYPE_CHECKING, Any, Protocol
from urllib.parse import urljoin

import httpcore2

from digest.clock import Clock
from digest.errors import SourceError, SourceUnavailable
from digest.sources.guard import Target, checked, forbidden, is_public
from digest.sources.inflating import inflated

if TYPE_CHECKING:
    from datetime import datetime

USER_AGENT = "dontmiss"
ACCEPT = (
    "application/rss+xml, application/atom+xml, application/feed+json, application/json;q=0.9, "
    "application/xml;q=0.9, text/html;q=0.8, */*;q=0.5"
)
MAX_BODY = 20 * 1024 * 1024  # bytes after inflating; a feed of 200 full stories is below 4 MB
MAX_REDIRECTS = 5
PER_HOST = 2
_PERMANENT = {301, 308}
_REDIRECTS = {301, 302, 303, 307, 308}


def user_agent(contact: str) -> str:
    """Who asks, with an address under which a publisher finds us."""
    from digest import __version__

    return f"dontmiss/{__version__} (newsletter digest; +{contact})"


Resolve = Callable[[str, int], Iterable[str]]


@dataclass(frozen=True, slots=True)
class Request:
    """What is asked for. Times in seconds, ``max_body`` in bytes after inflating.

    With ``head_only`` the body is cut at ``max_body`` instead of refused (for a look at a picture).
    """

    url: str
    allow_private: bool = False
    etag: str = ""
    last_modified: str = ""
    accept: str = ACCEPT
    max_body: int = MAX_BODY
    deadline: float = 60.0
    head_only: bool = False


@dataclass(frozen=True, slots=True)
class Response:
    """What came back. ``moved_to`` is the address that permanent redirects lead to, or empty."""

    url: str
    status: int
    headers: Mapping[str, str]
    body: bytes = field(repr=False, default=b"")
    moved_to: str = ""

    @property
    def unchanged(self) -> bool:
        return self.status == 304

    @property
    def content_type(self) -> str:
        return self.headers.get("content-type", "")


class RetryLater(SourceUnavailable):
    """The server asks to come back later; ``seconds`` from now."""

    def __init__(self, message: str, seconds: float) -> None:
        super().__init__(message, remedy="it is asked again after that time")
        self.seconds = seconds


class Gone(SourceUnavailable):
    """The server says that the source is gone for good (410)."""


class Http(Protocol):
    """What sources need of the network."""

    def get(self, request: Request) -> Response:
        """The answer to ``request`` (2xx or 304). Raises ``SourceUnavailable``, ``SourceForbidden``."""
        ...


class _Deadline(threading.local):
    at: float | None = None


class _Stream(httpcore2.NetworkStream):
    """A connection whose every step ends at the request's total deadline."""

    def __init__(self, inner: httpcore2.NetworkStream, left: Callable[[float | None], float]) -> None:
        self._inner = inner
        self._left = left

    def read(self, max_bytes: int, timeout: float | None = None) -> bytes:
        return self._inner.read(max_bytes, self._left(timeout))

    def write(self, buffer: bytes, timeout: float | None = None) -> None:
        self._inner.write(buffer, self._left(timeout))

    def close(self) -> None:
        self._inner.close()

    def start_tls(
        self, ssl_context: ssl.SSLContext, server_hostname: str | None = None, timeout: float | None = None
    ) -> httpcore2.NetworkStream:
        return _Stream(self._inner.start_tls(ssl_context, server_hostname, self._left(timeout)), self._left)

    def get_extra_info(self, info: str) -> Any:
        return self._inner.get_extra_info(info)


class _Backend(httpcore2.NetworkBackend):
    """Resolves once, checks, and connects to what it checked."""

    def __init__(self, resolve: Resolve, allow_private: bool, left: Callable[[float | None], float]) -> None:
        self._resolve = resolve
        self._allow_private = allow_private
        self._left = left
        self._inner = httpcore2.SyncBackend()

    def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,
        local_address: str | None = None,
        socket_options: Any = None,
    ) -> httpcore2.NetworkStream:
        try:
            found = list(self._resolve(host, port))
        except OSError as error:
            raise httpcore2.ConnectError(f"the name is not known ({error.strerror or error})") from error
        if not self._allow_private:
            found = [text for text in found if is_public(ipaddress.ip_address(text.partition("%")[0]))]
            if not found:
                raise forbidden(host)
        last: Exception = httpcore2.ConnectError("the name has no address")
        for text in found[:4]:
            try:
                inner = self._inner.connect_tcp(
                    text, port, self._left(timeout), local_address, socket_options
                )
            except (httpcore2.ConnectError, httpcore2.ConnectTimeout) as error:
                last = error
            else:
                return _Stream(inner, self._left)
        raise last


def resolve_by_system(host: str, port: int) -> Iterable[str]:
    """Addresses of ``host`` by the system's resolver, IPv4 and IPv6 in its order."""
    found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    return dict.fromkeys(str(entry[4][0]) for entry in found)


class Fetcher:
    """One client for all sources of a run: pooled connections, at most two a host. Thread-safe."""

    def __init__(
        self,
        clock: Clock,
        *,
        user_agent: str = USER_AGENT,
        resolve: Resolve = resolve_by_system,
        connect_timeout: float = 10.0,
        read_timeout: float = 20.0,
        per_host: int = PER_HOST,
        tls: ssl.SSLContext | None = None,
    ) -> None:
        self._clock = clock
        self._user_agent = user_agent
        self._deadline = _Deadline()
        self._timeouts = {"connect": connect_timeout, "read": read_timeout, "write": read_timeout}
        self._hosts: defaultdict[str, threading.BoundedSemaphore] = defaultdict(
            lambda: threading.BoundedSemaphore(per_host)
        )
        self._lock = threading.Lock()
        self._tls = tls
        self._resolve = resolve
        self._pools: dict[bool, httpcore2.ConnectionPool] = {}

    def __enter__(self) -> Fetcher:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Close all connections."""
        for pool in self._pools.values():
            pool.close()

    def get(self, request: Request) -> Response:
        """The answer to ``request``: 2xx or 304, after at most five redirects, each checked.

        Raises ``RetryLater``, ``Gone``, ``SourceUnavailable``, ``SourceForbidden``.
        """
        self._deadline.at = self._clock.monotonic() + request.deadline
        url, moved_to, permanent = request.url, "", True
        try:
            for _ in range(MAX_REDIRECTS + 1):
                target = checked(url, allow_private=request.allow_private)
                with self._slot(target.host, request):
                    answer = self._ask(target, request, conditional=url == request.url)
                location = answer.headers.get("location", "")
                if answer.status not in _REDIRECTS or not location:
                    return self._judge(answer, moved_to)
                url = urljoin(target.url, location)
                permanent = permanent and answer.status in _PERMANENT
                moved_to = url if permanent else moved_to
            raise SourceUnavailable(f"{request.url}: more than {MAX_REDIRECTS} redirects")
        finally:
            self._deadline.at = None

    def _ask(self, target: Target, request: Request, *, conditional: bool) -> Response:
        headers = [
            ("Host", target.url.split("/", 3)[2]),
            ("User-Agent", self._user_agent),
            ("Accept", request.accept),
            ("Accept-Encoding", "gzip, br"),
        ]
        if request.head_only:
            headers.append(("Range", f"bytes=0-{request.max_body - 1}"))
        if conditional and request.etag:
            headers.append(("If-None-Match", request.etag))
        if conditional and request.last_modified:
            headers.append(("If-Modified-Since", request.last_modified))
        pool = self._pool(request.allow_private)
        try:
            with pool.stream(
                "GET", target.url, headers=headers, extensions={"timeout": dict(self._timeouts)}
            ) as answer:
                known = {
                    name.decode("latin-1").lower(): value.decode("latin-1") for name, value in answer.headers
                }
                body = b""
                if 200 <= answer.status < 300:
                    body = inflated(
                        answer.iter_stream(),
                        known.get("content-encoding", ""),
                        limit=request.max_body,
                        cut=request.head_only,
                        url=target.url,
                    )
                return Response(target.url, answer.status, known, body)
        except SourceError:
            raise
        except httpcore2.TimeoutException as error:
            raise SourceUnavailable(f"{target.url}: too slow ({_words(error)})") from error
        except (httpcore2.NetworkError, httpcore2.ProtocolError, ssl.SSLError, OSError) as error:
            raise SourceUnavailable(f"{target.url}: {_words(error)}") from error

    def _judge(self, answer: Response, moved_to: str) -> Response:
        if 200 <= answer.status < 300 or answer.status == 304:
            return Response(answer.url, answer.status, answer.headers, answer.body, moved_to)
        line = f"{answer.url}: the server answers {answer.status}"
        if answer.status == 410:
            raise Gone(f"{line} (gone for good)", remedy="take this source out of newsletter.toml")
        wait = self._retry_after(answer.headers.get("retry-after", ""))
        if answer.status in {429, 503} and wait:
            raise RetryLater(f"{line} and asks to wait {wait:.0f} s", wait)
        remedy = {
            401: "the source asks for a password; use an address that needs none",
            403: "the server refuses robots; ask the publisher for a feed that may be read",
            404: "the address is wrong or the feed has moved; `digest try URL` finds feeds",
        }.get(answer.status, "it is tried again next time")
        raise SourceUnavailable(line, remedy=remedy)

    def _retry_after(self, text: str) -> float:
        if text.strip().isdigit():
            return float(min(int(text), 7 * 86400))
        try:
            at: datetime = parsedate_to_datetime(text)
        except (ValueError, TypeError):
            return 0.0
        if at.tzinfo is None:
            return 0.0
        return min(max(0.0, (at - self._clock.now()).total_seconds()), 7 * 86400.0)

    def _left(self, timeout: float | None) -> float:
        if self._deadline.at is None:
            return timeout if timeout is not None else 20.0
        left = self._deadline.at - self._clock.monotonic()
        if left <= 0:
            raise httpcore2.ReadTimeout("the whole answer took too long")
        return left if timeout is None else min(timeout, left)

    @contextmanager
    def _slot(self, host: str, request: Request) -> Iterator[None]:
        with self._lock:
            gate = self._hosts[host]
        if not gate.acquire(timeout=request.deadline * 2):
            raise SourceUnavailable(f"{request.url}: its host is still busy with other requests")
        # Waiting for one's turn is no fault of the server's.
        self._deadline.at = max(self._deadline.at or 0.0, self._clock.monotonic() + request.deadline / 2)
        try:
            yield
        finally:
            gate.release()

    def _pool(self, allow_private: bool) -> httpcore2.ConnectionPool:
        # A connection to a private address must never serve a source that may not have one.
        with self._lock:
            if allow_private not in self._pools:
                self._pools[allow_private] = httpcore2.ConnectionPool(
                    ssl_context=self._tls or httpcore2.default_ssl_context(),
                    max_connections=64,
                    max_keepalive_connections=16,
                    keepalive_expiry=15.0,
                    network_backend=_Backend(self._resolve, allow_private, self._left),
                )
            return self._pools[allow_private]


def _words(error: Exception) -> str:
    text = str(error) or type(error).__name__
    return text if not isinstance(error, ssl.SSLCertVerificationError) else f"TLS: {error.verify_message}"
