"""Strangers' bytes are read safely: size, depth, recipients, character sets are bounded; nothing raises."""

from __future__ import annotations

import time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from digest.bounces.parsing import parse_report
from digest.bounces.reading import PART_LIMIT, READ_LIMIT, decode_text, read_mail
from digest.mail.judgement import Kind

DSN = (
    b"From: MAILER-DAEMON@mx.example\nSubject: Undelivered Mail\nMIME-Version: 1.0\n"
    b'Content-Type: multipart/report; report-type=delivery-status; boundary="b1"\n\n'
    b"--b1\nContent-Type: message/delivery-status\n\nReporting-MTA: dns; mx.example\n\n%b\n--b1--\n"
)
ONE = (
    b"Final-Recipient: rfc822; %b\nAction: failed\nStatus: 5.1.1\n"
    b"Diagnostic-Code: smtp; 550 5.1.1 user unknown\n\n"
)


def cpu_of(raw: bytes) -> float:
    begin = time.process_time()
    parse_report(raw)
    return time.process_time() - begin


def test_a_report_of_fifty_megabytes_costs_no_more_than_its_beginning() -> None:
    raw = DSN % (ONE % b"ann@example.org") + b"--b1\nContent-Type: message/rfc822\n\n" + b"x" * 50_000_000
    assert cpu_of(raw) < 1
    report = parse_report(raw)
    assert (report.kind, report.failures[0].addresses) == (Kind.HARD, ("ann@example.org",))
    assert read_mail(raw).truncated


def test_a_mail_nested_a_thousand_deep_is_read_to_its_limit() -> None:
    raw = b"From: MAILER-DAEMON@mx.example\n" + b"".join(
        b"Content-Type: multipart/mixed; boundary=b%d\n\n--b%d\n" % (level, level) for level in range(1000)
    )
    assert cpu_of(raw) < 1
    assert len(read_mail(raw).parts) <= PART_LIMIT
    wrapped = b"Content-Type: message/rfc822\n\n" * 1000 + b"Subject: inside\n\nhello"
    assert cpu_of(b"From: a@b.example\n" + wrapped) < 1


def test_ten_thousand_recipients_are_judged_and_more_are_counted() -> None:
    raw = DSN % b"".join(ONE % (b"r%d@example.org" % number) for number in range(11_000))
    report = parse_report(raw)
    assert (len(report.failures), report.left_out) == (10_000, 1000)
    assert cpu_of(raw) < 6


def test_a_notice_that_names_more_recipients_than_are_read_says_so() -> None:
    names = "".join(f"<r{number}@example.org>: user unknown\n" for number in range(3000))
    report = parse_report(f"From: MAILER-DAEMON\n\nThis is the qmail-send program\n\n{names}".encode())
    assert len(report.failures) > 300
    assert len(report.failures) + report.left_out >= 3000


@pytest.mark.parametrize(
    "charset", ["shift_jis", "gbk", "iso-2022-jp", "euc-jp", "koi8-r", "windows-1252", "x-unknown", "utf-8"]
)
def test_any_character_set_is_decoded_or_replaced(charset: str) -> None:
    assert decode_text(b"\x83\x7f\xff caf\xe9 \x1b$B", charset)


@pytest.mark.parametrize(
    "charset", ["zip", "rot13", "punycode", "idna", "unicode_escape", "utf-7", "hex", "undefined"]
)
def test_codecs_that_are_no_character_sets_are_not_used(charset: str) -> None:
    assert decode_text(b"+AAo- plain", charset) == "+AAo- plain"


def test_transfer_encodings_are_undone_and_broken_ones_left() -> None:
    for encoding, body in (
        ("base64", b"aGVsbG8gd29ybGQ"),
        ("BASE64", b"aGVsbG8g\nd29ybGQ=\n!"),
        ("quoted-printable", b"hello=20wor=\nld"),
    ):
        mail = read_mail(b"Content-Transfer-Encoding: %b\n\n%b" % (encoding.encode(), body))
        assert mail.text.strip() == "hello world"


def test_a_message_without_any_header_is_all_body() -> None:
    assert read_mail(b"just words\nand more\n").text.startswith("just words")


@settings(max_examples=150, deadline=None)
@given(st.binary(max_size=400))
def test_no_bytes_make_it_raise(raw: bytes) -> None:
    parse_report(raw)
    parse_report(DSN % raw)
    parse_report(b"From: MAILER-DAEMON@mx.example\nSubject: failure notice\n\n" + raw)


@settings(max_examples=100, deadline=None)
@given(st.text(alphabet='<>@:;,."()\\ \n=?b-abc1', max_size=300))
def test_no_spelling_of_addresses_makes_it_raise_or_hang(text: str) -> None:
    begin = time.process_time()
    parse_report(DSN % b"Final-Recipient: rfc822; " + text.encode())
    parse_report(
        f"From: MAILER-DAEMON\nSubject: failure notice\n\nThis is the qmail-send program\n{text}".encode()
    )
    assert time.process_time() - begin < 1


@pytest.mark.parametrize(
    "filling",
    [
        b"<" * READ_LIMIT,
        b"a@" * (READ_LIMIT // 2),
        b"=?utf-8?q?" * 90_000,
        b"to: " * 200_000,
        b"\n \n" * 300_000,
        b"-" * READ_LIMIT,
        b"boundary=" * 90_000,
    ],
)
def test_a_megabyte_of_one_thing_costs_little(filling: bytes) -> None:
    for head in (
        b"From: MAILER-DAEMON\nSubject: failure notice\n\n",
        b"From: MAILER-DAEMON\nSubject: ",
        b"From: ",
    ):
        assert cpu_of(head + filling) < 3


def test_a_detector_that_fails_leaves_no_traceback(caplog: pytest.LogCaptureFixture) -> None:
    from digest.bounces.fallback import by_flufl

    assert by_flufl(b"Subject: failure notice\n\nnobody knows this dialect\n") == ()
    assert caplog.records == []
