"""What the senders know of the mail server: how many connections it bears, when to knock again."""

from __future__ import annotations

import random

from digest.clock import Clock
from digest.errors import ServerUnavailable, TransportError

LONGEST_DELAY = 300.0  # seconds
RECOVERY = 50  # accepted copies after which one more connection is tried


class ServerHealth:
    """Kept by the senders' thread; the worker's reads ``given_up``.

    A lost connection, a 421 or a refused session delays new connections (1 s, doubling to 5 min) and
    halves their number; open ones go on. Acceptances bring both back.

    :param tries: how often to knock before a server that was never reached is given up.
    :param patience: seconds of nothing but trouble after which one that was reached is given up.
    """

    def __init__(
        self,
        connections: int,
        clock: Clock,
        chance: random.Random,
        *,
        first_delay: float = 1.0,
        tries: int = 3,
        patience: float = LONGEST_DELAY,
    ) -> None:
        self.connections = connections
        self._clock = clock
        self._chance = chance
        self._first_delay = first_delay
        self._tries = tries
        self._patience = patience
        self._allowed = connections
        self._failures = 0
        self._until = 0.0
        self._since: float | None = None
        self._reached = False
        self._accepted = 0
        self.given_up: TransportError | None = None

    @property
    def allowed(self) -> int:
        """How many connections may be open now."""
        return self._allowed

    def delay(self) -> float:
        """Seconds until a new connection may be tried."""
        return max(0.0, self._until - self._clock.monotonic())

    def reached(self) -> None:
        """A session was opened."""
        self._reached = True

    def well(self) -> None:
        """A copy was accepted: called for each, so it does next to nothing in good times."""
        if self._allowed == self.connections and not self._failures:
            return
        self._failures = 0
        self._since = None
        self._accepted += 1
        if self._accepted >= RECOVERY and self._allowed < self.connections:
            self._allowed += 1
            self._accepted = 0

    def trouble(self, reason: str) -> None:
        """A session was refused, lost or ended by the server."""
        now = self._clock.monotonic()
        if now < self._until:
            return  # connections that fall together are one trouble
        self._since = now if self._since is None else self._since
        self._failures += 1
        self._accepted = 0
        self._allowed = max(1, self._allowed // 2)
        delay = min(LONGEST_DELAY, self._first_delay * 2 ** (self._failures - 1))
        self._until = now + delay * self._chance.uniform(0.8, 1.2)
        never = not self._reached and self._failures >= self._tries
        if never or now - self._since >= self._patience:
            self.given_up = ServerUnavailable(
                reason,
                remedy="what is not sent stays queued: repeat the command when the server answers",
            )
