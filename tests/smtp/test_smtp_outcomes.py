"""What became of a copy is told truthfully, whatever the server says or does not say."""

from __future__ import annotations

import time

import pytest

from digest.delivery.smtp import SmtpServer
from digest.values import Accepted, Blame, Deferred, Envelope, Outcome, Refused, Uncertain, Withheld
from tests.smtp.scripted import (
    Action,
    Drop,
    HalfClose,
    Raw,
    Say,
    ScriptedServer,
    Silence,
    Stage,
    Transaction,
    Trickle,
    Wait,
)
from tests.smtp.talking import (
    MESSAGE,
    allowed,
    at,
    connection_of,
    copy_for,
    opened,
    sent_to,
    transport_to,
)


def test_an_accepted_copy_arrives_byte_for_byte_and_tells_its_queue_id() -> None:
    outcome, usable, server = sent_to(at("dot", None))
    assert isinstance(outcome, Accepted)
    assert outcome.queue_id
    assert outcome.queue_id in outcome.reply
    assert [taken.message for taken in server.taken] == [MESSAGE]
    assert usable
    assert server.commands[-1] == "QUIT"


def test_the_envelope_goes_in_one_packet_and_so_does_the_dot() -> None:
    _outcome, _usable, server = sent_to(at("dot", None))
    groups = [packet for packet in server.packets if packet.startswith(b"MAIL")]
    assert groups == [
        b"MAIL FROM:<bounce@example.org> SIZE=%d RET=HDRS\r\n" % len(MESSAGE)
        + b"RCPT TO:<reader@example.org> NOTIFY=FAILURE\r\nDATA\r\n"
    ]
    # With the permit in between, the last five bytes never ride with the body.
    assert server.packets[-2].endswith(b"\r\n.\r\n")


def test_the_message_is_sent_only_after_the_permit() -> None:
    with ScriptedServer(keep=True) as server:
        connection = opened(server)

        def permit() -> bool:
            time.sleep(0.1)
            assert b"".join(server.packets).endswith(b"DATA\r\n")
            return True

        assert isinstance(connection.send(copy_for(), permit=permit), Accepted)
        assert b"".join(server.packets).endswith(MESSAGE + b".\r\n")


def test_the_dot_of_a_message_that_finds_no_room_at_once_is_sent_only_after_a_second_permit() -> None:
    large = Envelope("bounce@example.org", "reader@example.org", (MESSAGE * 200,))
    with ScriptedServer(keep=True) as server:
        connection = opened(server)
        asked: list[bytes] = []

        def permit() -> bool:
            time.sleep(0.3)
            asked.append(b"".join(server.packets)[-5:])
            return True

        assert isinstance(connection.send(large, permit=permit), Accepted)
        assert asked == [b"ATA\r\n", large.message[-7:-2]]
        assert server.packets[-1].endswith(b"\r\n.\r\n")


def test_without_the_permit_nothing_is_delivered_and_the_connection_ends() -> None:
    with ScriptedServer() as server:
        connection = opened(server)
        assert connection.send(copy_for(), permit=lambda: False) == Withheld()
        assert not connection.usable
        time.sleep(0.1)
        assert server.taken == []


def test_a_permit_that_fails_ends_the_connection_before_the_dot() -> None:
    def broken() -> bool:
        raise RuntimeError("database gone")

    with ScriptedServer() as server:
        connection = opened(server)
        with pytest.raises(RuntimeError, match="database gone"):
            connection.send(copy_for(), permit=broken)
        assert not connection.usable
        time.sleep(0.1)
        assert server.taken == []


@pytest.mark.parametrize(
    ("stage", "reply", "expected"),
    [
        ("mail", "451 4.3.0 later", Deferred(451, "451 4.3.0 later", "4.3.0", Blame.SENDER)),
        ("mail", "550 5.7.1 not you", Refused(550, "550 5.7.1 not you", "5.7.1", Blame.SENDER)),
        ("mail", "530 5.7.0 log in first", Refused(530, "530 5.7.0 log in first", "5.7.0", Blame.SENDER)),
        ("rcpt", "450 4.2.0 greylisted", Deferred(450, "450 4.2.0 greylisted", "4.2.0", Blame.RECIPIENT)),
        ("rcpt", "550 5.1.1 unknown", Refused(550, "550 5.1.1 unknown", "5.1.1", Blame.RECIPIENT)),
        ("rcpt", "552 full", Refused(552, "552 full", "", Blame.RECIPIENT)),
        ("data", "451 4.3.0 no disk", Deferred(451, "451 4.3.0 no disk", "4.3.0", Blame.MESSAGE)),
        ("data", "554 5.7.1 no", Refused(554, "554 5.7.1 no", "5.7.1", Blame.MESSAGE)),
        ("dot", "450 4.7.1 try again", Deferred(450, "450 4.7.1 try again", "4.7.1", Blame.MESSAGE)),
        ("dot", "550 5.7.60 foreign", Refused(550, "550 5.7.60 foreign", "5.7.60", Blame.MESSAGE)),
        (
            "dot",
            "554-5.7.1 first line\n554 5.7.1 second line",
            Refused(554, "554 5.7.1 first line 5.7.1 second line", "5.7.1", Blame.MESSAGE),
        ),
    ],
)  # fmt: skip
def test_a_refusal_names_its_step_and_the_connection_goes_on(
    stage: Stage, reply: str, expected: Outcome
) -> None:
    with ScriptedServer(at(stage, Say(reply))) as server:
        connection = opened(server)
        assert connection.send(copy_for(), permit=allowed) == expected
        assert connection.usable
        assert server.taken == []
        assert isinstance(connection.send(copy_for("next@example.org"), permit=allowed), Accepted)
        assert [taken.recipient for taken in server.taken] == ["next@example.org"]


@pytest.mark.parametrize("extensions", [("PIPELINING",), ()], ids=["pipelined", "in step"])
def test_421_to_rset_ends_the_connection_before_anything_of_the_next_copy(
    extensions: tuple[str, ...],
) -> None:
    def decide(stage: Stage, transaction: Transaction) -> Action | None:
        if stage == "rcpt" and transaction.recipient == "gone@example.org":
            return Say("550 5.1.1 no")
        return Say("421 4.3.2 going down") if stage == "rset" else None

    with ScriptedServer(decide, extensions=extensions) as server:
        connection = opened(server)
        assert isinstance(connection.send(copy_for("gone@example.org"), permit=allowed), Refused)
        outcome = connection.send(copy_for(), permit=allowed)
    assert isinstance(outcome, Deferred)
    assert outcome.blame is Blame.CONNECTION
    assert "421 4.3.2 going down" in outcome.reply
    assert not connection.usable
    assert server.taken == []


@pytest.mark.parametrize("extensions", [("PIPELINING",), ()], ids=["pipelined", "in step"])
@pytest.mark.parametrize("stage", ["mail", "rcpt", "data", "dot"])
def test_421_at_any_step_blames_the_connection_and_ends_it(stage: Stage, extensions: tuple[str, ...]) -> None:
    with ScriptedServer(at(stage, Say("421 4.3.2 going down")), extensions=extensions) as server:
        connection = opened(server)
        outcome = connection.send(copy_for(), permit=allowed)
        assert outcome == Deferred(421, "421 4.3.2 going down", "4.3.2", Blame.CONNECTION)
        assert not connection.usable
        assert server.taken == []


@pytest.mark.parametrize("extensions", [("PIPELINING",), ()], ids=["pipelined", "in step"])
@pytest.mark.parametrize("action", [Drop(), Drop(reset=True), HalfClose(), Silence()], ids=repr)
@pytest.mark.parametrize("stage", ["mail", "rcpt", "data"])
def test_a_connection_lost_before_the_dot_has_certainly_delivered_nothing(
    stage: Stage, action: Action, extensions: tuple[str, ...]
) -> None:
    with ScriptedServer(at(stage, action), extensions=extensions) as server:
        connection = opened(server)
        outcome = connection.send(copy_for(), permit=allowed)
        assert isinstance(outcome, Deferred)
        assert (outcome.code, outcome.blame) == (0, Blame.CONNECTION)
        assert not connection.usable
        assert connection.send(copy_for(), permit=allowed) == Deferred(
            0, "the connection is closed", "", Blame.CONNECTION
        )


def test_a_server_that_hangs_up_during_the_body_has_nothing() -> None:
    with ScriptedServer(at("body", Drop(reset=True))) as server:
        connection = opened(server)
        outcome = connection.send(
            copy_for(message=b"x: y\r\n\r\n" + b"z" * 5_000_000 + b"\r\n"), permit=allowed
        )
        assert isinstance(outcome, Deferred)
        assert (outcome.code, outcome.blame) == (0, Blame.CONNECTION)


@pytest.mark.parametrize(
    "action",
    [
        Drop(),
        Drop(taken=True),
        Drop(reset=True),
        HalfClose(),
        Silence(),
        Silence(taken=True),
        Raw(b"ok, perhaps\r\n"),
        Raw(b"\x00\xff\xfe\r\n"),
        Raw(b"354 go on\r\n"),
        Raw(b"250-and so\r\n550 on\r\n"),
        Raw(b"250-never\r\n" * 1000),
        Raw(b"250 " + b"x" * 100_000),
    ],
    ids=lambda action: repr(action)[:40],
)  # fmt: skip
def test_anything_but_a_whole_reply_to_the_dot_leaves_it_in_doubt(action: Action) -> None:
    outcome, usable, _server = sent_to(at("dot", action))
    assert isinstance(outcome, Uncertain)
    assert outcome.reason.startswith("after the final dot: ")
    assert not usable


@pytest.mark.parametrize("flood", [b"250-never\r\n" * 1000, b"250 " + b"x" * 100_000], ids=["lines", "line"])
def test_a_reply_without_end_is_not_read_to_its_end(flood: bytes) -> None:
    outcome, _usable, _server = sent_to(at("dot", Raw(flood)))
    assert outcome == Uncertain("after the final dot: the reply has no end")


def test_the_dot_is_waited_for_longer_than_other_replies() -> None:
    with ScriptedServer(at("dot", Wait(0.5))) as server:
        connection = opened(server, timeout=0.2, dot_timeout=5)
        assert isinstance(connection.send(copy_for(), permit=allowed), Accepted)
    assert SmtpServer(host="mx").dot_timeout == 600


def test_a_reply_that_trickles_is_let_go_at_the_total_deadline() -> None:
    start = time.monotonic()
    with ScriptedServer(at("mail", Trickle(0.05))) as server:
        outcome = opened(server).send(copy_for(), permit=allowed)
    assert isinstance(outcome, Deferred)
    assert time.monotonic() - start < 2


@pytest.mark.parametrize(
    ("early", "expected"),
    [
        (b"552 5.3.4 too big\r\n", Refused(552, "552 5.3.4 too big", "5.3.4", Blame.MESSAGE)),
        (b"452 4.3.1 no room\r\n", Deferred(452, "452 4.3.1 no room", "4.3.1", Blame.MESSAGE)),
        (b"421 4.3.2 bye\r\n", Deferred(421, "421 4.3.2 bye", "4.3.2", Blame.CONNECTION)),
        (b"250 ok\r\n", Deferred(0, "out of step: 250 ok before the dot", "", Blame.CONNECTION)),
    ],
)  # fmt: skip
def test_an_answer_before_the_dot_is_no_acceptance_and_the_dot_is_never_sent(
    early: bytes, expected: Outcome
) -> None:
    asked: list[bool] = []

    def permit() -> bool:
        asked.append(True)
        return True

    with ScriptedServer(at("data", Raw(b"354 go on\r\n" + early))) as server:
        connection = opened(server)
        assert connection.send(copy_for(), permit=permit) == expected
        assert not asked
        assert not connection.usable
        assert server.taken == []


def test_an_answer_that_comes_while_the_permit_is_waited_for_is_none_either() -> None:
    def slow_permit() -> bool:
        time.sleep(0.4)
        return True

    with ScriptedServer(at("body", Wait(0.05, Raw(b"250 2.0.0 ok\r\n")))) as server:
        connection = opened(server)
        outcome = connection.send(copy_for(), permit=slow_permit)
        assert outcome == Deferred(0, "out of step: 250 2.0.0 ok before the dot", "", Blame.CONNECTION)
        assert not connection.usable
        assert server.taken == []


def test_an_answer_to_no_question_is_not_taken_for_the_next_ones() -> None:
    with ScriptedServer(at("dot", Raw(b"250 2.0.0 ok\r\n250 2.0.0 and once more\r\n"))) as server:
        connection = opened(server)
        assert isinstance(connection.send(copy_for(), permit=allowed), Accepted)
        time.sleep(0.05)
        outcome = connection.send(copy_for("next@example.org"), permit=allowed)
        assert outcome == Deferred(0, "out of step: 250 2.0.0 and once more", "", Blame.CONNECTION)
        assert not connection.usable


def test_a_session_that_the_server_ended_between_two_copies_is_noticed() -> None:
    with ScriptedServer(at("dot", Raw(b"250 2.0.0 ok\r\n421 4.4.2 idle for too long\r\n"))) as server:
        connection = opened(server)
        assert isinstance(connection.send(copy_for(), permit=allowed), Accepted)
        time.sleep(0.05)
        outcome = connection.send(copy_for(), permit=allowed)
        assert outcome == Deferred(0, "421 4.4.2 idle for too long", "", Blame.CONNECTION)


def test_a_refused_recipient_whose_data_is_accepted_gets_an_empty_end_and_no_mail() -> None:
    def decide(stage: Stage, transaction: Transaction) -> Action | None:
        if transaction.recipient == "gone@example.org":
            return {"rcpt": Say("550 5.1.1 unknown"), "data": Say("354 go on")}.get(stage)
        return None

    with ScriptedServer(decide, keep=True) as server:
        connection = opened(server)
        outcome = connection.send(copy_for("gone@example.org"), permit=allowed)
        assert outcome == Refused(550, "550 5.1.1 unknown", "5.1.1", Blame.RECIPIENT)
        assert isinstance(connection.send(copy_for("here@example.org"), permit=allowed), Accepted)
        assert [(taken.recipient, taken.message) for taken in server.taken] == [("here@example.org", MESSAGE)]


def test_a_refused_sender_whose_data_is_accepted_is_hung_up_on() -> None:
    def decide(stage: Stage, _transaction: Transaction) -> Action | None:
        return {"mail": Say("550 5.7.1 not you"), "data": Say("354 go on")}.get(stage)

    with ScriptedServer(decide) as server:
        connection = opened(server)
        assert isinstance(connection.send(copy_for(), permit=allowed), Deferred)
        assert not connection.usable
        assert server.taken == []


def test_a_server_that_lies_about_pipelining_is_talked_to_in_step() -> None:
    out_of_step: list[int] = []

    def decide(stage: Stage, _transaction: Transaction) -> Action | None:
        if stage == "rcpt" and not out_of_step:
            out_of_step.append(1)
            return Say("503 5.5.1 improper use of pipelining")
        return None

    with ScriptedServer(decide, keep=True) as server:
        transport = transport_to(server)
        connection = connection_of(transport)
        assert isinstance(connection.send(copy_for(), permit=allowed), Accepted)
        assert isinstance(connection_of(transport).send(copy_for(), permit=allowed), Accepted)
        grouped = [packet for packet in server.packets if packet.count(b"\r\n") > 1 and b"MAIL" in packet]
        assert len(grouped) == 1


def test_a_server_that_forgets_what_was_sent_ahead_costs_one_time_out() -> None:
    def decide(stage: Stage, _transaction: Transaction) -> Action | None:
        return Silence() if stage == "rcpt" and server.connections == 1 else None

    with ScriptedServer(decide) as server:
        transport = transport_to(server)
        outcome = connection_of(transport).send(copy_for(), permit=allowed)
        assert outcome == Deferred(0, "no reply in time", "", Blame.CONNECTION)
        assert isinstance(connection_of(transport).send(copy_for(), permit=allowed), Accepted)
        assert not transport._traits.pipelining
