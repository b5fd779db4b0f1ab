"""Signing up from outside: the same answer and the same work, whoever's address a stranger types.

While the stranger waits, only counters are looked at: nothing about the address is asked of the
database. The joining itself (and the confirm notice) is done by one thread after the answer; it waits
in memory for some milliseconds and is finished before the process ends, but a killed process forgets
it, because no table but that of subscribers may hold an address.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING

from sqlalchemy import select
from sqlalchemy.exc import DBAPIError

from digest.pipeline.confirm import ask_to_confirm
from digest.pipeline.limits import DAY, IN_ALL, PER_ADDRESS, PER_DOMAIN, PER_IP, Limits, TooMany, network_of
from subscribers.addresses import Address
from subscribers.errors import SubscriberError, Suppressed
from subscribers.membership import How, JoinOutcome, subscribe
from subscribers.models import ConsentMethod, MailingListRow
from subscribers.suppression import SuppressionKey

if TYPE_CHECKING:
    from sqlalchemy.orm import Session, sessionmaker

    from digest.settings import Settings

MOST_WAITING = 1000
_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class OfferedList:
    """A list that everybody may join, and its sections (key to name)."""

    name: str
    title: str
    sections: dict[str, str]


@dataclass(frozen=True, slots=True)
class SignUp:
    """What somebody asked for. ``sections`` empty: all of them, those to come included."""

    address: Address
    lists: tuple[str, ...]
    sections: tuple[str, ...] = ()
    language: str = ""
    ip: str = ""
    wording: str = ""
    is_trap: bool = False  # filled in what only a machine sees: answered alike, and forgotten


class SignUpDesk:
    """Takes sign-ups. ``settle`` waits until all that was taken is done.

    :param after: seconds after which joining begins. At once, it would slow down the answer of those for
        whom there is much to do: 2 ms were measured between a suppressed and an unknown address.
    """

    def __init__(
        self,
        sessions: sessionmaker[Session],
        readers: sessionmaker[Session],
        settings: Settings,
        *,
        after: float = 0.0,
    ) -> None:
        self._after = after
        self._hurry = threading.Event()
        self._sessions = sessions
        self._readers = readers
        self._settings = settings
        self._key = SuppressionKey(settings.suppression_key)
        self._limits = Limits(sessions, readers, settings.suppression_key)
        self._room = threading.BoundedSemaphore(MOST_WAITING)
        # One thread: joining is short, and the interpreter waits for it at its end.
        self._joining = ThreadPoolExecutor(max_workers=1, thread_name_prefix="joining")
        self._swept: datetime | None = None

    def offered(self) -> list[OfferedList]:
        """The lists of editions that are not private, in the order of the editions."""
        private = self._settings.file.web.private_lists
        sections: dict[str, dict[str, str]] = {}
        for name in self._settings.file.editions:
            edition = self._settings.edition(name)
            if edition.list_name not in private:
                own = sections.setdefault(edition.list_name, {})
                own |= {section.key: section.name for section in edition.sections}
        with self._readers() as session:
            wanted = select(MailingListRow).where(MailingListRow.name.in_(sections))
            titles = {row.name: row.title for row in session.scalars(wanted)}
        return [
            OfferedList(name, titles[name] or name, own) for name, own in sections.items() if name in titles
        ]

    def take(self, wanted: SignUp, *, now: datetime) -> TooMany | None:
        """Accept a sign-up, or say which limit is reached; the same statements for every address."""
        place = network_of(wanted.ip)
        too_many = self._limits.take([(PER_IP, place)], now=now) or self._limits.take(
            [
                (PER_ADDRESS, wanted.address.normalized),
                (PER_DOMAIN, wanted.address.domain),
                (IN_ALL, ""),
            ],
            now=now,
        )
        if too_many is not None:
            return too_many
        if not self._room.acquire(blocking=False):
            return TooMany("waiting", 5)
        self._joining.submit(self._finish, wanted, now, time.monotonic() + self._after)
        return None

    def settle(self) -> None:
        """Wait until everything taken so far is done."""
        self._hurry.set()
        self._joining.submit(self._hurry.clear).result()

    def close(self) -> None:
        """Finish what was taken, and take no more."""
        self._hurry.set()
        self._joining.shutdown(wait=True)

    def _finish(self, wanted: SignUp, now: datetime, begins: float) -> None:
        if self._after:
            self._hurry.wait(max(0.0, begins - time.monotonic()))
        try:
            if not wanted.is_trap:
                self._join(wanted, now)
            if self._swept is None or now - self._swept >= DAY:
                self._swept = now
                self._limits.forget(now=now)
        except Suppressed:
            pass  # nothing is written and nobody is told
        except (DBAPIError, SubscriberError) as error:
            _log.error("a sign-up could not be stored: %s", type(error).__name__)  # never the address
        finally:
            self._room.release()

    def _join(self, wanted: SignUp, now: datetime) -> None:
        offered = {one.name: one for one in self.offered()}
        how = How(ConsentMethod.FORM, ip=wanted.ip, wording=wanted.wording)
        with self._sessions.begin() as session:
            pending: list[int] = []
            for row in self._rows(session, [name for name in wanted.lists if name in offered]):
                chosen = [key for key in wanted.sections if key in offered[row.name].sections]
                joined = subscribe(
                    session,
                    wanted.address,
                    row,
                    self._key,
                    now=now,
                    how=how,
                    confirmed=False,  # a stranger's word confirms nobody, whatever the list says
                    language=wanted.language,
                    sections=chosen or None,
                )
                if joined.outcome is JoinOutcome.PENDING:
                    pending.append(joined.subscription_id)
            if pending:
                ask_to_confirm(session, self._settings, pending[0], now=now, also=pending[1:])

    def _rows(self, session: Session, names: Sequence[str]) -> list[MailingListRow]:
        rows = session.scalars(select(MailingListRow).where(MailingListRow.name.in_(names))).all()
        return sorted(rows, key=lambda row: names.index(row.name))
