"""Imports: every system's export, and what it does to those who are known."""

from __future__ import annotations

import gzip
from collections.abc import Callable

import pytest
from sqlalchemy import func, select
from sqlalchemy.orm import Session, sessionmaker

from subscribers.addresses import AddressWarning, parse_address
from subscribers.audience import audience, count_audience
from subscribers.errors import ImportFailed, UnknownList
from subscribers.importing import Format, Report
from subscribers.membership import BY_COMMAND, erase_person, find_person, story_of, unsubscribe
from subscribers.models import ConsentEventRow, ImportRunRow, SubscriberRow
from subscribers.suppression import is_suppressed
from tests.subscribers.conftest import KEY, NOW, counts

Bring = Callable[..., Report]


@pytest.mark.parametrize(
    "raw",
    [
        "email,name,city\nann@x.org,Ann Lée,Delhi\n".encode(),
        "\ufeffemail,name,city\r\nann@x.org,Ann Lée,Delhi\r\n".encode(),
        "email,name,city\nann@x.org,Ann Lée,Delhi\n".encode("utf-16"),
        "email,name,city\nann@x.org,Ann Lée,Delhi\n".encode("utf-16-le"),
        "email,name,city\nann@x.org,Ann Lée,Delhi\n".encode("utf-16-be"),
        "email,name,city\nann@x.org,Ann Lée,Delhi\n".encode("cp1252"),
        "E-Mail-Adresse;Name;City\rann@x.org;Ann Lée;Delhi\r".encode(),
        "Email Address\tFull name\tCity\nann@x.org\tAnn Lée\tDelhi".encode(),
        "name|city|email\n\nAnn Lée|Delhi|ann@x.org\n\n".encode(),
        '"email","name","city"\n"ann@x.org","Ann Lée","Delhi"\n'.encode(),
        '{"email": "ann@x.org", "name": "Ann Lée", "city": "Delhi"}\n'.encode(),
        gzip.compress("email,name,city\nann@x.org,Ann Lée,Delhi\n".encode(), mtime=0),
        gzip.compress(b"email,name,city\n", mtime=0)
        + gzip.compress("ann@x.org,Ann Lée,Delhi\n".encode(), mtime=0),
    ],
)
def test_any_encoding_delimiter_and_packing_is_read(bring_in: Bring, session: Session, raw: bytes) -> None:
    assert counts(bring_in(raw)) == {"added": 1}
    person = find_person(session, "ann@x.org")
    assert (person.name, person.attributes) == ("Ann Lée", {"city": "Delhi"})


EXPORTS = {
    Format.MAILCHIMP: (
        "Email Address,First Name,Last Name,MEMBER_RATING,OPTIN_TIME,OPTIN_IP,CONFIRM_TIME,CONFIRM_IP,"
        "LEID,EUID\n"
        "ann@x.org,Ann,Lee,2,2020-01-01 10:00:00,192.0.2.1,2020-01-02 10:00:00,192.0.2.2,1,a\n"
    ),
    Format.SUBSTACK: (
        "email,active_subscription,expiry,email_disabled,created_at\n"
        "ann@x.org,false,,false,2020-01-02T10:00:00.000Z\nbob@x.org,true,,true,2020-01-02T10:00:00.000Z\n"
    ),
    Format.GHOST: (
        "id,email,name,note,subscribed_to_emails,complimentary_plan,stripe_customer_id,created_at,deleted_at,labels\n"
        "1,ann@x.org,Ann,,true,false,,2020-01-02T10:00:00.000Z,,vip\n"
        "2,bob@x.org,Bob,,false,false,,2020-01-02T10:00:00.000Z,,\n"
    ),
    Format.BUTTONDOWN: (
        "email_address,notes,metadata,tags,type,creation_date\n"
        'ann@x.org,,"{""city"": ""Delhi""}",vip,regular,2020-01-02T10:00:00Z\n'
        "bob@x.org,,,,unsubscribed,2020-01-02T10:00:00Z\ncy@x.org,,,,undeliverable,2020-01-02T10:00:00Z\n"
    ),
    Format.LISTMONK: (
        "uuid,email,name,attributes,status,created_at,updated_at\n"
        '1,ann@x.org,Ann,"{""city"": ""Delhi""}",enabled,2020-01-02T10:00:00Z,2020-01-02T10:00:00Z\n'
        "2,bob@x.org,Bob,{},disabled,2020-01-02T10:00:00Z,2020-01-02T10:00:00Z\n"
        "3,cy@x.org,Cy,{},blocklisted,2020-01-02T10:00:00Z,2020-01-02T10:00:00Z\n"
    ),
}


@pytest.mark.parametrize("system", EXPORTS)
def test_another_systems_export_is_known_by_its_header_and_statuses_are_carried_over(
    bring_in: Bring, session: Session, daily: int, system: Format
) -> None:
    report = bring_in(EXPORTS[system])
    assert report.file_format is system
    assert report.rejected == 0
    story = story_of(session, find_person(session, "ann@x.org"), KEY)
    assert story.status == "confirmed"
    assert story.created_at.year == 2020
    assert count_audience(session, audience(daily)) == 1
    if "bob" in EXPORTS[system]:
        assert story_of(session, find_person(session, "bob@x.org"), KEY).status == "unsubscribed"
    if "cy@" in EXPORTS[system]:
        assert is_suppressed(session, parse_address("cy@x.org"), KEY)
    if system in {Format.BUTTONDOWN, Format.LISTMONK}:
        assert story.attributes["city"] == "Delhi"
    if system is Format.MAILCHIMP:
        assert (story.name, story.attributes["first_name"]) == ("Ann Lee", "Ann")
        assert (story.lists[0].since.day, story.consent[0].ip) == (2, "192.0.2.2")


def test_mailchimps_files_of_those_who_left_and_of_cleaned_addresses(
    bring_in: Bring, session: Session
) -> None:
    head = "Email Address,MEMBER_RATING,LEID,EUID"
    left = bring_in(f"{head},UNSUB_TIME\nann@x.org,2,1,a,2021-05-01 00:00:00\n")
    assert "left" in left.notes[0]
    story = story_of(session, find_person(session, "ann@x.org"), KEY)
    assert (story.status, story.lists[0].since.year) == ("unsubscribed", 2021)
    session.rollback()
    assert counts(bring_in(f"{head},CLEAN_TIME\nbob@x.org,2,1,a,2021-05-01 00:00:00\n")) == {"suppressed": 1}
    assert is_suppressed(session, parse_address("bob@x.org"), KEY)


def test_the_ledger_names_file_and_line(bring_in: Bring, session: Session) -> None:
    bring_in("email\n\nbad\nann@x.org\n", name="readers.csv")
    [line] = story_of(session, find_person(session, "ann@x.org"), KEY).consent
    assert (line.source, line.line, line.method, line.action) == ("readers.csv", 4, "import", "confirmed")


def test_the_same_file_again_changes_nothing_and_writes_no_ledger(bring_in: Bring, session: Session) -> None:
    content = "email,name\n" + "".join(f"p{n}@x.org,P {n}\n" for n in range(50))
    assert counts(bring_in(content, chunk_rows=7)) == {"added": 50}
    assert counts(bring_in(content, chunk_rows=11)) == {"unchanged": 50}
    assert counts(bring_in(content, update=True)) == {"unchanged": 50}
    assert session.scalar(select(func.count()).select_from(ConsentEventRow)) == 50


@pytest.mark.parametrize("chunk_rows", [1, 2, 100])
def test_of_an_address_that_comes_twice_the_last_row_wins(
    bring_in: Bring, session: Session, chunk_rows: int
) -> None:
    report = bring_in(
        "email,name,city\nann@x.org,Ann,Delhi\nbob@x.org,Bob,\nANN@x.org,Anna,\n", chunk_rows=chunk_rows
    )
    assert counts(report) == {"added": 2, "updated": 1}
    assert report.duplicates == 1
    person = find_person(session, "ann@x.org")
    assert (person.name, person.attributes) == ("Anna", {"city": "Delhi"})


def test_fields_of_people_known_before_are_overwritten_only_on_request(
    bring_in: Bring, session: Session
) -> None:
    bring_in("email,name,city\nann@x.org,Ann,Delhi\n")
    assert counts(bring_in("email,name\nann@x.org,Anna\n")) == {"unchanged": 1}
    assert counts(bring_in("email,name,age\nann@x.org,Anna,31\n", update=True)) == {"updated": 1}
    person = find_person(session, "ann@x.org")
    assert (person.name, person.attributes) == ("Anna", {"city": "Delhi", "age": "31"})


def test_who_left_is_not_brought_back_by_a_file(bring_in: Bring, session: Session, daily: int) -> None:
    bring_in("email\nann@x.org\n")
    standing = story_of(session, find_person(session, "ann@x.org"), KEY).lists[0]
    unsubscribe(session, standing.subscription_id, now=NOW, how=BY_COMMAND)
    session.commit()
    report = bring_in("email,status\nann@x.org,subscribed\n", update=True)
    assert (counts(report), report.kept_unsubscribed) == ({"unchanged": 1}, 1)
    assert count_audience(session, audience(daily)) == 0


def test_who_left_elsewhere_leaves_here(bring_in: Bring, session: Session, daily: int) -> None:
    bring_in("email\nann@x.org\n")
    assert counts(bring_in("email,status\nann@x.org,Opted-Out\n")) == {"updated": 1}
    assert count_audience(session, audience(daily)) == 0


def test_an_erased_address_is_counted_and_not_brought_back(
    bring_in: Bring, sessions: sessionmaker[Session]
) -> None:
    bring_in("email\nann@x.org\n")
    with sessions.begin() as session:
        erase_person(session, parse_address("ann@x.org"), KEY, now=NOW, how=BY_COMMAND)
    assert counts(bring_in("email\nann@x.org\nbob@x.org\n")) == {"added": 1, "suppressed": 1}
    with sessions() as session:
        assert session.scalar(select(func.count()).select_from(SubscriberRow)) == 1


def test_pending_people_wait_until_a_file_says_that_they_are_confirmed(
    bring_in: Bring, session: Session, daily: int
) -> None:
    from subscribers.models import SubscriptionStatus

    bring_in("email\nann@x.org\n", default_status=SubscriptionStatus.PENDING)
    assert count_audience(session, audience(daily)) == 0
    session.rollback()
    assert counts(bring_in("email\nann@x.org\n", update=True)) == {"unchanged": 1}
    assert counts(bring_in("email,status\nann@x.org,active\n", update=True)) == {"updated": 1}
    assert count_audience(session, audience(daily)) == 1


def test_a_dry_run_tells_all_and_touches_nothing(bring_in: Bring, session: Session) -> None:
    report = bring_in("email,name\nann@x.org,Ann\nbad,B\nann@x.org,Ann\n", dry_run=True, chunk_rows=1)
    assert counts(report) == {"added": 1, "unchanged": 1, "rejected": 1}
    assert [(use.header, use.used_as) for use in report.columns] == [("email", "email"), ("name", "name")]
    assert report.sample[0].address == "ann@x.org"
    for table in (SubscriberRow, ImportRunRow, ConsentEventRow):
        assert session.scalar(select(func.count()).select_from(table)) == 0


def test_columns_can_be_mapped_by_hand(bring_in: Bring, session: Session) -> None:
    bring_in(
        "who,mail2,email,x\nAnn,ann@x.org,old@x.org,1\n",
        mapping={"who": "name", "Mail2": "email", "4": "attributes.lucky"},
    )
    person = find_person(session, "ann@x.org")
    assert (person.name, person.attributes) == ("Ann", {"email": "old@x.org", "lucky": "1"})


@pytest.mark.parametrize(
    ("mapping", "hint"),
    [({"emial": "email"}, "did you mean 'email'"), ({"email": "emial"}, "did you mean 'email'")],
)
def test_a_slip_in_a_mapping_is_met_with_a_suggestion(
    bring_in: Bring, mapping: dict[str, str], hint: str
) -> None:
    with pytest.raises(ImportFailed) as error:
        bring_in("email,name\nann@x.org,Ann\n", mapping=mapping)
    assert hint in error.value.remedy


def test_what_deserves_a_look_is_counted_and_let_in(bring_in: Bring) -> None:
    report = bring_in("email\ninfo@x.org\na@gmial.com\na@mailinator.com\n")
    assert counts(report) == {"added": 3}
    assert set(report.warnings) == set(AddressWarning)


def test_without_a_list_the_file_must_say_one(bring_in: Bring) -> None:
    with pytest.raises(UnknownList):
        bring_in("email\nann@x.org\n", list_id=None)
