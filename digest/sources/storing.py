"""Storing what came in, once: exact keys, then stories and near-duplicates, then revisions.

An article is known by its address, else by its guid within its source, else by its title where there
is no address. A source that changes its guids or its dates makes no second article; one that uses a
guid again for another text does.
"""

from __future__ import annotations

import hashlib
import re
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import Row, bindparam, func, insert, select, update
from sqlalchemy.orm import Session

from digest.models import ArticleRevisionRow, ArticleRow, LedgerEntryRow, LedgerState
from digest.sources.clusters import Clusters
from digest.sources.identity import title_key
from digest.sources.likeness_stock import StoryStock, likeness_key
from digest.sources.sanitise import MAX_SUMMARY, text_of
from digest.values import Article, Picture

_TAG = re.compile(r"<[^<>]*>")
_OPENING = 3_000  # code points of HTML in which a text's first 600 stand
_AT_ONCE = 400  # values in one IN (…)
_SAME_TEXT_AGAIN = timedelta(days=3)


@dataclass(frozen=True, slots=True)
class Stored:
    """Numbers of one source's articles, and the ids of the new ones."""

    new: int = 0
    updated: int = 0
    unchanged: int = 0
    ids: tuple[int, ...] = ()


@dataclass(frozen=True, slots=True)
class Incoming:
    """An article on its way in; ``digest`` is of what the source itself said, before its page was read."""

    article: Article
    digest: str
    known: Row[Any] | None = None

    @property
    def fresh(self) -> bool:
        """New, or changed: worth a look at its page."""
        return self.known is None or self.known.text_digest != self.digest


@dataclass(slots=True)
class Store:
    """Puts articles into the database. ``weights`` by source name."""

    stock: StoryStock
    weights: Mapping[str, float]

    def match(
        self, session: Session, articles: Iterable[Article], digests: Mapping[str, str] | None = None
    ) -> list[Incoming]:
        """Each article once, with the row that it is already stored as, if any. ``digests`` that were made
        before, by identity URL."""
        unique: dict[str, Article] = {}
        for article in articles:
            unique.setdefault(article.identity_url, article)
        batch = list(unique.values())
        if not batch:
            return []
        source = batch[0].source
        by_url = _rows(session, _BY_URL, list(unique))
        rows_by_url = {row.identity_url: row for row in by_url}
        taken = {row.id for row in by_url}
        guids = Counter(article.guid for article in batch if article.guid)
        lost = [article for article in batch if article.identity_url not in rows_by_url]
        by_guid = {
            row.guid: row
            for row in _rows(session, _BY_GUID, [a.guid for a in lost if guids[a.guid] == 1], source=source)
        }
        by_title = {
            row.title_key: row
            for row in _rows(session, _BY_TITLE, [title_key(a.title) for a in lost], source=source)
        }
        found: list[Incoming] = []
        for article in batch:
            digest = (digests or {}).get(article.identity_url) or text_digest(article)
            row = rows_by_url.get(article.identity_url)
            if row is None:
                row = _again(
                    article, digest, by_guid.get(article.guid), by_title.get(title_key(article.title))
                )
                row = None if row is not None and row.id in taken else row
                if row is not None:
                    taken.add(row.id)
            found.append(Incoming(article, digest, row))
        return found

    def put(self, session: Session, incoming: Sequence[Incoming], *, now: datetime) -> Stored:
        """Store what is new, revise what has changed, mark the rest as seen."""
        known = [item for item in incoming if item.known is not None]
        new = [item for item in incoming if item.known is None]
        updated = _revise(session, known, now)
        _seen(session, known, now)
        ids = self._add(session, new, now) if new else []
        return Stored(len(ids), updated, len(known) - updated, tuple(ids))

    def _add(self, session: Session, new: Sequence[Incoming], now: datetime) -> list[int]:
        clusters = Clusters(session, self.stock, self.weights, now)
        rows = []
        for item in new:
            row = _values(item.article, now)
            row["text_digest"] = item.digest
            row["likeness"] = _likeness(item.article)
            rows.append(row)
        return clusters.add(rows)


def text_digest(article: Article) -> str:
    """A hash of the words a source gave; markup and picture addresses may change without a revision."""
    words = "\n".join((article.title, article.summary, " ".join(_TAG.sub(" ", article.body).split())))
    return hashlib.sha256(words.encode("utf-8", "replace")).hexdigest()[:32]


def _likeness(article: Article) -> str:
    return likeness_key(article.title, text_of(article.body[:_OPENING]) or article.summary)


_stored = ArticleRow.__table__.c
_COLUMNS = (
    _stored.id,
    _stored.story_id,
    _stored.revision,
    _stored.identity_url,
    _stored.link_url,
    _stored.guid,
    _stored.title,
    _stored.title_key,
    _stored.summary,
    _stored.text_digest,
    _stored.published_at,
    _stored.date_is_guess,
    _stored.last_seen_at,
    _stored.updated_at,
    _stored.categories,
    _stored.picture_url,
    _stored.sticky,
    _stored.front_page_rank,
    _stored.origins,
)
_ASKED: Any = bindparam("values", expanding=True)
_BY_URL = select(*_COLUMNS).where(_stored.identity_url.in_(_ASKED)).order_by(_stored.id)
_OF_SOURCE = select(*_COLUMNS).where(_stored.source == bindparam("source")).order_by(_stored.id)
_BY_GUID = _OF_SOURCE.where(_stored.guid.in_(_ASKED))
_BY_TITLE = _OF_SOURCE.where(_stored.title_key.in_(_ASKED))


def _rows(session: Session, query: Any, values: Sequence[str], **given: str) -> list[Row[Any]]:
    wanted = [value for value in dict.fromkeys(values) if value]
    found: list[Row[Any]] = []
    for at in range(0, len(wanted), _AT_ONCE):
        found.extend(session.execute(query, {"values": wanted[at : at + _AT_ONCE], **given}))
    return found


def _again(
    article: Article, digest: str, by_guid: Row[Any] | None, by_title: Row[Any] | None
) -> Row[Any] | None:
    """The row that this article is already stored as under another address, if that is certain."""
    if by_guid is not None:
        same_title = by_guid.title_key == title_key(article.title)
        at = article.published_at
        if same_title or (at is not None and not by_guid.date_is_guess and at == by_guid.published_at):
            return by_guid
    if by_title is not None:
        if by_title.text_digest == digest:
            return by_title
        near = (
            article.published_at is None
            or abs(article.published_at - by_title.published_at) <= _SAME_TEXT_AGAIN
        )
        if near and not (article.link_url and by_title.link_url):
            return by_title
    return None


def _revise(session: Session, known: Sequence[Incoming], now: datetime) -> int:
    changed = [item for item in known if item.fresh]
    printed = _printed(session, [item.known.story_id for item in changed if item.known is not None])
    for item in known:
        row = item.known
        assert row is not None  # noqa: S101 - the caller sorted them
        if not item.fresh:
            _touch_up(session, row, item.article)
        elif row.story_id in printed:
            _note(session, row, item, now)
        else:
            _replace(session, row, item, now)
    return len(changed)


def _replace(session: Session, row: Row[Any], item: Incoming, now: datetime) -> None:
    """Put the new words in the place of the old, which are kept as a revision."""
    article = item.article
    session.execute(
        insert(ArticleRevisionRow).values(
            article_id=row.id, revision=row.revision, title=row.title, summary=row.summary, at=now
        )
    )
    values = _values(article, now)
    for kept in ("identity_url", "first_seen_at", "source"):
        values.pop(kept)
    if article.published_at is None or not row.date_is_guess:
        values.pop("published_at")  # the first date stands: a re-published story is no newer
        values.pop("date_is_guess")
    if article.published_at is not None and article.published_at > row.published_at:
        values["updated_at"] = article.updated_at or article.published_at
    session.execute(
        update(ArticleRow)
        .where(ArticleRow.id == row.id)
        .values(
            **values,
            revision=row.revision + 1,
            text_digest=item.digest,
            likeness=_likeness(article),
        )
        .execution_options(synchronize_session=False)
    )


def _note(session: Session, row: Row[Any], item: Incoming, now: datetime) -> None:
    """Keep the new words as a revision beside the printed ones: an archive and its article agree, and
    who prints the story again prints the newest (``digest.issues.decisions``)."""
    newest = session.scalar(
        select(func.max(ArticleRevisionRow.revision)).where(ArticleRevisionRow.article_id == row.id)
    )
    session.execute(
        insert(ArticleRevisionRow).values(
            article_id=row.id,
            revision=max(row.revision, newest or 0) + 1,
            title=item.article.title,
            summary=item.article.summary or text_of(item.article.body)[:MAX_SUMMARY],
            at=now,
        )
    )
    session.execute(
        update(ArticleRow)
        .where(ArticleRow.id == row.id)
        .values(text_digest=item.digest)  # these words are no news any more
        .execution_options(synchronize_session=False)
    )


def _touch_up(session: Session, row: Row[Any], article: Article) -> None:
    """What may change without a revision: section, stickiness, and a guid that was switched."""
    values: dict[str, Any] = {}
    if article.categories and list(article.categories) != row.categories and _from_feed(row, "categories"):
        values["categories"] = list(article.categories)
    if article.sticky != row.sticky:
        values["sticky"] = article.sticky
    if article.guid and article.guid != row.guid:
        values["guid"] = article.guid
    if article.front_page_rank is not None and article.front_page_rank != row.front_page_rank:
        values["front_page_rank"] = article.front_page_rank
    if values:
        session.execute(
            update(ArticleRow)
            .where(ArticleRow.id == row.id)
            .values(**values)
            .execution_options(synchronize_session=False)
        )


def _from_feed(row: Row[Any], name: str) -> bool:
    return str((row.origins or {}).get(name, "")) in {
        "",
        "feed",
        "json-feed",
        "wordpress",
        "front-matter",
        "file",
    }


def _seen(session: Session, known: Sequence[Incoming], now: datetime) -> None:
    # Once a day is enough for retention, and an unchanged feed then writes nothing.
    stale = [
        item.known.id
        for item in known
        if item.known is not None and now - item.known.last_seen_at > timedelta(days=1)
    ]
    for at in range(0, len(stale), _AT_ONCE):
        session.execute(
            update(ArticleRow)
            .where(ArticleRow.id.in_(stale[at : at + _AT_ONCE]))
            .values(last_seen_at=now)
            .execution_options(synchronize_session=False)
        )


def _printed(session: Session, story_ids: Sequence[int]) -> set[int]:
    if not story_ids:
        return set()
    return set(
        session.scalars(
            select(LedgerEntryRow.story_id).where(
                LedgerEntryRow.story_id.in_(set(story_ids)), LedgerEntryRow.state == LedgerState.PUBLISHED
            )
        )
    )


def _values(article: Article, now: datetime) -> dict[str, Any]:
    picture = article.picture or Picture("")
    return {
        "source": article.source,
        "guid": article.guid,
        "identity_url": article.identity_url,
        "link_url": article.link_url,
        "canonical_url": article.canonical_url,
        "title": article.title,
        "title_key": title_key(article.title),
        "published_at": article.published_at or now,
        "date_is_guess": article.published_at is None,
        "updated_at": article.updated_at,
        "first_seen_at": now,
        "last_seen_at": now,
        "authors": list(article.authors),
        "categories": list(article.categories),
        "kind": article.kind,
        "label": article.label,
        "access": article.access,
        "summary": article.summary,
        "body": article.body,
        "picture_url": picture.url,
        "picture_alt": picture.alt,
        "picture_credit": picture.credit,
        "picture_width": picture.width,
        "picture_height": picture.height,
        "picture_bytes": picture.weight,
        "language": article.language,
        "word_count": article.word_count,
        "duration_seconds": article.duration_seconds,
        "media_url": article.media_url,
        "sticky": article.sticky,
        "front_page_rank": article.front_page_rank,
        "not_before": article.not_before,
        "expires_at": article.expires_at,
        "related": [{"title": related.title, "url": related.url} for related in article.related],
        "origins": {name: told for name, told in article.origins.items() if name != "picture" or picture.url}
        | ({} if article.published_at else {"published_at": "first seen"}),
    }
