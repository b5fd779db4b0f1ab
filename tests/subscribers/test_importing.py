"""Imports: every system's export, every kind of broken file; good rows in, the rest named."""

from __future__ import annotations

import csv
import gzip
import io
import json
import os
from collections.abc import Callable
from pathlib import Path

import pytest
from sqlalchemy import Connection, Engine, event, func, select
from sqlalchemy.orm import Session, sessionmaker

from subscribers.addresses import AddressWarning, parse_address
from subscribers.audience import audience, count_audience
from subscribers.errors import ImportFailed, UnknownList
from subscribers.importing import Format, Options, Report, import_people
from subscribers.membership import BY_COMMAND, erase_person, find_person, story_of, unsubscribe
from subscribers.models import ConsentEventRow, ImportRunRow, ImportStatus, SubscriberRow
from subscribers.suppression import is_suppressed
from tests.subscribers.conftest import KEY, NOW

Bring = Callable[..., Report]


def counts(report: Report) -> dict[str, int]:
    named = ("added", "updated", "unchanged", "suppressed", "rejected")
    found = {name: getattr(report, name) for name in named if getattr(report, name)}
    assert report.rows == sum(found.values())
    return found


def rejected(folder: Path) -> list[tuple[str, str, str]]:
    with (folder / "errors.csv").open(encoding="utf-8", newline="") as file:
        return [(line, reason, row) for line, reason, row in csv.reader(file)][1:]


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
        gzip.compress(b"email,name,city\n", mtime=0) + gzip.compress("ann@x.org,Ann Lée,Delhi\n".encode()),
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


BAD = [
    ("b@x.org>\r\nRCPT TO:<z@z>", "bad row split by a line end"),
    ("a" * 250 + "@x.org,Too long", "too long"),
    ("nul\0@x.org,Nul", "NUL"),
    ("one@x.org,two,three", "3 cells"),
    ('"never@x.org,Open', "never closed"),
    ("x" * (1 << 20) + "@x.org,Endless", "longer than"),
]


@pytest.mark.parametrize(("bad", "_why"), BAD, ids=[why for _bad, why in BAD])
def test_a_bad_row_takes_nothing_else_down(
    bring_in: Bring, session: Session, tmp_path: Path, bad: str, _why: str
) -> None:
    before = "".join(f"p{n}@x.org,P{n}\n" for n in range(5))
    after = "".join(f'q{n}@x.org,"Q, {n}"\n' for n in range(5))
    report = bring_in(f"email,name\n{before}{bad}\n{after}", chunk_rows=3)
    assert report.added == 10
    assert report.rejected >= 1
    assert session.scalar(select(func.count()).select_from(SubscriberRow)) == 10
    lines = rejected(tmp_path)
    assert len(lines) == report.rejected
    assert lines[0][0] == "7"
    assert all(reason and row for _line, reason, row in lines)
    assert (tmp_path / "errors.csv").stat().st_mode & 0o077 == 0
    assert (tmp_path / "errors.csv").stat().st_size < 5000


def test_a_note_over_several_lines_is_one_row(bring_in: Bring, session: Session) -> None:
    report = bring_in('email,note\nann@x.org,"one\ntwo ""quoted""\nthree"\nbob@x.org,\n')
    assert counts(report) == {"added": 2}
    assert find_person(session, "ann@x.org").attributes == {"note": 'one\ntwo "quoted"\nthree'}


@pytest.mark.parametrize("block", [3, 7, 64])
def test_where_a_file_is_cut_into_blocks_does_not_matter(
    bring_in: Bring, session: Session, monkeypatch: pytest.MonkeyPatch, block: int
) -> None:
    monkeypatch.setattr("subscribers.importing.text.BLOCK_BYTES", block)
    monkeypatch.setattr("subscribers.importing.text._SNIFF_BYTES", 16)
    bring_in('email,note\r\nann@x.org,"é\r\nü"\r\n\r\n"open@x.org,\r\nbob@x.org,ö\r\n'.encode())
    assert find_person(session, "ann@x.org").attributes == {"note": "é\nü"}
    assert find_person(session, "bob@x.org").attributes == {"note": "ö"}


@pytest.mark.parametrize(
    ("raw", "said"),
    [
        (b"", "empty"),
        (b"\n\n", "empty"),
        (b"email,name\n", "after the column names"),
        (b"name,city\nAnn,Delhi\n", "no column holds addresses"),
        (b"email,e-mail\na@x.org,b@x.org\nc@x.org,d@x.org\n", ""),
        (b"Email,Email\na@x.org,b@x.org\n", "two columns hold addresses"),
        (b"\x89PNG\r\n\x1a\n" + bytes(range(256)), "a picture"),
        (b"PK\x03\x04" + bytes(64), "ZIP archive or an Excel"),
        (bytes(range(1, 32)) * 200, "no text file"),
        (b"email\nbad\nworse\n", "line 2: address"),
        (b"email,status\na@x.org,gold\n", "nobody is mailed on a guess"),
    ],
)
def test_a_file_that_gives_nobody_is_an_error_that_says_why(bring_in: Bring, raw: bytes, said: str) -> None:
    if not said:
        assert bring_in(raw).added == 2  # the better-named column
        return
    with pytest.raises(ImportFailed, match=said) as error:
        bring_in(raw)
    assert "\n" not in str(error.value)
    assert error.value.remedy or "picture" in said


def test_of_two_address_columns_the_one_that_holds_addresses_is_taken(
    bring_in: Bring, session: Session
) -> None:
    bring_in("Email,E-Mail\n,ann@x.org\n-,bob@x.org\n")
    assert session.scalar(select(func.count()).select_from(SubscriberRow)) == 2


def test_a_file_without_a_header_is_understood(bring_in: Bring, session: Session) -> None:
    report = bring_in("ann@x.org,Ann Lee\nbob@x.org,Bob\n")
    assert counts(report) == {"added": 2}
    assert "no header" in report.notes[0]
    assert find_person(session, "ann@x.org").name == "Ann Lee"


def test_what_was_rejected_can_be_opened_in_a_spreadsheet(bring_in: Bring, tmp_path: Path) -> None:
    bring_in("email\na@x.org\n=cmd|' /C calc'!A0\n")
    assert rejected(tmp_path)[0][2].startswith("'=")


def test_half_a_gzip_file_gives_what_is_in_it(bring_in: Bring) -> None:
    rows = "email\n" + "".join(f"p{n}-{os.urandom(9).hex()}@x.org\n" for n in range(3000))
    report = bring_in(gzip.compress(rows.encode(), mtime=0)[:-3000])
    assert report.added > 100
    assert any("gzip" in note for note in report.notes)


def test_bad_json_lines_are_named(bring_in: Bring, session: Session, tmp_path: Path) -> None:
    lines = ['{"email": "ann@x.org", "age": 31, "vip": true}', "{broken", "[1]", '{"name": "x"}']
    assert counts(bring_in("\n".join(lines))) == {"added": 1, "rejected": 3}
    assert find_person(session, "ann@x.org").attributes == {"age": 31, "vip": True}
    assert [line for line, _reason, _row in rejected(tmp_path)] == ["2", "3", "4"]


def test_a_killed_import_run_again_completes_without_doubles(
    bring_in: Bring, engine: Engine, session: Session, daily: int, tmp_path: Path
) -> None:
    file = tmp_path / "people.csv"
    rows = [f"p{n}@x.org,P{n}" for n in range(40)] + ["p3@x.org,Last"]
    file.write_text("email,name\n" + "\n".join(rows) + "\n")
    options = Options(daily, name=file.name, chunk_rows=10)

    def stop(report: Report, bytes_read: int, bytes_in_all: int | None) -> None:
        if report.rows >= 20:
            raise KeyboardInterrupt

    with file.open("rb") as stream, pytest.raises(KeyboardInterrupt):
        import_people(engine, stream, KEY, options, now=NOW, watcher=stop)
    assert session.scalar(select(func.count()).select_from(SubscriberRow)) == 20
    assert session.scalars(select(ImportRunRow.status)).all() == [ImportStatus.STOPPED]
    session.rollback()
    with file.open("rb") as stream:
        report = import_people(engine, stream, KEY, options, now=NOW)
    assert report.resumed
    assert counts(report) == {"added": 20, "unchanged": 20, "updated": 1}
    session.expire_all()
    assert session.scalar(select(func.count()).select_from(ConsentEventRow)) == 40
    assert find_person(session, "p3@x.org").name == "Last"


def test_when_the_disk_is_full_whole_chunks_are_in_and_the_rest_comes_later(
    bring_in: Bring, engine: Engine, session: Session
) -> None:
    if engine.dialect.name != "sqlite":
        pytest.skip("PostgreSQL's disk is the server's")
    content = "email,name\n" + "".join(f"p{n}@x.org,{'N' * 150}\n" for n in range(3000))

    with engine.connect() as connection:
        room = int(connection.exec_driver_sql("PRAGMA page_count").scalar_one()) + 250

    @event.listens_for(engine, "begin")
    def full(connection: Connection) -> None:
        connection.exec_driver_sql(f"PRAGMA max_page_count = {room}")

    with pytest.raises(ImportFailed, match="full"):
        bring_in(content, chunk_rows=500)
    event.remove(engine, "begin", full)
    with engine.connect() as connection:
        connection.exec_driver_sql("PRAGMA max_page_count = 4294967294")
    session.rollback()
    there = session.scalar(select(func.count()).select_from(SubscriberRow)) or 0
    assert there > 0
    assert there % 500 == 0
    session.rollback()
    assert counts(bring_in(content)) == {"added": 3000 - there, "unchanged": there}


def test_a_file_that_changes_while_it_is_read_is_reported(engine: Engine, daily: int, tmp_path: Path) -> None:
    file = tmp_path / "people.csv"
    file.write_text("email\nann@x.org\n")

    def change(report: Report, bytes_read: int, bytes_in_all: int | None) -> None:
        file.write_text("email\nann@x.org\nbob@x.org\n")

    with file.open("rb") as stream:
        report = import_people(engine, stream, KEY, Options(daily), now=NOW, watcher=change)
    assert any("changed while it was read" in note for note in report.notes)


def test_somebody_who_joins_during_the_import_is_met_and_not_doubled(
    bring_in: Bring, engine: Engine, sessions: sessionmaker[Session], daily: int
) -> None:
    content = "email\n" + "".join(f"p{n}@x.org\n" for n in range(30))
    joined: list[int] = []

    def join(report: Report, bytes_read: int, bytes_in_all: int | None) -> None:
        if not joined:
            from subscribers.membership import find_list, subscribe

            with sessions.begin() as session:
                address = parse_address("P25@x.org")
                found = subscribe(session, address, find_list(session, "daily"), KEY, now=NOW, how=BY_COMMAND)
                joined.append(found.subscriber_id)

    options = Options(daily, chunk_rows=10)
    report = import_people(engine, io.BytesIO(content.encode()), KEY, options, now=NOW, watcher=join)
    assert report.added == 29


def test_without_a_list_the_file_must_say_one(bring_in: Bring) -> None:
    with pytest.raises(UnknownList):
        bring_in("email\nann@x.org\n", list_id=None)


def test_odd_json_never_breaks_an_import(bring_in: Bring) -> None:
    deep = "[" * 5000
    line = json.dumps({"email": "a@x.org", "tags": ["x"], "n": None, "k" * 300: 1})
    report = bring_in(f"{line}\n{deep}\n" + '{"email": "b@x.org", "bad": "\\ud800"}\n')
    assert report.added >= 1
    assert report.rejected >= 1
