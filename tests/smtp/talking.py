"""Our side of the conversation with the scripted server: a copy, a permit, a connection."""

from __future__ import annotations

from digest.delivery.smtp import SmtpServer, SmtpTransport
from digest.delivery.smtp.connection import SmtpConnection
from digest.values import Envelope, Outcome
from tests.smtp.scripted import Action, Decide, ScriptedServer, Stage, Transaction

MESSAGE = b"Message-ID: <one@example.org>\r\nDate: now\r\n\r\n" + b"a line of text\r\n" * 4000


def copy_for(recipient: str = "reader@example.org", message: bytes = MESSAGE) -> Envelope:
    return Envelope("bounce@example.org", recipient, (message,))


def at(stage: Stage, *actions: Action | None) -> Decide:
    """Does ``actions`` the first times that ``stage`` is reached, then what is right."""
    waiting = list(actions)

    def decide(now: Stage, _transaction: Transaction) -> Action | None:
        return waiting.pop(0) if now == stage and waiting else None

    return decide


def allowed() -> bool:
    return True


left_open: list[SmtpConnection] = []


def opened(server: ScriptedServer, **changes: float) -> SmtpConnection:
    return connection_of(transport_to(server, **changes))


def connection_of(transport: SmtpTransport) -> SmtpConnection:
    left_open.append(transport.open())
    return left_open[-1]


def transport_to(server: ScriptedServer, **changes: float) -> SmtpTransport:
    limits = {"timeout": 0.4, "dot_timeout": 0.6, **changes}
    return SmtpTransport(SmtpServer(host="127.0.0.1", port=server.port, tls="never", **limits))  # type: ignore[arg-type]


def sent_to(decide: Decide) -> tuple[Outcome, bool, ScriptedServer]:
    with ScriptedServer(decide, keep=True) as server:
        connection = opened(server)
        outcome = connection.send(copy_for(), permit=allowed)
        usable = connection.usable
        connection.close()
    return outcome, usable, server
