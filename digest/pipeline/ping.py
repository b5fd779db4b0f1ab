"""Tells a dead-man's switch (healthchecks style) that a run began, succeeded or failed.

A switch is told in a thread of its own: one that hangs or answers 500 neither delays nor fails a run.
"""

from __future__ import annotations

import logging
import queue
import threading
from collections.abc import Callable
from contextlib import suppress

from digest.errors import SourceError
from digest.sources.http import Http, Request

logger = logging.getLogger("digest.run")

ENDS = {"start": "/start", "success": "", "fail": "/fail"}
SECONDS = 10.0
"""How long one telling may take; after a failure it is tried once more, as networks are."""
LAST_WORD = 5.0
"""Seconds that a program waits at its end for what is still to be told."""


class Switch:
    """The switch of one edition; calls return at once and are told in their order.

    The address is the operator's own, so a private one is allowed.

    :param http: gives the client, when there is something to tell.
    :param url: told ``url/start``, ``url`` (success) or ``url/fail``; None: nobody is told.
    """

    def __init__(self, http: Callable[[], Http], url: str | None) -> None:
        self._http = http
        self._url = (url or "").rstrip("/")
        self._said: queue.SimpleQueue[str | None] = queue.SimpleQueue()
        self._teller: threading.Thread | None = None

    def __call__(self, what: str) -> None:
        """Tell that a run is at its ``"start"``, ``"success"`` or ``"fail"``; never raises."""
        if not self._url:
            return
        self._said.put(self._url + ENDS[what])
        if self._teller is None:
            self._teller = threading.Thread(target=self._tell, name="ping", daemon=True)
            self._teller.start()

    def close(self) -> None:
        """Wait for what is still to be told, but not for a switch that hangs."""
        if self._teller is not None:
            self._said.put(None)
            self._teller.join(LAST_WORD)
            self._teller = None

    def _tell(self) -> None:
        with suppress(Exception):  # whatever happens here is no run's business
            http = self._http()
            while (url := self._said.get()) is not None:
                _ask(http, url, again=self._said.empty)


def _ask(http: Http, url: str, *, again: Callable[[], bool]) -> None:
    request = Request(url, allow_private=True, deadline=SECONDS, max_body=65_536)
    for attempt in (1, 2):
        try:
            http.get(request)
        except SourceError as error:
            if attempt == 2 or not again():  # what comes next tells more
                logger.warning("ping: %s", error)
                return
        else:
            return
