"""Tells a dead-man's switch (healthchecks style) that a run began, succeeded or failed."""

from __future__ import annotations

import logging

from digest.errors import SourceError
from digest.sources.http import Http, Request

logger = logging.getLogger("digest.run")

_ENDS = {"start": "/start", "success": "", "fail": "/fail"}
_SECONDS = 10.0


def ping(http: Http, url: str | None, what: str) -> None:
    """Ask for ``url`` (success), ``url/start`` or ``url/fail``; a switch that does not answer fails no run.

    The address is the operator's own, so a private one is allowed.
    """
    if not url:
        return
    request = Request(url.rstrip("/") + _ENDS[what], allow_private=True, deadline=_SECONDS, max_body=65_536)
    try:
        http.get(request)
    except SourceError as error:
        logger.warning("ping %s: %s", what, error)
