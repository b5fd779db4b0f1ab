"""A worker empties an outbox into a mail server."""

from __future__ import annotations

import threading
import time
from datetime import timedelta

from digest.delivery.machine import Policy
from digest.delivery.smtp import SmtpServer, SmtpTransport
from digest.delivery.worker import End
from digest.models import DeliveryStatus
from digest.values import Accepted, Envelope, Outcome
from tests.smtp.scripted import ScriptedServer

from .conftest import Desk, MailServer, Newsroom


def test_every_reader_gets_one_copy(newsroom: Newsroom, desk: Desk) -> None:
    newsroom.readers(300)
    assert newsroom.enqueue() == 300
    server = MailServer()
    run = desk.worker(server).run()
    assert run.end is End.DONE
    assert run.of(DeliveryStatus.SENT) == 300
    assert newsroom.statuses() == {"sent": 300}
    assert len(server.copies) == 300
    assert set(server.copies.values()) == {1}


def test_a_sent_copy_keeps_the_servers_own_name_for_it(newsroom: Newsroom, desk: Desk) -> None:
    newsroom.readers(3)
    newsroom.enqueue()
    server = MailServer(lambda envelope, times: Accepted(queue_id="Q" + envelope.recipient[6]))
    desk.worker(server).run()
    rows = [newsroom.row(number) for number in (1, 2, 3)]
    assert [row.queue_id for row in rows] == ["Q1", "Q2", "Q3"]
    for row in rows:
        assert row.first_sent_at is not None
        assert row.sent_at is not None
        assert row.first_sent_at - timedelta(seconds=1) <= row.sent_at, "the Date header's whole second"
        assert (row.attempts, row.reply, row.lease_until) == (1, "", None)


def test_enqueueing_and_sending_again_sends_nothing_twice(newsroom: Newsroom, desk: Desk) -> None:
    newsroom.readers(20)
    newsroom.enqueue()
    server = MailServer()
    desk.worker(server).run()
    assert newsroom.enqueue() == 0
    desk.worker(server).run()
    assert len(server.accepted) == 20


def test_a_server_in_trouble_is_met_by_half_as_many_connections(newsroom: Newsroom, desk: Desk) -> None:
    newsroom.readers(40)  # fewer than bring the connections back
    newsroom.enqueue()
    at_work: set[str] = set()
    most, lock = [0], threading.Lock()

    def answer(envelope: Envelope, times: int) -> Outcome:
        with lock:
            at_work.add(envelope.recipient)
            most[0] = max(most[0], len(at_work))
        time.sleep(0.005)
        with lock:
            at_work.discard(envelope.recipient)
        return Accepted()

    server = MailServer(answer)
    worker = desk.worker(server, Policy(connections=8))
    worker._health.trouble("421 busy")
    run = worker.run()
    assert run.of(DeliveryStatus.SENT) == 40
    assert most[0] <= 4
    assert server.opened <= 4


def test_intents_and_results_of_many_connections_share_a_commit(newsroom: Newsroom, desk: Desk) -> None:
    newsroom.readers(400)
    newsroom.enqueue()
    with ScriptedServer() as server:
        transport = SmtpTransport(SmtpServer(host="127.0.0.1", port=server.port, tls="never"))
        run = desk.worker(transport, Policy(connections=8)).run()  # type: ignore[arg-type]
        assert run.of(DeliveryStatus.SENT) == len(server.taken) == 400
    assert newsroom.statuses() == {"sent": 400}
    assert desk.writers[-1].commits <= 400, "one by one it would be 800"
