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
    from digest.pipeline.reading import ReaderDesk
    from digest.settings import Settings

Fields = dict[str, list[str]]


class ReaderPages:
    """Leave, come back, confirm."""

    def __init__(self, settings: Settings, desk: ReaderDesk, clock: Clock) -> None:
        self._newsletter = settings.file.newsletter
        self._desk = desk
        self._clock = clock

    def ask_to_leave(self, request: Request) -> Response:
        """A question with a button."""
        standing = self._desk.look(Purpose.UNSUBSCRIBE, token_of(request), now=self._clock.now())
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
            token_of(request),
            now=self._clock.now(),
            method=ConsentMethod.ONE_CLICK if one_click else ConsentMethod.FORM,
            ip=address_of(request),
            reason=first_of(fields, "reason"),
            everything=bool(first_of(fields, "everything")),
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
        done, standing = self._desk.come_back(
            token_of(request), now=self._clock.now(), ip=address_of(request)
        )
        words = words_of(standing.language)
        if not done:
            sentence = words.text("Ten minutes have passed. You can subscribe anew on our site.")
            return self._show(Page(words.text("This cannot be undone any more"), (sentence,)), words, 409)
        return self._show(Page(words.text("You are on the list {list}", list=standing.list_title)), words)

    def ask_to_confirm(self, request: Request) -> Response:
        """A button, because scanners follow links."""
        standing = self._desk.look(Purpose.CONFIRM, token_of(request), now=self._clock.now())
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
            token_of(request),
            now=self._clock.now(),
            ip=address_of(request),
            wording=words.text("Please confirm: {list}", list=self._newsletter.name),
        )
        words = words_of(standing.language)
        if outcome is ConfirmOutcome.GONE:
            sentence = words.text("You can subscribe anew on our site.")
            return self._show(Page(words.text("This subscription has ended"), (sentence,)), words, 410)
        return self._show(Page(words.text("You are on the list {list}", list=standing.list_title)), words)

    def _show(self, page: Page, words: Words, status: int = 200) -> Response:
        return show(page, words, name=self._newsletter.name, site=self._newsletter.url, status=status)


def token_of(request: Request) -> str:
    return str(request.path_params["token"])


def first_of(fields: Fields, name: str) -> str:
    return (fields.get(name) or [""])[0][:500]


def address_of(request: Request) -> str:
    """Where the request came from; uvicorn has put a trusted proxy's word for it in place."""
    return request.client.host if request.client else ""
