"""Links whose clicks are counted: a redirect to where the database says, and nothing of the reader."""

from __future__ import annotations

from typing import TYPE_CHECKING

from starlette.requests import Request
from starlette.responses import Response

from digest.pipeline.clicks import is_machine
from digest.web.pages import PRIVATE, PROTECTION
from subscribers.errors import TokenForged

if TYPE_CHECKING:
    from digest.clock import Clock
    from digest.pipeline.clicks import ClickDesk


class ClickPages:
    """``/k/TOKEN``: GET leads on and counts a person's click; HEAD and machines are led on alone.

    Links of mails that are out lead on when counting is switched off, too.
    """

    def __init__(self, desk: ClickDesk, clock: Clock) -> None:
        self._desk = desk
        self._clock = clock

    def follow(self, request: Request) -> Response:
        """Lead on to the story."""
        target = self._desk.follow(str(request.path_params["token"]))
        if target is None:
            raise TokenForged("the story is gone")
        if request.method == "GET" and not is_machine(request.headers):
            self._desk.count(target, now=self._clock.now())
        return Response(status_code=302, headers={**PROTECTION, **PRIVATE, "Location": target.url})
