"""The erased leave a hash, and the database itself keeps what the ledger promises."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Engine, event, func, select, text
from sqlalchemy.orm import Session, sessionmaker

from digest.models import DeliveryRow, IssueRow  # deliveries must be there to lose their person
from subscribers.addresses import parse_address
from subscribers.errors import Suppressed, UnknownSubscriber
from subscribers.membership import (
    BY_COMMAND,
    create_list,
    erase_person,
    find_list,
    find_person,
    forget_traces,
    story_of,
    subscribe,
    update_person,
)
from subscribers.models import (
    ConsentEventRow,
    ConsentMethod,
    OptIn,
    SubscriptionStatus,
    SuppressionCause,
    SuppressionRow,
)
from subscribers.suppression import (
    Subject,
    suppress,
)
from tests.subscribers.conftest import KEY, NOW

ANN = parse_address("Ann@Example.org")


def join(session: Session, email: str = "Ann@Example.org", name: str = "daily", **fields: Any) -> int:
    joined = subscribe(
        session, parse_address(email), find_list(session, name), KEY, now=NOW, how=BY_COMMAND, **fields
    )
    return joined.subscription_id


@pytest.fixture
def desk(session: Session) -> Session:
    create_list(session, "daily", now=NOW)
    create_list(session, "club", now=NOW, optin=OptIn.DOUBLE)
    return session


def test_erasing_leaves_a_hash_and_no_byte_of_the_address_in_any_file(
    engine: Engine, sessions: sessionmaker[Session], database_url: str
) -> None:
    marker = "zanzibar.unmistakable"
    email = f"{marker}@erased.example"
    with sessions.begin() as session:
        create_list(session, "daily", now=NOW)
        join(session, email, name="daily")
        join(session, "stays@example.org", name="daily")
        suppress(
            session, Subject.parse(email), KEY, cause=SuppressionCause.DESK, reason=f"{marker} wrote",
            method=ConsentMethod.COMMAND, now=NOW,
        )  # fmt: skip
    with sessions.begin() as session:
        assert erase_person(session, parse_address(email), KEY, now=NOW, how=BY_COMMAND)
    forget_traces(engine)
    with sessions() as session:
        with pytest.raises(UnknownSubscriber):
            find_person(session, email)
        row = session.scalars(select(SuppressionRow)).one()
        assert (row.cause, row.reason, row.address_hash) == (SuppressionCause.ERASED, "", KEY.hash(email))
        with pytest.raises(Suppressed):
            join(session, email, name="daily")
        assert session.scalar(select(func.count()).select_from(ConsentEventRow)) == 2  # hers: erased; his
    if engine.dialect.name == "sqlite":
        path = Path(database_url.removeprefix("sqlite:///"))
        files = [file for file in path.parent.iterdir() if file.name.startswith(path.name)]
        assert files
        assert not any(marker.encode() in file.read_bytes() for file in files)
    else:
        with engine.connect() as connection:
            tables = connection.scalars(
                text("SELECT tablename FROM pg_tables WHERE schemaname = 'public'")
            ).all()
            for table in tables:
                rows = connection.execute(text(f'SELECT row_to_json(t)::text FROM "{table}" t')).scalars()
                assert not any(marker in row for row in rows), table


def test_deliveries_of_an_erased_person_stay_without_a_person(
    engine: Engine, sessions: sessionmaker[Session]
) -> None:
    with sessions.begin() as session:
        create_list(session, "daily", now=NOW)
        join(session)
        person = find_person(session, "ann@example.org").id
        issue = IssueRow(
            edition="daily", date=NOW.date(), ledger="daily", list_name="daily", language="en",
            timezone="UTC", subject="s", preheader="p", built_at=NOW,
        )  # fmt: skip
        session.add(issue)
        session.flush()
        session.add(DeliveryRow(issue_id=issue.id, subscriber_id=person))
    with sessions.begin() as session:
        erase_person(session, ANN, KEY, now=NOW, how=BY_COMMAND)
        assert session.scalars(select(DeliveryRow)).one().subscriber_id is None


def test_subscription_ids_are_never_used_twice(desk: Session) -> None:
    first = join(desk)
    desk.commit()
    erase_person(desk, ANN, KEY, now=NOW, how=BY_COMMAND)
    desk.commit()
    assert join(desk, "bob@example.org") > first


def test_a_story_takes_few_queries(desk: Session, engine: Engine) -> None:
    join(desk)
    person = find_person(desk, "ann@example.org")
    statements: list[str] = []
    event.listen(engine, "before_cursor_execute", lambda *call: statements.append(call[2]))
    story_of(desk, person, KEY)
    assert len(statements) <= 4


def test_nobody_is_on_a_list_twice(desk: Session) -> None:
    join(desk)
    with pytest.raises(Exception, match=r"(?i)unique"):
        desk.execute(
            text(
                "INSERT INTO subscriptions (subscriber_id, list_id, status, created_at)"
                " SELECT subscriber_id, list_id, status, created_at FROM subscriptions"
            )
        )
    desk.rollback()


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE consent_events SET action = 'unsubscribed'",
        "UPDATE consent_events SET note = 'better so'",
        "DELETE FROM consent_events WHERE domain IS NULL",
        "DELETE FROM consent_events WHERE domain IS NOT NULL",
    ],
)
def test_the_database_itself_refuses_to_rewrite_the_ledger(desk: Session, statement: str) -> None:
    join(desk)
    suppress(
        desk, Subject.parse("@elsewhere.example"), KEY, cause=SuppressionCause.DESK, reason="asked",
        method=ConsentMethod.COMMAND, now=NOW,
    )  # fmt: skip
    with pytest.raises(Exception, match="append-only"):
        desk.execute(text(statement))
    desk.rollback()


def test_postgresql_refuses_to_empty_the_ledger(desk: Session, engine: Engine) -> None:
    if engine.dialect.name == "sqlite":
        pytest.skip("SQLite has no TRUNCATE")
    with pytest.raises(Exception, match="append-only"):
        desk.execute(text("TRUNCATE consent_events"))
    desk.rollback()


def test_an_address_that_somebody_had_before_is_erased_and_they_stay(desk: Session) -> None:
    join(desk)
    person = find_person(desk, "ann@example.org")
    subject = {"cause": SuppressionCause.DESK, "method": ConsentMethod.COMMAND, "now": NOW}
    suppress(desk, Subject.parse("ann@example.org"), KEY, reason="a misunderstanding", **subject)  # type: ignore[arg-type]
    update_person(desk, person, KEY, now=NOW, how=BY_COMMAND, address=parse_address("ann@new.example"))
    assert not erase_person(desk, ANN, KEY, now=NOW, how=BY_COMMAND)
    story = story_of(desk, find_person(desk, "ann@new.example"), KEY)
    assert [line.action for line in story.consent] == ["confirmed", "address"]


def test_an_address_that_somebody_only_asked_for_is_erased_too(desk: Session) -> None:
    join(desk)
    find_person(desk, "ann@example.org").new_address = "Wanted@new.example"
    desk.flush()
    assert story_of(desk, find_person(desk, "ann@example.org"), KEY).new_address == "Wanted@new.example"
    assert not erase_person(desk, parse_address("wanted@new.example"), KEY, now=NOW, how=BY_COMMAND)
    desk.expire_all()
    assert find_person(desk, "ann@example.org").new_address is None


def test_status_words_are_held_by_the_database(desk: Session) -> None:
    join(desk)
    with pytest.raises(Exception, match=r"(?i)check"):
        desk.execute(text("UPDATE subscriptions SET status = 'maybe'"))
    desk.rollback()
    assert SubscriptionStatus.CONFIRMED.value == "confirmed"
