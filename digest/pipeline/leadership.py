"""One leader among several processes: a lease in the database, renewed while its holder lives."""

from __future__ import annotations

from datetime import datetime, timedelta

from sqlalchemy import select, update
from sqlalchemy.orm import Session, sessionmaker

from digest.models import LeaseRow
from subscribers.database import insert_or_ignore

LEASE = timedelta(seconds=45)
"""A killed leader is followed within a minute: this, and a look every few seconds."""


class Lease:
    """A named lease that at most one holder has at a time (``fence`` grows with each new holder)."""

    def __init__(
        self, sessions: sessionmaker[Session], name: str, holder: str, *, length: timedelta = LEASE
    ) -> None:
        self._sessions = sessions
        self._name = name
        self._holder = holder
        self._length = length

    def hold(self, now: datetime) -> bool:
        """Take or renew the lease; False when somebody else has it."""
        with self._sessions.begin() as session:
            session.execute(
                insert_or_ignore(session, LeaseRow).values(
                    name=self._name, holder=self._holder, fence=1, until=now + self._length
                )
            )
            row = session.execute(
                select(LeaseRow).where(LeaseRow.name == self._name).with_for_update()
            ).scalar_one()
            if row.holder != self._holder:
                if row.until > now:
                    return False
                row.holder = self._holder
                row.fence += 1
            row.until = now + self._length
            return True

    def release(self, now: datetime) -> None:
        """Give the lease back, so that another need not wait for its end."""
        with self._sessions.begin() as session:
            session.execute(
                update(LeaseRow)
                .where(LeaseRow.name == self._name, LeaseRow.holder == self._holder)
                .values(until=now)
            )
