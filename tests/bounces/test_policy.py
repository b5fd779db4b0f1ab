"""What follows from a report: the list cleans itself, and never by mistake."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from functools import partial
from pathlib import Path

import pytest
from sqlalchemy import select

from digest.bounces.refusals import judge_refusals
from digest.models import DeliveryStatus, IssueRow, IssueStatus, NoticeRow
from digest.pipeline import bounce_batches as pipeline
from digest.pipeline.bounce_batches import process_refusals
from subscribers.models import BounceKind, ConsentEventRow, ConsentMethod, SubscriptionStatus
from tests.bounces.conftest import SIGNER, START, Newsletter, bounce, complaint

SAMPLES = Path(__file__).parent / "samples"


def test_a_hard_bounce_suppresses_at_once_with_a_consent_row_that_names_the_report(
    newsletter: Newsletter,
) -> None:
    ann = newsletter.reader("ann@example.org")
    newsletter.issue(1, to=[ann])
    counts = newsletter.poll(bounce("ann@example.org", token=SIGNER.sign_verp(ann, 1)))
    assert (counts.read, counts.hard, counts.suppressed) == (1, 1, 1)
    assert newsletter.is_suppressed("ann@example.org")
    event = newsletter.events()[0]
    assert (event.kind, event.code, event.attribution, event.issue_id) == (
        BounceKind.HARD,
        "5.1.1",
        "verp",
        1,
    )
    with newsletter.sessions() as session:
        consent = session.scalars(select(ConsentEventRow)).one()
    assert consent.method is ConsentMethod.BOUNCE
    assert event.report_digest[:12] in (consent.note or "")


def test_no_address_is_stored_with_a_report(newsletter: Newsletter) -> None:
    ann = newsletter.reader("ann@example.org")
    newsletter.issue(1, to=[ann])
    newsletter.poll(
        bounce("ann@example.org", "550 5.1.1 <ann@example.org> user unknown", token=SIGNER.sign_verp(ann, 1))
    )
    assert "example.org" not in newsletter.events()[0].excerpt
    with newsletter.sessions() as session:
        assert "ann" not in (session.scalars(select(ConsentEventRow)).one().note or "")


@pytest.mark.parametrize("how", ["token", "message-id", "address"])
def test_a_reader_is_found_by_token_message_id_and_address(newsletter: Newsletter, how: str) -> None:
    ann = newsletter.reader("ann@example.org")
    newsletter.issue(1, to=[ann])
    token = SIGNER.sign_verp(ann, 1)
    report = {
        "token": bounce("elsewhere@example.net", token=token.upper()),
        "message-id": bounce("elsewhere@example.net", message_id=f"{token}@daily.example"),
        "address": bounce("ANN@Example.Org"),
    }[how]
    newsletter.poll(report)
    assert newsletter.is_suppressed("ann@example.org")
    assert newsletter.events()[0].attribution == {"token": "verp", "address": "rfc3464"}.get(how, how)


def test_only_addresses_that_were_mailed_are_acted_on(newsletter: Newsletter) -> None:
    newsletter.reader("ann@example.org")
    counts = newsletter.poll(bounce("ann@example.org"), bounce("stranger@example.org"))
    assert (counts.hard, counts.ignored) == (0, 2)
    assert not newsletter.is_suppressed("ann@example.org")
    assert {event.reason for event in newsletter.events()} == {"unknown"}


def test_a_forged_report_is_ignored_when_verp_is_on(newsletter: Newsletter) -> None:
    ann = newsletter.reader("ann@example.org")
    newsletter.issue(1, to=[ann])
    strict = replace(newsletter.rules, verp=True)
    token = SIGNER.sign_verp(ann, 1)
    forged = ("a" if token[-9] != "a" else "b").join((token[:-9], token[-8:]))
    newsletter.poll(
        bounce("ann@example.org", token=forged), bounce("ann@example.org", serial=2), rules=strict
    )
    assert not newsletter.is_suppressed("ann@example.org")
    assert [event.reason for event in newsletter.events()] == ["forged", "unproven"]
    newsletter.poll(bounce("ann@example.org", token=token), rules=strict)
    assert newsletter.is_suppressed("ann@example.org")


def test_an_alias_that_expands_to_several_is_judged_by_the_mildest(newsletter: Newsletter) -> None:
    ann = newsletter.reader("ann@example.org")
    newsletter.issue(1, to=[ann])
    raw = bounce("one@example.net", token=SIGNER.sign_verp(ann, 1))
    raw = raw.replace(
        b"\n--b1\nContent-Type: text/rfc822",
        b"\nFinal-Recipient: rfc822; two@example.net\nAction: delivered\nStatus: 2.0.0\n\n"
        b"--b1\nContent-Type: text/rfc822",
    )
    newsletter.poll(raw)
    assert not newsletter.is_suppressed("ann@example.org")


FULL = "552 5.2.2 mailbox full"


def soft_bounces(
    newsletter: Newsletter,
    ann: int,
    *days: int,
    diagnosis: str = FULL,
    bounced: tuple[int, ...] | None = None,
) -> None:
    for number, day in enumerate(days, 1):
        newsletter.issue(number, to=[ann], days=day)
    for number, day in enumerate(days, 1):
        if bounced is None or number in bounced:
            newsletter.clock.advance(START + timedelta(days=day, hours=1) - newsletter.clock.now())
            newsletter.poll(
                bounce("ann@example.org", diagnosis, token=SIGNER.sign_verp(ann, number), serial=number)
            )


def test_four_soft_bounces_in_a_row_over_ten_days_suppress(newsletter: Newsletter) -> None:
    ann = newsletter.reader("ann@example.org")
    soft_bounces(newsletter, ann, 0, 4, 8, 12)
    assert newsletter.is_suppressed("ann@example.org")


def test_soft_bounces_within_few_days_do_not_suppress(newsletter: Newsletter) -> None:
    ann = newsletter.reader("ann@example.org")
    soft_bounces(newsletter, ann, 0, 1, 2, 3, 4, 5)
    assert not newsletter.is_suppressed("ann@example.org")


def test_a_delivery_without_a_bounce_begins_anew(newsletter: Newsletter) -> None:
    ann = newsletter.reader("ann@example.org")
    soft_bounces(newsletter, ann, 0, 3, 6, 9, 12, 15, bounced=(1, 2, 3, 5, 6))
    assert not newsletter.is_suppressed("ann@example.org")


def test_two_reports_about_one_copy_count_once(newsletter: Newsletter) -> None:
    ann = newsletter.reader("ann@example.org")
    soft_bounces(newsletter, ann, 0, 12)
    token = SIGNER.sign_verp(ann, 2)
    newsletter.poll(
        *[bounce("ann@example.org", FULL, token=token, serial=serial) for serial in range(50, 56)]
    )
    assert not newsletter.is_suppressed("ann@example.org")


BLOCKED = "554 5.7.1 Client host blocked using zen.spamhaus.org"


def test_a_blocklisting_in_between_neither_counts_nor_begins_anew(newsletter: Newsletter) -> None:
    ann = newsletter.reader("ann@example.org")
    soft_bounces(newsletter, ann, 0, 3, 6, 9, bounced=(1, 2, 4))
    newsletter.poll(bounce("ann@example.org", BLOCKED, token=SIGNER.sign_verp(ann, 3), serial=3))
    assert not newsletter.is_suppressed("ann@example.org")  # three of four count
    newsletter.issue(5, to=[ann], days=12)
    newsletter.poll(bounce("ann@example.org", FULL, token=SIGNER.sign_verp(ann, 5), serial=5))
    assert newsletter.is_suppressed("ann@example.org")


def test_a_copy_that_came_late_but_came_begins_anew(newsletter: Newsletter) -> None:
    ann = newsletter.reader("ann@example.org")
    soft_bounces(newsletter, ann, 0, 3, 6, 9, bounced=(1, 2, 4))
    newsletter.poll(
        bounce("ann@example.org", "450 4.4.1 timed out", token=SIGNER.sign_verp(ann, 3), action="delayed")
    )
    newsletter.issue(5, to=[ann], days=12)
    newsletter.poll(bounce("ann@example.org", FULL, token=SIGNER.sign_verp(ann, 5), serial=5))
    assert not newsletter.is_suppressed("ann@example.org")


@pytest.mark.parametrize(
    "diagnosis", ["554 5.7.1 Client host blocked using zen.spamhaus.org", "550 5.7.26 fails SPF check"]
)
def test_a_blocklisting_blames_no_reader_and_tells_the_editors(
    newsletter: Newsletter, diagnosis: str
) -> None:
    ann = newsletter.reader("ann@example.org")
    soft_bounces(newsletter, ann, 0, 4, 8, 12, 16, 20, diagnosis=diagnosis)
    assert not newsletter.is_suppressed("ann@example.org")
    with newsletter.sessions() as session:
        notices = session.scalars(select(NoticeRow)).all()
    assert len(notices) == 6  # one a day
    assert "nobody is blamed" in notices[0].context["text"]


def test_reports_of_delay_never_suppress(newsletter: Newsletter) -> None:
    ann = newsletter.reader("ann@example.org")
    for number, day in enumerate((0, 5, 10, 15, 20), 1):
        newsletter.issue(number, to=[ann], days=day)
        newsletter.poll(
            bounce(
                "ann@example.org",
                "450 4.4.1 timed out",
                token=SIGNER.sign_verp(ann, number),
                action="delayed",
            )
        )
    assert not newsletter.is_suppressed("ann@example.org")
    assert {event.reason for event in newsletter.events()} == {"delayed"}


def test_a_complaint_suppresses(newsletter: Newsletter) -> None:
    ann = newsletter.reader("ann@example.org")
    newsletter.issue(1, to=[ann])
    counts = newsletter.poll(complaint(f"{SIGNER.sign_verp(ann, 1)}@daily.example"))
    assert (counts.complaints, counts.suppressed) == (1, 1)
    assert newsletter.is_suppressed("ann@example.org")


def test_an_opt_out_by_token_takes_off_that_list_only(newsletter: Newsletter) -> None:
    ann = newsletter.reader("ann@example.org")
    newsletter.issue(1, to=[ann])
    token = SIGNER.sign_verp(ann, 1)
    counts = newsletter.poll(f"From: other@example.net\nTo: <bounce+u-{token}@daily.example>\n\n".encode())
    assert counts.unsubscribes == 1
    assert newsletter.status_of(ann) is SubscriptionStatus.UNSUBSCRIBED
    assert not newsletter.is_suppressed("ann@example.org")
    with newsletter.sessions() as session:
        assert session.scalars(select(ConsentEventRow)).one().method is ConsentMethod.MAILTO


@pytest.mark.parametrize("sample", ["unsubscribe-apple", "unsubscribe-gmail", "unsubscribe-letter"])
def test_an_opt_out_in_words_is_honoured_even_with_verp(newsletter: Newsletter, sample: str) -> None:
    ann = newsletter.reader("ann@example.org")
    newsletter.issue(1, to=[ann])
    newsletter.poll((SAMPLES / f"{sample}.eml").read_bytes(), rules=replace(newsletter.rules, verp=True))
    assert newsletter.status_of(ann) is SubscriptionStatus.UNSUBSCRIBED


def test_a_friend_who_answers_a_forwarded_copy_takes_nobody_off(newsletter: Newsletter) -> None:
    ann = newsletter.reader("ann@example.org")
    newsletter.issue(1, to=[ann])
    reference = f"{SIGNER.sign_verp(ann, 1)}@daily.example"
    newsletter.poll(
        f"From: friend@example.net\nSubject: unsubscribe\nIn-Reply-To: <{reference}>\n\n".encode()
    )
    assert newsletter.status_of(ann) is SubscriptionStatus.CONFIRMED


@pytest.mark.parametrize("sample", sorted(path.stem for path in SAMPLES.glob("not-*.eml")))
def test_what_is_no_bounce_touches_nobody(newsletter: Newsletter, sample: str) -> None:
    people = [newsletter.reader(f"{name}@example.org") for name in ("ann", "bob", "eve")]
    newsletter.issue(1, to=people)
    raw = (SAMPLES / f"{sample}.eml").read_bytes()
    counts = newsletter.poll(raw.replace(b"issue-12@", SIGNER.sign_verp(people[0], 1).encode() + b"@"))
    assert (counts.read, counts.ignored, counts.suppressed, counts.unreadable) == (1, 1, 0, 0)
    assert all(newsletter.status_of(one) is SubscriptionStatus.CONFIRMED for one in people)


def test_an_issue_that_comes_back_too_often_is_paused_and_says_why(newsletter: Newsletter) -> None:
    people = [newsletter.reader(f"reader{number}@example.org") for number in range(100)]
    newsletter.issue(1, to=people, status=IssueStatus.SENDING)
    reports = [bounce("x@example.net", FULL, token=SIGNER.sign_verp(one, 1)) for one in people[:5]]
    assert newsletter.poll(*reports[:4]).paused == 0
    assert newsletter.poll(reports[4]).paused == 1
    with newsletter.sessions() as session:
        issue = session.get(IssueRow, 1)
        assert issue is not None
        assert issue.status is IssueStatus.PAUSED
        assert "5 of 100 copies came back (5.0%, limit 2.0%" in issue.paused_reason
        assert "Gmail" in issue.paused_reason
        assert any("paused" in notice.context["text"] for notice in session.scalars(select(NoticeRow)))


def test_two_complaints_among_a_thousand_pause_with_gmails_limits_named(newsletter: Newsletter) -> None:
    people = [newsletter.reader(f"reader{number}@example.org") for number in range(300)]
    newsletter.issue(1, to=people, status=IssueStatus.SENDING)
    newsletter.poll(*[complaint(f"{SIGNER.sign_verp(one, 1)}@daily.example") for one in people[:2]])
    with newsletter.sessions() as session:
        issue = session.get(IssueRow, 1)
        assert issue is not None
        assert issue.status is IssueStatus.PAUSED
        assert "0.10 %" in issue.paused_reason
        assert "0.30 %" in issue.paused_reason


def test_who_resumes_it_is_not_stopped_again_until_it_grows_as_much_once_more(newsletter: Newsletter) -> None:
    people = [newsletter.reader(f"reader{number}@example.org") for number in range(100)]
    newsletter.issue(1, to=people, status=IssueStatus.SENDING)
    reports = [bounce("x@example.net", FULL, token=SIGNER.sign_verp(one, 1)) for one in people]
    assert newsletter.poll(*reports[:5]).paused == 1
    newsletter.poll(*reports[5:9])  # they come in while it stands still
    with newsletter.sessions.begin() as session:
        issue = session.get_one(IssueRow, 1)
        assert "9 of 100" in issue.paused_reason
        issue.status = IssueStatus.SENDING
    assert newsletter.poll(reports[9], reports[10]).paused == 0
    assert newsletter.poll(reports[11]).paused == 1


def test_a_sent_issue_stays_sent_and_the_editors_are_told(newsletter: Newsletter) -> None:
    people = [newsletter.reader(f"reader{number}@example.org") for number in range(20)]
    newsletter.issue(1, to=people)
    counts = newsletter.poll(*[bounce("x@example.net", token=SIGNER.sign_verp(one, 1)) for one in people[:6]])
    assert counts.paused == 0
    with newsletter.sessions() as session:
        assert session.scalars(select(IssueRow)).one().status is IssueStatus.SENT
        assert len(session.scalars(select(NoticeRow)).all()) == 1


def test_refusals_at_smtp_time_are_judged_once_by_the_same_rules(newsletter: Newsletter) -> None:
    gone, blocked = newsletter.reader("gone@example.org"), newsletter.reader("blocked@example.org")
    refused = {"status": DeliveryStatus.REFUSED, "sent_at": None}
    newsletter.issue(1, to=[gone], delivery={"reply": "550 5.1.1 <…> User unknown", **refused})
    newsletter.issue(
        2, to=[blocked], delivery={"reply": "554 5.7.1 Client host blocked using zen.spamhaus.org", **refused}
    )
    counts = process_refusals(newsletter.sessions, newsletter.rules, now=START)
    assert (counts.refusals, counts.suppressed) == (2, 1)
    assert newsletter.is_suppressed("gone@example.org")
    assert not newsletter.is_suppressed("blocked@example.org")
    assert process_refusals(newsletter.sessions, newsletter.rules, now=START).refusals == 0


@pytest.mark.parametrize(
    ("status", "reply"),
    [(DeliveryStatus.REFUSED, "552 5.2.2 Mailbox full"), (DeliveryStatus.EXPIRED, "452 4.2.2 Over quota")],
)
def test_a_mailbox_that_is_full_at_smtp_time_again_and_again_is_suppressed(
    newsletter: Newsletter, status: DeliveryStatus, reply: str
) -> None:
    ann = newsletter.reader("ann@example.org")
    for number, day in enumerate((0, 4, 8, 12), 1):
        assert not newsletter.is_suppressed("ann@example.org")
        newsletter.issue(
            number, to=[ann], days=day, delivery={"status": status, "sent_at": None, "reply": reply}
        )
        process_refusals(newsletter.sessions, newsletter.rules, now=START + timedelta(days=day, hours=1))
    assert newsletter.is_suppressed("ann@example.org")


def test_a_copy_that_nobody_tried_to_send_counts_against_nobody(newsletter: Newsletter) -> None:
    ann = newsletter.reader("ann@example.org")
    newsletter.issue(1, to=[ann], delivery={"status": DeliveryStatus.EXPIRED, "sent_at": None})
    assert process_refusals(newsletter.sessions, newsletter.rules, now=START).refusals == 0


def test_many_refusals_are_judged_in_batches(newsletter: Newsletter, monkeypatch: pytest.MonkeyPatch) -> None:
    people = [newsletter.reader(f"reader{number}@example.org") for number in range(7)]
    refused: dict[str, object] = {"status": DeliveryStatus.REFUSED, "sent_at": None, "reply": FULL}
    newsletter.issue(1, to=people, delivery=refused)
    monkeypatch.setattr(pipeline, "judge_refusals", partial(judge_refusals, limit=3))
    assert process_refusals(newsletter.sessions, newsletter.rules, now=START).refusals == 7
    assert len(newsletter.events()) == 7
