"""How long an unsent issue waits for its editors: when it goes out, when they are reminded, when it ends."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

from digest.calendar import send_moment

if TYPE_CHECKING:
    from digest.models import IssueRow
    from digest.settings import EditionSettings


@dataclass(frozen=True, slots=True)
class Waiting:
    """The times of an issue that waits for an approval, in UTC.

    :param goes_at: when it goes out once it is approved; None: at once.
    :param remind_at: when the editors hear of it again.
    :param ends_at: when it is skipped or sent by policy.
    :param skips: whether it is skipped then.
    """

    goes_at: datetime | None
    remind_at: datetime
    ends_at: datetime
    skips: bool


def waiting_of(edition: EditionSettings, row: IssueRow) -> Waiting:
    """The times of an issue: it waits as long after its time as ``late`` allows."""
    own = edition.own
    patience = own.late if isinstance(own.late, timedelta) else own.expire_after
    skips = own.unapproved == "skip"
    if own.send_at:
        goes_at = send_moment(row.date, own.send_at, edition.timezone)
        return Waiting(goes_at, max(goes_at, row.built_at), max(goes_at, row.built_at) + patience, skips)
    # Without send_at there is no hour at which it should have gone: half of the patience is one.
    return Waiting(None, row.built_at + patience / 2, row.built_at + patience, skips)
