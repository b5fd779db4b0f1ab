"""What a reader gets: lists, sections, name, language, time zone; and asking for what needs a mail first."""

from __future__ import annotations

from typing import TYPE_CHECKING

from starlette.requests import Request
from starlette.responses import Response

from digest.pipeline.rights import Right
from digest.rendering.words import Words, catalogue_languages, words_of
from digest.web.pages import Field, Form, Page, show
from digest.web.reader import Fields, address_of, first_of, token_of
from subscribers.addresses import parse_address
from subscribers.errors import InvalidAddress
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
        return self._form(request, standing)

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
        return self._form(request, standing, words_of(standing.language).text("Saved."))

    def ask_for_data(self, request: Request, _fields: Fields) -> Response:
        """Mail the link by which everything stored of the reader can be downloaded."""
        return self._asked(request, Right.DATA)

    def ask_to_be_erased(self, request: Request, _fields: Fields) -> Response:
        """Mail the link by which the reader is erased."""
        return self._asked(request, Right.ERASE)

    def ask_to_move(self, request: Request, fields: Fields) -> Response:
        """Mail a link to the new address; the answer is the same whoever has it."""
        now = self._clock.now()
        standing = self._desk.look(Purpose.PREFERENCES, token_of(request), now=now)
        words = words_of(standing.language)
        try:
            address = parse_address(first_of(fields, "email")[:320])
        except InvalidAddress:
            return self._form(request, standing, words.text("This is not an e-mail address."), status=400)
        if not self._desk.ask_to_move(token_of(request), address, now=now):
            return self._gone(words)
        sentences = (
            words.text("We have sent a mail to the new address. Please press the button in it."),
            words.text("Until then everything comes to the old one."),
        )
        return self._show(Page(words.text("Look into your inbox"), sentences), words)

    def _asked(self, request: Request, what: Right) -> Response:
        now = self._clock.now()
        standing = self._desk.look(Purpose.PREFERENCES, token_of(request), now=now)
        words = words_of(standing.language)
        if not self._desk.ask(token_of(request), what, now=now):
            return self._gone(words)
        sentences = (
            words.text("To be sure that it is you, we have sent you a mail. Please press the button in it."),
            words.text("Its link is good for one hour."),
        )
        return self._show(Page(words.text("Look into your inbox"), sentences), words)

    def _form(self, request: Request, standing: Standing, said: str = "", status: int = 200) -> Response:
        words = words_of(standing.language)
        if not standing.known:
            return self._gone(words)
        offered = self._desk.section_names(standing.list_name)
        languages = [
            (code, _name_of(code)) for code in sorted({*catalogue_languages(), standing.own_language})
        ]
        fields = [
            Field("name", standing.name, words.text("Your name")),
            Field(
                "language",
                standing.own_language,
                words.text("Language"),
                "choice",
                options=[("", "–"), *((code, name) for code, name in languages if code)],
            ),
            Field("timezone", standing.timezone, words.text("Time zone, such as Europe/Berlin")),
        ]
        fields += [
            Field(
                "section",
                key,
                name,
                "check",
                standing.sections is None or key in standing.sections,
                group=words.text("Sections"),
            )
            for key, name in offered.items()
        ]
        fields += [
            Field("list", one.name, one.title, "check", one.on_it, group=words.text("Lists"))
            for one in standing.lists
        ]
        fields.append(Field("lists-shown", "1", kind="hidden"))
        path = request.url.path if status == 200 else request.url.path.removesuffix("/address")
        page = Page(
            words.text("What you get of {list}", list=standing.list_title),
            (said,) if said else (),
            [
                Form(words.text("Save"), fields, path, primary=True),
                Form(
                    words.text("Change my address"),
                    [Field("email", label=words.text("New e-mail address"), kind="email")],
                    f"{path}/address",
                ),
                Form(words.text("Download my data"), (), f"{path}/data"),
                Form(words.text("Erase me"), (), f"{path}/erase"),
            ],
        )
        return self._show(page, words, status)

    def _gone(self, words: Words) -> Response:
        return self._show(Page(words.text("This subscription has ended")), words, 410)

    def _show(self, page: Page, words: Words, status: int = 200) -> Response:
        return show(page, words, name=self._newsletter.name, site=self._newsletter.url, status=status)


def _name_of(code: str) -> str:
    """A language's name in itself, as those who read it know it."""
    from babel import Locale, UnknownLocaleError

    try:
        return str(Locale.parse(code, sep="-").get_display_name() or code) if code else ""
    except (UnknownLocaleError, ValueError):
        return code
