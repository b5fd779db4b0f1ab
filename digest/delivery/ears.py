"""What the senders' loop listens to: the sockets of its connections, and a bell that other threads ring."""

from __future__ import annotations

import contextlib
import select
import socket
from collections.abc import Callable
from typing import Generic, TypeVar

Owner = TypeVar("Owner")
READ = select.POLLIN
READ_OR_WRITE = select.POLLIN | select.POLLOUT


class Ears(Generic[Owner]):
    """Used by one thread; ``ring`` by any. Each socket has an owner, who is told of it."""

    def __init__(self) -> None:
        self._owners: dict[int, Owner] = {}
        self._poll = select.poll()
        self._asleep = False
        self._bell, self._cord = socket.socketpair()
        self._bell.setblocking(False)
        self._cord.setblocking(False)
        self._poll.register(self._bell, READ)

    def hear(self, fd: int, events: int, owner: Owner) -> None:
        """Listen to the socket ``fd`` for ``events`` (``READ`` or ``READ_OR_WRITE``) from now on."""
        self._owners[fd] = owner
        self._poll.register(fd, events)

    def ignore(self, fd: int) -> None:
        """Listen to ``fd`` no longer; before it is closed, since another socket may get its number."""
        del self._owners[fd]
        self._poll.unregister(fd)

    def look(self) -> list[Owner]:
        """Whose sockets have something now; does not wait."""
        return self._told(0)

    def sleep(self, seconds: float, *, unless: Callable[[], bool]) -> list[Owner]:
        """Wait for a socket or the bell, at most ``seconds``; not at all if ``unless`` says so.

        It is asked when the bell can be rung already: whatever happens while it is asked rings.
        """
        self._asleep = True
        try:
            return [] if unless() else self._told(1000 * seconds)
        finally:
            self._asleep = False

    def ring(self) -> None:
        """Wake the sleeper, if there is one."""
        if self._asleep:
            self._asleep = False
            with contextlib.suppress(OSError):  # it rings already
                self._cord.send(b".")

    def close(self) -> None:
        """Give the bell's sockets back."""
        self._bell.close()
        self._cord.close()

    def _told(self, milliseconds: float) -> list[Owner]:
        owners = []
        for fd, _ in self._poll.poll(milliseconds):
            owner = self._owners.get(fd)
            if owner is not None:
                owners.append(owner)
            else:
                with contextlib.suppress(OSError):
                    self._bell.recv(4096)
        return owners
