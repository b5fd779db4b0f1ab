"""The storm: senders are killed with -9 and stopped for longer than their lease, again and again.

By hand: ``python -m tests.storm.storm --recipients 20000 --kills 100 --stops 20`` (``--database URL``).
"""

from __future__ import annotations

import argparse
import multiprocessing
import os
import random
import signal
import sys
import tempfile
import time
from collections import Counter
from dataclasses import dataclass
from datetime import UTC, datetime
from multiprocessing.process import BaseProcess
from pathlib import Path

from sqlalchemy import insert, select
from sqlalchemy.engine import Engine
from sqlalchemy.orm import Session

import digest.models
from digest.delivery.enqueue import enqueue
from digest.models import DeliveryRow, IssueRow, IssueStatus
from subscribers.audience import audience
from subscribers.database import Base, open_engine
from subscribers.models import (
    MailingListRow,
    OptIn,
    SubscriberRow,
    SubscriptionRow,
    SubscriptionStatus,
)
from tests.smtp.faults import fault_of, faults
from tests.smtp.scripted import ScriptedServer
from tests.storm.sender import Weather, send

START = datetime(2026, 3, 1, 7, 0, tzinfo=UTC)
assert digest.models


@dataclass(frozen=True)
class Damage:
    """What the storm did."""

    seed: int
    statuses: dict[str, int]
    taken: int
    duplicates: int
    lost: tuple[str, ...]
    falsely_sent: tuple[str, ...]
    falsely_refused: tuple[str, ...]
    dropped_after: int
    kills: int
    stops: int
    connections: int
    same_bytes: bool
    seconds: float

    @property
    def bound(self) -> int:
        """The most duplicates that ``resend`` may cause."""
        return (self.kills + self.stops) * self.connections + self.dropped_after

    def __str__(self) -> str:
        return (
            f"seed {self.seed}: {self.kills} kills, {self.stops} stops, {self.statuses}, {self.taken} taken, "
            f"{self.duplicates} duplicates (bound {self.bound}), {len(self.lost)} lost, "
            f"{len(self.falsely_sent)} falsely sent, {self.seconds:.0f} s"
        )


def people(engine: Engine, count: int) -> None:
    """A list with ``count`` readers and an issue that is being sent to them."""
    Base.metadata.create_all(engine)
    with Session(engine) as session, session.begin():
        session.add(MailingListRow(id=1, name="daily", optin=OptIn.SINGLE, created_at=START))
        session.add(
            IssueRow(
                id=1, edition="daily", date=START.date(), status=IssueStatus.SENDING, ledger="daily",
                list_name="daily", language="en", timezone="UTC", subject="S", preheader="", built_at=START,
            )
        )  # fmt: skip
        for first in range(1, count + 1, 5000):
            numbers = range(first, min(first + 5000, count + 1))
            session.execute(
                insert(SubscriberRow),
                [
                    {
                        "id": n, "address": f"r{n}@example.org", "normalized": f"r{n}@example.org",
                        "domain": "example.org", "suppression_hash": n.to_bytes(16, "big"),
                        "created_at": START, "updated_at": START,
                    }
                    for n in numbers
                ],
            )  # fmt: skip
            session.execute(
                insert(SubscriptionRow),
                [
                    {
                        "id": n, "subscriber_id": n, "list_id": 1,
                        "status": SubscriptionStatus.CONFIRMED, "created_at": START,
                    }
                    for n in numbers
                ],
            )  # fmt: skip
        enqueue(session, 1, audience(1))


def rage(
    url: str,
    *,
    recipients: int,
    kills: int,
    stops: int,
    seed: int,
    resend: bool = True,
    connections: int = 4,
    lease: float = 3.0,
    doubt: float = 3.0,
) -> Damage:
    """Send to ``recipients`` through two senders at a time, one of which is always in danger."""
    chance = random.Random(seed)
    engine = open_engine(url)
    people(engine, recipients)
    fork = multiprocessing.get_context("forkserver")
    fork.set_forkserver_preload(["tests.storm.sender"])
    started = time.monotonic()
    with ScriptedServer(faults(seed)) as server:
        weather = Weather(url, server.port, connections, resend, lease, doubt, recipients)

        def begin() -> BaseProcess:
            sender = fork.Process(target=send, args=(weather,))
            sender.start()
            return sender

        senders = [begin(), begin()]
        events = ["kill"] * kills + ["stop"] * stops
        chance.shuffle(events)
        step = max(1, recipients // (len(events) + 1))
        stopped: list[tuple[float, BaseProcess]] = []
        done = Counter({"kill": 0, "stop": 0})
        for event in events:
            _wait_for(server, chance.randint(1, step), seconds=4.0)
            victim = senders.pop(0)
            assert victim.pid is not None
            if victim.exitcode == 0:
                break  # everything is sent already
            assert victim.exitcode is None, f"a sender ended by itself: {victim.exitcode}"
            done[event] += 1
            if event == "kill":
                os.kill(victim.pid, signal.SIGKILL)
            else:
                os.kill(victim.pid, signal.SIGSTOP)
                stopped.append((time.monotonic() + 1.5 * lease, victim))
            senders.append(begin())
            stopped = _wake(stopped, time.monotonic())
        while stopped:
            stopped = _wake(stopped, time.monotonic())
            time.sleep(0.1)
        last = begin()
        last.join(300)
        assert not last.is_alive(), "the last sender should have come to its end"
        for sender in (*senders, last):
            sender.join(60)
            assert sender.exitcode == 0, f"a sender ended by itself: {sender.exitcode}"
        return _assess(engine, server, seed, done, connections, time.monotonic() - started)


def _wait_for(server: ScriptedServer, messages: int, *, seconds: float) -> None:
    goal, deadline = len(server.taken) + messages, time.monotonic() + seconds
    while len(server.taken) < goal and time.monotonic() < deadline:
        time.sleep(0.005)


def _wake(stopped: list[tuple[float, BaseProcess]], now: float) -> list[tuple[float, BaseProcess]]:
    for due, sender in stopped:
        if due <= now and sender.pid is not None:
            os.kill(sender.pid, signal.SIGCONT)
    return [(due, sender) for due, sender in stopped if due > now]


def _assess(
    engine: Engine, server: ScriptedServer, seed: int, done: Counter[str], connections: int, seconds: float
) -> Damage:
    with Session(engine) as session:
        rows = session.execute(
            select(SubscriberRow.address, DeliveryRow.status).join(
                SubscriberRow, SubscriberRow.id == DeliveryRow.subscriber_id
            )
        ).all()
    engine.dispose()
    taken = server.recipients
    digests: dict[str, set[str]] = {}
    for message in list(server.taken):
        digests.setdefault(message.recipient, set()).add(message.sha256)
    return Damage(
        seed=seed,
        statuses=dict(Counter(status.value for _, status in rows)),
        taken=sum(taken.values()),
        duplicates=sum(count - 1 for count in taken.values()),
        lost=tuple(
            address
            for address, status in rows
            if not taken[address] and status.value not in {"refused", "uncertain"}
        ),
        falsely_sent=tuple(
            address for address, status in rows if status.value == "sent" and not taken[address]
        ),
        falsely_refused=tuple(
            address
            for address, status in rows
            if status.value == "refused" and fault_of(seed, address, 1) != "550"
        ),
        dropped_after=server.dropped_after,
        kills=done["kill"],
        stops=done["stop"],
        connections=connections,
        same_bytes=all(len(found) == 1 for address, found in digests.items() if taken[address] > 1),
        seconds=seconds,
    )


def main() -> None:
    """Run one storm and say what it did."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--recipients", type=int, default=20_000)
    parser.add_argument("--kills", type=int, default=100)
    parser.add_argument("--stops", type=int, default=20)
    parser.add_argument("--seed", type=int, default=random.SystemRandom().randrange(1 << 30))
    parser.add_argument("--hold", action="store_true")
    parser.add_argument("--database", default="")
    given = parser.parse_args()
    sys.stdout.write(f"seed {given.seed}\n")
    with tempfile.TemporaryDirectory() as folder:
        damage = rage(
            given.database or f"sqlite:///{Path(folder) / 'storm.sqlite3'}",
            recipients=given.recipients, kills=given.kills, stops=given.stops, seed=given.seed,
            resend=not given.hold,
        )  # fmt: skip
    sys.stdout.write(f"{damage}\n")
    bad = damage.lost or damage.falsely_sent or damage.duplicates > (0 if given.hold else damage.bound)
    sys.exit(1 if bad else 0)


if __name__ == "__main__":
    main()
