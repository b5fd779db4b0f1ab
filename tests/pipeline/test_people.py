"""A person's whole story is read by names of tables that the models hold, too."""

from __future__ import annotations

from datetime import UTC, date, datetime

import pytest
from sqlalchemy import Engine, TableClause
from sqlalchemy.orm import Session

from digest.models import DeliveryRow, IssueRow, NoticeKind, NoticeRow
from digest.pipeline import people
from subscribers.addresses import parse_address
from subscribers.database import Base
from subscribers.membership import BY_COMMAND, create_list, find_person, subscribe
from subscribers.suppression import SuppressionKey

NOW = datetime(2026, 3, 1, 7, 0, tzinfo=UTC)
KEY = SuppressionKey(b"a key of the tests, 32 bytes long")


@pytest.mark.parametrize("named", [people._issues, people._deliveries, people._notices], ids=lambda t: t.name)
def test_what_is_read_without_the_models_is_called_as_the_models_call_it(named: TableClause) -> None:
    modelled = Base.metadata.tables[named.name]
    assert {column.name for column in named.c} <= {column.name for column in modelled.c}


def test_the_whole_story_has_issues_and_notices_with_their_times(engine: Engine) -> None:
    with Session(engine) as session:
        subscribe(
            session, parse_address("ann@x.org"), create_list(session, "daily", now=NOW), KEY,
            now=NOW, how=BY_COMMAND,
        )  # fmt: skip
        person = find_person(session, "ann@x.org").id
        issue = IssueRow(
            edition="daily", date=NOW.date(), ledger="daily", list_name="daily", language="en",
            timezone="UTC", subject="s", preheader="p", built_at=NOW,
        )  # fmt: skip
        session.add(issue)
        session.flush()
        session.add(DeliveryRow(issue_id=issue.id, subscriber_id=person))
        session.add(
            NoticeRow(
                kind=NoticeKind.WELCOME, subscriber_id=person, dedupe_key="x", language="en", context={},
                created_at=NOW, expires_at=NOW,
            )
        )  # fmt: skip
        session.flush()
        whole = people.tell_whole_story(session, "ANN@x.org", KEY)
    [copy], [notice] = whole.copies, whole.notices
    assert (copy.edition, copy.date, copy.status, copy.sent_at) == (
        "daily",
        str(date(2026, 3, 1)),
        "queued",
        None,
    )
    assert (notice.kind, notice.created_at, notice.sent_at) == ("welcome", NOW, None)
