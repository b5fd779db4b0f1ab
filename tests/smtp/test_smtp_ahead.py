"""The next copy's commands go in one packet with the dot, and whatever comes of it stays truthful."""

from __future__ import annotations

import time

import pytest

from digest.delivery.smtp.ahead import Trial
from digest.values import Accepted, Blame, Deferred, Envelope, Refused, Uncertain, Withheld
from tests.smtp.scripted import (
    EXTENSIONS,
    Action,
    Drop,
    Forget,
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
    sent_before,
    sent_in_a_row,
    transport_to,
)

BEHIND = b"\r\n.\r\nMAIL FROM"
ONE, TWO, THREE = (copy_for(f"{name}@example.org") for name in ("one", "two", "three"))


def kinds(outcomes: list[object]) -> list[type]:
    return [type(outcome) for outcome in outcomes]


def went_ahead(server: ScriptedServer) -> int:
    """How many groups of commands came behind a dot without waiting for its answer."""
    return sum(BEHIND in packet for packet in server.packets)


def test_the_next_copys_commands_come_with_the_dot_and_all_copies_arrive_byte_for_byte() -> None:
    with ScriptedServer(keep=True) as server:
        connection = opened(server)
        assert kinds(sent_in_a_row(connection, ONE, TWO, THREE)) == [Accepted] * 3
        connection.close()
        assert [taken.recipient for taken in server.taken] == [copy.recipient for copy in (ONE, TWO, THREE)]
        assert all(taken.message == MESSAGE for taken in server.taken)
        assert any(BEHIND in packet and packet.endswith(b"DATA\r\n") for packet in server.packets)
        assert went_ahead(server) == 2
        assert "RSET" not in server.commands
        assert server.connections == 1


def test_nothing_of_a_message_goes_before_its_own_permit() -> None:
    with ScriptedServer(keep=True) as server:
        connection = opened(server)
        seen: list[bytes] = []

        def permit(copy: Envelope) -> bool:
            time.sleep(0.05)
            seen.append(b"".join(server.packets)[-6:])
            return copy is not TWO

        assert kinds(sent_in_a_row(connection, ONE, TWO, permit=permit)) == [Accepted, Withheld]
        assert seen == [b"DATA\r\n"] * 2
        assert not connection.usable
        time.sleep(0.1)
        assert [taken.recipient for taken in server.taken] == [ONE.recipient]


@pytest.mark.parametrize(("reply", "kind"), [("450 4.2.0 later", Deferred), ("550 5.7.1 spam", Refused)])
def test_a_refusal_of_the_message_before_is_not_the_next_copys(reply: str, kind: type) -> None:
    with ScriptedServer(at("dot", Say(reply))) as server:
        first, second = sent_in_a_row(opened(server), ONE, TWO)
        assert isinstance(first, kind)
        assert first.blame is Blame.MESSAGE  # type: ignore[union-attr]
        assert isinstance(second, Accepted)
        assert list(server.recipients) == [TWO.recipient]


@pytest.mark.parametrize("extra", [None, Say("354 go on all the same")])
def test_a_refused_recipient_is_refused_and_the_connection_goes_on(extra: Action | None) -> None:
    refused = at("rcpt", None, Say("550 5.1.1 user unknown"))

    def decide(stage: Stage, transaction: Transaction) -> Action | None:
        if stage == "data" and transaction.recipient == TWO.recipient:
            return extra
        return refused(stage, transaction)

    with ScriptedServer(decide, keep=True) as server:
        first, second, third = sent_in_a_row(opened(server), ONE, TWO, THREE)
        assert isinstance(first, Accepted)
        assert isinstance(second, Refused)
        assert second.blame is Blame.RECIPIENT
        assert isinstance(third, Accepted)
        assert server.recipients == {ONE.recipient: 1, THREE.recipient: 1}


@pytest.mark.parametrize("action", [Drop(), Drop(reset=True), Say("421 4.3.2 too many messages")])
def test_a_server_that_ends_the_session_after_the_dots_answer_leaves_no_doubt(action: Action) -> None:
    with ScriptedServer(at("mail", None, action), keep=True) as server:
        transport = transport_to(server)
        first, second = sent_in_a_row(connection_of(transport), ONE, TWO)
        assert isinstance(first, Accepted)
        assert isinstance(second, Deferred)
        assert second.blame is Blame.CONNECTION
        # It was the first attempt: perhaps the server dislikes the manner.
        before = went_ahead(server)
        assert kinds(sent_in_a_row(connection_of(transport), TWO, THREE)) == [Accepted] * 2
        assert went_ahead(server) == before
        assert transport._traits.ahead is Trial.FAILED


@pytest.mark.parametrize("action", [Drop(), Say("421 4.3.2 too many messages")])
def test_a_server_that_took_what_went_ahead_may_end_a_session_without_being_mistrusted(
    action: Action,
) -> None:
    with ScriptedServer(at("mail", None, None, action), keep=True) as server:
        transport = transport_to(server)
        first, second, third = sent_in_a_row(connection_of(transport), ONE, TWO, THREE)
        assert kinds([first, second]) == [Accepted] * 2
        assert isinstance(third, Deferred)
        assert third.blame is Blame.CONNECTION
        assert third.code == (421 if isinstance(action, Say) else 0)
        assert transport._traits.ahead is Trial.PASSED
        before = went_ahead(server)
        assert kinds(sent_in_a_row(connection_of(transport), THREE, ONE)) == [Accepted] * 2
        assert went_ahead(server) == before + 1


def test_a_connection_lost_at_the_dot_leaves_one_copy_in_doubt_and_the_next_certain() -> None:
    with ScriptedServer(at("dot", Drop(taken=True))) as server:
        connection = opened(server)
        assert kinds(sent_in_a_row(connection, ONE, TWO)) == [Uncertain]
        assert not connection.usable
        assert isinstance(connection.send(TWO, permit=allowed), Deferred)
        assert server.recipients == {ONE.recipient: 1}


def test_a_server_that_forgets_what_came_behind_the_dot_costs_one_time_out() -> None:
    with ScriptedServer(at("dot", Forget()), keep=True) as server:
        transport = transport_to(server)
        first, second = sent_in_a_row(connection_of(transport), ONE, TWO)
        assert isinstance(first, Accepted)
        assert second == Deferred(0, "no reply in time", "", Blame.CONNECTION)
        before = went_ahead(server)
        assert kinds(sent_in_a_row(connection_of(transport), TWO, THREE)) == [Accepted] * 2
        assert went_ahead(server) == before
        assert server.recipients == {ONE.recipient: 1, TWO.recipient: 1, THREE.recipient: 1}


def test_a_server_that_forgets_only_later_is_not_trusted_any_more_either() -> None:
    with ScriptedServer(at("dot", None, Forget()), keep=True) as server:
        transport = transport_to(server)
        outcomes = sent_in_a_row(connection_of(transport), ONE, TWO, THREE)
        assert kinds(outcomes) == [Accepted, Accepted, Deferred]
        assert transport._traits.ahead is Trial.FAILED
        before = went_ahead(server)
        assert kinds(sent_in_a_row(connection_of(transport), THREE, ONE)) == [Accepted] * 2
        assert went_ahead(server) == before


@pytest.mark.parametrize("granted", [True, False])
def test_commands_behind_a_message_that_finds_no_room_wait_for_its_second_permit(granted: bool) -> None:
    large = copy_for("large@example.org", MESSAGE * 200)
    dots: list[int] = []

    def permit(copy: Envelope) -> bool:
        time.sleep(0.3 if copy is large else 0)  # what is out has arrived
        dots.append(b"".join(server.packets).count(b"\r\n.\r\n"))
        return granted or len(dots) < 2

    with ScriptedServer(keep=True) as server:
        outcomes = sent_in_a_row(opened(server, timeout=2), large, TWO, permit=permit)
        time.sleep(0.1)
        if granted:
            assert kinds(outcomes) == [Accepted] * 2
            assert dots == [0, 0, 1]
            assert [taken.message for taken in server.taken] == [large.message, MESSAGE]
        else:
            assert outcomes == [Withheld()]
            assert (dots, server.taken) == ([0, 0], [])
        assert went_ahead(server) == granted


@pytest.mark.parametrize("stage", ["mail", "rcpt", "data"])
@pytest.mark.parametrize("code", ["503 5.5.1 bad sequence of commands", "500 5.5.2 what?"])
def test_commands_that_came_too_early_for_a_server_are_said_again_and_nobody_is_refused(
    stage: Stage, code: str
) -> None:
    with ScriptedServer(at(stage, None, Say(code)), keep=True) as server:
        transport = transport_to(server)
        outcomes = sent_in_a_row(connection_of(transport), ONE, TWO, THREE)
        assert kinds(outcomes) == [Accepted] * 3
        assert server.commands.count("RSET") == 1
        assert went_ahead(server) == 1
        assert transport._traits.ahead is Trial.FAILED
        assert transport._traits.pipelining


def test_a_refusal_of_the_sender_in_the_trial_is_not_taken_at_its_word() -> None:
    with ScriptedServer(at("mail", None, Say("554 SMTP synchronization error")), keep=True) as server:
        assert kinds(sent_in_a_row(opened(server), ONE, TWO)) == [Accepted] * 2
        assert server.commands.count("RSET") == 1


def test_one_connection_tries_it_before_the_others_do() -> None:
    with ScriptedServer(keep=True) as server:
        transport = transport_to(server)
        trying, waiting = connection_of(transport), connection_of(transport)
        assert isinstance(sent_before(trying, ONE, TWO), Accepted)
        assert transport._traits.ahead is Trial.RUNNING
        assert isinstance(sent_before(waiting, THREE, ONE), Accepted)
        assert went_ahead(server) == 1
        assert isinstance(sent_before(trying, TWO, None), Accepted)
        assert transport._traits.ahead is Trial.PASSED
        assert isinstance(sent_before(waiting, ONE, TWO), Accepted)
        assert went_ahead(server) == 2


def test_a_server_without_pipelining_gets_nothing_ahead() -> None:
    with ScriptedServer(extensions=EXTENSIONS[1:], keep=True) as server:
        assert kinds(sent_in_a_row(opened(server), ONE, TWO, THREE)) == [Accepted] * 3
        assert went_ahead(server) == 0


def test_the_last_message_of_a_connection_has_nothing_behind_it() -> None:
    with ScriptedServer(keep=True) as server:
        connection = opened(server, messages_per_connection=2)
        assert kinds(sent_in_a_row(connection, ONE, TWO, THREE)) == [Accepted] * 2
        assert went_ahead(server) == 1


def test_a_connection_that_waits_for_a_message_is_reset_and_never_told_good_bye() -> None:
    with ScriptedServer(keep=True) as server:
        connection = opened(server)
        sent_before(connection, ONE, TWO)
        connection.close()
        time.sleep(0.1)
        assert b"QUIT" not in b"".join(server.packets)
        assert server.recipients == {ONE.recipient: 1}


def test_another_copy_than_the_one_announced_ends_the_connection() -> None:
    with ScriptedServer() as server:
        connection = opened(server)
        sent_before(connection, ONE, TWO)
        outcome = connection.send(THREE, permit=allowed)
        assert isinstance(outcome, Deferred)
        assert outcome.blame is Blame.CONNECTION
        assert not connection.usable
        time.sleep(0.1)
        assert server.recipients == {ONE.recipient: 1}


@pytest.mark.parametrize("unfit", [copy_for("two two@example.org"), copy_for("big@example.org", MESSAGE * 9)])
def test_a_copy_that_does_not_fit_is_not_announced(unfit: Envelope) -> None:
    with ScriptedServer(extensions=("PIPELINING", "SIZE 100000"), keep=True) as server:
        connection = opened(server)
        first, second, third = sent_in_a_row(connection, ONE, unfit, THREE)
        assert isinstance(first, Accepted)
        assert isinstance(second, Refused)
        assert isinstance(third, Accepted)
        assert went_ahead(server) == 0


def test_an_answer_before_the_dot_is_no_acceptance_for_what_went_ahead_either() -> None:
    early = Say("354 go on\n250 2.0.0 queued")
    with ScriptedServer(at("data", None, early)) as server:
        first, second = sent_in_a_row(opened(server), ONE, TWO)
        assert isinstance(first, Accepted)
        assert isinstance(second, Deferred)
        assert second.blame is Blame.CONNECTION
