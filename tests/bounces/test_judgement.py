"""A refusal is judged by its words, then by its codes, and never condemns an address by mistake."""

from __future__ import annotations

import pytest

from digest.mail.judgement import Kind, Stage, judge_reply, normalise
from digest.mail.reply_tables import ADDRESS_INVALID, BLAMES_SENDER, PHRASES, Reason

HARD = [
    (
        "550 5.1.1 <ann@example.org>: Recipient address rejected: User unknown in virtual mailbox table",
        Reason.USER_UNKNOWN,
    ),
    (
        "550-5.1.1 The email account that you tried to reach does not exist. Please try\n550-5.1.1 "
        "double-checking",
        Reason.USER_UNKNOWN,
    ),
    (
        "550 5.4.1 <ann@example.org>: Recipient address rejected: Access denied. AS(201806281)",
        Reason.USER_UNKNOWN,
    ),
    (
        "550 5.1.10 RESOLVER.ADR.RecipientNotFound; Recipient not found by SMTP address lookup",
        Reason.USER_UNKNOWN,
    ),
    (
        "554 delivery error: dd This user doesn't have a yahoo.com account (ann@example.org)",
        Reason.USER_UNKNOWN,
    ),
    ("550 Requested action not taken: mailbox unavailable", Reason.USER_UNKNOWN),
    ("550 5.1.2 Host unknown (Name server: example.org: host not found)", Reason.DOMAIN_UNKNOWN),
    ("556 5.1.10 example.org does not accept mail (nullMX)", Reason.TAKES_NO_MAIL),
    ("551 5.1.6 recipient no longer on server", Reason.MOVED),
]
SOFT = [
    ("552 5.2.2 The email account that you tried to reach is over quota", Reason.MAILBOX_FULL, False),
    ("550 5.1.1 Mailbox full", Reason.MAILBOX_FULL, False),
    ("550 5.2.1 The user you are trying to contact is receiving mail too quickly", Reason.RATE, True),
    (
        "554 5.7.1 Service unavailable; Client host [192.0.2.1] blocked using zen.spamhaus.org",
        Reason.BLOCKED,
        True,
    ),
    (
        "550 5.7.26 Unauthenticated email from example.com is not accepted due to domain's DMARC policy",
        Reason.AUTHENTICATION,
        True,
    ),
    ("550-5.7.25 The IP address sending this message does not have a PTR record", Reason.REVERSE_DNS, True),
    ("550 5.7.1 Message rejected as spam by Content Filtering", Reason.SPAM, True),
    ("552 5.3.4 Message size exceeds fixed limit", Reason.TOO_LARGE, True),
    ("550 5.7.1 Unable to relay", Reason.RELAYING, True),
    (
        "421 4.7.0 [TSS04] Messages from 192.0.2.1 temporarily deferred due to user complaints",
        Reason.BLOCKED,
        True,
    ),
    (
        "550 5.7.515 Access denied, sending domain example.com does not meet the required "
        "authentication level",
        None,
        True,
    ),
    ("554 5.7.1 The message was rejected because of its virus: infected", Reason.VIRUS, True),
    ("550 5.2.1 The email account that you tried to reach is disabled", Reason.DISABLED, False),
]


@pytest.mark.parametrize(("text", "reason"), HARD, ids=[text[:40] for text, _ in HARD])
def test_an_address_that_does_not_exist_is_hard(text: str, reason: Reason) -> None:
    judged = judge_reply(0, "", text)
    assert (judged.kind, judged.reason, judged.alarm) == (Kind.HARD, reason, False)


@pytest.mark.parametrize(("text", "reason", "alarm"), SOFT, ids=[text[:40] for text, *_ in SOFT])
def test_all_else_is_soft_and_the_senders_own_faults_raise_an_alarm(
    text: str, reason: Reason | None, alarm: bool
) -> None:
    judged = judge_reply(0, "", text)
    assert (judged.kind, judged.alarm) == (Kind.SOFT, alarm)
    assert reason is None or judged.reason is reason


@pytest.mark.parametrize(
    "text",
    [
        "450 4.1.1 User unknown, try later",
        "550 5.7.1 User unknown",
        "451 4.1.2 Host unknown",
        "450 mailbox unavailable",
    ],
)
def test_a_temporary_or_a_policy_answer_never_condemns_an_address(text: str) -> None:
    assert judge_reply(0, "", text).kind is Kind.SOFT


@pytest.mark.parametrize("stage", [Stage.CONNECT, Stage.MAIL])
def test_an_answer_about_the_sender_never_condemns_the_reader(stage: Stage) -> None:
    judged = judge_reply(550, "5.1.1", "550 5.1.1 user unknown", stage=stage)
    assert (judged.kind, judged.reason, judged.alarm) == (Kind.SOFT, Reason.SENDER, True)


def test_the_stage_is_read_from_postfix_and_exim() -> None:
    assert judge_reply(0, "", "550 no such user (in reply to MAIL FROM command)").reason is Reason.SENDER
    assert judge_reply(0, "", "550 no such user (in reply to RCPT TO command)").kind is Kind.HARD
    assert judge_reply(0, "", "550 no such user (in reply to end of DATA command)").kind is Kind.SOFT


def test_the_given_codes_go_before_those_in_the_text() -> None:
    assert judge_reply(450, "4.2.1", "user unknown").kind is Kind.SOFT
    assert judge_reply(550, "5.1.1", "").kind is Kind.HARD


def test_the_code_of_qmail_in_brackets_is_read() -> None:
    assert judge_reply(0, "", "Sorry, no luck. (#5.1.1)").kind is Kind.HARD
    assert judge_reply(0, "", "Sorry, no luck. (#4.4.1)").reason is Reason.NETWORK


def test_nothing_said_is_soft_and_undefined() -> None:
    judged = judge_reply(0, "", "")
    assert (judged.kind, judged.reason, judged.certain) == (Kind.SOFT, Reason.UNDEFINED, False)


def test_addresses_and_links_do_not_speak() -> None:
    assert (
        judge_reply(
            0, "", "550 5.2.0 <user.unknown@no-such-user.example>: see https://x.example/#userunknown"
        ).kind
        is Kind.SOFT
    )
    assert "unknown" not in normalise("<unknown@blocked.example> see https://mx.example/why#unknown")


def test_the_tables_are_lower_case_and_say_each_thing_once() -> None:
    phrases = [phrase for _, row in PHRASES for phrase in row]
    assert [phrase for phrase in phrases if phrase != phrase.lower().strip() or len(phrase) < 3] == []
    assert sorted({phrase for phrase in phrases if phrases.count(phrase) > 1}) == []
    assert ADDRESS_INVALID.isdisjoint(BLAMES_SENDER)
