"""Taking one article into the stock by hand: a page on the web, or a file."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path
from urllib.parse import urlsplit

from sqlalchemy.orm import Session, sessionmaker

from digest.clock import Clock
from digest.errors import SourceUnavailable, SourceUnparsable
from digest.settings import Settings
from digest.settings.model import Source
from digest.settings.parts import slug
from digest.sources.completing import Completer
from digest.sources.http import Http
from digest.sources.identity import same_site
from digest.sources.likeness_stock import StoryStock
from digest.sources.parsing import Task
from digest.sources.storing import Incoming, Store, text_digest
from digest.sources.workshop import Workshop
from digest.values import Article

DESK = "desk"


def add_article(
    sessions: sessionmaker[Session],
    settings: Settings,
    what: str,
    *,
    clock: Clock,
    http: Http,
    folder: Path | None = None,
) -> int:
    """Store the article at an address or in a file; returns its number (the old one when it was there).

    It belongs to the configured source of its site, else to one named after the site or ``desk``.
    Relative paths go from ``folder`` (default: the current one). Raises ``SourceError``.
    """
    now = clock.now()
    with Workshop(1) as readers:
        completer = Completer(http, readers, now)
        if what.startswith(("http://", "https://")):
            source = _source_of(settings, what)
            article = completer.page(source, what)
        else:
            source = Source(name=DESK, url=".", kind="folder")
            path = (folder or Path()) / what
            task = Task(
                body=_contents(path, what),
                url="",
                source=DESK,
                now=now,
                kind="story",
                path=path.name,
                zone=settings.file.newsletter.timezone,
            )
            found = readers.read(task)
            if not found.articles:
                raise SourceUnparsable(f"{what}: neither title nor text", remedy="give it a title")
            article = found.articles[0]
        items = completer.complete(source, [Incoming(article, text_digest(article))])
    return _store(sessions, settings, items[0].article, clock)


def _store(sessions: sessionmaker[Session], settings: Settings, article: Article, clock: Clock) -> int:
    now = clock.now()
    stock = StoryStock()
    weights = {source.name: source.weight for source in settings.file.sources}
    store = Store(stock, weights)
    with sessions.begin() as session:
        stock.load(session, since=min(now, article.published_at or now) - timedelta(days=1))
        items = store.match(session, [article])
        stored = store.put(session, items, now=now)
        known = items[0].known
        if known is not None:
            return int(known.id)
        return stored.ids[0]


def _source_of(settings: Settings, url: str) -> Source:
    for source in settings.file.sources:
        if source.url.startswith("http") and same_site(source.url, url):
            return source.model_copy(update={"full_text": "never"})
    host = (urlsplit(url).hostname or DESK).removeprefix("www.")
    return Source(name=slug(host)[:64], url=url, kind="article", full_text="never")


def _contents(path: Path, named: str) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise SourceUnavailable(f"{named}: {error.strerror}", remedy="give an address or a file") from error
