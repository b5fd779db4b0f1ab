"""What we remember of a source from visit to visit: validators, failures, when to come back."""

from __future__ import annotations

from datetime import datetime, timedelta

from sqlalchemy.orm import Session

from digest.errors import SourceError
from digest.models import SourceStateRow
from digest.settings.model import Source
from digest.sources.harvest import Before, Harvest
from digest.sources.http import Gone, RetryLater

_PATIENCE = 3  # failures in a row before a source is left alone for a while
_FIRST_PAUSE = timedelta(minutes=30)
_LONGEST_PAUSE = timedelta(hours=24)


def pause_after(failures: int) -> timedelta:
    """How long a source is left alone after so many failures: none, then 30 min, doubled up to a day."""
    if failures < _PATIENCE:
        return timedelta(0)
    return min(_LONGEST_PAUSE, _FIRST_PAUSE * (1 << min(10, failures - _PATIENCE)))


def before_of(row: SourceStateRow) -> Before:
    """The row as a value."""
    return Before(
        url=row.url,
        kind=row.kind,
        feed_url=row.feed_url,
        etag=row.etag,
        last_modified=row.last_modified,
        body_digest=row.body_digest,
        newest_at=row.newest_at,
        succeeded_at=row.succeeded_at,
        failures=row.failures,
        not_before=row.not_before,
    )


def after_success(
    session: Session, source: Source, harvest: Harvest, *, gap: bool | None, now: datetime
) -> None:
    """Remember a visit that worked (``gap`` None: unchanged, as it was)."""
    row = _row(session, source)
    row.fetched_at = row.succeeded_at = now
    row.failures, row.error, row.not_before = 0, "", None
    row.moved_to = harvest.moved_to or (row.moved_to if harvest.unchanged else "")
    if harvest.unchanged:
        # A 304 may carry no validators: the old ones stay good.
        row.etag = harvest.etag or row.etag
        row.last_modified = harvest.last_modified or row.last_modified
        row.body_digest = harvest.body_digest or row.body_digest
        return
    row.kind, row.feed_url, row.title = harvest.kind, harvest.feed_url, harvest.title or row.title
    row.etag, row.last_modified, row.body_digest = harvest.etag, harvest.last_modified, harvest.body_digest
    row.gap = bool(gap)
    dates = [article.published_at for article in harvest.articles if article.published_at]
    newest = max(dates, default=None)
    if newest is not None and (row.newest_at is None or newest > row.newest_at):
        row.newest_at = newest


def after_failure(session: Session, source: Source, error: SourceError, *, now: datetime) -> datetime | None:
    """Remember a visit that failed; returns until when the source is left alone, if it is."""
    row = _row(session, source)
    row.fetched_at = now
    row.failures += 1
    row.error = " ".join(str(error).split())[:1000]
    pause = pause_after(row.failures)
    if isinstance(error, RetryLater):
        pause = max(pause, timedelta(seconds=error.seconds))
    if isinstance(error, Gone):
        pause = _LONGEST_PAUSE
    row.not_before = now + pause if pause else None
    return row.not_before


def _row(session: Session, source: Source) -> SourceStateRow:
    row = session.get(SourceStateRow, source.name)
    if row is None:
        row = SourceStateRow(name=source.name, url=source.url, failures=0)
        session.add(row)
    elif row.url != source.url:
        # Another address: nothing that was found out holds any more.
        row.url = source.url
        row.kind = row.feed_url = row.title = row.etag = row.last_modified = row.body_digest = ""
        row.newest_at = row.succeeded_at = None
        row.gap = False
    return row
