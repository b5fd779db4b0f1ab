"""Whom a refusal blames: ten in a row about sender or message pause the issue (docs/sending.md).

Until one copy is accepted again such refusals are suspect: nobody is marked refused for them. An
acceptance shows that the server takes our mail, and they count against their own recipients after all.
"""

from __future__ import annotations

import threading
from dataclasses import dataclass, field

from digest.delivery.machine import Claim, Outbox, Verdict

SUSPECT_AFTER = 10

Suspect = tuple[Outbox, Claim, Verdict]


@dataclass
class Suspicion:
    """The suspects of one run: the senders' thread finds them, the worker's may take them at any time.

    :param limit: refusals in a row. :param doubt_limit: dots in a row without a reply.
    """

    limit: int = SUSPECT_AFTER
    doubt_limit: int = 16
    _held: list[Suspect] = field(default_factory=list)
    _lock: threading.Lock = field(default_factory=threading.Lock)
    _doubts: int = 0
    reply: str = ""

    def refused(self, outbox: Outbox, claim: Claim, verdict: Verdict) -> bool:
        """Keep a suspect refusal; True when there have been enough to pause."""
        with self._lock:
            self._held.append((outbox, claim, verdict))
            self.reply = verdict.reply
            return len(self._held) >= self.limit

    def doubtful(self) -> bool:
        """A dot stayed without its reply; True when so many in a row did that nothing else should be sent."""
        with self._lock:
            self._doubts += 1
            return self._doubts > self.doubt_limit

    def accepted(self) -> list[Suspect]:
        """The refusals that a new acceptance confirms; almost always none."""
        if not self._held and not self._doubts:
            return []
        return self.clear()

    def clear(self) -> list[Suspect]:
        """Give up the suspicion and return what was held."""
        with self._lock:
            held, self._held, self._doubts = self._held, [], 0
        return held
