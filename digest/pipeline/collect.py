"""Collect: every source is visited, what is new is completed and stored once, and each is reported on."""

from __future__ import annotations

import heapq
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from dataclasses import dataclass, field, replace
from datetime import timedelta
from typing import Any

from sqlalchemy import select
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session, sessionmaker

from digest.clock import Clock
from digest.errors import ConfigError, SourceError
from digest.models import SourceStateRow
from digest.pipeline.adding import add_article as add_article
from digest.settings import Settings
from digest.settings.model import Source
from digest.sources.completing import Completer
from digest.sources.harvest import Before, Harvest
from digest.sources.http import Http
from digest.sources.likeness_stock import StoryStock
from digest.sources.reading import Visitor
from digest.sources.retention import prune
from digest.sources.states import after_failure, after_success, before_of
from digest.sources.storing import Incoming, Store, Stored
from digest.sources.workshop import Readers, Workshop
from digest.values import Article, Progress, Silent

AT_ONCE = 16  # sources visited at the same time; most of that time is waiting
_QUIET_AT_ONCE = 200  # states of unchanged sources written in one transaction


@dataclass(frozen=True, slots=True, kw_only=True)
class SourceReport:
    """One source's line: ``status`` is ``ok``, ``unchanged``, ``waiting`` (backs off) or ``failed``."""

    name: str
    status: str
    new: int = 0
    updated: int = 0
    unchanged: int = 0
    gap: bool = False
    error: str = ""
    remedy: str = ""
    notes: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class CollectReport:
    """What ``fetch`` tells: all sources in the order of newsletter.toml, and the ids of new articles."""

    sources: tuple[SourceReport, ...]
    ids: tuple[int, ...] = field(default=(), repr=False)

    @property
    def new(self) -> int:
        return sum(source.new for source in self.sources)

    @property
    def updated(self) -> int:
        return sum(source.updated for source in self.sources)

    @property
    def all_failed(self) -> bool:
        """Whether not one source worked (and there was one)."""
        return bool(self.sources) and all(source.status in {"failed", "waiting"} for source in self.sources)

    def as_json(self) -> dict[str, Any]:
        """The shape that ``--json`` promises."""
        return {
            "sources": [
                {
                    "name": source.name,
                    "status": source.status,
                    "new": source.new,
                    "updated": source.updated,
                    "unchanged": source.unchanged,
                    "gap": source.gap,
                    "error": source.error or None,
                    "remedy": source.remedy or None,
                    "notes": list(source.notes),
                }
                for source in self.sources
            ],
            "new": self.new,
            "updated": self.updated,
        }


def collect(
    sessions: sessionmaker[Session],
    settings: Settings,
    *,
    clock: Clock,
    http: Http,
    only: Iterable[str] = (),
    due_only: bool = False,
    readers: Readers | None = None,
    progress: Progress | None = None,
) -> CollectReport:
    """Visit all sources (or those named in ``only``, even if they back off) and store what is new.

    With ``due_only``, sources visited within their ``refresh`` time are left alone. One that fails is
    reported; the others go on. Raises ``ConfigError`` for a name that is no source.
    """
    wanted = list(only)
    sources = _chosen(settings, wanted)
    if readers is not None:
        return _Run(sessions, settings, sources, clock, http, readers, progress or Silent()).go(
            patient=not wanted, due_only=due_only
        )
    with Workshop() as workshop:
        return _Run(sessions, settings, sources, clock, http, workshop, progress or Silent()).go(
            patient=not wanted, due_only=due_only
        )


def _chosen(settings: Settings, names: Sequence[str]) -> list[Source]:
    from digest.settings.parts import nearest

    known = {source.name: source for source in settings.file.sources}
    for name in names:
        if name not in known:
            guess = nearest(name, list(known))
            hint = f"did you mean {guess!r}?" if guess else f"known: {', '.join(known) or 'none'}"
            raise ConfigError(f"there is no source {name!r}", remedy=hint)
    return [known[name] for name in dict.fromkeys(names)] if names else list(known.values())


@dataclass(frozen=True, slots=True)
class _Ready:
    """A harvest on its way into the database."""

    harvest: Harvest
    incoming: Sequence[Incoming]
    gap: bool


class _Run:
    """One run: threads visit and complete, this thread alone reads and writes the database."""

    def __init__(
        self,
        sessions: sessionmaker[Session],
        settings: Settings,
        sources: Sequence[Source],
        clock: Clock,
        http: Http,
        readers: Readers,
        progress: Progress,
    ) -> None:
        self._sessions = sessions
        self._settings = settings
        self._sources = sources
        self._now = clock.now()
        self._progress = progress
        self._visitor = Visitor(http, readers, settings.folder, settings.file.newsletter.timezone, self._now)
        self._completer = Completer(http, readers, self._now)
        self._reports: dict[str, SourceReport] = {}
        self._ids: list[int] = []
        self._quiet: list[tuple[Source, Harvest]] = []
        self._stock = StoryStock()
        self._stocked = False
        self._store = Store(self._stock, {source.name: source.weight for source in settings.file.sources})

    def go(self, *, patient: bool, due_only: bool) -> CollectReport:
        with self._sessions() as session:
            self._before = {row.name: before_of(row) for row in session.scalars(select(SourceStateRow))}
            session.rollback()
        due = [source for source in self._sources if self._is_due(source, patient, due_only)]
        self._progress.start("fetching", len(due))
        with ThreadPoolExecutor(AT_ONCE, thread_name_prefix="fetch") as pool:
            try:
                self._visit_all(pool, due)
            except BaseException:
                pool.shutdown(wait=False, cancel_futures=True)
                raise
        self._flush()
        self._progress.finish("fetching")
        with self._sessions.begin() as session:
            prune(session, before=self._now - self._settings.file.retention.articles)
        return CollectReport(
            tuple(self._reports[source.name] for source in self._sources if source.name in self._reports),
            tuple(self._ids),
        )

    def _is_due(self, source: Source, patient: bool, due_only: bool) -> bool:
        before = self._before.get(source.name, Before()).of(source.url)
        if patient and before.not_before is not None and before.not_before > self._now:
            self._reports[source.name] = SourceReport(
                name=source.name,
                status="waiting",
                error=f"failed {before.failures} times; not before {before.not_before:%Y-%m-%d %H:%M} UTC"
                if before.failures
                else f"the server asked to wait until {before.not_before:%Y-%m-%d %H:%M} UTC",
                remedy=f"`digest fetch --source {source.name}` tries at once",
            )
            return False
        recent = before.succeeded_at is not None and self._now - before.succeeded_at < source.refresh
        return not (due_only and recent)

    def _visit_all(self, pool: ThreadPoolExecutor, due: Sequence[Source]) -> None:
        visits: dict[Future[Any], tuple[Source, Callable[[Source, Any], Future[Any] | None]]] = {}
        for source in due:
            before = self._before.get(source.name, Before())
            future: Future[Any] = pool.submit(self._visitor.visit, source, before)
            visits[future] = (source, lambda source, harvest: self._visited(pool, source, harvest))
        while visits:
            done, _ = wait(visits, return_when=FIRST_COMPLETED)
            for future in done:
                source, then = visits.pop(future)
                try:
                    following = then(source, future.result())
                except SourceError as error:
                    self._failed(source, error)
                    following = None
                if following is not None:
                    visits[following] = (source, self._stored)
                else:
                    self._progress.advance("fetching", new=len(self._ids))

    def _visited(self, pool: ThreadPoolExecutor, source: Source, harvest: Harvest) -> Future[Any] | None:
        """Decide what is still to be fetched for a harvest; None when it is done with."""
        if harvest.unchanged:
            self._quiet.append((source, harvest))
            self._reports[source.name] = SourceReport(
                name=source.name, status="unchanged", notes=_notes(source, harvest)
            )
            if len(self._quiet) >= _QUIET_AT_ONCE:
                self._flush()
            return None
        before = self._before.get(source.name, Before()).of(source.url)
        with self._sessions() as session:
            incoming = self._store.match(session, self._kept(source, harvest.articles))
            session.rollback()
        gap = _has_gap(before, harvest, incoming)
        return pool.submit(self._complete, source, before, harvest, incoming, gap)

    def _complete(
        self, source: Source, before: Before, harvest: Harvest, incoming: Sequence[Incoming], gap: bool
    ) -> _Ready:
        """In a thread: page back over a gap, then read pages and look at pictures of what is new."""
        older: list[Article] = []
        if gap and before.succeeded_at is not None:
            since = before.succeeded_at
            for found in self._visitor.older(source, harvest, since):
                older += self._kept(source, found.articles)
                dates = [article.published_at for article in found.articles if article.published_at]
                gap = gap and not (dates and min(dates) <= since)
        fresh = self._completer.complete(source, [item for item in incoming if item.fresh])
        completed = {item.article.identity_url: item for item in fresh}
        merged = [completed.get(item.article.identity_url, item) for item in incoming]
        if older:
            harvest = replace(harvest, articles=(*harvest.articles, *older))
            merged += [Incoming(article, "") for article in older]
        if source.front_page:
            merged = self._completer.rank(source, merged)
        return _Ready(harvest, merged, gap)

    def _stored(self, source: Source, ready: _Ready) -> None:
        self._make_stock()
        try:
            stored = self._put(source, ready)
        except IntegrityError:
            # Another process stored the same stories a moment ago: look again, once.
            self._stocked = False
            self._make_stock()
            stored = self._put(source, ready)
        self._ids += stored.ids
        notes = _notes(source, ready.harvest)
        if ready.gap:
            notes = (
                *notes,
                "stories may be missing: its oldest item is newer than the last fetch; fetch more often",
            )
        for note in notes:
            self._progress.note(note if note.startswith(source.name) else f"{source.name}: {note}")
        self._reports[source.name] = SourceReport(
            name=source.name,
            status="ok",
            new=stored.new,
            updated=stored.updated,
            unchanged=stored.unchanged,
            gap=ready.gap,
            notes=notes,
        )

    def _put(self, source: Source, ready: _Ready) -> Stored:
        with self._sessions.begin() as session:
            # Matched again inside the transaction that writes: another run may have been faster.
            # The digests are of the feed's words, not of the page's.
            digests = {item.article.identity_url: item.digest for item in ready.incoming}
            again = self._store.match(session, [item.article for item in ready.incoming], digests)
            stored = self._store.put(session, again, now=self._now)
            after_success(session, source, ready.harvest, gap=ready.gap, now=self._now)
        return stored

    def _make_stock(self) -> None:
        if self._stocked:
            return
        self._stock = self._store.stock = StoryStock()
        with self._sessions() as session:
            self._stock.load(session, since=self._now - timedelta(days=7))
            session.rollback()
        self._stocked = True

    def _kept(self, source: Source, articles: Iterable[Article]) -> list[Article]:
        """What is worth storing, with what newsletter.toml says of this source put over it."""
        oldest = self._now - self._settings.file.retention.articles
        kept = [
            _ruled(source, article)
            for article in articles
            if article.published_at is None or article.published_at > oldest
        ]
        # The newest first: what runs out of room or time is the oldest.
        return heapq.nlargest(len(kept), kept, key=lambda article: article.published_at or self._now)

    def _failed(self, source: Source, error: SourceError) -> None:
        with self._sessions.begin() as session:
            until = after_failure(session, source, error, now=self._now)
        remedy = error.remedy
        self._reports[source.name] = SourceReport(
            name=source.name,
            status="failed",
            error=" ".join(str(error).split()),
            remedy=remedy,
            notes=(f"it is left alone until {until:%Y-%m-%d %H:%M} UTC",) if until else (),
        )
        self._progress.note(f"{source.name}: {error}" + (f" — {remedy}" if remedy else ""))

    def _flush(self) -> None:
        if not self._quiet:
            return
        with self._sessions.begin() as session:
            for source, harvest in self._quiet:
                after_success(session, source, harvest, gap=None, now=self._now)
        self._quiet.clear()


def _ruled(source: Source, article: Article) -> Article:
    changes: dict[str, Any] = {}
    if source.section:
        changes["categories"] = (source.section, *(c for c in article.categories if c != source.section))
    if source.language and article.origins.get("language", "detected") == "detected":
        changes["language"] = source.language
    if source.label and not article.label:
        changes["label"] = source.label
    if source.images == "none":
        changes["picture"] = None
    if not changes:
        return article
    origins = {**article.origins, **dict.fromkeys(changes, "newsletter.toml")}
    return replace(article, **changes, origins=origins)


def _has_gap(before: Before, harvest: Harvest, incoming: Sequence[Incoming]) -> bool:
    """The feed has moved on past the last fetch: all it holds is newer, and none of it is known."""
    if (
        before.succeeded_at is None
        or before.newest_at is None
        or harvest.kind in {"article", "folder", "story"}
    ):
        return False
    dates = [item.article.published_at for item in incoming if item.article.published_at]
    return bool(dates) and min(dates) > before.succeeded_at and all(item.known is None for item in incoming)


def _notes(source: Source, harvest: Harvest) -> tuple[str, ...]:
    notes = harvest.notes[:10]
    if len(harvest.notes) > 10:
        notes = (*notes, f"and {len(harvest.notes) - 10} more")
    if harvest.moved_to:
        notes = (*notes, f'has moved for good; put url = "{harvest.moved_to}" into newsletter.toml')
    return notes
