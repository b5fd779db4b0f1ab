"""Building an issue: pick by the rules, write the teasers, reserve the stories, store the snapshot."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from datetime import date, datetime, timedelta
from zoneinfo import ZoneInfo

from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session, sessionmaker

from digest.errors import EmptyIssue, IssueError
from digest.issues import carrying
from digest.issues.drafts import CARRIED_OVER, previous_issue
from digest.issues.events import record, warnings_of
from digest.issues.items import load_items
from digest.issues.ledger import reserve
from digest.issues.lifecycle import must_be_unsent
from digest.issues.stock import Horizon, horizon, load_candidates, load_printables, oldest_article
from digest.issues.storing import (
    last_built_at,
    live_issue,
    next_ordinal,
    replace_items,
    stories_of,
)
from digest.issues.view import IssueView, issue_view, view_of
from digest.models import IssueRow, IssueStatus
from digest.picking.page import Page, pick_page
from digest.picking.printing import print_items
from digest.picking.rules import LONGEST_WINDOW, MORE, Rules, window
from digest.picking.subject import Occasion, preheader_of, subject_of
from digest.picking.teasers import lint
from digest.pipeline.edition_rules import rules_of
from digest.settings import EditionSettings, Settings
from digest.values import Item, ItemKind, Slot
from subscribers.garbage import nothing_is_garbage

ATTEMPTS = 5
"""How often a build starts again when another process reserved one of its stories meanwhile."""


def build_issue(
    sessions: sessionmaker[Session],
    settings: Settings,
    edition: str,
    *,
    day: date | None = None,
    now: datetime,
    rebuild: bool = False,
    extra: bool = False,
    dry_run: bool = False,
    actor: str = "",
) -> IssueView:
    """The issue of ``edition`` for the civil date ``day`` (default: today in the edition's zone).

    Building again gives the same issue. ``rebuild`` picks anew and keeps what hands have changed;
    ``extra`` makes a further issue of that day; ``dry_run`` writes nothing. The same database and the
    same ``now`` give the same issue, byte for byte.
    Raises ``EmptyIssue`` when there are too few stories (they stay for the next issue), ``IssueLocked``
    for a rebuild of what is being sent, ``ConfigError``.
    """
    desk = settings.edition(edition)
    rules = rules_of(settings, desk)
    day = day or now.astimezone(ZoneInfo(desk.timezone)).date()
    for _ in range(ATTEMPTS):
        try:
            with sessions() as session:
                build = _Build(session, settings, desk, rules, day=day, now=now, actor=actor)
                view = build.run(rebuild=rebuild, extra=extra, dry_run=dry_run)
                if dry_run:
                    session.rollback()
                else:
                    session.commit()
                return view
        except IntegrityError:
            continue  # somebody built at the same moment: what they reserved is no candidate any more
        except EmptyIssue:
            if not dry_run:
                _carry_over(sessions, desk, day, now=now)
            raise
    raise IssueError(
        f"edition {edition} could not be built: other builds reserve the same stories all the time",
        remedy="run the command again",
    )


@dataclass(frozen=True)
class Picked:
    """What a build came to before it is stored."""

    page: Page
    items: tuple[Item, ...]
    warnings: tuple[str, ...]


class _Build:
    """One build in one transaction."""

    def __init__(
        self,
        session: Session,
        settings: Settings,
        edition: EditionSettings,
        rules: Rules,
        *,
        day: date,
        now: datetime,
        actor: str,
    ) -> None:
        self._session = session
        self._settings = settings
        self._edition = edition
        self._rules = rules
        self._day = day
        self._now = now
        self._actor = actor

    def run(self, *, rebuild: bool, extra: bool, dry_run: bool) -> IssueView:
        existing = None if extra else live_issue(self._session, self._edition.name, self._day)
        if existing is not None and not rebuild:
            return issue_view(self._session, existing.id, warnings=warnings_of(self._session, existing.id))
        if existing is not None:
            must_be_unsent(existing)
        row = existing or self._new_row(extra)
        picked = self._pick(existing)
        self._require_enough(picked.items, least=1 if row.ordinal else self._edition.own.min_articles)
        self._describe(row, picked)
        if dry_run:
            numbered = [replace(item, id=item.id or n) for n, item in enumerate(picked.items, start=1)]
            return view_of(row, numbered, warnings=picked.warnings)
        self._store(row, picked, rebuilt=existing is not None)
        return issue_view(self._session, row.id, warnings=picked.warnings)

    def _new_row(self, extra: bool) -> IssueRow:
        edition = self._edition
        return IssueRow(
            edition=edition.name,
            date=self._day,
            ordinal=next_ordinal(self._session, edition.name, self._day) if extra else 0,
            status=IssueStatus.BUILT,
            ledger=edition.ledger,
            list_name=edition.list_name,
            language=edition.language,
            timezone=edition.timezone,
            template=edition.own.template,
            subject="",
            preheader="",
            sections=[],
            locked=[],
            version=1,
            built_at=self._now,
        )

    def _pick(self, existing: IssueRow | None) -> Picked:
        session, rules, now = self._session, self._rules, self._now
        page, held = pick_for(session, self._edition, rules, existing, now=now)
        printables = load_printables(session, [pick.candidate.id for pick in page.picks])
        items = print_items(
            page.picks, printables, rules.teasers, sources={s.name: s for s in self._settings.file.sources}
        )
        return Picked(page, (*held, *items), (*page.warnings, *self._silent_sections(page), *_flaws(items)))

    def _require_enough(self, items: Sequence[Item], *, least: int) -> None:
        stories = sum(
            item.kind is ItemKind.STORY and item.slot in {Slot.LEAD, Slot.SECTION} for item in items
        )
        if stories >= least or (self._edition.own.min_articles_action == "send" and stories):
            return
        raise EmptyIssue(
            f"edition {self._edition.name} of {self._day} has {stories} "
            f"{'story' if stories == 1 else 'stories'}; it needs {least}",
            remedy="they stay for the next issue; `digest fetch` may bring more",
        )

    def _describe(self, row: IssueRow, picked: Picked) -> None:
        """Sections, subject, preheader, times: what the issue's own row says."""
        edition = self._edition
        row.built_at = self._now
        row.sections = self._headings(picked)
        describe(self._session, edition, row, picked.items)

    def _headings(self, picked: Picked) -> list[dict[str, str]]:
        """The printed sections in order, and those of lead and Don't Miss for their names."""
        used = {item.section for item in picked.items if item.section}
        headings = [
            {"key": section.key, "name": section.name, "layout": section.layout}
            for section in (*self._rules.sections, *self._rules.others)
            if section.key in used
        ]
        if MORE in used and all(heading["key"] != MORE for heading in headings):
            headings.append({"key": MORE, "name": more_name(self._edition.language), "layout": "list"})
        return headings

    def _store(self, row: IssueRow, picked: Picked, *, rebuilt: bool) -> None:
        session = self._session
        if rebuilt:
            row.version += 1
            row.status = IssueStatus.BUILT
            row.approved_at, row.approved_by = None, ""
        session.add(row)
        session.flush()
        reached = horizon(session)
        replace_items(session, row.id, picked.items, now=self._now)
        again = stories_of(item for item in picked.items if item.updated)
        reserve(session, row, stories_of(picked.items), now=self._now, again=again)
        record(
            session,
            row.id,
            "rebuilt" if rebuilt else "built",
            now=self._now,
            actor=self._actor,
            candidates=len(picked.page.judged),
            horizon=asdict(reached),
            warnings=list(picked.warnings),
        )
        days = [day for day in carrying.take(session, row.edition) if day != row.date.isoformat()]
        if days:
            record(session, row.id, CARRIED_OVER, now=self._now, days=days)
        session.flush()

    def _silent_sections(self, page: Page) -> list[str]:
        """Sections that matched nothing for a week, once the newsletter is that old."""
        oldest = oldest_article(self._session)
        if oldest is None or self._now - oldest < LONGEST_WINDOW:
            return []
        fresh = {
            one.section for one in page.judged if self._now - one.candidate.published_at <= LONGEST_WINDOW
        }
        return [
            f"section {section.key} has matched no story for a week; look at its match in newsletter.toml"
            for section in self._edition.sections
            if section.key not in fresh
        ]


def _flaws(items: Sequence[Item]) -> list[str]:
    """One line for each teaser that an editor would change."""
    return [
        f"{item.headline[:60]!r} (article {item.article_id}): {flaw.message}"
        for item in items
        for flaw in lint(item.teaser, item.headline)
    ]


def describe(session: Session, edition: EditionSettings, row: IssueRow, items: Sequence[Item]) -> None:
    """Write subject and preheader for these items, but for what a hand has written."""
    previous = previous_issue(session, row)
    occasion = Occasion(edition.title, edition.name, row.date, row.language)
    if "subject" not in row.locked:
        said = previous.subject if previous else ""
        row.subject = subject_of(edition.own.subject, items, occasion, previous=said)
    if "preheader" not in row.locked:
        said = previous.preheader if previous else ""
        row.preheader = preheader_of(
            edition.own.preheader, items, occasion, subject=row.subject, previous=said
        )


def pick_for(
    session: Session,
    edition: EditionSettings,
    rules: Rules,
    existing: IssueRow | None,
    *,
    now: datetime,
    as_of: Horizon | None = None,
    hold_all: bool = False,
) -> tuple[Page, list[Item]]:
    """What the rules pick at ``now`` beside the items that are held in the ``existing`` issue (those that
    hands have changed, or all), and those items. ``as_of`` looks back: what came later is left out."""
    held: list[Item] = []
    dropped: set[int] = set()
    if existing is not None:
        held = [item for item in load_items(session, existing.id) if item.locked or hold_all]
        gone = load_items(session, existing.id, dropped=True)
        dropped = {item.story_id for item in gone if item.story_id is not None}
    allowed = page_window(session, edition, rules, now=now)
    with nothing_is_garbage():
        candidates = load_candidates(
            session,
            ledger=edition.ledger,
            since=now - max(allowed, rules.dont_miss.max_age, LONGEST_WINDOW),
            now=now,
            own_issue=existing.id if existing is not None else None,
            as_of=as_of,
        )
        if dropped:
            candidates = [one._replace(hidden=True) if one.story_id in dropped else one for one in candidates]
        return pick_page(candidates, rules, now=now, window=allowed, held=held), held


def page_window(session: Session, edition: EditionSettings, rules: Rules, *, now: datetime) -> timedelta:
    """How old a story of the page may be now."""
    return window(rules.max_age, last_issue=last_built_at(session, edition.name, before=now), now=now)


def more_name(language: str) -> str:
    """What the spill-over section is called in the issue's language."""
    from digest.rendering.words import words_of

    return words_of(language).text("More")


def _carry_over(
    sessions: sessionmaker[Session], edition: EditionSettings, day: date, *, now: datetime
) -> None:
    """With ``min_articles_action = "merge"`` the next issue says that it carries this day's stories."""
    if edition.own.min_articles_action != "merge":
        return
    with sessions.begin() as session:
        carrying.note(session, edition.name, day, now=now)
