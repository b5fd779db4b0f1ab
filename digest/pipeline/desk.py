"""The editor's desk behind a link: look at an issue, hold, drop, move up, edit, approve, send now.

The acts are the same use cases that the command line and the preview call; each carries the editor whose
link it was.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Final

from digest.errors import IssueError, IssueLocked
from digest.issues import lifecycle
from digest.issues.drafts import load_draft
from digest.issues.events import record
from digest.issues.finding import issue_row
from digest.issues.places import slot_name
from digest.issues.view import IssueView, issue_view
from digest.models import IssueStatus
from digest.pipeline import control, edit
from digest.pipeline.deliver import Order, prepare
from digest.pipeline.editors import editor_of
from digest.pipeline.examine_issue import Examination, examine_issue
from digest.pipeline.render import newest_rendition, render_issue
from digest.pipeline.waiting import Waiting, waiting_of
from digest.rendering.words import Words, words_of
from digest.values import Item, Slot

if TYPE_CHECKING:
    from sqlalchemy.orm import Session, sessionmaker

    from digest.clock import Clock
    from digest.settings import Settings
    from subscribers.tokens import TokenSigner

ACTS: Final = ("approve", "hold", "send", "resume", "drop", "up", "headline")
OPEN: Final = lifecycle.UNSENT | lifecycle.UNDERWAY


@dataclass(frozen=True, kw_only=True)
class DeskView:
    """An issue as its editor sees it."""

    issue: IssueView
    editor: str
    edition_title: str
    zone: str
    waiting: Waiting
    held_by: str | None
    approved_by: str
    examination: Examination | None
    words: Words

    @property
    def unsent(self) -> bool:
        """Whether its stories may still be changed."""
        return self.issue.status in {"built", "approved"}

    @property
    def sections(self) -> list[tuple[str, list[Item]]]:
        """What is printed, in order: the name of each part, and its items."""
        shown = [
            ("", list(self.issue.in_slot(Slot.TOP))),
            ("", list(self.issue.in_slot(Slot.LEAD))),
            *(
                (heading.name, list(self.issue.in_slot(Slot.SECTION, heading.key)))
                for heading in self.issue.sections
            ),
            ("Don’t Miss", list(self.issue.in_slot(Slot.DONT_MISS))),
            *(("", list(self.issue.in_slot(slot))) for slot in (Slot.SPONSOR, Slot.CORRECTIONS, Slot.BOTTOM)),
        ]
        return [(name, items) for name, items in shown if items]


class EditorDesk:
    """What editors do by the links of their approval mails.

    Every method takes the token of a link and raises ``TokenForged``, ``TokenExpired`` or ``UnknownIssue``.

    :param examine: raises ``PreflightFailed``; asked before an issue is sent at once.
    """

    def __init__(
        self,
        sessions: sessionmaker[Session],
        readers: sessionmaker[Session],
        settings: Settings,
        signer: TokenSigner,
        clock: Clock,
        examine: Callable[[int], None],
    ) -> None:
        self._sessions = sessions
        self._readers = readers
        self._settings = settings
        self._signer = signer
        self._clock = clock
        self._examine = examine

    def look(self, token: str) -> DeskView:
        """How the issue stands; changes nothing."""
        now = self._clock.now()
        issue_id, editor = editor_of(self._settings, self._signer, token, now=now)
        with self._readers() as session:
            view = issue_view(session, issue_id)
            row = issue_row(session, issue_id)
            held_by = lifecycle.held_by(session, issue_id) if row.status is IssueStatus.BUILT else None
        edition = self._settings.edition(row.edition)
        return DeskView(
            issue=view,
            editor=editor.name,
            edition_title=edition.title,
            zone=edition.timezone,
            waiting=waiting_of(edition, row),
            held_by=held_by,
            approved_by=row.approved_by,
            examination=(
                examine_issue(self._readers, self._settings, issue_id, self._signer, now=now)
                if row.status in lifecycle.UNSENT
                else None
            ),
            words=words_of(row.language),
        )

    def issue_html(self, token: str) -> str:
        """The issue as readers get it; before it goes out, as they would get it now."""
        issue_id, _ = editor_of(self._settings, self._signer, token, now=self._clock.now())
        with self._readers() as session:
            row = issue_row(session, issue_id)
            stored = newest_rendition(session, issue_id) if row.enqueued_at else None
            draft = load_draft(session, self._settings, issue_id)
        rendered = stored[1] if stored else render_issue(draft, self._settings)
        return rendered.html_for({"view_url": draft.archive_url})

    def act(self, token: str, action: str, form: Mapping[str, str]) -> None:
        """Do what a button says, in the editor's name.

        Raises what the use case raises; ``StaleEdit`` when somebody else was faster, ``IssueLocked`` when the
        issue is sent or cancelled, ``PreflightFailed`` when it must not be sent.
        """
        now = self._clock.now()
        issue_id, editor = editor_of(self._settings, self._signer, token, now=now)
        if action not in ACTS:
            raise IssueError(f"the desk knows no {action[:20]!r}")
        with self._readers() as session:
            status = issue_row(session, issue_id).status
        if status not in OPEN:
            raise IssueLocked(f"issue {issue_id} is {status}: this link changes nothing any more")
        press = _Press(self._sessions, self._readers, self._settings, issue_id, form, now, editor.name)
        if action == "send":
            self._send(press)
        else:
            getattr(press, action)()

    def _send(self, press: _Press) -> None:
        """Approve, check and freeze it: whoever delivers (the scheduler, cron) begins within a minute."""
        press.approve()
        prepare(
            self._sessions,
            self._readers,
            self._settings,
            press.issue_id,
            clock=self._clock,
            order=Order(examine=self._examine),
        )
        with self._sessions.begin() as session:
            record(session, press.issue_id, "sent-now", now=press.now, actor=press.actor)


@dataclass(frozen=True)
class _Press:
    """One press of a button."""

    sessions: sessionmaker[Session]
    readers: sessionmaker[Session]
    settings: Settings
    issue_id: int
    form: Mapping[str, str]
    now: datetime
    actor: str

    def approve(self) -> None:
        edit.approve_issue(self.sessions, self.issue_id, now=self.now, actor=self.actor)

    def hold(self) -> None:
        control.hold_issue(self.sessions, self.issue_id, now=self.now, actor=self.actor)

    def resume(self) -> None:
        control.resume_issue(self.sessions, self.issue_id, now=self.now, actor=self.actor)

    def drop(self) -> None:
        edit.drop_item(
            self.sessions, self.issue_id, self._number("item"),
            now=self.now, actor=self.actor, version=self._number("version"), settings=self.settings,
        )  # fmt: skip

    def up(self) -> None:
        item, shelf = self._found()
        place = [one.id for one in shelf].index(item.id)
        if place == 0:
            return  # it stands first already
        edit.move_item(
            self.sessions, self.settings, self.issue_id, item.id,
            to=f"{slot_name(item)}/{place}", now=self.now, actor=self.actor, version=self._number("version"),
        )  # fmt: skip

    def headline(self) -> None:
        edit.edit_item(
            self.sessions, self.issue_id, self._number("item"),
            headline=self.form.get("headline", ""),
            now=self.now, actor=self.actor, version=self._number("version"), settings=self.settings,
        )  # fmt: skip

    def _found(self) -> tuple[Item, tuple[Item, ...]]:
        with self.readers() as session:
            view = issue_view(session, self.issue_id)
        for item in view.items:
            if item.id == self._number("item"):
                section = item.section if item.slot is Slot.SECTION else ""
                return item, view.in_slot(item.slot, section)
        raise IssueError(f"issue {self.issue_id} has no such item", remedy="look at the page anew")

    def _number(self, name: str) -> int:
        value = self.form.get(name, "")
        if not (value.isascii() and value.isdigit()) or len(value) > 18:
            raise IssueError(f"{name} must be a number, not {value[:20]!r}")
        return int(value)
