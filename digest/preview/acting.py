"""What the desk's buttons do: the same use cases that the commands call."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import datetime
from typing import TYPE_CHECKING

from digest.errors import IssueError
from digest.issues.places import slot_name
from digest.issues.view import IssueView, issue_view
from digest.pipeline import control, decide, edit
from digest.values import Item, Slot

if TYPE_CHECKING:
    from digest.app import App

Form = Mapping[str, str]
LONGEST_FORM = 64 * 1024


def slots_of(issue: IssueView) -> list[tuple[str, str]]:
    """Places that an item can be moved to, in the order of the page, with their names for people."""
    sections = [(heading.key, heading.name) for heading in issue.sections]
    return [
        ("top", "Top"),
        ("lead", "Lead"),
        ("sponsor", "Sponsor"),
        *sections,
        ("dont-miss", "Don’t Miss"),
        ("corrections", "Corrections"),
        ("bottom", "Bottom"),
    ]


def act(app: App, issue_id: int, action: str, form: Form, *, now: datetime, actor: str) -> str:
    """Do what a button says; returns one line for the editor.

    Raises what the use case raises; ``StaleEdit`` when somebody else was faster.
    """
    try:
        do = _ACTIONS[action]
    except KeyError:
        raise IssueError(f"the desk knows no {action!r}") from None
    return do(_Desk(app, issue_id, form, now, actor))


class _Desk:
    """One press of a button."""

    def __init__(self, app: App, issue_id: int, form: Form, now: datetime, actor: str) -> None:
        self.app = app
        self.issue_id = issue_id
        self.form = form
        self.now = now
        self.actor = actor

    @property
    def item(self) -> int:
        return self._number("item")

    @property
    def version(self) -> int | None:
        return self._number("version") if self.form.get("version") else None

    def text(self, name: str) -> str | None:
        """A field, or None when the form has none: then it stays as it is."""
        return self.form.get(name)

    def view(self) -> IssueView:
        with self.app.readers() as session:
            return issue_view(session, self.issue_id)

    def found(self) -> tuple[Item, list[Item]]:
        """The item and all that stand in its slot."""
        view = self.view()
        for item in view.items:
            if item.id == self.item:
                return item, list(view.in_slot(item.slot, item.section if item.slot is Slot.SECTION else ""))
        raise IssueError(f"issue {self.issue_id} has no item {self.item}", remedy="look at the page anew")

    def _number(self, name: str) -> int:
        value = self.form.get(name, "")
        if not (value.isascii() and value.isdigit()) or len(value) > 18:
            raise IssueError(f"{name} must be a number, not {value[:20]!r}")
        return int(value)


def _words(desk: _Desk) -> str:
    edit.edit_issue(
        desk.app.sessions, desk.issue_id, now=desk.now, actor=desk.actor, version=desk.version,
        subject=desk.text("subject"), preheader=desk.text("preheader"),
    )  # fmt: skip
    return "Subject and preheader are kept."


def _item(desk: _Desk) -> str:
    edit.edit_item(
        desk.app.sessions, desk.issue_id, desk.item, now=desk.now, actor=desk.actor, version=desk.version,
        headline=desk.text("headline"), teaser=desk.text("teaser"),
        url=desk.text("url"), label=desk.text("label"), settings=desk.app.settings,
    )  # fmt: skip
    return "The story's words are kept."


def _step(by: int) -> Callable[[_Desk], str]:
    def move(desk: _Desk) -> str:
        item, shelf = desk.found()
        at = [one.id for one in shelf].index(item.id) + 1 + by
        if not 1 <= at <= len(shelf):
            return "It stands at the end already."
        _put(desk, f"{slot_name(item)}/{at}")
        return f"Moved to place {at}."

    return move


def _move(desk: _Desk) -> str:
    to = desk.text("to") or ""
    _put(desk, to)
    return f"Moved to {to}."


def _put(desk: _Desk, to: str) -> None:
    edit.move_item(
        desk.app.sessions, desk.app.settings, desk.issue_id, desk.item,
        to=to, now=desk.now, actor=desk.actor, version=desk.version,
    )  # fmt: skip


def _drop(desk: _Desk) -> str:
    item, _ = desk.found()
    edit.drop_item(
        desk.app.sessions, desk.issue_id, desk.item, now=desk.now, actor=desk.actor, version=desk.version,
        settings=desk.app.settings,
    )  # fmt: skip
    return f"Dropped: {item.headline or item.kind.value}."


def _pin(desk: _Desk) -> str:
    item, _ = desk.found()
    if item.article_id is None:
        raise IssueError("only a story can be pinned", remedy="what you put in by hand stays anyway")
    slot = "lead" if item.slot is Slot.LEAD else slot_name(item)
    decide.pin_article(
        desk.app.sessions, desk.app.settings, item.article_id, now=desk.now, slot=slot, actor=desk.actor
    )
    return f"Pinned to {slot}: a rebuild keeps it there."


def _insert(desk: _Desk) -> str:
    edit.insert_item(
        desk.app.sessions, desk.app.settings, desk.issue_id,
        kind=desk.text("kind") or "", to=desk.text("to") or "",
        now=desk.now, actor=desk.actor, version=desk.version,
        headline=desk.text("headline") or "", text=desk.text("teaser") or "", url=desk.text("url") or "",
        label=desk.text("label") or "",
    )  # fmt: skip
    return "Put in."


def _rebuild(desk: _Desk) -> str:
    from digest.pipeline.build import build_issue

    view = desk.view()
    build_issue(
        desk.app.sessions, desk.app.settings, view.edition,
        day=view.date, now=desk.now, rebuild=True, actor=desk.actor,
    )  # fmt: skip
    return "Picked anew; what you changed by hand is kept."


def _approve(desk: _Desk) -> str:
    edit.approve_issue(desk.app.sessions, desk.issue_id, now=desk.now, actor=desk.actor)
    return "Approved: it may go out."


def _hold(desk: _Desk) -> str:
    status = control.hold_issue(desk.app.sessions, desk.issue_id, now=desk.now, actor=desk.actor)
    if status == "paused":
        return "Held: copies on the wire come to their end, no other goes out."
    return "Held: nothing sends it until it is approved."


def _resume(desk: _Desk) -> str:
    control.resume_issue(desk.app.sessions, desk.issue_id, now=desk.now, actor=desk.actor)
    return "It goes on."


def _cancel(desk: _Desk) -> str:
    edit.cancel_issue(desk.app.sessions, desk.issue_id, now=desk.now, actor=desk.actor)
    return "Cancelled: its stories are free again."


def _test(desk: _Desk) -> str:
    from digest.pipeline.rehearse import send_test

    address = (desk.text("address") or "").strip()
    send_test(
        desk.app.readers, desk.app.settings, desk.issue_id, [address],
        transport=desk.app.transport(), signer=desk.app.signer, clock=desk.app.clock,
    )  # fmt: skip
    return f"A test went to {address}."


_ACTIONS: dict[str, Callable[[_Desk], str]] = {
    "words": _words,
    "item": _item,
    "up": _step(-1),
    "down": _step(1),
    "move": _move,
    "drop": _drop,
    "pin": _pin,
    "insert": _insert,
    "rebuild": _rebuild,
    "approve": _approve,
    "hold": _hold,
    "resume": _resume,
    "cancel": _cancel,
    "test": _test,
}
