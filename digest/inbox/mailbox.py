"""Where arrived mails are kept: in memory, newest first, bounded."""

from __future__ import annotations

import threading
from collections import OrderedDict
from dataclasses import dataclass, field
from datetime import datetime
from functools import cached_property

from digest.clock import Clock
from digest.mail.opened import OpenedMessage, open_message


@dataclass(frozen=True)
class ArrivedMail:
    """One mail as it came over the wire, with its envelope (RFC 5321)."""

    id: int
    at: datetime
    envelope_sender: str
    envelope_recipients: tuple[str, ...]
    source: bytes = field(repr=False)

    @cached_property
    def opened(self) -> OpenedMessage:
        """Its parts and headers, read once and when first looked at."""
        return open_message(self.source)


class Mailbox:
    """Keeps the newest mails; every thread may put and look.

    :param capacity: how many mails are kept; the oldest go first.
    :param max_bytes: how much they may weigh together.
    """

    def __init__(self, clock: Clock, *, capacity: int = 500, max_bytes: int = 128 * 1024 * 1024) -> None:
        self._clock = clock
        self._capacity = capacity
        self._max_bytes = max_bytes
        self._mails: OrderedDict[int, ArrivedMail] = OrderedDict()
        self._bytes = 0
        self._arrived = 0
        self._version = 0
        self._changed = threading.Condition()

    def put(self, sender: str, recipients: tuple[str, ...], source: bytes) -> ArrivedMail:
        """Keep a mail and tell those who wait."""
        with self._changed:
            self._arrived += 1
            mail = ArrivedMail(self._arrived, self._clock.now(), sender, recipients, source)
            self._mails[mail.id] = mail
            self._bytes += len(source)
            while len(self._mails) > 1 and (
                len(self._mails) > self._capacity or self._bytes > self._max_bytes
            ):
                _, oldest = self._mails.popitem(last=False)
                self._bytes -= len(oldest.source)
            self._version += 1
            self._changed.notify_all()
            return mail

    def mails(self) -> list[ArrivedMail]:
        """All that is kept, newest first."""
        with self._changed:
            return list(reversed(self._mails.values()))

    def get(self, mail_id: int) -> ArrivedMail | None:
        """The mail of that number, or None when it is gone or never was."""
        with self._changed:
            return self._mails.get(mail_id)

    def clear(self) -> None:
        """Forget all mails; numbers go on."""
        with self._changed:
            self._mails.clear()
            self._bytes = 0
            self._version += 1
            self._changed.notify_all()

    @property
    def arrived(self) -> int:
        """How many mails ever arrived."""
        return self._arrived

    @property
    def version(self) -> int:
        """Grows with every change."""
        return self._version

    def wait_for(self, count: int, seconds: float) -> bool:
        """Wait until ``count`` mails have arrived since the start, or ``seconds`` passed; tell which."""
        with self._changed:
            return self._changed.wait_for(lambda: self._arrived >= count, timeout=seconds)
