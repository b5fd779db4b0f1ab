"""What a message is, each from a sample: dialects, opt-outs, complaints, and what must suppress nobody."""

from __future__ import annotations

from pathlib import Path

import pytest

from digest.bounces.dialects import DIALECTS
from digest.bounces.parsing import parse_report
from digest.bounces.report import Form, Report
from digest.mail.judgement import Kind
from digest.mail.reply_tables import Reason

SAMPLES = Path(__file__).parent / "samples"

BOUNCES = {
    "amavis": (Kind.HARD, Reason.USER_UNKNOWN),
    "barracuda": (Kind.SOFT, Reason.BLOCKED),
    "courier": (Kind.HARD, Reason.USER_UNKNOWN),
    "delay": (Kind.SOFT, Reason.EXPIRED),
    "dragonfly": (Kind.SOFT, Reason.TOO_LARGE),
    "exchange": (Kind.HARD, Reason.USER_UNKNOWN),
    "exim": (Kind.HARD, Reason.USER_UNKNOWN),
    "exim-delay": (Kind.SOFT, Reason.EXPIRED),
    "exim-syntax": (Kind.SOFT, Reason.SYNTAX),
    "ezweb": (Kind.SOFT, Reason.MAILBOX_FULL),
    "fml": (Kind.SOFT, Reason.POLICY),
    "gbk": (Kind.HARD, Reason.USER_UNKNOWN),
    "gmail": (Kind.SOFT, Reason.SPAM),
    "gmail-delay": (Kind.SOFT, Reason.EXPIRED),
    "imail": (Kind.HARD, Reason.USER_UNKNOWN),
    "interscan": (Kind.HARD, Reason.USER_UNKNOWN),
    "listserv": (Kind.HARD, Reason.USER_UNKNOWN),
    "m-filter": (Kind.HARD, Reason.USER_UNKNOWN),
    "mdaemon": (Kind.HARD, Reason.USER_UNKNOWN),
    "messagingserver": (Kind.HARD, Reason.USER_UNKNOWN),
    "no-boundary": (Kind.HARD, Reason.USER_UNKNOWN),
    "notes": (Kind.HARD, Reason.USER_UNKNOWN),
    "office365": (Kind.HARD, Reason.USER_UNKNOWN),
    "opensmtpd": (Kind.HARD, Reason.DOMAIN_UNKNOWN),
    "postfix-delay": (Kind.SOFT, Reason.EXPIRED),
    "postfix-words": (Kind.SOFT, Reason.MAILBOX_FULL),
    "qmail": (Kind.HARD, Reason.USER_UNKNOWN),
    "rfc3464": (Kind.HARD, Reason.USER_UNKNOWN),
    "rfc3464-blocklisted": (Kind.SOFT, Reason.BLOCKED),
    "rfc3464-delayed": (Kind.SOFT, Reason.EXPIRED),
    "rfc3464-forwarded": (Kind.HARD, Reason.USER_UNKNOWN),
    "rfc3464-full": (Kind.SOFT, Reason.MAILBOX_FULL),
    "sendmail": (Kind.HARD, Reason.DOMAIN_UNKNOWN),
    "sendmail5": (Kind.HARD, Reason.USER_UNKNOWN),
    "ses-bounce": (Kind.HARD, Reason.USER_UNKNOWN),
    "shift-jis": (Kind.HARD, Reason.USER_UNKNOWN),
    "symantec-delay": (Kind.SOFT, Reason.EXPIRED),
    "x400": (Kind.HARD, Reason.USER_UNKNOWN),
    "yahoo": (Kind.HARD, Reason.USER_UNKNOWN),
}

NO_BOUNCES = {
    "not-auth-failure": Form.AUTHENTICATION,
    "not-challenge": Form.AUTO_REPLY,
    "not-empty": Form.HUMAN,
    "not-human-forwarding": Form.HUMAN,
    "not-human-quoting": Form.HUMAN,
    "not-loop": Form.LOOP,
    "not-newsletter": Form.LOOP,
    "not-receipt": Form.RECEIPT,
    "not-ticket": Form.AUTO_REPLY,
    "not-vacation": Form.AUTO_REPLY,
    "not-vacation-de": Form.AUTO_REPLY,
    "rfc3464-delivered": Form.DELIVERED,
    "ses-delivery": Form.DELIVERED,
}


def sample(name: str) -> Report:
    return parse_report((SAMPLES / f"{name}.eml").read_bytes())


@pytest.mark.parametrize("name", BOUNCES)
def test_bounce_is_classified(name: str) -> None:
    report = sample(name)
    assert len(report.failures) == 1
    failure = report.failures[0]
    assert failure.addresses[:1] == ("ann@example.org",)
    assert (failure.judgement.kind, failure.judgement.reason) == BOUNCES[name]


def test_every_dialect_has_its_sample() -> None:
    assert {dialect.name for dialect in DIALECTS} <= {sample(name).dialect for name in BOUNCES}


@pytest.mark.parametrize("name", NO_BOUNCES)
def test_what_is_no_bounce_is_ignored(name: str) -> None:
    report = sample(name)
    assert (report.kind, report.form) == (Kind.IGNORED, NO_BOUNCES[name])


@pytest.mark.parametrize("name", sorted(path.stem for path in SAMPLES.glob("unsubscribe-*.eml")))
def test_an_opt_out_is_recognised_whoever_pressed_the_button(name: str) -> None:
    report = sample(name)
    assert report.kind is Kind.UNSUBSCRIBE
    assert report.sender == "ann@example.org"


@pytest.mark.parametrize(
    "name", ["delay", "exim-delay", "gmail-delay", "postfix-delay", "symantec-delay", "rfc3464-delayed"]
)
def test_a_report_of_delay_is_no_failure_yet(name: str) -> None:
    assert not sample(name).failures[0].judgement.final


def test_the_token_in_the_local_part_is_enough_whatever_is_written() -> None:
    token = "a" * 47
    for subject, body in (
        ("", ""),
        ("Undeliverable", "user unknown"),
        ("unsubscribe", "please"),
        ("=?x?q?", "\x00"),
    ):
        raw = (
            f"From: ann@example.org\nTo: bounce+U-{token.upper()}@daily.example\nSubject: {subject}\n\n{body}"
        )
        report = parse_report(raw.encode())
        assert (report.form, report.unsubscribe_tokens) == (Form.UNSUBSCRIBE, (token,))


def test_a_returned_copy_that_offers_the_mailto_is_a_bounce_and_no_opt_out() -> None:
    token = "a" * 47
    raw = (SAMPLES / "rfc3464.eml").read_bytes()
    offer = f"List-Unsubscribe: <https://daily.example/u/x>, <mailto:bounce+u-{token}@daily.example>\n"
    raw = b"Delivered-To: bounce+%b@daily.example\n" % token.encode() + raw.replace(
        b"Message-ID: <issue-12@", offer.encode() + b"Message-ID: <issue-12@"
    )
    assert offer.encode() in raw
    assert parse_report(raw).kind is Kind.HARD


def test_a_bounce_of_a_bounce_speaks_only_of_the_outer_recipient() -> None:
    report = sample("bounce-of-a-bounce")
    assert [failure.addresses for failure in report.failures] == [("postmaster@daily.example",)]


def test_message_ids_of_the_returned_copy_are_found() -> None:
    for name in ("exim", "rfc3464", "qmail", "gmail", "sendmail5", "opensmtpd", "not-auth-failure"):
        assert "issue-12@daily.example" in sample(name).message_ids, name
    assert sample("not-vacation").message_ids == ("issue-12@daily.example",)


def test_a_forwarded_mail_names_the_address_that_was_mailed_first() -> None:
    assert sample("rfc3464-forwarded").failures[0].addresses == (
        "ann@example.org",
        "somebody@elsewhere.example",
    )


def test_the_same_message_on_two_ways_has_one_digest() -> None:
    raw = (SAMPLES / "rfc3464.eml").read_bytes()
    other = b"From MAILER-DAEMON Mon Nov  2 07:05:00 2026\nReceived: from a by b\n" + raw.replace(
        b"\n", b"\r\n"
    )
    assert parse_report(other).digest == parse_report(raw).digest
    assert parse_report(raw.replace(b"07:05", b"07:06")).digest != parse_report(raw).digest


FEEDBACK = {
    "abuse": Kind.COMPLAINT,
    "fraud": Kind.COMPLAINT,
    "other": Kind.COMPLAINT,
    "miscategorized": Kind.COMPLAINT,
    "opt-out": Kind.UNSUBSCRIBE,
    "opt-out-list": Kind.UNSUBSCRIBE,
    "auth-failure": Kind.IGNORED,
    "dmarc": Kind.IGNORED,
    "not-spam": Kind.IGNORED,
    "virus": Kind.IGNORED,
}


@pytest.mark.parametrize("kind", FEEDBACK)
def test_feedback_is_judged_by_its_type(kind: str) -> None:
    assert (
        parse_report(arf(f"Feedback-Type: {kind}\nOriginal-Rcpt-To: <ann@example.org>")).kind
        is FEEDBACK[kind]
    )


# How mailbox providers write their complaints: what stands in the report, and in the copy that comes with it.
PROVIDERS = {
    "symantec-delay": (Kind.SOFT, Reason.EXPIRED),
    "x400": (Kind.HARD, Reason.USER_UNKNOWN),
    "yahoo": (
        "Feedback-Type: abuse\nUser-Agent: Yahoo!-Mail-Feedback/2.0\nVersion: 0.1\nOriginal-Rcpt-To: "
        "ann@example.org",
        "To: ann@example.org",
    ),
    "aol": ("Feedback-Type: abuse\nUser-Agent: AOL SComp\nVersion: 0.1", "To: undisclosed-recipients: ;"),
    "comcast": (
        "Feedback-Type: abuse\nUser-Agent: ReturnPathFBL/1.0\nVersion: 1\nOriginal-Rcpt-To: hidden",
        "To: ann@example.org",
    ),
    "outlook-jmrp": (
        "Feedback-Type: abuse\nVersion: 1\nOriginal-Rcpt-To: ann@example.org",
        "X-HmXmrOriginalRecipient: ann@example.org",
    ),
    "ses": (
        "Feedback-Type: abuse\nUser-Agent: Amazon SES Mailbox Simulator\nVersion: 0.1\n"
        "Original-Rcpt-To: ann@example.org",
        "",
    ),
    "mail.ru": (
        "Feedback-Type: abuse\nVersion: 0.1\nUser-Agent: Mail.Ru-FBL\nOriginal-Recipient: "
        "rfc822;ann@example.org",
        "To: ann@example.org",
    ),
    "yandex": ("Version: 1\nFeedback-Type: abuse\nUser-Agent: Yandex.Mail/1.0", "To: ann@example.org"),
    "fastmail": ("User-Agent: FastMail-FBL/1\nFeedback-Type: abuse", "Delivered-To: ann@example.org"),
    "rackspace": (
        "Feedback-Type: abuse\nOriginal-Mail-From: <bounce@daily.example>\nOriginal-Rcpt-To: "
        "0123abcd@example.com",
        "",
    ),
    "upper case": ("FEEDBACK-TYPE: ABUSE\nVERSION: 1", "To: ann@example.org"),
    "folded": ("Feedback-Type:\n abuse\nVersion: 1", "To: ann@example.org"),
    "no type": ("User-Agent: Old/1\nVersion: 0.1", "To: ann@example.org"),
    "fraud": ("Feedback-Type: fraud\nVersion: 1", "To: ann@example.org"),
}


def arf(fields: str, copy: str = "To: ann@example.org") -> bytes:
    return (
        "From: <feedback@mailbox.example>\nTo: fbl@daily.example\nSubject: FW: Your daily\n"
        "MIME-Version: 1.0\n"
        'Content-Type: multipart/report; report-type="feedback-report"; boundary="b1"\n\n'
        "--b1\nContent-Type: text/plain\n\nThis is an email abuse report.\n"
        f"--b1\nContent-Type: message/feedback-report\n\n{fields}\n\n"
        f"--b1\nContent-Type: message/rfc822\n\nMessage-ID: <issue-12@daily.example>\n{copy}\n"
        f"Subject: Your daily\n\nNews\n--b1--\n"
    ).encode()


@pytest.mark.parametrize("provider", PROVIDERS)
def test_a_complaint_is_recognised_in_every_providers_form(provider: str) -> None:
    report = parse_report(arf(*PROVIDERS[provider]))
    assert (report.form, report.kind) == (Form.COMPLAINT, Kind.COMPLAINT)
    assert "issue-12@daily.example" in report.message_ids


OLD_FORMS = {
    "hotmail's own": b"From: staff@hotmail.com\nSubject: complaint about message from 192.0.2.1\n"
    b'MIME-Version: 1.0\nContent-Type: multipart/mixed; boundary="m"\n\n--m\nContent-Type: message/rfc822\n\n'
    b"X-HmXmrOriginalRecipient: ann@example.org\n"
    b"Message-ID: <issue-12@daily.example>\nSubject: Your daily\n\nNews\n--m--\n",
    "headers only": b"From: fbl@mailbox.example\nSubject: FBL: Your daily\nMIME-Version: 1.0\n"
    b'Content-Type: multipart/mixed; boundary="m"\n\n--m\nContent-Type: text/rfc822-headers\n\n'
    b"To: ann@example.org\n"
    b"Message-ID: <issue-12@daily.example>\n--m--\n",
    "ARF without a labelled part": arf("Feedback-Type: abuse").replace(
        b"message/feedback-report", b"text/plain"
    ),
    "SES by SNS": b"From: no-reply@sns.amazonaws.com\nSubject: AWS Notification Message\n\n"
    b'{"notificationType":"Complaint","complaint":{"complainedRecipients":[{"emailAddress":"ann@example.org"}]}}\n',
}


@pytest.mark.parametrize("form", OLD_FORMS)
def test_complaints_that_are_no_arf_are_recognised_too(form: str) -> None:
    assert parse_report(OLD_FORMS[form]).kind is Kind.COMPLAINT
