"""Clicks, when ``[web] clicks`` is on: how many for each item of an issue, and never whose.

The link in the mail is the same in every copy: a signed number of an item, and for "Also read" the place
of the link; both count for the item. Where it leads is looked up
in the database, so that nobody can make it lead elsewhere. What machines follow is led on, too, and
not counted.
"""

from __future__ import annotations

import logging
import re
import threading
from collections import Counter, OrderedDict
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import datetime
from html import escape
from typing import TYPE_CHECKING, Any
from zoneinfo import ZoneInfo

from sqlalchemy import select
from sqlalchemy.exc import DBAPIError

from digest.models import ClickCountRow, IssueItemRow, IssueRow, IssueStatus
from digest.rendering.links import LinkAppender, host_of, usable_url
from digest.values import Related
from subscribers.errors import TokenError
from subscribers.tokens import Purpose, TokenSigner

if TYPE_CHECKING:
    from sqlalchemy.orm import Session, sessionmaker

    from digest.settings import Settings
    from digest.values import Draft

MOST_KEPT = 4096  # targets in memory
_COUNTED = (IssueStatus.SENDING, IssueStatus.PAUSED, IssueStatus.SENT)
_PREFETCH = ("purpose", "sec-purpose", "x-purpose", "x-moz")
_MACHINE = re.compile(
    r"bot\b|bot[/;]|crawl|spider|slurp|scan|preview|prefetch|monitor|validator|archiver|headless|"
    r"barracuda|mimecast|proofpoint|urldefense|safelinks|fireeye|trendmicro|symantec|sophos|ironport|"
    r"forcepoint|fortiguard|zscaler|kaspersky|bitdefender|checkpoint|trustwave|cloudmark|spamassassin|"
    r"facebookexternalhit|whatsapp|telegram|skypeuri|googleimageproxy|yahoomailproxy|"
    r"python|curl|wget|libwww|httpclient|http-client|okhttp|java/|go-http|axios|node-fetch|postman|ruby|perl|php",
    re.IGNORECASE,
)
_LINK = re.compile(r"https?://[^\s\"'<>]{1,300}/k/([A-Za-z0-9_-]{20,80})(?=[\"'<\s])")
_log = logging.getLogger(__name__)


def click_addresses(settings: Settings) -> Callable[[int, int], str] | None:
    """What makes a counted link of an item, or None when clicks are not counted. Raises ``ConfigError``.

    It is asked with the item and 0 for its own link, 1 for the first of the related ones, and so on.
    """
    if not settings.file.web.clicks or not settings.public_url:
        return None
    signer, base = TokenSigner(settings.token_keys), settings.public_url

    def address(item_id: int, place: int) -> str:
        ids = (item_id, place) if place else (item_id,)
        return f"{base}/k/{signer.sign(Purpose.CLICK, *ids)}"

    return address


def without_clicks(html: str, draft: Draft, settings: Settings) -> str:
    """The page of an issue with the items' own addresses again: the archive counts nobody."""
    if "/k/" not in html:
        return html
    signer = TokenSigner(settings.token_keys)
    items = {item.id: item for item in draft.items}
    appender = appender_of(settings, draft.edition, draft.date.isoformat())

    def own(found: re.Match[str]) -> str:
        try:
            item_id, place = _link_of(signer, found[1])
        except TokenError:
            return found[0]
        item = items.get(item_id)
        if item is None:
            return found[0]
        if place:
            return escape(_related(item.related, place)) or found[0]
        return escape(_target(item.url, item.section, item.slot.value, appender))

    return _LINK.sub(own, html)


def appender_of(settings: Settings, edition: str, day: str) -> LinkAppender:
    """As rendering appends to the links of one's own domains."""
    links = settings.file.links
    own = tuple(domain.lower() for domain in links.own_domains)
    own = own or (host_of(usable_url(settings.file.newsletter.url)).removeprefix("www."),)
    return LinkAppender(links.append, own, {"edition": edition, "date": day})


def is_machine(headers: Mapping[str, str]) -> bool:
    """Whether a request is a prefetch, a preview or a scanner's, and no person's click.

    Browsers say so of prefetches (``Sec-Purpose``, ``Purpose``, ``X-Moz``); scanners by their names.
    """
    if any(re.search("prefetch|preview|prerender", headers.get(name, ""), re.I) for name in _PREFETCH):
        return True
    agent = headers.get("user-agent", "")
    return not agent.strip() or _MACHINE.search(agent) is not None


@dataclass(frozen=True, slots=True)
class Target:
    """Where an item's link leads; ``issue_id`` is None while its issue is not out, so that nothing counts."""

    url: str
    item_id: int
    issue_id: int | None
    timezone: str


class ClickDesk:
    """Looks up where links lead, and counts; one thread writes what has gathered."""

    def __init__(
        self,
        sessions: sessionmaker[Session],
        readers: sessionmaker[Session],
        settings: Settings,
        signer: TokenSigner,
    ) -> None:
        self._sessions = sessions
        self._readers = readers
        self._settings = settings
        self._signer = signer
        self._targets: OrderedDict[tuple[int, int], Target] = OrderedDict()
        self._lock = threading.Lock()
        self._thread = ThreadPoolExecutor(max_workers=1, thread_name_prefix="clicks")
        self._gathered: Counter[tuple[int, int, str]] = Counter()

    def follow(self, token: str) -> Target | None:
        """Where the link leads; None when the item is gone. Raises ``TokenForged``."""
        link = _link_of(self._signer, token)
        with self._lock:
            found = self._targets.get(link)
            if found is not None:
                self._targets.move_to_end(link)
                return found
        with self._readers() as session:
            found = self._look_up(session, *link)
        if found is not None and found.issue_id is not None:  # an issue that is out changes no more
            with self._lock:
                self._targets[link] = found
                while len(self._targets) > MOST_KEPT:
                    self._targets.popitem(last=False)
        return found

    def count(self, target: Target, *, now: datetime) -> None:
        """Count one click, on its day where the issue is at home; written soon, without being waited for."""
        if target.issue_id is None or not self._settings.file.web.clicks:
            return
        day = now.astimezone(ZoneInfo(target.timezone)).date().isoformat()
        with self._lock:
            is_idle = not self._gathered
            self._gathered[target.issue_id, target.item_id, day] += 1
        if is_idle:
            self._thread.submit(self._write)

    def settle(self) -> None:
        """Wait until everything counted so far is written."""
        self._thread.submit(lambda: None).result()

    def _write(self) -> None:
        with self._lock:
            counts, self._gathered = self._gathered, Counter()
        try:
            with self._sessions.begin() as session:
                for (issue_id, item_id, day), number in sorted(counts.items()):
                    _add(session, issue_id, item_id, day, number)
        except DBAPIError as error:
            _log.warning("%s clicks are not counted: %s", sum(counts.values()), type(error).__name__)

    def _look_up(self, session: Session, item_id: int, place: int) -> Target | None:
        found = session.execute(
            select(IssueItemRow, IssueRow)
            .join(IssueRow, IssueRow.id == IssueItemRow.issue_id)
            .where(IssueItemRow.id == item_id)
        ).one_or_none()
        if found is None:
            return None
        item, issue = found
        if place:
            url = _related([Related(**entry) for entry in item.related], place)
        else:
            appender = appender_of(self._settings, issue.edition, issue.date.isoformat())
            url = _target(item.url or "", item.section, item.slot.value, appender)
        if not url:
            return None
        return Target(url, item.id, issue.id if issue.status in _COUNTED else None, issue.timezone)


def _link_of(signer: TokenSigner, token: str) -> tuple[int, int]:
    """The item, and which of its links: 0 its own, from 1 on a related one. Raises ``TokenForged``."""
    item_id, *place = signer.verify(Purpose.CLICK, token)
    return item_id, place[0] if place else 0


def _related(links: Sequence[Related], place: int) -> str:
    return usable_url(links[place - 1].url) if place <= len(links) else ""


def _target(url: str, section: str, slot: str, appender: LinkAppender) -> str:
    return appender(usable_url(url), slot=section or slot.replace("_", "-"))


def _add(session: Session, issue_id: int, item_id: int, day: str, number: int) -> None:
    insert: Any
    if session.get_bind().dialect.name == "sqlite":
        from sqlalchemy.dialects.sqlite import insert
    else:
        from sqlalchemy.dialects.postgresql import insert
    row = ClickCountRow
    statement = insert(row).values(issue_id=issue_id, item_id=item_id, day=day, clicks=number)
    session.execute(
        statement.on_conflict_do_update(
            index_elements=[row.issue_id, row.item_id, row.day],
            set_={"clicks": row.clicks + statement.excluded.clicks},
        )
    )
