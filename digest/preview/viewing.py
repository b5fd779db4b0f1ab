"""What the page shows of an issue: how it is looked at, the copy of one reader, findings, links, size."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from hashlib import sha256
from html import unescape
from typing import TYPE_CHECKING
from urllib.parse import urlencode

from sqlalchemy.orm import Session

from digest.errors import ConfigError, DigestError
from digest.issues import lifecycle
from digest.issues.drafts import load_draft
from digest.issues.finding import issue_row
from digest.issues.view import IssueSummary, IssueView, issue_summaries, issue_view
from digest.mail.opened import OpenedMessage, open_message
from digest.models import IssueRow
from digest.pipeline.composing import template_of
from digest.pipeline.deliver import audience_of
from digest.pipeline.delivered import Summary, summary_of
from digest.pipeline.examine_issue import Examination, examine_issue
from digest.pipeline.rehearse import recipient_for
from digest.pipeline.render import newest_rendition, render_issue
from digest.preview.frame import Scheme
from digest.values import Recipient, RenderedIssue
from subscribers.audience import recipients
from subscribers.errors import SubscriberError

if TYPE_CHECKING:
    from digest.app import App
    from digest.pipeline.asking import AskLink, AskPicture

WIDTHS = (("phone", "Phone"), ("tablet", "Tablet"), ("full", "Full"))
SCHEMES = tuple((scheme.value, scheme.value.title()) for scheme in Scheme)
VIEWS = (
    ("html", "Issue"),
    ("text", "Text"),
    ("headers", "Headers"),
    ("parts", "Parts"),
    ("source", "Source"),
)
GMAIL_CLIPS_AT = 102 * 1024  # bytes of decoded HTML
SAMPLE = "reader@example.org"
_SHOWN_READERS = 30
_LINK = re.compile(r"<a\b[^>]*?\bhref=(?:\"([^\"]*)\"|'([^']*)')[^>]*>(.*?)</a>", re.IGNORECASE | re.DOTALL)
_TAG = re.compile(r"<[^>]+>")


@dataclass(frozen=True, slots=True)
class Looking:
    """How an issue is looked at: all that stands in the query of the address."""

    width: str = "tablet"
    scheme: Scheme = Scheme.LIGHT
    pictures: bool = True
    view: str = "html"
    reader: str = ""
    sections: frozenset[str] | None = None

    @classmethod
    def of(cls, query: Mapping[str, str], chosen: list[str]) -> Looking:
        """From a query; what is not understood is left at its default."""
        scheme = query.get("scheme", "light")
        return cls(
            width=query.get("width", "") if query.get("width", "") in dict(WIDTHS) else "tablet",
            scheme=Scheme(scheme) if scheme in {one.value for one in Scheme} else Scheme.LIGHT,
            pictures=query.get("pictures", "on") != "off",
            view=query.get("view", "") if query.get("view", "") in dict(VIEWS) else "html",
            reader=query.get("reader", "").strip()[:254],
            sections=frozenset(chosen) if "choose" in query else None,
        )

    @property
    def frame_query(self) -> str:
        """The query of the frame: what changes its content, not how wide it is."""
        fields = [("scheme", self.scheme.value)]
        fields += [] if self.pictures else [("pictures", "off")]
        fields += [("reader", self.reader)] if self.reader else []
        if self.sections is not None:
            fields += [("choose", "1"), *(("section", key) for key in sorted(self.sections))]
        return f"?{urlencode(fields)}"


@dataclass(frozen=True, slots=True)
class Link:
    """A link of the issue; ``text`` is what is clicked, or the alt text of a picture."""

    url: str
    text: str


@dataclass(frozen=True)
class Shown:
    """Everything on the page about one issue."""

    issue: IssueView
    issues: tuple[IssueSummary, ...]
    readers: tuple[str, ...]
    message: OpenedMessage | None
    notes: tuple[str, ...]
    examination: Examination
    summary: Summary
    fault: str
    held_by: str | None
    """Who keeps an unsent issue back (empty: unnamed); None when nobody does."""

    @property
    def size(self) -> int:
        """Bytes of the decoded HTML, which is what Gmail measures."""
        return len(self.message.html.encode()) if self.message else 0

    @property
    def digest(self) -> str:
        """Tells two states of the HTML apart: a page loads its frame anew only when it differs."""
        return sha256(self.message.html.encode()).hexdigest()[:16] if self.message else ""

    @property
    def links(self) -> tuple[Link, ...]:
        """The links in the order of the HTML, each address once."""
        found: dict[str, Link] = {}
        for match in _LINK.finditer(self.message.html if self.message else ""):
            url = unescape(match[1] or match[2] or "")
            text = " ".join(unescape(_TAG.sub(" ", match[3])).split())
            if url not in found or not found[url].text:
                found[url] = Link(url, text)
        return tuple(found.values())

    @property
    def editable(self) -> bool:
        """Whether the desk may still change it."""
        return self.issue.status in {"built", "approved"}


def show(
    app: App,
    issue_id: int,
    looking: Looking,
    *,
    now: datetime,
    ask_link: AskLink | None = None,
    ask_picture: AskPicture | None = None,
) -> Shown:
    """Look at an issue. What cannot be rendered is told in ``fault``; only an unknown issue raises."""
    with app.readers() as session:
        view = issue_view(session, issue_id)
        row = issue_row(session, issue_id)
        issues = tuple(issue_summaries(session, limit=20))
        readers = _readers(session, app, row)
        held_by = lifecycle.held_by(session, issue_id) if view.status == "built" else None
    copy = look(app, row, looking, now=now)
    return Shown(
        issue=view,
        issues=issues,
        readers=readers,
        message=copy.message,
        notes=copy.notes,
        examination=examine_issue(
            app.readers,
            app.settings,
            issue_id,
            app.signer,
            now=now,
            ask_link=ask_link,
            ask_picture=ask_picture,
        ),
        summary=summary_of(app.readers, issue_id),
        fault=copy.fault,
        held_by=held_by,
    )


@dataclass(frozen=True, slots=True)
class Copy:
    """The copy of one reader, or why there is none."""

    message: OpenedMessage | None = None
    notes: tuple[str, ...] = ()
    fault: str = ""


def look(app: App, row: IssueRow, looking: Looking, *, now: datetime) -> Copy:
    """The very copy that the reader would be sent, opened."""
    try:
        rendered = rendered_issue(app, row)
        return Copy(open_message(copy_for(app, row, rendered, looking, now=now)), rendered.notes)
    except (DigestError, ConfigError, SubscriberError, ValueError) as error:
        return Copy(fault=" — ".join(part for part in (str(error), getattr(error, "remedy", "")) if part))


def rendered_issue(app: App, row: IssueRow) -> RenderedIssue:
    """What readers got, once the issue goes out; before that, what they would get now.

    Raises ``RenderError``, ``ConfigError``.
    """
    with app.readers() as session:
        stored = newest_rendition(session, row.id) if row.enqueued_at else None
        if stored is not None:
            return stored[1]
        draft = load_draft(session, app.settings, row.id)
    return render_issue(draft, app.settings)


def copy_for(app: App, row: IssueRow, rendered: RenderedIssue, looking: Looking, *, now: datetime) -> bytes:
    """The bytes for the wire. Raises ``InvalidAddress``, ``ConfigError``."""
    with app.readers() as session:
        reader = reader_of(session, row, looking)
        template = template_of(session, app.settings, row.id, rendered, app.signer)
    return template.envelope(reader, date=now).message


def reader_of(session: Session, row: IssueRow, looking: Looking) -> Recipient:
    """As whom the issue is looked at; sections that were chosen by hand go before the reader's own."""
    reader = recipient_for(session, row.list_name, looking.reader or SAMPLE)
    return reader if looking.sections is None else replace(reader, sections=looking.sections)


def _readers(session: Session, app: App, row: IssueRow) -> tuple[str, ...]:
    """A few of those who get the issue, to choose from."""
    try:
        chosen = audience_of(session, row, app.settings.edition(row.edition)).limit(_SHOWN_READERS)
        return tuple(person.address for batch in recipients(session, chosen) for person in batch)
    except (SubscriberError, ConfigError):
        return ()
