"""What a reader gets: lists, sections, name, language, time zone; their data; and being forgotten."""

from __future__ import annotations

import json
from dataclasses import asdict
from typing import TYPE_CHECKING

from starlette.requests import Request
from starlette.responses import Response

from digest.rendering.words import Words, catalogue_languages, words_of
from digest.web.pages import PRIVATE, PROTECTION, Field, Form, Link, Page, show
from digest.web.reader import Fields, address_of, first_of, token_of
from subscribers.tokens import Purpose

if TYPE_CHECKING:
    from digest.clock import Clock
    from digest.pipeline.reading import ReaderDesk, Standing
    from digest.settings import Settings


class PreferencePages:
    """Reached by the link of each mail; GET changes nothing."""

    def __init__(self, settings: Settings, desk: ReaderDesk, clock: Clock) -> None:
        self._newsletter = settings.file.newsletter
        self._desk = desk
        self._clock = clock

    def form(self, request: Request) -> Response:
        """What a reader gets, as a form."""
        standing = self._desk.look(Purpose.PREFERENCES, token_of(request), now=self._clock.now())
        return self._form(request, standing, saved=False)

    def save(self, request: Request, fields: Fields) -> Response:
        """Save the form: all sections ticked is "all of them", those to come included."""
        now = self._clock.now()
        token = token_of(request)
        before = self._desk.look(Purpose.PREFERENCES, token, now=now)
        offered = self._desk.section_names(before.list_name)
        ticked = [key for key in fields.get("section", []) if key in offered]
        standing = self._desk.choose(
            token,
            now=now,
            name=first_of(fields, "name"),
            sections=None if len(ticked) == len(offered) else ticked,
            language=first_of(fields, "language") if "language" in fields else None,
            timezone=first_of(fields, "timezone") if "timezone" in fields else None,
            # A browser says nothing of an empty box; the mark tells that the boxes were shown.
            lists=fields.get("list", []) if "lists-shown" in fields else None,
            ip=address_of(request),
        )
        return self._form(request, standing, saved=True)

    def data(self, request: Request) -> Response:
        """Everything stored of the reader, as a file of JSON."""
        story = self._desk.own_data(token_of(request), now=self._clock.now())
        if story is None:
            return self._gone(words_of(self._newsletter.language))
        text = json.dumps(asdict(story), default=str, ensure_ascii=False, indent=2)
        headers = {**PROTECTION, **PRIVATE, "Content-Disposition": 'attachment; filename="my-data.json"'}
        return Response(text + "\n", media_type="application/json", headers=headers)

    def ask_to_erase(self, request: Request) -> Response:
        """A question with a button."""
        standing = self._desk.look(Purpose.PREFERENCES, token_of(request), now=self._clock.now())
        words = words_of(standing.language)
        if not standing.known:
            return self._gone(words)
        sentence = words.text("All that we know of you is deleted, and we never write to you again.")
        page = Page(words.text("Erase me"), (sentence,), [Form(words.text("Erase me"), primary=True)])
        return self._show(page, words)

    def erase(self, request: Request, _fields: Fields) -> Response:
        """Erase the reader; a second time answers the same."""
        standing = self._desk.look(Purpose.PREFERENCES, token_of(request), now=self._clock.now())
        self._desk.erase(token_of(request), now=self._clock.now(), ip=address_of(request))
        words = words_of(standing.language)
        return self._show(Page(words.text("You are erased")), words)

    def _form(self, request: Request, standing: Standing, *, saved: bool) -> Response:
        words = words_of(standing.language)
        if not standing.known:
            return self._gone(words)
        offered = self._desk.section_names(standing.list_name)
        languages = sorted({*catalogue_languages(), standing.own_language, ""})
        fields = [
            Field("name", standing.name, words.text("Your name")),
            Field("language", standing.own_language, words.text("Language"), "choice", options=languages),
            Field("timezone", standing.timezone, words.text("Time zone, such as Europe/Berlin")),
        ]
        fields += [
            Field("section", key, name, "check", standing.sections is None or key in standing.sections)
            for key, name in offered.items()
        ]
        fields += [Field("list", one.name, one.title, "check", one.on_it) for one in standing.lists]
        fields.append(Field("lists-shown", "1", kind="hidden"))
        page = Page(
            words.text("What you get of {list}", list=standing.list_title),
            (words.text("Saved."),) if saved else (),
            [Form(words.text("Save"), fields, primary=True)],
            [
                Link(words.text("Download my data"), f"{request.url.path}/data"),
                Link(words.text("Erase me"), f"{request.url.path}/erase"),
            ],
        )
        return self._show(page, words)

    def _gone(self, words: Words) -> Response:
        return self._show(Page(words.text("This subscription has ended")), words, 410)

    def _show(self, page: Page, words: Words, status: int = 200) -> Response:
        return show(page, words, name=self._newsletter.name, site=self._newsletter.url, status=status)
