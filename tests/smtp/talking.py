"""Our side of the conversation with the scripted server: a copy, a permit, a connection."""

from __future__ import annotations

from collections.abc import Callable

from digest.delivery.smtp import SmtpServer, SmtpTransport
from digest.delivery.smtp.connection import SmtpConnection
from digest.values import PERMIT, Envelope, Outcome
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


def sent_in_a_row(
    connection: SmtpConnection, *copies: Envelope, permit: Callable[[Envelope], bool] = lambda copy: True
) -> list[Outcome]:
    """Each of ``copies`` on one connection, which is told in time what goes next, while it is usable."""
    outcomes = []
    for copy, following in zip(copies, (*copies[1:], None), strict=True):
        if not connection.usable:
            break
        outcomes.append(sent_before(connection, copy, following, permit))
    return outcomes


def sent_before(
    connection: SmtpConnection,
    copy: Envelope,
    following: Envelope | None,
    permit: Callable[[Envelope], bool] = lambda copy: True,
) -> Outcome:
    """``copy``, while the connection is told that ``following`` goes next."""
    steps = connection.steps(copy, lambda: following)
    try:
        wait = next(steps)
        while True:
            wait = steps.send(permit(copy) if wait is PERMIT else connection._came(wait))
    except StopIteration as end:
        outcome: Outcome = end.value
        return outcome
