"""The editor's page on a phone: an issue that waits, and what can be done with it. GET changes nothing."""

from __future__ import annotations

from datetime import datetime
from functools import lru_cache
from typing import TYPE_CHECKING, Final
from urllib.parse import urlsplit

from jinja2 import Environment, FileSystemLoader, StrictUndefined, Template
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import HTMLResponse, RedirectResponse, Response

from digest.errors import ConfigError, Explained, RenderError, StaleEdit, UnknownIssue
from digest.pipeline.approving import clock_time, fate_of, heading_of
from digest.rendering.words import Words, words_of
from digest.resources import templates_dir
from digest.web.pages import PRIVATE, Page, show
from digest.web.reader import Fields, first_of, token_of
from subscribers.errors import TokenExpired

if TYPE_CHECKING:
    from digest.clock import Clock
    from digest.pipeline.desk import DeskView, EditorDesk
    from digest.settings import Settings

# Strangers' stories: no script, no form, nothing of our own origin.
ISSUE_POLICY: Final = (
    "default-src 'none'; img-src https: http: data:; style-src 'unsafe-inline'; base-uri 'none'; "
    "form-action 'none'; frame-ancestors 'none'; sandbox allow-popups allow-popups-to-escape-sandbox"
)
DONE: Final = {
    "approve": "Approved.",
    "hold": "Held: it does not go out before somebody approves it.",
    "send": "It is on its way: the first copies leave within a minute.",
    "resume": "It goes on.",
    "drop": "Dropped.",
    "up": "Moved up.",
    "headline": "The headline is kept.",
}


class DeskPages:
    """The pages below ``/d/TOKEN``."""

    def __init__(self, settings: Settings, desk: EditorDesk, clock: Clock) -> None:
        self._settings = settings
        self._desk = desk
        self._clock = clock
        self._words = words_of(settings.file.newsletter.language)

    def look(self, request: Request) -> Response:
        """The issue with its buttons. Asking for it changes nothing: mail scanners do."""
        try:
            view = self._desk.look(token_of(request))
        except (TokenExpired, UnknownIssue) as error:
            return self._over(error)
        said = DONE.get(request.query_params.get("done", ""), "")
        return self._page(request, view, said=view.words.text(said) if said else "")

    def issue(self, request: Request) -> Response:
        """The issue as readers get it."""
        try:
            html = self._desk.issue_html(token_of(request))
        except (TokenExpired, UnknownIssue) as error:
            return self._over(error)
        except (RenderError, ConfigError) as error:
            return self._show(Page(self._words.text("We cannot do this now"), (_told(error),)), 409)
        return HTMLResponse(html, headers={**PRIVATE, "Content-Security-Policy": ISSUE_POLICY})

    def act(self, request: Request, fields: Fields) -> Response:
        """A button: it acts, and the page is shown anew by a redirect, so that a reload repeats nothing."""
        if not self._asked_from_here(request):
            raise HTTPException(403, "asked from another site")
        token, action = token_of(request), str(request.path_params["action"])
        form = {name: first_of(fields, name) for name in ("item", "version", "headline")}
        try:
            self._desk.act(token, action, form)
        except (TokenExpired, UnknownIssue) as error:
            return self._over(error)
        except StaleEdit:
            said = self._words.text(
                "Somebody else changed the issue meanwhile. Nothing of yours was written."
            )
            return self._page(request, self._desk.look(token), said=said, failed=True)
        except Explained as error:
            return self._page(request, self._desk.look(token), said=_told(error), failed=True)
        return RedirectResponse(f"/d/{token}?done={action}", 303, headers=PRIVATE)

    def _page(self, request: Request, view: DeskView, *, said: str = "", failed: bool = False) -> Response:
        words, now = view.words, self._clock.now()
        html = _template().render(
            view=view,
            issue=view.issue,
            heading=_heading(view, words, now),
            sentences=self._sentences(view, words, now),
            base=f"/d/{token_of(request)}",
            said=said,
            failed=failed,
            words=words,
            name=self._settings.file.newsletter.name,
            style=_style(),
            _=words.text,
        )
        return HTMLResponse(html, 409 if failed else 200, headers=PRIVATE)

    def _sentences(self, view: DeskView, words: Words, now: datetime) -> list[str]:
        issue = view.issue
        if issue.status == "built" and view.held_by is not None:
            return [words.text("Held by {name}: it does not go out before somebody approves it.",
                               name=view.held_by or "?")]  # fmt: skip
        if issue.status == "built":
            return list(fate_of(view.waiting, view.zone, words, day=now))
        if issue.status == "approved":
            return [words.text("Approved by {name}.", name=view.approved_by or "?")]
        if issue.status == "paused":
            return [line for line in (issue.paused_reason,) if line]
        return []

    def _over(self, error: TokenExpired | UnknownIssue) -> Response:
        """A link whose time is over says so, and what to do instead."""
        sentence = self._words.text(
            "Links of an approval mail work for two days. Open the issue with `digest preview`."
        )
        status = 410 if isinstance(error, TokenExpired) else 404
        return self._show(Page(self._words.text("This link has expired"), (sentence,)), status)

    def _show(self, page: Page, status: int) -> Response:
        newsletter = self._settings.file.newsletter
        return show(page, self._words, name=newsletter.name, site=newsletter.url, status=status)

    def _asked_from_here(self, request: Request) -> bool:
        """Whether a form was sent by this page: browsers say so by Sec-Fetch-Site, older ones by Origin.

        With ``Referrer-Policy: no-referrer`` a browser's Origin is ``null`` (Fetch, 3.1).
        """
        site = request.headers.get("sec-fetch-site")
        origin = request.headers.get("origin")
        if site is not None:
            return site == "same-origin"
        if origin is None:
            return True  # no browser: whoever has the token may act
        ours = {request.url.netloc, urlsplit(self._settings.public_url).netloc}
        return urlsplit(origin).netloc in ours


def _heading(view: DeskView, words: Words, now: datetime) -> str:
    match view.issue.status:
        case "built":
            return heading_of(view.waiting, view.zone, words, day=now)
        case "approved":
            goes_at = view.waiting.goes_at
            if goes_at is None or goes_at <= now:
                return words.text("Goes out within a minute")
            return words.text("Goes out at {time}", time=clock_time(goes_at, view.zone, words, day=now))
        case "sending":
            return words.text("It is being sent")
        case "paused":
            return words.text("It is stopped")
        case "sent":
            return words.text("It is sent")
        case _:
            return words.text("It is cancelled")


def _told(error: Explained) -> str:
    return " — ".join(part for part in (str(error), error.remedy) if part)


@lru_cache(maxsize=1)
def _template() -> Template:
    environment = Environment(
        loader=FileSystemLoader(templates_dir() / "web"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    return environment.get_template("desk.html")


@lru_cache(maxsize=1)
def _style() -> str:
    return (templates_dir() / "web" / "paper.css").read_text(encoding="utf-8")
