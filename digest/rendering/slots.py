"""Places in a template where a subscriber's value is put, and markers of sections one may leave out.

While a template goes through MJML and premailer a slot is a word of ASCII letters and digits, which
survives both; afterwards the text is cut at these words into fragments.
"""

from __future__ import annotations

import hashlib
import re
from dataclasses import dataclass, field

from digest.values import Context, Fragment, Literal, Merge

LINKS = ("unsubscribe_url", "preferences_url", "view_url")
_HOST = "https://slot.invalid/"
_NAME = re.compile(r"[a-z][a-z0-9_]{0,63}")
_ATTRIBUTE = re.compile(r"([\w:\-]+)\s*=\s*(?:\"([^\"]*)|'([^']*))$")
_URL_ATTRIBUTES = {"href", "src", "action", "background", "cite", "longdesc", "poster"}


class SlotFault(Exception):  # noqa: N818 - the template's, told as a RenderError
    """A slot stands where it cannot; ``word`` is what stands there, ``at`` where in the text that is cut."""

    def __init__(self, message: str, word: str, at: int, remedy: str = "") -> None:
        super().__init__(message)
        self.word = word
        self.at = at
        self.remedy = remedy


@dataclass(slots=True)
class SlotBook:
    """Hands out words for slots of one rendering and cuts the result at them.

    :param seed: what is rendered: the words are made of its hash, so that the same issue gives the
        same words and no text of a stranger can contain them.
    """

    seed: str
    _key: str = field(init=False)
    _slots: list[tuple[str, str]] = field(init=False, default_factory=list)
    _sections: list[str] = field(init=False, default_factory=list)

    def __post_init__(self) -> None:
        # "z" stands between hexadecimal digits, so that words never run into each other.
        self._key = "z" + hashlib.sha256(self.seed.encode("utf-8", "replace")).hexdigest()[:12] + "z"

    def merge(self, name: str, fallback: str = "") -> str:
        """The word for a subscriber's value."""
        if not _NAME.fullmatch(name):
            raise ValueError(
                f"merge({name!r}): a field's name is made of small letters, digits and underscores"
            )
        slot = (name, fallback)
        if slot not in self._slots:
            self._slots.append(slot)
        return f"{self._key}m{self._slots.index(slot):03x}z"

    def link(self, name: str) -> str:
        """The address that stands for a subscriber's own link."""
        return _HOST + self.merge(name)

    def begin(self, section: str) -> str:
        """The word before what belongs to a section; ``""``: to everybody."""
        if section not in self._sections:
            self._sections.append(section)
        return f"{self._key}b{self._sections.index(section):03x}z"

    def end(self) -> str:
        """The word after what belongs to a section."""
        return f"{self._key}e000z"

    def cut_html(self, html: str) -> tuple[Fragment, ...]:
        """The HTML as fragments; each slot is escaped for where it stands. Raises ``SlotFault``."""
        return self._cut(html, html=True)

    def cut_text(self, text: str) -> tuple[Fragment, ...]:
        """Plain text as fragments. Raises ``SlotFault``."""
        return self._cut(text, html=False)

    def without_slots(self, text: str) -> str:
        """The text with fallbacks put in and section words taken out (for ``issue.mjml``)."""

        def shown(found: re.Match[str]) -> str:
            if found[1] != "m":
                return ""
            name, fallback = self._slots[int(found[2], 16)]
            return f"{{{{ {name}|{fallback} }}}}" if fallback else f"{{{{ {name} }}}}"

        return self._word().sub(shown, text).replace(_HOST, "")

    def _word(self) -> re.Pattern[str]:
        # The key comes first: a search for a word that may have an address before it tries every place.
        return re.compile(f"{self._key}([mbe])([0-9a-f]{{3}})z")

    def _cut(self, text: str, *, html: bool) -> tuple[Fragment, ...]:
        word = self._word()
        fragments: list[Fragment] = []
        section: str | None = None
        begun = 0
        at = 0

        def add(text: str) -> None:
            last = fragments[-1] if fragments else None
            if isinstance(last, Literal) and last.section == (section or ""):
                fragments[-1] = Literal(last.text + text, last.section)
            else:
                fragments.append(Literal(text, section or ""))

        for found in word.finditer(text):
            start = found.start()
            if (
                found[1] == "m"
                and self._slots[int(found[2], 16)][0] in LINKS
                and text.endswith(_HOST, 0, start)
            ):
                start -= len(_HOST)
            if start > at:
                add(text[at:start])
            at = found.end()
            if found[1] == "m":
                name, fallback = self._slots[int(found[2], 16)]
                context = _context(text, start, name, found[0]) if html else Context.TEXT
                fragments.append(Merge(name, context, fallback, section or ""))
            elif found[1] == "b":
                if section is not None:
                    raise SlotFault(
                        f"section {section!r} is not ended before the next begins", found[0], start
                    )
                begun = start
                section = self._sections[int(found[2], 16)]
            else:
                if section is None:
                    raise SlotFault("a section ends that was never begun", found[0], start)
                section = None
        if section is not None:
            raise SlotFault(
                f"section {section!r} is never ended",
                self.begin(section),
                begun,
                "write {{ end_section() }} after it",
            )
        if at < len(text):
            add(text[at:])
        return tuple(fragments)


def _context(html: str, at: int, name: str, word: str) -> Context:
    opened = html.rfind("<", 0, at)
    if opened > html.rfind(">", 0, at):
        attribute = _ATTRIBUTE.search(html, opened, at)
        if attribute is None:
            raise SlotFault(f"merge field {name!r} stands in a tag outside a value", word, at)
        if attribute[1].lower().startswith("on") or attribute[1].lower() == "style":
            raise SlotFault(
                f"merge field {name!r} stands in {attribute[1]}, where it cannot be escaped", word, at
            )
        return Context.URL if attribute[1].lower() in _URL_ATTRIBUTES else Context.ATTRIBUTE
    for raw in ("style", "script"):
        if html.rfind(f"<{raw}", 0, at) > html.rfind(f"</{raw}", 0, at):
            raise SlotFault(f"merge field {name!r} stands in <{raw}>, where it cannot be escaped", word, at)
    return Context.HTML
