"""The pages behind the links of a mail. GET and HEAD change nothing, because scanners follow links."""

from __future__ import annotations

from typing import TYPE_CHECKING

from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response

from digest.rendering.words import Words, words_of
from digest.web.pages import PRIVATE, PROTECTION, Field, Form, Page, show
from subscribers.membership import ConfirmOutcome
from subscribers.models import ConsentMethod
from subscribers.tokens import Purpose

if TYPE_CHECKING:
    from digest.clock import Clock
    from digest.pipeline.reading import ReaderDesk, Standing
    from digest.settings import Settings

Fields = dict[str, list[str]]


class ReaderPages:
    """Leave, come back, confirm, choose."""

    def __init__(self, settings: Settings, desk: ReaderDesk, clock: Clock) -> None:
        self._newsletter = settings.file.newsletter
        self._desk = desk
        self._clock = clock

    def ask_to_leave(self, request: Request) -> Response:
        """A question with a button."""
        standing = self._desk.look(Purpose.UNSUBSCRIBE, _token(request), now=self._clock.now())
        words = words_of(standing.language)
        reason = Field("reason", label=words.text("Why? (You need not say.)"))
        forms = [Form(words.text("Unsubscribe"), [reason], primary=True)]
        if standing.known:
            forms.append(Form(words.text("Leave all lists"), [Field("everything", "1", kind="hidden")]))
        page = Page(words.text("Do you want to leave {list}?", list=standing.list_title), forms=forms)
        return self._show(page, words)

    def leave(self, request: Request, fields: Fields) -> Response:
        """RFC 8058's POST and our own button; both answer 200, again and again."""
        one_click = fields.get("List-Unsubscribe") == ["One-Click"]
        standing = self._desk.leave(
            _token(request),
            now=self._clock.now(),
            method=ConsentMethod.ONE_CLICK if one_click else ConsentMethod.FORM,
            ip=_address(request),
            reason=_first(fields, "reason"),
            everything=bool(_first(fields, "everything")),
        )
        if one_click:
            return PlainTextResponse("unsubscribed\n", headers={**PROTECTION, **PRIVATE})
        words = words_of(standing.language)
        page = Page(
            words.text("You have left {list}", list=standing.list_title),
            (words.text("No further issue will come to this address."),),
            [Form(words.text("That was a mistake: put me back"), action=f"{request.url.path}/undo")],
        )
        return self._show(page, words)

    def come_back(self, request: Request, _fields: Fields) -> Response:
        """Undo, within ten minutes."""
        done, standing = self._desk.come_back(_token(request), now=self._clock.now(), ip=_address(request))
        words = words_of(standing.language)
        if not done:
            sentence = words.text("Ten minutes have passed. You can subscribe anew on our site.")
            return self._show(Page(words.text("This cannot be undone any more"), (sentence,)), words, 409)
        return self._show(Page(words.text("You are on the list {list}", list=standing.list_title)), words)

    def ask_to_confirm(self, request: Request) -> Response:
        """A button, because scanners follow links."""
        standing = self._desk.look(Purpose.CONFIRM, _token(request), now=self._clock.now())
        words = words_of(standing.language)
        if standing.confirmed:
            return self._show(Page(words.text("You are on the list {list}", list=standing.list_title)), words)
        page = Page(
            words.text("Please confirm: {list}", list=standing.list_title),
            forms=[Form(words.text("Confirm"), primary=True)],
        )
        return self._show(page, words)

    def confirm(self, request: Request, _fields: Fields) -> Response:
        """The button of the page above; once."""
        words = words_of(self._newsletter.language)
        outcome, standing = self._desk.confirm(
            _token(request),
            now=self._clock.now(),
            ip=_address(request),
            wording=words.text("Please confirm: {list}", list=self._newsletter.name),
        )
        words = words_of(standing.language)
        if outcome is ConfirmOutcome.GONE:
            sentence = words.text("You can subscribe anew on our site.")
            return self._show(Page(words.text("This subscription has ended"), (sentence,)), words, 410)
        return self._show(Page(words.text("You are on the list {list}", list=standing.list_title)), words)

    def preferences(self, request: Request) -> Response:
        """What a reader gets, as a form."""
        standing = self._desk.look(Purpose.PREFERENCES, _token(request), now=self._clock.now())
        return self._preferences(standing, saved=False)

    def choose(self, request: Request, fields: Fields) -> Response:
        """Save the form: all sections ticked is "all of them", those to come included."""
        now = self._clock.now()
        token = _token(request)
        offered = self._desk.section_names(self._desk.look(Purpose.PREFERENCES, token, now=now).list_name)
        ticked = [key for key in fields.get("section", []) if key in offered]
        chosen = None if len(ticked) == len(offered) else ticked
        standing = self._desk.choose(
            token, now=now, name=_first(fields, "name"), sections=chosen, ip=_address(request)
        )
        return self._preferences(standing, saved=True)

    def _preferences(self, standing: Standing, *, saved: bool) -> Response:
        words = words_of(standing.language)
        if not standing.known:
            return self._show(Page(words.text("This subscription has ended")), words, 410)
        offered = self._desk.section_names(standing.list_name)
        fields = [Field("name", standing.name, words.text("Your name"))]
        fields += [
            Field("section", key, name, "check", standing.sections is None or key in standing.sections)
            for key, name in offered.items()
        ]
        page = Page(
            words.text("What you get of {list}", list=standing.list_title),
            (words.text("Saved."),) if saved else (),
            [Form(words.text("Save"), fields, primary=True)],
        )
        return self._show(page, words)

    def _show(self, page: Page, words: Words, status: int = 200) -> Response:
        return show(page, words, name=self._newsletter.name, site=self._newsletter.url, status=status)


def _token(request: Request) -> str:
    return str(request.path_params["token"])


def _first(fields: Fields, name: str) -> str:
    return (fields.get(name) or [""])[0][:500]


def _address(request: Request) -> str:
    """Where the request came from; uvicorn has put a trusted proxy's word for it in place."""
    return request.client.host if request.client else ""
