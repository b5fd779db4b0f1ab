"""What goes before a message: parameters and addresses, as the server at hand can take them."""

from __future__ import annotations

import pytest

from digest.values import Accepted, Blame, Envelope, Refused
from tests.smtp.scripted import (
    Action,
    Say,
    ScriptedServer,
    Stage,
    Transaction,
)
from tests.smtp.talking import (
    MESSAGE,
    allowed,
    at,
    connection_of,
    copy_for,
    opened,
    transport_to,
)


@pytest.mark.parametrize("extensions", [("DSN",), ("DSN", "PIPELINING")], ids=["in step", "pipelined"])
@pytest.mark.parametrize("stage", ["mail", "rcpt"])
@pytest.mark.parametrize("code", [501, 555])
def test_dsn_parameters_that_are_not_liked_are_left_out_and_nobody_is_refused(
    stage: Stage, code: int, extensions: tuple[str, ...]
) -> None:
    def decide(now: Stage, transaction: Transaction) -> Action | None:
        unliked = "RET=" in transaction.command or "NOTIFY=" in transaction.command
        return Say(f"{code} 5.5.4 what?") if now == stage and unliked else None

    with ScriptedServer(decide, extensions=extensions, keep=True) as server:
        transport = transport_to(server)
        for _ in range(2):
            assert isinstance(connection_of(transport).send(copy_for(), permit=allowed), Accepted)
        assert sum("NOTIFY=" in command or "RET=" in command for command in server.commands) <= 2


def test_a_syntax_error_without_dsn_is_a_refusal() -> None:
    with ScriptedServer(at("rcpt", *[Say("501 5.1.3 bad address")] * 3), extensions=("DSN",)) as server:
        outcome = opened(server).send(copy_for(), permit=allowed)
        assert outcome == Refused(501, "501 5.1.3 bad address", "5.1.3", Blame.RECIPIENT)


@pytest.mark.parametrize(
    "recipient",
    [
        "b@x.org>\r\nRCPT TO:<z@z",
        "b@x.org\r\nDATA\r\n",
        "b@x.org> NOTIFY=NEVER <",
        "b@x.org\x00",
        "b c@x.org",
        'b"c@x.org',
        "b\u2028c@x.org",
        "b\x85c@x.org",
        "",
        "हि@example.org",
    ],
)
def test_what_could_end_a_command_never_reaches_the_server(recipient: str) -> None:
    with ScriptedServer(keep=True) as server:
        connection = opened(server)
        for envelope in (copy_for(recipient), Envelope(recipient or "\n", "reader@example.org", (MESSAGE,))):
            outcome = connection.send(envelope, permit=allowed)
            assert isinstance(outcome, Refused)
            assert outcome.reply.startswith("not sent")
        assert [command for command in server.commands if not command.lower().startswith("ehlo")] == []
        assert isinstance(connection.send(copy_for(), permit=allowed), Accepted)


def test_an_address_beyond_ascii_goes_where_smtputf8_is_offered() -> None:
    envelope = Envelope("bounce@example.org", "हिन्दी@example.org", (MESSAGE,), smtputf8=True)
    with ScriptedServer(keep=True) as server:
        assert isinstance(opened(server).send(envelope, permit=allowed), Accepted)
        assert any(
            command.startswith("MAIL") and "SMTPUTF8 BODY=8BITMIME" in command for command in server.commands
        )
        assert [taken.recipient for taken in server.taken] == ["हिन्दी@example.org"]


def test_and_is_refused_here_where_it_is_not() -> None:
    envelope = Envelope("bounce@example.org", "हिन्दी@example.org", (MESSAGE,), smtputf8=True)
    with ScriptedServer(extensions=("PIPELINING",)) as server:
        connection = opened(server)
        outcome = connection.send(envelope, permit=allowed)
        assert isinstance(outcome, Refused)
        assert (outcome.enhanced, outcome.blame) == ("5.6.7", Blame.RECIPIENT)
        assert connection.usable


def test_a_message_above_the_servers_size_blames_the_message_before_it_is_sent() -> None:
    with ScriptedServer(extensions=("SIZE 1000", "PIPELINING"), keep=True) as server:
        outcome = opened(server).send(copy_for(), permit=allowed)
        assert isinstance(outcome, Refused)
        assert (outcome.code, outcome.enhanced, outcome.blame) == (552, "5.3.4", Blame.MESSAGE)
        assert not any(command.startswith("MAIL") for command in server.commands)


def test_a_connection_ends_after_its_number_of_messages() -> None:
    with ScriptedServer() as server:
        connection = opened(server, messages_per_connection=2)
        assert isinstance(connection.send(copy_for(), permit=allowed), Accepted)
        assert connection.usable
        assert isinstance(connection.send(copy_for(), permit=allowed), Accepted)
        assert not connection.usable
        connection.close()


def test_a_server_without_extensions_is_talked_to_in_step_and_without_parameters() -> None:
    with ScriptedServer(extensions=(), keep=True) as server:
        assert isinstance(opened(server).send(copy_for(), permit=allowed), Accepted)
        assert "MAIL FROM:<bounce@example.org>" in server.commands
        assert "RCPT TO:<reader@example.org>" in server.commands
