"""Serving a page on loopback beside a command: uvicorn in a thread of its own, on a port bound before."""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING

from digest.errors import PortTaken

if TYPE_CHECKING:
    from starlette.types import ASGIApp


@contextmanager
def serving(
    application: ASGIApp,
    *,
    host: str = "127.0.0.1",
    port: int = 0,
    proxies: Sequence[str] = (),
    most_connections: int | None = None,
) -> Iterator[str]:
    """Serve an ASGI application while the block runs; gives its address, without a slash at its end.

    :param port: 0 takes a free one. Raises ``PortTaken``.
    :param proxies: addresses or networks whose X-Forwarded-For is believed; nobody else's is.
    :param most_connections: more are answered 503.
    """
    import uvicorn

    from digest.cli.connections import PatientProtocol

    try:
        bound = socket.create_server((host, port))
    except OSError as error:
        raise PortTaken(
            f"port {port} on {host}: {error.strerror or error}",
            remedy="give another one with --port, or 0 for any that is free",
        ) from error
    config = uvicorn.Config(
        application,
        log_level="critical",
        access_log=False,
        lifespan="off",
        http=PatientProtocol,
        ws="none",
        timeout_graceful_shutdown=1,
        timeout_keep_alive=5,
        proxy_headers=bool(proxies),
        forwarded_allow_ips=list(proxies),
        limit_concurrency=most_connections,
        server_header=False,
    )
    server = uvicorn.Server(config)
    thread = threading.Thread(target=server.run, args=([bound],), name="page", daemon=True)
    # The socket listens already: whoever comes before the thread is up waits in its queue.
    thread.start()
    try:
        yield f"http://{host}:{bound.getsockname()[1]}"
    finally:
        # Pages keep a stream of events open: at the end it is cut, not waited for.
        server.should_exit = server.force_exit = True
        thread.join(5)
        bound.close()
