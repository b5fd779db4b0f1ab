"""A whole run whose copies' commands go ahead: everybody once, whatever the server does in between."""

from __future__ import annotations

import re
import threading
import time
from datetime import datetime

import pytest

from digest.delivery.machine import Claim, Policy
from digest.delivery.smtp.ahead import Trial
from digest.delivery.worker import End, Lane, Worker
from digest.models import IssueStatus
from digest.values import Envelope
from subscribers.errors import InvalidAddress
from tests.smtp.scripted import Action, Drop, Say, ScriptedServer, Stage, Transaction, Wait
from tests.smtp.talking import transport_to

from .conftest import QUICK, Desk, Newsroom, compose

EVERYBODY = 60


def everybody_once(server: ScriptedServer, count: int = EVERYBODY) -> bool:
    return server.recipients == {f"reader{n}@example.org": 1 for n in range(1, count + 1)}


def went_ahead(server: ScriptedServer) -> int:
    return sum(b"\r\n.\r\nMAIL FROM" in packet for packet in server.packets)


def worker(desk: Desk, server: ScriptedServer, connections: int = 3, **limits: float) -> Worker:
    transport = transport_to(server, **{"timeout": 5, "dot_timeout": 5, **limits})
    return desk.worker(transport, Policy(connections=connections))  # type: ignore[arg-type]


def test_everybody_gets_one_copy_and_most_commands_go_ahead(newsroom: Newsroom, desk: Desk) -> None:
    newsroom.readers(EVERYBODY)
    newsroom.enqueue()
    with ScriptedServer(keep=True) as server:
        assert worker(desk, server).run().end is End.DONE
        assert everybody_once(server)
        assert went_ahead(server) > EVERYBODY // 2
        assert server.connections == 3
    assert newsroom.statuses() == {"sent": EVERYBODY}
    assert all(newsroom.row(n).attempts == 1 for n in range(1, EVERYBODY + 1))
    assert all(newsroom.row(n).queue_id for n in range(1, EVERYBODY + 1))


def test_the_last_copies_are_left_for_the_other_connections(newsroom: Newsroom, desk: Desk) -> None:
    newsroom.readers(4)
    newsroom.enqueue()
    with ScriptedServer(lambda now, _: Wait(0.05) if now == "dot" else None, keep=True) as server:
        assert worker(desk, server).run().end is End.DONE
        assert everybody_once(server, 4)
        assert went_ahead(server) == 0


@pytest.mark.parametrize("stage", ["mail", "rcpt", "data", "body"])
def test_connections_that_break_before_the_dot_lose_and_double_nothing(
    newsroom: Newsroom, desk: Desk, stage: Stage
) -> None:
    newsroom.readers(EVERYBODY)
    newsroom.enqueue()
    reached: list[int] = []

    def decide(now: Stage, _transaction: Transaction) -> Action | None:
        if now == stage:
            reached.append(1)
        return Drop() if now == stage and len(reached) in {15, 30} else None

    with ScriptedServer(decide) as server:
        assert worker(desk, server).run().end is End.DONE
        assert everybody_once(server)
    assert newsroom.statuses() == {"sent": EVERYBODY}


def test_a_lost_answer_to_the_dot_leaves_that_copy_in_doubt_and_no_other(
    newsroom: Newsroom, desk: Desk
) -> None:
    newsroom.readers(EVERYBODY)
    newsroom.enqueue()
    lost: list[str] = []

    def decide(now: Stage, transaction: Transaction) -> Action | None:
        if now == "dot" and transaction.recipient in {"reader20@example.org", "reader40@example.org"}:
            lost.append(transaction.recipient)
            return Drop(taken=True)
        return None

    with ScriptedServer(decide, keep=True) as server:
        worker(desk, server).run()
        assert everybody_once(server)
        assert went_ahead(server)
    assert len(lost) == 2
    assert newsroom.statuses() == {"sent": EVERYBODY - 2, "uncertain": 2}


def test_a_copy_does_not_wait_long_behind_a_dot_that_is_not_answered(
    newsroom: Newsroom, desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("digest.delivery.senders.AHEAD_SECONDS", 0.2)
    newsroom.readers(EVERYBODY)
    newsroom.enqueue()
    stalled: list[tuple[int, float]] = []

    def decide(now: Stage, transaction: Transaction) -> Action | None:
        if now == "dot" and transaction.recipient == "reader20@example.org":
            stalled.append((transaction.connection, time.monotonic()))
            return Wait(1.0)
        return Wait(0.05) if now == "dot" else None

    with ScriptedServer(decide, keep=True) as server:
        running = worker(desk, server)
        assert running.run().end is End.DONE
        assert running._health.allowed == 3  # no connection got what it was not told of
        time.sleep(0.2)
        assert everybody_once(server)
        # The connection is reset once the dot is answered, perhaps before the server reads on: ask the wire.
        pattern = re.compile(rb"<20@x>.*\r\n\.\r\nMAIL.*RCPT TO:<(.*?)>", re.DOTALL)
        (behind,) = [found[1].decode() for packet in server.packets if (found := pattern.search(packet))]
        taken = next(copy for copy in server.taken if copy.recipient == behind)
        ((connection, since),) = stalled
        assert taken.connection != connection
        assert taken.at < since + 0.7
    assert newsroom.statuses() == {"sent": EVERYBODY}


def test_a_pause_while_commands_are_ahead_loses_and_doubles_nothing(newsroom: Newsroom, desk: Desk) -> None:
    newsroom.readers(200)
    newsroom.enqueue()
    with ScriptedServer(lambda now, _: Wait(0.02) if now == "dot" else None) as server:
        running = worker(desk, server)
        runs: list[End] = []
        thread = threading.Thread(target=lambda: runs.append(running.run().end))
        thread.start()
        while len(server.taken) < 30:
            time.sleep(0.01)
        newsroom.set_issue(IssueStatus.PAUSED)
        paused = time.monotonic()
        at_rest = -1
        while at_rest != len(server.taken):
            at_rest = len(server.taken)
            time.sleep(0.5)
        assert at_rest < 200
        assert max(copy.at for copy in server.taken) < paused + 1.5
        newsroom.set_issue(IssueStatus.SENDING)
        thread.join(30)
        assert runs == [End.DONE]
        assert everybody_once(server, 200)
    assert newsroom.statuses() == {"sent": 200}


@pytest.mark.parametrize("error", [InvalidAddress("no address"), KeyError("subject")])
def test_a_copy_that_cannot_be_made_goes_not_ahead_and_is_judged_as_ever(
    newsroom: Newsroom, desk: Desk, error: Exception
) -> None:
    def choosy(claim: Claim, date: datetime) -> Envelope:
        if claim.recipient.subscriber_id == 25:
            raise error
        return compose(claim, date)

    newsroom.readers(EVERYBODY)
    newsroom.enqueue()
    with ScriptedServer(keep=True) as server:
        policy = Policy(connections=3)
        lane = Lane(desk.outbox(policy), choosy)
        Worker(transport_to(server), [lane], desk.clock, policy, habits=QUICK, copies=EVERYBODY).run()
        assert server.recipients.total() == EVERYBODY - 1
        assert went_ahead(server)
    assert newsroom.statuses() == {"sent": EVERYBODY - 1, "refused": 1}


def test_a_server_that_does_not_like_it_refuses_nobody(newsroom: Newsroom, desk: Desk) -> None:
    """Every command that came with the dot is out of step for it."""
    newsroom.readers(EVERYBODY)
    newsroom.enqueue()

    def decide(now: Stage, _transaction: Transaction) -> Action | None:
        # What has come with the dot stands in the same packet.
        ahead = bool(server.packets) and b"\r\n.\r\nMAIL FROM" in server.packets[-1]
        return Say("554 5.5.0 synchronization error") if ahead and now in {"mail", "rcpt", "data"} else None

    with ScriptedServer(decide, keep=True) as server:
        running = worker(desk, server, connections=1)
        assert running.run().end is End.DONE
        assert everybody_once(server)
        assert went_ahead(server) == 1
        assert running._senders._transport._traits.ahead is Trial.FAILED  # type: ignore[attr-defined]
    assert newsroom.statuses() == {"sent": EVERYBODY}
