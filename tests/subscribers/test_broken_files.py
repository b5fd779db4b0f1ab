"""Files that are broken, or odd: good rows in, the rest named, nothing half-written."""

from __future__ import annotations

import gzip
import io
import json
import os
import tracemalloc
from collections.abc import Callable
from pathlib import Path
from typing import BinaryIO, cast

import pytest
from sqlalchemy import Engine, func, select
from sqlalchemy.orm import Session

from subscribers.errors import ImportFailed
from subscribers.importing import Options, Report, import_people
from subscribers.membership import find_person
from subscribers.models import SubscriberRow
from tests.subscribers.conftest import KEY, NOW, counts, rejected

Bring = Callable[..., Report]

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


def test_odd_json_never_breaks_an_import(bring_in: Bring) -> None:
    deep = "[" * 5000
    line = json.dumps({"email": "a@x.org", "tags": ["x"], "n": None, "k" * 300: 1})
    report = bring_in(f"{line}\n{deep}\n" + '{"email": "b@x.org", "bad": "\\ud800"}\n')
    assert report.added >= 1
    assert report.rejected >= 1


class EndlessLine(io.RawIOBase):
    """A good row, a line of 100 MB, a good row; made while it is read."""

    def __init__(self) -> None:
        self._parts = [b"email\nann@x.org\n", *([b"x" * 1_000_000] * 100), b"\nbob@x.org\n"]

    def read(self, size: int = -1) -> bytes:
        return self._parts.pop(0) if self._parts else b""


def test_a_line_of_100_megabytes_costs_its_own_row_and_little_memory(
    engine: Engine, daily: int, tmp_path: Path
) -> None:
    options = Options(daily, errors_file=tmp_path / "errors.csv")
    tracemalloc.start()
    report = import_people(engine, cast(BinaryIO, EndlessLine()), KEY, options, now=NOW)
    _now, most = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert counts(report) == {"added": 2, "rejected": 1}
    [(line, reason, _row)] = rejected(tmp_path)
    assert (line, "longer than" in reason) == ("3", True)
    assert most < 20_000_000
