"""The catch-all SMTP server: takes every mail for everybody and puts it into a mailbox."""

from __future__ import annotations

import asyncio
import socket
from types import TracebackType
from typing import Any, Self

from aiosmtpd.controller import Controller
from aiosmtpd.smtp import SMTP, Envelope, Session

from digest.errors import PortTaken
from digest.inbox.mailbox import Mailbox

MAX_MESSAGE_BYTES = 32 * 1024 * 1024


class _CatchAll:
    def __init__(self, mailbox: Mailbox) -> None:
        self._mailbox = mailbox

    async def handle_DATA(self, server: SMTP, session: Session, envelope: Envelope) -> str:  # noqa: N802
        content = envelope.content or b""
        mail = self._mailbox.put(
            envelope.mail_from or "",
            tuple(envelope.rcpt_tos),
            content.encode() if isinstance(content, str) else content,
        )
        return f"250 2.0.0 OK: queued as inbox-{mail.id}"


class _BoundController(Controller):
    """A controller on a socket that is bound before its thread begins: port 0 works, a taken port
    fails at once."""

    def __init__(self, bound: socket.socket, handler: object) -> None:
        host, port = bound.getsockname()[:2]
        super().__init__(
            handler, hostname=host, port=port, data_size_limit=MAX_MESSAGE_BYTES, ident="digest inbox"
        )
        self._bound = bound

    async def _create_server(self) -> Any:
        return await self.loop.create_server(self._factory_invoker, sock=self._bound)


class Receiver:
    """The server while it runs: ``with Receiver(mailbox) as receiver: … receiver.port``.

    :param port: 0 takes a free one.
    :raises PortTaken: when the port cannot be bound.
    """

    def __init__(self, mailbox: Mailbox, *, host: str = "127.0.0.1", port: int = 0) -> None:
        self.mailbox = mailbox
        self.host = host
        try:
            bound = socket.create_server((host, port))
        except OSError as error:
            raise PortTaken(
                f"SMTP port {port} on {host}: {error.strerror or error}",
                remedy="give another one with --smtp-port, or 0 for any that is free",
            ) from error
        self.port = int(bound.getsockname()[1])
        self._controller = _BoundController(bound, _CatchAll(mailbox))

    @property
    def url(self) -> str:
        """What DIGEST_SMTP_URL has to say to send here."""
        return f"smtp://{self.host}:{self.port}?starttls=never"

    def __enter__(self) -> Self:
        self._controller.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._controller.stop(no_assert=True)
        asyncio.set_event_loop(None)
