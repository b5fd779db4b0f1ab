"""``send --workers N``: processes that share one issue through the database; this one watches."""

from __future__ import annotations

import multiprocessing
import threading
from contextlib import suppress
from dataclasses import replace
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from digest.cli.context import State
    from digest.pipeline.deliver import Order
    from digest.pipeline.delivered import Summary
    from digest.values import Progress

LOOK_SECONDS = 0.5
FAILED, FINE = 1, 0


def deliver_together(
    state: State, issue_id: int, order: Order, workers: int, progress: Progress, stop: threading.Event
) -> Summary:
    """Prepare the issue here, start ``workers`` processes, and tell how far they are.

    What remains when they have ended (a worker that was killed leaves its claims) this process finishes.
    """
    from sqlalchemy.exc import DBAPIError

    from digest.clock import OffsetClock
    from digest.delivery.machine import ENDED
    from digest.delivery.worker import TASK
    from digest.models import DeliveryStatus
    from digest.pipeline.deliver import deliver, prepare
    from digest.pipeline.delivered import statuses_of, summary_of

    shown = {DeliveryStatus.DEFERRED, DeliveryStatus.UNCERTAIN}
    app, settings = state.app, state.settings
    if not prepare(app.sessions, app.readers, settings, issue_id, clock=state.clock, order=order):
        return summary_of(app.readers, issue_id)
    with app.readers() as session:
        before = statuses_of(session, issue_id)
    shifted = isinstance(state.clock, OffsetClock)
    now = state.clock.now() if shifted else None
    spawn = multiprocessing.get_context("spawn")
    children = [
        spawn.Process(target=_companion, args=(settings.folder, issue_id, workers, now, state.verbose))
        for _ in range(workers)
    ]
    started = state.clock.monotonic()
    progress.start(TASK, sum(count for status, count in before.items() if status not in ENDED))
    for child in children:
        child.start()
    counts, done = before, 0
    while any(child.is_alive() for child in children):
        state.clock.wait(LOOK_SECONDS)
        with suppress(DBAPIError), app.readers() as session:  # away for a moment: the children wait, too
            counts = statuses_of(session, issue_id)
        ended = {status: counts[status] - before.get(status, 0) for status in counts if status in ENDED}
        if sum(ended.values()) != done:
            fresh, done = sum(ended.values()) - done, sum(ended.values())
            open_still = {status: counts[status] for status in counts if status in shown}
            progress.advance(TASK, fresh, **{status.value: n for status, n in (ended | open_still).items()})
        if stop.is_set():
            for child in children:
                child.terminate()  # SIGTERM: they finish what is on the wire
    progress.finish(TASK)
    sent = counts.get(DeliveryStatus.SENT, 0) - before.get(DeliveryStatus.SENT, 0)
    seconds = state.clock.monotonic() - started
    summary = deliver(
        app.engine, settings, issue_id,
        transport=app.transport(), signer=app.signer, clock=state.clock,
        order=replace(order, missing=False, uncertain=None, examine=None), progress=progress, stop=stop,
    )  # fmt: skip
    return replace(summary, delivered=sent + summary.delivered, seconds=seconds + summary.seconds)


def _companion(folder: Path, issue_id: int, companions: int, now: datetime | None, verbose: bool) -> None:
    """One of the processes: everything built anew, nothing shared but the database."""
    import logging
    import signal
    import sys

    from digest.app import App
    from digest.cli.root import log_with_addresses
    from digest.clock import OffsetClock, SystemClock
    from digest.errors import Explained
    from digest.pipeline.deliver import Order, deliver
    from digest.settings import load

    if verbose:
        log_with_addresses()
    stop = threading.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: stop.set())
    settings = load(folder)
    app = App(settings, OffsetClock(now) if now is not None else SystemClock())
    try:
        deliver(
            app.engine, settings, issue_id,
            transport=app.transport(), signer=app.signer, clock=app.clock,
            order=Order(companions=companions), stop=stop,
        )  # fmt: skip
    except Explained as error:
        logging.getLogger(__name__).warning("a companion ended: %s", error)
        sys.exit(FAILED)
    finally:
        app.close()
