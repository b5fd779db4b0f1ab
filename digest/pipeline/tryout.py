"""Tomorrow's digest of any site: feeds found, sections guessed, an issue built, and what is not in it."""

from __future__ import annotations

import ipaddress
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import timedelta
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from sqlalchemy.orm import Session, sessionmaker

from digest.clock import Clock
from digest.errors import ConfigError, EmptyIssue, SourceError, SourceUnparsable
from digest.pipeline.begin import ProposedSection, ProposedSource, begin
from digest.settings import FILE_NAME, Settings
from digest.settings.model import Source
from digest.settings.parts import slug
from digest.sources.harvest import Before, Harvest
from digest.sources.http import Http
from digest.sources.identity import folded
from digest.sources.reading import Visitor
from digest.sources.workshop import Readers, Workshop
from digest.values import Article, Progress, Silent

MOST_SECTIONS = 8
_FEWEST_STORIES = 2  # of a category, before it is a section
_TOO_WIDE = 0.7  # a category that most stories have says nothing
_ENOUGH = 0.9  # of the stories; smaller sections are left to "More"


@dataclass(frozen=True, slots=True)
class Proposal:
    """What was found at some addresses, and the newsletter that follows from it."""

    title: str
    language: str
    sources: tuple[ProposedSource, ...]
    sections: tuple[ProposedSection, ...]
    stories: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Tryout:
    """What ``try`` shows. ``left_out``: (title, reason) of what is not in the issue."""

    proposal: Proposal
    folder: Path
    issue: dict[str, Any]
    preview: Path
    left_out: tuple[tuple[str, str], ...]
    settings: Settings
    notes: tuple[str, ...] = ()

    def as_json(self) -> dict[str, Any]:
        """``{sources, sections, issue, preview, left_out, notes}``."""
        return {
            "sources": [{"name": source.name, "url": source.url} for source in self.proposal.sources],
            "sections": [
                {"key": section.key, "name": section.name, "match": list(section.match), "max": section.max}
                for section in self.proposal.sections
            ],
            "issue": self.issue,
            "preview": self.preview.as_uri(),
            "left_out": [{"title": title, "reason": reason} for title, reason in self.left_out],
            "notes": list(self.notes),
        }


def propose_newsletter(
    urls: Sequence[str],
    *,
    clock: Clock,
    http: Http,
    progress: Progress | None = None,
) -> tuple[list[ProposedSource], list[ProposedSection], str]:
    """Sources, sections and language for a new newsletter from these addresses. Raises ``SourceError``."""
    found = propose(urls, clock=clock, progress=progress, http=http)
    return list(found.sources), list(found.sections), found.language or "en"


def propose(
    urls: Sequence[str],
    *,
    clock: Clock,
    http: Http,
    progress: Progress | None = None,
    readers: Readers | None = None,
    allow_private: bool = False,
) -> Proposal:
    """Visit the addresses and propose a newsletter. Raises ``SourceError`` when none can be read.

    Who types an address of this machine (127.0.0.1, ``localhost``) means it; other private addresses
    need ``allow_private``, and a public name that leads to one stays refused without it.
    """
    if readers is None:
        with Workshop(2) as workshop:
            return propose(
                urls, clock=clock, progress=progress, http=http, readers=workshop, allow_private=allow_private
            )
    progress = progress or Silent()
    visitor = Visitor(http, readers, Path.cwd(), "UTC", clock.now())
    sources: list[ProposedSource] = []
    harvests: list[Harvest] = []
    first: SourceError | None = None
    progress.start("looking", len(urls))
    for url in urls:
        address = _address(url)
        private = allow_private or _is_this_machine(address)
        try:
            source = Source(name="try", url=address, allow_private=private)
            harvest = visitor.visit(source, Before())
        except SourceError as error:
            first = first or error
            progress.note(str(error))
        else:
            harvests.append(harvest)
            sources.append(_source(source, harvest, {known.name for known in sources}))
        progress.advance("looking")
    progress.finish("looking")
    if not harvests:
        raise first or SourceUnparsable("no address was given")
    articles = [article for harvest in harvests for article in harvest.articles]
    title = next((harvest.title for harvest in harvests if harvest.title), "")
    return Proposal(
        title or _name_of(urls[0]),
        _language(harvests, articles),
        tuple(sources),
        tuple(propose_sections(articles)),
        len(articles),
    )


def propose_sections(articles: Sequence[Article]) -> list[ProposedSection]:
    """Sections from the counts of categories: names as the sites write them, sensible maxima.

    The first category of a story counts most; one that nearly all stories share is left out; the
    next section is always the one that takes in most of the stories not yet taken in.
    """
    names: dict[str, Counter[str]] = {}
    holders: dict[str, set[int]] = {}
    weight: Counter[str] = Counter()
    for number, article in enumerate(articles):
        for place, category in enumerate(article.categories[:6]):
            key = " ".join(folded(category).split())
            names.setdefault(key, Counter())[category] += 1
            holders.setdefault(key, set()).add(number)
            weight[key] += 4 if place == 0 else 1
    total = len(articles)
    usable = {
        key: stories
        for key, stories in holders.items()
        if len(stories) >= _FEWEST_STORIES and (len(stories) <= total * _TOO_WIDE or len(holders) == 1)
    }
    taken: set[int] = set()
    found: list[ProposedSection] = []
    keys: set[str] = set()
    while usable and len(found) < MOST_SECTIONS and len(taken) < total * _ENOUGH:
        best = max(usable, key=lambda key: (len(usable[key] - taken) * weight[key] / len(usable[key]), key))
        stories = usable.pop(best) - taken
        if len(stories) < _FEWEST_STORIES:
            continue
        name = _written(names[best].most_common(1)[0][0])
        key = slug(name)[:64]
        if key in keys:
            continue
        keys.add(key)
        taken |= stories
        found.append(ProposedSection(key, name, (name,), _room(len(stories) / total)))
    return found


def try_site(
    urls: Sequence[str],
    folder: Path,
    *,
    clock: Clock,
    http: Http,
    sessions_of: Any,
    progress: Progress | None = None,
    readers: Readers | None = None,
    allow_private: bool = False,
) -> Tryout:
    """Build the digest of ``urls`` as a newsletter in ``folder``; the rendered page is in ``folder/out``.

    ``sessions_of(settings)`` opens the new folder's database. Raises ``SourceError``, ``EmptyIssue``, and
    ``ConfigError`` when a newsletter is in that folder already.
    """
    from digest.pipeline.build import build_issue
    from digest.pipeline.collect import collect
    from digest.pipeline.explain import OUT, explain_issue
    from digest.pipeline.render_files import render_to_files
    from subscribers.tokens import TokenSigner

    progress = progress or Silent()
    if (folder / FILE_NAME).exists():
        raise ConfigError(
            f"{folder} holds a newsletter already",
            remedy=f"give a new folder, or see its own issue with `digest -C {folder} preview`",
        )
    proposal = propose(
        urls, clock=clock, progress=progress, http=http, readers=readers, allow_private=allow_private
    )
    site = next(
        (source.url for source in proposal.sources if source.url.startswith("http")), "https://example.org"
    )
    begun = begin(
        folder,
        name=proposal.title,
        url=_root_of(site),
        sources=proposal.sources,
        sections=proposal.sections,
        language=proposal.language or "en",
    )
    settings = _for_a_trial(begun.settings)
    sessions: sessionmaker[Session] = sessions_of(settings)
    report = collect(sessions, settings, clock=clock, http=http, readers=readers, progress=progress)
    now = clock.now()
    try:
        issue = build_issue(sessions, settings, "daily", now=now, actor="try")
    except EmptyIssue as error:
        newest = (
            f"{proposal.stories} stories were found, none of the last week"
            if proposal.stories
            else "no story was found"
        )
        raise EmptyIssue(
            f"{urls[0]}: {newest}", remedy="try a site that is alive, or a feed of it"
        ) from error
    assert issue.id is not None  # noqa: S101 - only a dry run has none
    files = render_to_files(
        sessions, settings, issue.id, folder / "out", signer=TokenSigner(settings.token_keys), now=now
    )
    left_out = [
        (verdict.title, verdict.reason)
        for verdict in explain_issue(sessions, settings, issue.id)
        if verdict.decision == OUT
    ]
    notes = [source.error for source in report.sources if source.error]
    notes += [note for source in report.sources for note in source.notes]
    return Tryout(
        proposal=proposal,
        folder=folder,
        issue=issue.as_json(),
        preview=files.html,
        left_out=tuple(left_out),
        settings=settings,
        notes=tuple(notes),
    )


def _for_a_trial(settings: Settings) -> Settings:
    """Stories of a week, an issue of whatever there is, and a database of its own in the folder: what
    DIGEST_DATABASE_URL names is a newsletter at work."""
    daily = settings.file.editions["daily"]
    edition = daily.model_copy(update={"max_age": timedelta(days=7), "min_articles": 1})
    file = settings.file.model_copy(update={"editions": {**settings.file.editions, "daily": edition}})
    environment = settings.environment.model_copy(update={"database_url": None})
    return replace(settings, file=file, environment=environment)


def _source(source: Source, harvest: Harvest, taken: set[str]) -> ProposedSource:
    name = slug(harvest.title or _name_of(source.url))[:48].strip("-") or "source"
    number = 2
    unique = name
    while unique in taken:
        unique, number = f"{name}-{number}", number + 1
    # A WordPress site keeps its own address, for its interface; else the feed that was found is it.
    url = source.url if harvest.kind in {"wordpress", "sitemap"} or not harvest.feed_url else harvest.feed_url
    return ProposedSource(unique, url, source.allow_private)


def _address(url: str) -> str:
    """What was typed, as an address: https without a scheme, a path from the root when it is a path."""
    if "://" in url:
        return url
    return str(Path(url).resolve()) if Path(url).exists() else f"https://{url}"


def _is_this_machine(url: str) -> bool:
    host = urlsplit(url).hostname or ""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def _name_of(url: str) -> str:
    host = (urlsplit(url if "://" in url else f"//{url}").hostname or Path(url).stem).removeprefix("www.")
    return host.partition(".")[0].replace("-", " ").title() if not host[:1].isdigit() else host


def _root_of(url: str) -> str:
    parts = urlsplit(url)
    return f"{parts.scheme}://{parts.netloc}"


def _language(harvests: Sequence[Harvest], articles: Sequence[Article]) -> str:
    declared = next((harvest.language for harvest in harvests if harvest.language), "")
    most = Counter(article.language.partition("-")[0] for article in articles if article.language)
    return declared or (most.most_common(1)[0][0] if most else "")


def _written(name: str) -> str:
    return name.title() if name.isascii() and name.islower() else name


def _room(share: float) -> int:
    """Stories of a section in one issue, by its share of all: 3 to 6."""
    return 6 if share >= 0.35 else 5 if share >= 0.2 else 4 if share >= 0.1 else 3
