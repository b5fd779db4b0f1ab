"""Opens sessions with the configured server."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, Final

from digest.clock import Clock, SystemClock
from digest.delivery.smtp.ahead import Traits
from digest.delivery.smtp.connection import SmtpConnection
from digest.errors import AuthenticationFailed

if TYPE_CHECKING:
    import ssl

    from digest.delivery.smtp.server import SmtpServer

TOKEN_KEPT: Final = 300.0  # seconds; access tokens live an hour


class SmtpTransport:
    """Implements ``digest.values.Transport``; shared by threads, each with a connection of its own."""

    def __init__(self, server: SmtpServer, clock: Clock | None = None) -> None:
        self.server = server
        self._clock = clock or SystemClock()
        self._traits = Traits()
        self._lock = threading.Lock()
        self._context: ssl.SSLContext | None = None
        self._token = ""
        self._token_until = 0.0

    def open(self) -> SmtpConnection:
        """Connect, greet, secure, log in. Raises ``ServerUnavailable`` or ``AuthenticationFailed``."""
        from digest.delivery.smtp.session import open_session, tls_context

        with self._lock:
            if self._context is None:
                self._context = tls_context(self.server)
            token = self._access_token()
        try:
            session = open_session(self.server, self._clock.monotonic, self._context, token)
        except AuthenticationFailed:
            with self._lock:
                self._token = ""  # perhaps it has run out: the next attempt asks for a new one
            raise
        return SmtpConnection(session, self._traits)

    def _access_token(self) -> str:
        from digest.delivery.smtp.session import fetch_token

        if not self.server.token_command:
            return ""
        now = self._clock.monotonic()
        if not self._token or now >= self._token_until:
            self._token, self._token_until = fetch_token(self.server), now + TOKEN_KEPT
        return self._token
