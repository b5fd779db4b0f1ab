"""A worker empties an outbox into a mail server."""

from __future__ import annotations

from digest.delivery.worker import End
from digest.models import DeliveryStatus

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


def test_enqueueing_and_sending_again_sends_nothing_twice(newsroom: Newsroom, desk: Desk) -> None:
    newsroom.readers(20)
    newsroom.enqueue()
    server = MailServer()
    desk.worker(server).run()
    assert newsroom.enqueue() == 0
    desk.worker(server).run()
    assert len(server.accepted) == 20
