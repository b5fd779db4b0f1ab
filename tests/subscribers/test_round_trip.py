"""Export, then import into an empty database: the same people, however odd their fields."""

from __future__ import annotations

import csv
import io
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import Engine, delete, select
from sqlalchemy.orm import Session

from subscribers.addresses import parse_address
from subscribers.exporting import ExportFormat, export_people
from subscribers.importing import Options, import_people
from subscribers.membership import create_list, list_names
from subscribers.models import (
    ConsentEventRow,
    MailingListRow,
    SubscriberRow,
    SubscriptionRow,
    SubscriptionStatus,
    SuppressionCause,
    SuppressionKind,
    SuppressionRow,
)
from tests.subscribers.conftest import KEY, NOW

NAMES = st.sampled_from(
    ["", "Ann Lee", "=1+1", "'tis", "+49 1", "-x", "@home", 'a "b", c', "é ü 你", "\\N;\\t"]
)
KEYS = st.sampled_from(["city", "ä", "a.b", 'q"', "=k", "back\\slash"])
VALUES = st.one_of(
    st.integers(-9, 9), st.booleans(), st.lists(st.sampled_from("ab"), max_size=2),
    st.text("aé\n\t\\\"',;=你 ", max_size=8),
)  # fmt: skip
MOMENTS = st.datetimes(datetime(2001, 1, 1), datetime(2030, 1, 1), timezones=st.just(UTC))
STANDINGS = st.one_of(
    st.none(),
    st.tuples(
        st.sampled_from(SubscriptionStatus),
        st.one_of(st.none(), st.lists(st.sampled_from(["world", "sport"]), unique=True)),
        MOMENTS,
    ),
)
PERSON = st.fixed_dictionaries(
    {
        "name": NAMES,
        "language": st.sampled_from(["", "en", "pt-BR"]),
        "timezone": st.sampled_from(["", "Asia/Dubai"]),
        "attributes": st.dictionaries(KEYS, VALUES, max_size=3),
        "created_at": MOMENTS,
        "daily": STANDINGS,
        "weekly": STANDINGS,
        "cause": st.one_of(st.none(), st.sampled_from(SuppressionCause)),
    }
)
LOCALS = ("ann", "+tag", "=x", "o'neil", "ü", "-dash")


def fill(session: Session, people: list[dict[str, Any]]) -> None:
    lists = {name: create_list(session, name, now=NOW).id for name in ("daily", "weekly")}
    for local, fields in zip(LOCALS, people, strict=False):
        address = parse_address(f"{local}@X{len(local)}.example")
        row = SubscriberRow(
            address=address.address, normalized=address.normalized, domain=address.domain,
            suppression_hash=KEY.hash(address.normalized), updated_at=NOW,
            **{name: fields[name] for name in ("name", "language", "timezone", "attributes", "created_at")},
        )  # fmt: skip
        session.add(row)
        session.flush()
        for name, list_id in lists.items():
            if fields[name] is None:
                continue
            status, sections, at = fields[name]
            session.add(
                SubscriptionRow(
                    subscriber_id=row.id, list_id=list_id, status=status, sections=sections, created_at=at,
                    confirmed_at=None if status is SubscriptionStatus.PENDING else at,
                    unsubscribed_at=at if status is SubscriptionStatus.UNSUBSCRIBED else None,
                )
            )  # fmt: skip
        if fields["cause"]:
            session.add(
                SuppressionRow(
                    kind=SuppressionKind.ADDRESS, address_hash=row.suppression_hash,
                    cause=fields["cause"], reason="=why", created_at=NOW,
                )
            )  # fmt: skip


def everything(session: Session) -> list[Any]:
    people = session.execute(
        select(
            SubscriberRow.address, SubscriberRow.name, SubscriberRow.language, SubscriberRow.timezone,
            SubscriberRow.attributes, SubscriberRow.created_at, SubscriberRow.suppression_hash,
            MailingListRow.name, SubscriptionRow.status, SubscriptionRow.sections,
            SubscriptionRow.created_at, SubscriptionRow.confirmed_at, SubscriptionRow.unsubscribed_at,
            SuppressionRow.cause, SuppressionRow.reason,
        )
        .outerjoin(SubscriptionRow, SubscriptionRow.subscriber_id == SubscriberRow.id)
        .outerjoin(MailingListRow, MailingListRow.id == SubscriptionRow.list_id)
        .outerjoin(SuppressionRow, SuppressionRow.address_hash == SubscriberRow.suppression_hash)
        .order_by(SubscriberRow.normalized, MailingListRow.name)
    )  # fmt: skip
    return [tuple(row) for row in people]


def clear(session: Session) -> None:
    for table in (SubscriptionRow, SubscriberRow, ConsentEventRow, SuppressionRow, MailingListRow):
        session.execute(delete(table))


@settings(deadline=None, max_examples=40, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(people=st.lists(PERSON, min_size=1, max_size=5), file_format=st.sampled_from(ExportFormat))
def test_importing_an_export_gives_the_same_people(
    engine: Engine, people: list[dict[str, Any]], file_format: ExportFormat
) -> None:
    with Session(engine) as session, session.begin():
        clear(session)
        fill(session, people)
        before = everything(session)
        out = io.StringIO(newline="")
        export_people(session.connection(), out, file_format=file_format)
        clear(session)
    report = import_people(engine, io.BytesIO(out.getvalue().encode()), KEY, Options(None), now=NOW)
    assert report.rejected == 0
    with Session(engine) as session:
        assert everything(session) == before


@pytest.mark.parametrize("name", ["=1+1", "+1", "-1", "@x", "＝1", "\tx"])
def test_no_cell_of_an_export_is_a_formula(engine: Engine, name: str) -> None:
    with Session(engine) as session, session.begin():
        person = SubscriberRow(
            address="=a@x.example", normalized="=a@x.example", domain="x.example", suppression_hash=b"",
            name=name, attributes={"=k": "=v"}, created_at=NOW, updated_at=NOW,
        )  # fmt: skip
        session.add(person)
        session.flush()
        out = io.StringIO(newline="")
        assert export_people(session.connection(), out) == 1
    [_head, cells] = list(csv.reader(io.StringIO(out.getvalue(), newline="")))
    assert not any(cell[:1] in "=+-@\t\r＝" for cell in cells if cell)


def test_an_own_export_makes_the_lists_that_are_missing(engine: Engine) -> None:
    content = (
        b"email,name,status,list,sections,attributes,confirmed_at\n"
        b"a@x.org,A,confirmed,new-list,,{},\nb@x.org,B,confirmed,no such name,,{},\n"
    )
    report = import_people(engine, io.BytesIO(content), KEY, Options(None), now=NOW)
    assert (report.added, report.rejected) == (1, 1)
    assert "list new-list was made" in report.notes
    with Session(engine) as session:
        assert list_names(session) == ["new-list"]
