"""For monitors and load balancers: alive, ready, and figures for those who may see them."""

from __future__ import annotations

import hmac
import ipaddress
from typing import TYPE_CHECKING

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response

from digest.pipeline.metrics import metrics_text
from digest.web.pages import PRIVATE

if TYPE_CHECKING:
    from sqlalchemy.orm import Session, sessionmaker

    from digest.clock import Clock
    from digest.settings import Settings

_FORWARDED = ("forwarded", "x-forwarded-for", "via")


class HealthPages:
    """``/healthz``, ``/readyz`` (asks the database) and ``/metrics``."""

    def __init__(self, settings: Settings, readers: sessionmaker[Session], clock: Clock) -> None:
        self._settings = settings
        self._readers = readers
        self._clock = clock

    def alive(self, _request: Request) -> Response:
        """This process answers."""
        return PlainTextResponse("ok\n", headers=PRIVATE)

    def ready(self, _request: Request) -> Response:
        """The database answers too."""
        with self._readers() as session:
            session.connection().exec_driver_sql("SELECT 1")
        return PlainTextResponse("ready\n", headers=PRIVATE)

    def metrics(self, request: Request) -> Response:
        """With ``Authorization: Bearer`` and the monitor's token, or without one set from loopback alone."""
        if not self._may_see(request):
            raise HTTPException(404)
        with self._readers() as session:
            text = metrics_text(session, self._settings, now=self._clock.now())
        return PlainTextResponse(text, headers=PRIVATE, media_type="text/plain; version=0.0.4; charset=utf-8")

    def _may_see(self, request: Request) -> bool:
        secret = self._settings.metrics_token
        if secret:
            given = request.headers.get("authorization", "")
            return hmac.compare_digest(given.encode(), f"Bearer {secret}".encode())
        # A proxy on this machine connects from loopback too, for anybody.
        if any(name in request.headers for name in _FORWARDED) or request.client is None:
            return False
        try:
            return ipaddress.ip_address(request.client.host).is_loopback
        except ValueError:
            return False
