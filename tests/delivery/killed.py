"""What a sender does that dies with a copy on the wire."""

from __future__ import annotations

import os
import signal

from digest.clock import SystemClock
from digest.delivery.machine import Policy
from digest.delivery.outbox import SqlOutbox
from digest.delivery.writer import Writer
from subscribers.database import open_engine


def claim_two_and_die(url: str) -> None:
    clock = SystemClock()
    engine = open_engine(url)
    outbox = SqlOutbox(engine, Writer(engine, clock), clock, issue_id=1, list_id=1, policy=Policy())
    first, _ = outbox.claim(2)
    assert outbox.intend(first, clock.now()).wait()
    os.kill(os.getpid(), signal.SIGKILL)
