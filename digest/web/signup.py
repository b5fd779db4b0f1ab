"""Signing up: a form of our own, and the same address for forms and programs of other sites."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import TYPE_CHECKING

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from digest.pipeline.limits import TooMany
from digest.pipeline.signing_up import OfferedList, SignUp
from digest.rendering.words import catalogue_languages, words_of
from digest.web.pages import PRIVATE, PROTECTION, Field, Form, Page, show
from subscribers.addresses import parse_address
from subscribers.errors import InvalidAddress

if TYPE_CHECKING:
    from digest.clock import Clock
    from digest.pipeline.signing_up import SignUpDesk
    from digest.settings import Settings

TRAP = "website"  # hidden from people; whoever fills it in is a machine
Asked = dict[str, list[str]]


class SignUpPages:
    """``/subscribe``: GET shows the form, POST takes a form or JSON, OPTIONS answers browsers of other sites.

    Nothing here depends on whether an address is known: only on how it is written, and how
    often was asked.
    """

    def __init__(self, settings: Settings, desk: SignUpDesk, clock: Clock) -> None:
        self._newsletter = settings.file.newsletter
        self._origins = frozenset(origin.rstrip("/") for origin in settings.file.web.cors_origins)
        self._desk = desk
        self._clock = clock
        self._words = words_of(self._newsletter.language)

    def form(self, request: Request) -> Response:
        """The form; ``?list=NAME`` offers one list with its sections."""
        return self._form(self._offered(request.query_params.get("list")))

    def take_form(self, request: Request, asked: Asked) -> Response:
        """Take a form; the answer is a page."""
        words = self._words
        try:
            found = self._take(request, asked)
        except InvalidAddress:
            offered = self._offered((asked.get("list") or [""])[0])
            sentence = words.text("This is not an e-mail address.")
            return self._form(offered, sentence, (asked.get("email") or [""])[0][:254], status=400)
        if isinstance(found, TooMany):
            sentence = words.text("Please try again later.")
            page = Page(words.text("Too many attempts"), (sentence,))
            return self._limited(found, self._show(page, 429))
        sentence = words.text(
            "We have sent you a mail. Please press the button in it; without it nothing will come."
        )
        return self._show(Page(words.text("Look into your inbox"), (sentence,)))

    def take_json(self, request: Request, body: bytes) -> Response:
        """Take ``{"email", "lists", "sections", "language"}``; the answer is JSON, 202 when it was taken."""
        try:
            found = self._take(request, _asked_of(body))
        except InvalidAddress as error:
            return self._json(request, 400, {"error": {"code": "invalid_address", "message": error.reason}})
        except HTTPException as error:
            told = {"code": "unknown_list", "message": error.detail}
            return self._json(request, error.status_code, {"error": told})
        except ValueError as error:
            return self._json(request, 400, {"error": {"code": "bad_request", "message": str(error)}})
        if isinstance(found, TooMany):
            message = f"too many attempts; try again in {found.retry_after} seconds"
            answer = self._json(request, 429, {"error": {"code": "too_many", "message": message}})
            return self._limited(found, answer)
        return self._json(request, 202, {"status": "accepted", "next": "confirm by the link in the mail"})

    def preflight(self, request: Request) -> Response:
        """What a browser asks before a script of another site may post JSON (Fetch, section 3.2)."""
        headers = {**PROTECTION, **self._cross_origin(request)}
        if "Access-Control-Allow-Origin" in headers:
            headers |= {
                "Access-Control-Allow-Methods": "POST",
                "Access-Control-Allow-Headers": "Content-Type",
                "Access-Control-Max-Age": "3600",
            }
        return Response(status_code=204, headers=headers)

    def _take(self, request: Request, asked: Mapping[str, list[str]]) -> TooMany | None:
        def first(name: str) -> str:
            return (asked.get(name) or [""])[0]

        address = parse_address(first("email")[:320])
        offered = self._desk.offered()
        names = [one.name for one in offered if one.name in asked.get("list", [])]
        if not asked.get("list"):
            names = [one.name for one in offered[:1]]
        elif not names:
            raise HTTPException(400, "there is no such list")
        language = first("language")
        wanted = SignUp(
            address=address,
            lists=tuple(names),
            sections=tuple(asked.get("section", [])[:100]),
            language=language if language in catalogue_languages() else "",
            ip=request.client.host if request.client else "",
            wording=self._words.text("Subscribe to {name}", name=self._newsletter.name),
            is_trap=bool(first(TRAP)),
        )
        return self._desk.take(wanted, now=self._clock.now())

    def _offered(self, name: str | None) -> list[OfferedList]:
        offered = self._desk.offered()
        if not offered:
            raise HTTPException(404)
        return [one for one in offered if one.name == name] or offered

    def _form(
        self, offered: list[OfferedList], fault: str = "", email: str = "", status: int = 200
    ) -> Response:
        words = self._words
        fields = [Field("email", email, words.text("E-mail address"), "email")]
        if len(offered) > 1:
            fields += [
                Field("list", one.name, one.title, "check", checked=place == 0, group=words.text("Lists"))
                for place, one in enumerate(offered)
            ]
        else:
            fields.append(Field("list", offered[0].name, kind="hidden"))
            fields += [
                Field("section", key, name, "check", checked=True, group=words.text("Sections"))
                for key, name in offered[0].sections.items()
                if len(offered[0].sections) > 1
            ]
        fields.append(Field(TRAP, label=words.text("Leave this empty"), kind="trap"))
        page = Page(
            words.text("Subscribe to {name}", name=self._newsletter.name),
            (fault,) if fault else (),
            [Form(words.text("Subscribe"), fields, primary=True)],
        )
        return self._show(page, status)

    def _show(self, page: Page, status: int = 200) -> Response:
        newsletter = self._newsletter
        return show(page, self._words, name=newsletter.name, site=newsletter.url, status=status)

    def _json(self, request: Request, status: int, payload: dict[str, object]) -> Response:
        headers = {**PROTECTION, **PRIVATE, **self._cross_origin(request)}
        return JSONResponse(payload, status, headers=headers)

    def _limited(self, limit: TooMany, answer: Response) -> Response:
        answer.headers["Retry-After"] = str(limit.retry_after)
        return answer

    def _cross_origin(self, request: Request) -> dict[str, str]:
        origin = request.headers.get("origin", "")
        allowed = {"Access-Control-Allow-Origin": origin} if origin in self._origins else {}
        return {"Vary": "Origin", **allowed}


def _asked_of(body: bytes) -> Asked:
    """Fields of a JSON body. Raises ``ValueError`` with a sentence."""
    try:
        found = json.loads(body)
    except (ValueError, RecursionError):
        raise ValueError("the body is not JSON") from None
    if not isinstance(found, dict):
        raise ValueError("the body must be an object with the key email")
    asked: Asked = {}
    for key, name in (("email", "email"), ("language", "language"), (TRAP, TRAP)):
        value = found.get(key, "")
        if not isinstance(value, str):
            raise ValueError(f"{key} must be a text")
        asked[name] = [value]
    for key, name in (("lists", "list"), ("sections", "section")):
        values = found.get(key, [])
        if not isinstance(values, list) or not all(isinstance(value, str) for value in values):
            raise ValueError(f"{key} must be a list of texts")
        asked[name] = values
    return asked
