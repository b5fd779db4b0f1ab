"""A place for a connection of the senders', and the copies that it carries: made, and broken."""

from __future__ import annotations

import contextlib
import logging
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy.exc import DBAPIError

from digest.delivery.conclusions import NOT_SENT
from digest.delivery.machine import Claim, Composer, Outbox
from digest.delivery.permit import Permit
from digest.values import (
    Blame,
    Connection,
    Deferred,
    Envelope,
    Follow,
    Outcome,
    Refused,
    Steps,
    Uncertain,
    Wait,
)
from subscribers.errors import InvalidAddress

log = logging.getLogger(__name__)
Waiting = tuple[Outbox, Composer, Claim]
AHEAD_SECONDS = 10.0  # how long a copy waits for the one before it, before another connection gets it


@dataclass(slots=True, eq=False)
class Following:
    """A copy that a connection was told will be its next, and until when it waits for that."""

    item: Waiting
    envelope: Envelope
    date: datetime
    until: float


@dataclass(slots=True, eq=False)
class Slot:
    """A place for a connection; ``item`` is the copy that it carries or waits to carry."""

    index: int
    connection: Connection | None = None
    fd: int = -1
    heard: int = 0  # the events of the socket that are listened to
    item: Waiting | None = None
    following: Following | None = None
    withdrawn: bool = False  # what was to follow went elsewhere: the connection waits for it in vain
    permit: Permit | None = None
    steps: Steps | None = None
    follow: Follow | None = None  # who tells its connection what goes next
    wait: Wait | None = None
    deadline: float = 0.0
    opening: bool = False
    idle_since: float = 0.0


def made(item: Waiting, date: datetime) -> Envelope | Refused | None:
    """The copy; why it cannot be made; or None when what it is made of cannot be read now."""
    _, compose, claim = item
    try:
        return compose(claim, date)
    except InvalidAddress as error:
        return Refused(553, f"{NOT_SENT}: {error.reason}", "5.1.3", Blame.RECIPIENT)
    except DBAPIError:
        return None  # no fault of the copy
    except Exception as error:
        log.exception("a copy cannot be composed")
        return Refused(0, f"the copy cannot be composed: {error}", blame=Blame.MESSAGE)


def broken(slot: Slot, error: OSError) -> Outcome:
    """A connection that raised, against its contract: it is closed, and the copy certain as far as can be."""
    connection, slot.connection = slot.connection, None
    with contextlib.suppress(OSError):
        if connection is not None:
            connection.close()
    why = f"the connection broke: {error}"
    granted = slot.permit is not None and slot.permit.granted
    return Uncertain(why) if granted else Deferred(0, why, blame=Blame.CONNECTION)
