"""Behind links that are mailed for one act: take one's data, be erased, move to a new address."""

from __future__ import annotations

import json
from dataclasses import asdict
from typing import TYPE_CHECKING

from starlette.requests import Request
from starlette.responses import Response

from digest.pipeline.rights import Right
from digest.rendering.words import Words, words_of
from digest.web.pages import PRIVATE, PROTECTION, Form, Page, show
from digest.web.reader import Fields, address_of, token_of

if TYPE_CHECKING:
    from digest.clock import Clock
    from digest.pipeline.reading import ReaderDesk
    from digest.settings import Settings


class RightsPages:
    """GET offers a button, because scanners follow links; POST acts, and the link is used up."""

    def __init__(self, settings: Settings, desk: ReaderDesk, clock: Clock) -> None:
        self._newsletter = settings.file.newsletter
        self._desk = desk
        self._clock = clock

    def offer_data(self, request: Request) -> Response:
        """The button to download everything."""
        return self._offer(request, Right.DATA, "Your data", "", "Download my data")

    def give_data(self, request: Request, _fields: Fields) -> Response:
        """Everything stored of the reader, as a file of JSON."""
        story = self._desk.own_data(token_of(request), now=self._clock.now())
        if story is None:
            return self._gone(words_of(self._newsletter.language))
        told = {**asdict(story.story), "copies": list(map(asdict, story.copies))}
        told["notices"] = list(map(asdict, story.notices))
        text = json.dumps(told, default=str, ensure_ascii=False, indent=2)
        headers = {**PROTECTION, **PRIVATE, "Content-Disposition": 'attachment; filename="my-data.json"'}
        return Response(text + "\n", media_type="application/json", headers=headers)

    def offer_erasure(self, request: Request) -> Response:
        """A question with a button."""
        sentence = "All that we know of you is deleted, and we never write to you again."
        return self._offer(request, Right.ERASE, "Erase me", sentence, "Erase me")

    def erase(self, request: Request, _fields: Fields) -> Response:
        """Erase the reader."""
        now = self._clock.now()
        standing = self._desk.look_right(Right.ERASE, token_of(request), now=now)
        self._desk.erase(token_of(request), now=now, ip=address_of(request))
        words = words_of(standing.language)
        return self._show(Page(words.text("You are erased")), words)

    def offer_move(self, request: Request) -> Response:
        """The button in the mail to the new address leads here."""
        return self._offer(request, Right.MOVE, "Please confirm your new address", "", "Confirm")

    def move(self, request: Request, _fields: Fields) -> Response:
        """Mail the new address from now on."""
        standing = self._desk.move(token_of(request), now=self._clock.now(), ip=address_of(request))
        words = words_of(standing.language)
        sentence = words.text("From now on everything comes to this address.")
        return self._show(Page(words.text("Your address is changed"), (sentence,)), words)

    def _offer(self, request: Request, what: Right, heading: str, sentence: str, button: str) -> Response:
        standing = self._desk.look_right(what, token_of(request), now=self._clock.now())
        words = words_of(standing.language)
        if not standing.known:
            return self._gone(words)
        sentences = (words.text(sentence),) if sentence else ()
        form = Form(words.text(button), primary=True)
        return self._show(Page(words.text(heading), sentences, [form]), words)

    def _gone(self, words: Words) -> Response:
        return self._show(Page(words.text("This subscription has ended")), words, 410)

    def _show(self, page: Page, words: Words, status: int = 200) -> Response:
        return show(page, words, name=self._newsletter.name, site=self._newsletter.url, status=status)
