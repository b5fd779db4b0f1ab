"""What ``issue check --links`` asks the web: stories' pages and printed pictures, by the safe fetcher."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, TypeVar

from digest.checks import LinkState, PictureState
from digest.checks.addresses import is_on_this_machine
from digest.errors import SourceError

if TYPE_CHECKING:
    from digest.sources.http import Http, Request, Response
    from digest.values import Progress

AskLink = Callable[[str], LinkState]
AskPicture = Callable[[str], PictureState]
State = TypeVar("State")

_AT_ONCE = 8
_PAGE_LOOK = 2048  # bytes
_SECONDS = 20.0  # in total, for one address
_ANSWERED = re.compile(r"the server answers (\d{3})")


def ask_through(http: Http, *, site: str = "") -> AskLink:
    """Asks links: checked addresses, total deadlines, few bytes.

    :param site: the newsletter's own address; where it is on this machine (the demo) others there are asked.
    """

    def ask(url: str) -> LinkState:
        answer = _answer(http, _request(url, site, max_body=_PAGE_LOOK))
        return answer if isinstance(answer, LinkState) else LinkState(answer.status)

    return ask


def ask_pictures_through(http: Http, *, site: str = "") -> AskPicture:
    """Asks pictures: whether they are there, of what type by their first bytes, how heavy they are."""
    from digest.sources.completing import PICTURE_LOOK, weight_of
    from digest.sources.pictures import measure

    def ask(url: str) -> PictureState:
        answer = _answer(http, _request(url, site, max_body=PICTURE_LOOK, accept="image/*"))
        if isinstance(answer, LinkState):
            return PictureState(answer.status, answer.detail)
        measured = measure(answer.body)
        kind = measured.media_type if measured else answer.content_type.partition(";")[0].strip().lower()
        return PictureState(answer.status, "", kind, weight_of(answer), shown=measured is not None)

    return ask


def ask_all(
    urls: Iterable[str], ask: Callable[[str], State], progress: Progress, step: str
) -> dict[str, State]:
    """Every address once, eight at a time."""
    wanted = list(dict.fromkeys(urls))
    progress.start(step, len(wanted))
    found: dict[str, State] = {}
    with ThreadPoolExecutor(_AT_ONCE) as pool:
        for url, state in zip(wanted, pool.map(ask, wanted), strict=True):
            found[url] = state
            progress.advance(step)
    progress.finish(step)
    return found


def _request(url: str, site: str, *, max_body: int, accept: str = "text/html, */*;q=0.5") -> Request:
    from digest.sources.http import Request

    here = bool(site) and is_on_this_machine(site) and is_on_this_machine(url)
    return Request(
        url=url, allow_private=here, accept=accept, max_body=max_body, head_only=True, deadline=_SECONDS
    )


def _answer(http: Http, request: Request) -> Response | LinkState:
    from digest.sources.http import Gone, RetryLater

    try:
        return http.get(request)
    except Gone as error:
        return LinkState(410, str(error))
    except RetryLater:
        return LinkState(200)  # it answers, only not to programs in a hurry
    except SourceError as error:
        answered = _ANSWERED.search(str(error))
        return LinkState(int(answered[1]) if answered else 0, str(error))
