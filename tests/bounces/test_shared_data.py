"""The figures that the tables must reach, on labelled mails that they were not written from.

The files are split in two by their content: one half was read while the tables were written, the other never.
Both must reach every threshold.
"""

from __future__ import annotations

import csv
from collections import defaultdict
from dataclasses import dataclass, field
from hashlib import sha256
from pathlib import Path

import pytest

from digest.bounces.attribution import Mailed, attribute
from digest.bounces.parsing import parse_report
from digest.bounces.report import Report
from digest.mail.judgement import Kind

TOKEN = "abcdefghijklmnopqrstuvwxyz234567abcdefghijklmno"


@dataclass(frozen=True)
class Labelled:
    """One file and what is known of it."""

    name: str
    raw: bytes
    rows: list[dict[str, str]] = field(repr=False)

    @property
    def report(self) -> Report:
        return parse_report(self.raw)

    @property
    def kinds(self) -> set[str]:
        return {row["kind"] for row in self.rows}

    @property
    def is_bounce(self) -> bool:
        return not self.kinds & {"not-a-bounce", "complaint", "unsubscribe"}


@pytest.fixture(scope="module", params=["read", "unseen"])
def half(request: pytest.FixtureRequest, test_data: Path) -> list[Labelled]:
    folder = test_data / "bounces"
    rows: dict[str, list[dict[str, str]]] = defaultdict(list)
    with (folder / "expected.csv").open(newline="", encoding="utf-8") as file:
        for row in csv.DictReader(file):
            rows[row["file"]].append(row)
    files = [Labelled(name, (folder / name).read_bytes(), known) for name, known in rows.items()]
    wanted = 0 if request.param == "read" else 1
    return [file for file in files if sha256(file.raw).digest()[0] % 2 == wanted]


def names_of(report: Report) -> set[str]:
    return {address for failure in report.failures for address in failure.addresses}


def test_recipients_are_found_without_any_token(half: list[Labelled]) -> None:
    bounces = [file for file in half if file.is_bounce]
    found = [
        file
        for file in bounces
        if all(row["recipient"].lower() in names_of(file.report) for row in file.rows)
    ]
    assert len(found) / len(bounces) >= 0.92


class OneReader:
    """A directory of one person, known by token and Message-ID only."""

    person = Mailed(1, "somebody@example.org", 7, 1, 12, 3)

    def by_token(self, token: str) -> Mailed | None:
        return self.person if token == TOKEN else None

    def is_genuine(self, token: str) -> bool:
        return token == TOKEN

    def by_message_id(self, message_id: str) -> Mailed | None:
        return self.person if message_id == f"{TOKEN}@daily.example" else None

    def by_address(self, address: str) -> Mailed | None:
        return None


def with_verp(raw: bytes) -> bytes:
    return b"Delivered-To: bounce+%b@daily.example\n" % TOKEN.upper().encode() + raw


def with_message_id(raw: bytes) -> bytes:
    """The same report about a mail of ours: each Message-ID in what was returned is ours."""
    import re

    head, gap, body = raw.partition(b"\r\n\r\n" if b"\r\n\r\n" in raw else b"\n\n")
    ours = rb"\g<1><" + TOKEN.encode() + b"@daily.example>"
    return head + gap + re.sub(rb"(?im)^([ \t>]*message-id:\s*)<[^<>\s]+>", ours, body)


def test_nearly_every_report_is_attributed_by_its_verp_address(half: list[Labelled]) -> None:
    bounces = [file for file in half if file.is_bounce]
    found = [
        file
        for file in bounces
        if attribute(parse_report(with_verp(file.raw)), OneReader(), verp=True)[0].person
    ]
    assert len(found) / len(bounces) >= 0.97


def test_most_reports_are_attributed_by_our_message_id_alone(half: list[Labelled]) -> None:
    bounces = [file for file in half if file.is_bounce and with_message_id(file.raw) != file.raw]
    found = [
        file
        for file in bounces
        if attribute(parse_report(with_message_id(file.raw)), OneReader(), verp=True)[0].person
    ]
    assert len(found) / len(bounces) >= 0.97


def test_hard_and_soft_are_told_apart(half: list[Labelled]) -> None:
    right = total = 0
    for file in half:
        report = file.report
        for row in file.rows:
            if row["kind"] not in {"hard", "soft"} or row["reason"] == "filtered":
                continue
            named = [one for one in report.failures if row["recipient"].lower() in one.addresses]
            judged = (named or list(report.failures))[:1]
            total += 1
            right += bool(judged) and judged[0].judgement.kind == row["kind"]
    assert right / total >= 0.88


def test_nobody_is_suppressed_for_what_is_no_bounce(half: list[Labelled]) -> None:
    wrong = [
        file.name for file in half if file.kinds == {"not-a-bounce"} and file.report.kind is not Kind.IGNORED
    ]
    assert wrong == []


def test_complaints_and_opt_outs_are_all_recognised(half: list[Labelled]) -> None:
    for file in half:
        if file.kinds & {"complaint", "unsubscribe"}:
            assert file.report.kind in file.kinds, file.name
