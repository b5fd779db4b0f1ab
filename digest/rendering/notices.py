"""Notices: mails to one person that are no issue, in that person's language."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from functools import partial
from typing import TYPE_CHECKING

from digest.rendering.cleaning import one_line, paragraphs
from digest.rendering.columns import wrap
from digest.rendering.compiling import compile_mjml
from digest.rendering.environment import Templates
from digest.rendering.links import usable_url
from digest.rendering.scripts import direction_of_text
from digest.rendering.theme import look_of
from digest.rendering.words import Words, words_of

if TYPE_CHECKING:
    from digest.settings import Settings


@dataclass(frozen=True, slots=True)
class RenderedNotice:
    """A notice ready to be put into a message: nothing is merged any more."""

    subject: str
    html: str
    text: str


@dataclass(frozen=True, slots=True, kw_only=True)
class NoticeView:
    """What the template prints, in this order."""

    subject: str
    heading: str
    paragraphs: tuple[str, ...]
    button: str = ""
    button_url: str = ""
    small: tuple[str, ...] = ()
    links: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class PublicationView:
    """Who writes: the parts of the issue's masthead that a notice prints."""

    name: str
    url: str
    language: str
    direction: str
    postal_address: tuple[str, ...]


def render_notice(
    kind: str, language: str, context: Mapping[str, object], settings: Settings
) -> RenderedNotice:
    """One notice.

    :param kind: ``confirm, welcome, approval, address_change, reconfirm, alarm`` (``NoticeKind``), or
        ``own_data, erase``: a link to confirm what only the owner of the mailbox may do.
    :param language: the person's; empty: the newsletter's.
    :param context: ``list`` (title) and, as the kind needs it, ``confirm_url``, ``preferences_url``,
        ``unsubscribe_url``, ``valid_days``, ``valid_hours``, ``subject``, ``date`` (ISO), ``url``
        (where an editor opens the issue), ``name`` and ``text`` (of an alarm). What is missing is left out.
    :raises ValueError: there is no such kind.
    :raises RenderError: the template cannot be rendered.
    """
    newsletter = settings.file.newsletter
    words = words_of(language or newsletter.language)
    # Only the text of an alarm or approval has paragraphs; the rest may stand in a header.
    texts = {key: _text(value) if key == "text" else one_line(str(value)) for key, value in context.items()}
    texts.setdefault("list", one_line(newsletter.name))
    view = _view(kind, words, texts)
    own = settings.folder / "templates"
    templates = Templates(own if own.is_dir() else None)
    values: dict[str, object] = {
        "notice": view,
        "issue": PublicationView(
            name=one_line(newsletter.name),
            url=usable_url(newsletter.url),
            language=words.language,
            direction=words.direction,
            postal_address=tuple(
                line for line in map(one_line, newsletter.postal_address.splitlines()) if line
            ),
        ),
        "dir_of": partial(direction_of_text, default=words.direction),
        "start": "right" if words.direction == "rtl" else "left",
        "end": "left" if words.direction == "rtl" else "right",
        "_": words.text,
    }
    look = look_of(settings.file.theme, words.language)
    mjml = templates.render("notices/notice.mjml.j2", {**values, "look": look, "type": look.type})
    text = templates.render("notices/notice.txt.j2", {**values, "wrap": wrap})
    return RenderedNotice(
        subject=view.subject,
        html=compile_mjml(mjml, "notices/notice.mjml.j2").html,
        text="\n".join(line.rstrip() for line in text.strip("\n").split("\n")) + "\n",
    )


def _view(kind: str, words: Words, texts: Mapping[str, str]) -> NoticeView:
    _ = words.text
    name = texts["list"]
    confirm = usable_url(texts.get("confirm_url", ""))
    hours = texts.get("valid_hours", "")
    soon = (
        (words.count("The link is good for {n} hour.", "The link is good for {n} hours.", int(hours)),)
        if hours.isdecimal()
        else ()
    )
    ignore = _("If it was not you, do nothing: nothing will change.")
    unless = _("If it was not you, do nothing: without your click you will not hear from us again.")
    days = texts.get("valid_days", "")
    valid = (
        (words.count("The link is good for {n} day.", "The link is good for {n} days.", int(days)),)
        if days.isdecimal()
        else ()
    )
    match kind:
        case "confirm":
            asked = _(
                "Somebody, most likely you, asked for {list} to be sent to this address. Please confirm it.",
                list=name,
            )
            return NoticeView(
                subject=_("Please confirm: {list}", list=name),
                heading=_("One click, and you are on the list"),
                paragraphs=(asked,),
                button=_("Confirm"),
                button_url=confirm,
                small=(*valid, unless),
            )
        case "address_change":
            return NoticeView(
                subject=_("Please confirm your new address"),
                heading=_("Please confirm your new address"),
                paragraphs=(
                    _(
                        "You asked for {list} to come to this address from now on. Please confirm it.",
                        list=name,
                    ),
                ),
                button=_("Confirm"),
                button_url=confirm,
                small=(*valid, *soon, ignore),
            )
        case "own_data":
            return NoticeView(
                subject=_("Your data"),
                heading=_("Your data"),
                paragraphs=(_("You asked for all that we know of you. Download it by this link."),),
                button=_("Download my data"),
                button_url=confirm,
                small=(*soon, _("It works once."), ignore),
            )
        case "erase":
            return NoticeView(
                subject=_("Please confirm that you want to be erased"),
                heading=_("Please confirm that you want to be erased"),
                paragraphs=(
                    _("All that we know of you is deleted, and we never write to you again."),
                    _("This cannot be undone."),
                ),
                button=_("Erase me"),
                button_url=confirm,
                small=(*soon, _("It works once."), ignore),
            )
        case "reconfirm":
            return NoticeView(
                subject=_("Do you still want {list}?", list=name),
                heading=_("Do you still want {list}?", list=name),
                paragraphs=(
                    _(
                        "We would like to be sure that you still want {list}. "
                        "Press the button, and it keeps coming.",
                        list=name,
                    ),
                ),
                button=_("Yes, keep it coming"),
                button_url=confirm,
                small=(_("If you do nothing, we stop writing to you."),),
                links=_links(words, texts),
            )
        case "welcome":
            return NoticeView(
                subject=_("Welcome to {list}", list=name),
                heading=_("Welcome to {list}", list=name),
                paragraphs=(
                    _("Thank you. The next issue will come to this address."),
                    _("You can change what you get, or leave, at any time."),
                ),
                links=_links(words, texts),
            )
        case "approval":
            return NoticeView(
                subject=_("To approve: {subject}", subject=texts.get("subject", name)),
                heading=_("The issue of {date} is ready", date=_date(texts.get("date", ""), words)),
                paragraphs=(*paragraphs(texts.get("text", "")), _("Read it, then approve it or hold it.")),
                button=_("Open the issue"),
                button_url=usable_url(texts.get("url", "")),
                small=(_("It is not sent before somebody approves it."),),
            )
        case "alarm":
            return NoticeView(
                subject=_("Attention: {name}", name=texts.get("name", name)),
                heading=_("Your newsletter needs you"),
                paragraphs=paragraphs(texts.get("text", "")),
            )
    raise ValueError(f"there is no notice {kind!r}")


def _links(words: Words, texts: Mapping[str, str]) -> tuple[tuple[str, str], ...]:
    found = (
        (words.text("Preferences"), usable_url(texts.get("preferences_url", ""))),
        (words.text("Unsubscribe"), usable_url(texts.get("unsubscribe_url", ""))),
    )
    return tuple((title, url) for title, url in found if url)


def _text(value: object) -> str:
    if isinstance(value, list | tuple):
        return "\n\n".join(one_line(str(part)) for part in value)
    text = str(value)
    return "\n\n".join(paragraphs(text))


def _date(text: str, words: Words) -> str:
    try:
        return words.date(date.fromisoformat(text), "full")
    except ValueError:
        return text
