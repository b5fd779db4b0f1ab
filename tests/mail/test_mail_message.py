"""One copy per reader: personal, the same when sent again, and exactly what bulk mail must say."""

from __future__ import annotations

import re
from dataclasses import replace
from datetime import datetime, timedelta

import pytest

from digest.errors import ConfigError
from digest.mail import PROFILES, compile_message, profile_of, provider_of
from digest.mail.identity import own_address, wire_address
from digest.mail.return_path import token_in_message_id, tokens_in
from digest.values import Context, Literal, Merge, RenderedIssue
from subscribers.errors import InvalidAddress
from subscribers.tokens import TokenSigner
from tests.mail.letters import ISSUE, NOW, SIGNER, identity, opened, parts_of, reader

VIEW = "https://news.asianlite.example/archive/daily/2026-11-23"
READ = {"bounce_address": "bounce@asianlite.example", "round_trip": True}


def compiled(**changes: object):  # type: ignore[no-untyped-def]
    return compile_message(ISSUE, identity(**changes), issue_id=7, view_url=VIEW)


def values_of(**values: str) -> dict[str, str]:
    unsubscribe = SIGNER.sign("unsubscribe", 12)
    preferences = SIGNER.sign("preferences", 12)
    return {
        "unsubscribe_url": f"https://news.asianlite.example/u/{unsubscribe}",
        "preferences_url": f"https://news.asianlite.example/p/{preferences}",
        "view_url": VIEW,
        **values,
    }


@pytest.mark.parametrize(
    ("person", "values"),
    [
        (reader(), {}),
        (reader(name="Anna Smith"), {"first_name": "Anna"}),
        (reader(attributes={"first_name": "Zoë", "city": "दिल्ली"}), {"first_name": "Zoë", "city": "दिल्ली"}),
        (reader(name="<b>&\"'", attributes={"city": '"><i>'}), {"first_name": "<b>&\"'", "city": '"><i>'}),
        (reader(name="From a", attributes={"city": ".\r\n.\n"}), {"first_name": "From", "city": ".\r\n.\n"}),
        (reader(attributes={"city": "unsubscribe_url =3D =\n"}), {"city": "unsubscribe_url =3D =\n"}),
        (reader(attributes={"city": "x" * 200}), {"city": "x" * 200}),
    ],
)  # fmt: skip
@pytest.mark.parametrize("sections", [None, frozenset({"business"}), frozenset()])
def test_a_copy_says_what_the_issue_says_for_that_reader(
    person: object, values: dict[str, str], sections: frozenset[str] | None
) -> None:
    envelope = compiled().envelope(replace(person, sections=sections), date=NOW)  # type: ignore[type-var]
    text, html = parts_of(envelope)
    merged = values_of(**values)
    assert html == ISSUE.html_for(merged, sections).rstrip("\n") + "\n"
    assert text == ISSUE.text_for(merged, sections).rstrip("\n") + "\n"


def test_a_copy_needs_no_pass_before_it_is_sent() -> None:
    envelope = compiled().envelope(reader(attributes={"city": ".\n.\r\nFrom x"}), date=NOW)
    message = envelope.message
    assert message.endswith(b"\r\n")
    assert message.count(b"\r\n") == message.count(b"\n") == message.count(b"\r")
    assert b"\n." not in message
    assert b"\nFrom " not in message
    assert message.isascii()
    assert max(map(len, message.partition(b"\r\n\r\n")[2].split(b"\r\n"))) <= 76
    assert not opened(envelope).defects
    assert [part.get_content_type() for part in opened(envelope).iter_parts()] == ["text/plain", "text/html"]


def test_no_text_of_an_issue_can_end_its_part() -> None:
    boundary = opened(compiled().envelope(reader(), date=NOW)).get_boundary()
    sly = RenderedIssue(
        subject="x", preheader="", language="en", direction="ltr",
        html=(Literal(f"a\n--{boundary}--\nb\n"), Merge("city", Context.HTML)), text=(Literal("t"),),
    )  # fmt: skip
    envelope = compile_message(sly, identity(), issue_id=1).envelope(
        reader(attributes={"city": f"\r\n--{boundary}"}), date=NOW
    )
    _text, html = parts_of(envelope)
    assert html == f"a\n--{boundary}--\nb\n  --{boundary}\n"


def test_one_click_is_said_to_the_letter() -> None:
    envelope = compiled().envelope(reader(), date=NOW)
    token = SIGNER.sign("unsubscribe", 12)
    head = envelope.message.partition(b"\r\n\r\n")[0].decode().split("\r\n")
    assert f"List-Unsubscribe: <https://news.asianlite.example/u/{token}>" in head
    assert "List-Unsubscribe-Post: List-Unsubscribe=One-Click" in head
    assert "List-Id: Asian Lite Daily <daily.asianlite.example>" in head
    assert "List-Post: NO" in head
    assert "Auto-Submitted: auto-generated" in head
    assert "X-Auto-Response-Suppress: OOF, AutoReply" in head
    assert not any(line.startswith(("Precedence", "Feedback-ID")) for line in head)


def test_precedence_auto_submitted_and_feedback_id_are_settings() -> None:
    made = compiled(precedence="bulk", auto_submitted=False, feedback_sender_id="asianlite")
    message = opened(made.envelope(reader(), date=NOW))
    assert message["Precedence"] == "bulk"
    assert message["Auto-Submitted"] is None
    assert message["Feedback-ID"] == "issue7:daily:daily:asianlite"


def test_a_retry_has_the_same_bytes_and_every_copy_its_own_message_id() -> None:
    first = compiled(**READ).envelope(reader(), date=NOW)
    again = compiled(**READ).envelope(reader(), date=NOW)
    assert first == again
    later = compiled(**READ).envelope(reader(), date=NOW + timedelta(hours=3))
    assert opened(later)["Message-ID"] == opened(first)["Message-ID"]
    templates = [compile_message(ISSUE, identity(), issue_id=issue) for issue in (7, 8)]
    people = [reader(subscription_id=number) for number in (1, 2)]
    ids = {opened(made.envelope(who, date=NOW))["Message-ID"] for made in templates for who in people}
    assert len(ids) == 4
    assert all(str(found).endswith("@asianlite.example>") for found in ids)


def test_the_message_id_tells_whose_copy_a_report_returns() -> None:
    message = opened(compiled().envelope(reader(), date=NOW))
    assert SIGNER.verify_verp(token_in_message_id(message["Message-ID"])) == (12, 7)


def test_verp_and_the_mailto_come_only_after_a_round_trip() -> None:
    plain = compiled(bounce_address="bounce@asianlite.example").envelope(reader(), date=NOW)
    assert plain.sender == "bounce@asianlite.example"
    assert b"mailto:bounce" not in plain.message
    own = compiled(**READ).envelope(reader(), date=NOW)
    (verp,), _ = tokens_in(own.sender.encode(), limit=5)
    assert own.sender == f"bounce+{verp}@asianlite.example"
    assert SIGNER.verify_verp(verp) == (12, 7)
    field = str(opened(own)["List-Unsubscribe"])
    found = re.fullmatch(r"<mailto:([^>?]+)>, ?<https://news\.asianlite\.example/u/([^>]+)>", field)
    assert found, field
    _, (mailto,) = tokens_in(found[1].encode(), limit=5)
    assert SIGNER.verify_verp(mailto) == (12, 7)
    assert SIGNER.verify("unsubscribe", found[2]) == (12,)
    assert len(own.sender.partition("@")[0]) <= 64
    assert len(found[1].partition("@")[0]) <= 64


def test_a_bounce_address_without_room_for_a_token_is_named() -> None:
    with pytest.raises(ConfigError, match="leaves no room"):
        compiled(bounce_address="newsletter-bounces@asianlite.example", round_trip=True)


@pytest.mark.parametrize("provider", ["gmail", "m365", "postmark", "mailgun"])
def test_a_relay_with_its_own_envelope_gets_the_senders_address(provider: str) -> None:
    envelope = compiled(profile=PROFILES[provider], **READ).envelope(reader(), date=NOW)
    assert envelope.sender == "daily@asianlite.example"


@pytest.mark.parametrize(
    ("host", "provider"),
    [
        ("email-smtp.eu-west-1.amazonaws.com", "ses"),
        ("smtp.postmarkapp.com", "postmark"),
        ("smtp.eu.mailgun.org", "mailgun"),
        ("smtp.office365.com", "m365"),
        ("SMTP.GMAIL.COM.", "gmail"),
        ("smtp-relay.gmail.com", "gmail"),
        ("notgmail.com", "generic"),
        ("127.0.0.1", "generic"),
    ],
)
def test_the_provider_is_found_out_from_the_host(host: str, provider: str) -> None:
    assert provider_of(host) == provider
    assert profile_of(host, "postfix").name == "postfix"


def test_limits_begin_conservatively() -> None:
    assert [str(rate) for rate in PROFILES["generic"].rates] == ["10/s"]
    assert [str(rate) for rate in PROFILES["m365"].rates] == ["30/min", "10000/day"]


def test_the_date_is_the_first_transmissions_and_needs_a_zone() -> None:
    message = opened(compiled().envelope(reader(), date=NOW))
    assert message["Date"] == "Mon, 23 Nov 2026 07:00:05 +0000"
    with pytest.raises(ValueError, match="zone"):
        compiled().envelope(reader(), date=datetime(2026, 11, 23))


@pytest.mark.parametrize(
    "address",
    [
        "b@x.org>\r\nRCPT TO:<z@z>",
        "alice@example.org)bob@evil.com",
        "a@b@c.org",
        "a b@c.org",
        "a@c.org\r\nBcc: z@z.org",
        '"a\r\n"@c.org',
        "<a@c.org>",
        "a@c.org,b@c.org",
        "@c.org",
        "a@",
        "",
    ],
)
def test_what_is_no_address_is_never_put_on_the_wire(address: str) -> None:
    with pytest.raises(InvalidAddress):
        compiled().envelope(reader(address=address), date=NOW)


def test_addresses_beyond_ascii_go_as_far_as_ascii_carries_them() -> None:
    assert wire_address("anna@bücher.example.org") == ("anna@xn--bcher-kva.example.org", False)
    envelope = compiled().envelope(reader(address="अनीता@example.org", name="अनीता"), date=NOW)
    assert envelope.smtputf8
    assert envelope.recipient == "अनीता@example.org"
    assert "<अनीता@example.org>".encode() in envelope.message.partition(b"\r\n\r\n")[0]
    with pytest.raises(ConfigError, match="cannot be a sender"):
        own_address("अनीता@example.org")


def test_without_a_public_address_there_is_no_unsubscribe_header_and_no_dead_looking_link() -> None:
    envelope = compiled(public_url="").envelope(reader(), date=NOW)
    message = opened(envelope)
    assert message["List-Unsubscribe"] is None
    assert message["List-Unsubscribe-Post"] is None
    assert ".invalid/u/" in parts_of(envelope)[1]


def test_a_public_address_in_another_script_stands_in_headers_as_ascii() -> None:
    envelope = compiled(public_url="https://समाचार.example/दैनिक").envelope(reader(), date=NOW)
    field = str(opened(envelope)["List-Unsubscribe"])
    assert field.startswith("<https://xn--")
    assert field.isascii()


def test_a_list_in_another_script_has_a_stable_ascii_id() -> None:
    one, two = (identity(list_name="दैनिक").list_id for _ in range(2))
    assert one == two
    assert re.fullmatch(r"list-[0-9a-f]{12}\.asianlite\.example", one)


def test_the_return_path_is_aligned_with_from_or_said_not_to_be() -> None:
    assert identity().is_aligned
    assert identity(bounce_address="bounce@mail.asianlite.example").is_aligned
    assert not identity(bounce_address="bounce@relay.example").is_aligned


def test_tokens_under_a_rotated_key_are_still_ours() -> None:
    rotated = TokenSigner([b"a new key of sixteen bytes", b"a key of more than sixteen bytes"])
    message = opened(compiled().envelope(reader(), date=NOW))
    assert rotated.verify_verp(token_in_message_id(message["Message-ID"])) == (12, 7)
