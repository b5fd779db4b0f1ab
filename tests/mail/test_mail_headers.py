"""No outside text makes a header that was not meant, and every header reads as it was written."""

from __future__ import annotations

from email.header import decode_header, make_header
from email.headerregistry import Address

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from digest.mail import compile_message, compose_notice
from digest.mail.headers import HeaderCheck, clean, mailbox, unstructured
from digest.values import RenderedIssue
from tests.mail.letters import ISSUE, NOW, identity, names_of, opened, reader

INJECTIONS = [
    "a\r\nBcc: victim@example.org",
    "a\nBcc: victim@example.org",
    "a\rBcc: victim@example.org",
    "a\u2028Bcc: victim@example.org",
    "a\x85Bcc: victim@example.org",
    "=?utf-8?q?a=0D=0ABcc:_v=40x.org?=",
    "=?utf-8?b?YQ0KQmNjOiB2QHgub3Jn?=",
    "==??utf-8?q?=0D=0ABcc:_x?=",
    "a\r\n\r\n<script>alert(1)</script>",
    "a\x00b",
    '"><x@evil.example>, "',
    "a, b@evil.example, c",
    "\\",
    '"',
    "a" * 5000,
    "भारत " * 300,
    "\ud800",
    "",
    " ",
]
TEXTS = st.one_of(
    st.sampled_from(INJECTIONS), st.text(max_size=80), st.lists(st.sampled_from(INJECTIONS)).map("".join)
)


def names_expected() -> list[str]:
    return [
        "Date", "To", "Message-ID", "List-Unsubscribe", "From", "Reply-To", "Subject", "List-Id",
        "List-Unsubscribe-Post", "List-Help", "List-Archive", "List-Owner", "List-Post",
        "Auto-Submitted", "X-Auto-Response-Suppress", "Content-Language", "MIME-Version", "Content-Type",
    ]  # fmt: skip


@settings(deadline=None, max_examples=80)
@given(subject=TEXTS, sender=TEXTS, name=TEXTS, title=TEXTS, desk=TEXTS)
def test_the_header_block_has_exactly_the_expected_names(
    subject: str, sender: str, name: str, title: str, desk: str
) -> None:
    who = identity(sender_name=sender, list_title=title, reply_to=(desk, "desk@asianlite.example"))
    rendered = RenderedIssue(subject=subject, preheader="", language="en", direction="ltr", html=(), text=())
    envelope = compile_message(rendered, who, issue_id=1).envelope(reader(name=name), date=NOW)
    assert names_of(envelope) == names_expected()
    head = envelope.message.partition(b"\r\n\r\n")[0]
    assert head.isascii()
    assert max(len(line) for line in head.split(b"\r\n")) <= 998
    message = opened(envelope)
    assert message["Bcc"] is None
    assert not message.defects
    # Whoever decodes what a header says finds no line break in it.
    for field in ("Subject", "From", "To", "Reply-To"):
        decoded = str(make_header(decode_header(str(message[field]))))
        assert "\n" not in decoded
        assert "\r" not in decoded
    assert [address.addr_spec for address in message["To"].addresses] == ["anna@example.org"]
    assert [address.addr_spec for address in message["From"].addresses] == ["daily@asianlite.example"]


@settings(deadline=None, max_examples=80)
@given(st.text(max_size=120))
def test_a_subject_reads_as_it_was_written(text: str) -> None:
    rendered = RenderedIssue(subject=text, preheader="", language="en", direction="ltr", html=(), text=())
    message = opened(compile_message(rendered, identity(), issue_id=1).envelope(reader(), date=NOW))
    assert str(message["Subject"]).strip(" ") == clean(text)


@pytest.mark.parametrize(
    "name",
    ["Anna Smith", "Smith, Anna", 'Anna "Ann" Smith', "Zoë Ünal", "अनीता शर्मा", "محمد", "a.b", "O'Neil (x)"],
)
def test_a_display_name_reads_as_it_was_written(name: str) -> None:
    message = opened(compile_message(ISSUE, identity(), issue_id=1).envelope(reader(name=name), date=NOW))
    assert message["To"].addresses == (Address(name, addr_spec="anna@example.org"),)


def test_lines_are_short_where_there_is_a_place_to_fold() -> None:
    for text in ("word " * 60, "हिन्दी समाचार " * 20, "Ünïcödé headline with mostly latin letters " * 4):
        folded = b"Subject: " + unstructured("Subject", text)
        assert all(len(line) <= 78 for line in folded.split(b"\r\n")), folded
        named = b"To: " + mailbox("To", text, "anna@example.org")
        assert all(len(line) <= 78 for line in named.split(b"\r\n")), named


def test_encoded_words_hold_whole_characters_and_at_most_75_octets() -> None:
    for line in unstructured("Subject", "😀 भारत और ऑस्ट्रेलिया 🎉" * 9).split(b"\r\n "):
        assert len(line) <= 75
        assert decode_header(line.decode())[0][0].decode("utf-8")


@pytest.mark.parametrize(
    "block",
    [
        b"Date: x\r\nTo: y\r\nBcc: z\r\n",
        b"Date: x\r\nTo: y\nBcc: z\r\n",
        b"Date: x\r\nTo: y\rBcc: z\r\n",
        b"Date: x\r\nTo: y\r\n\r\nbody\r\n",
        b"Date: x\r\nTo: y\r\n \r\n",
        b"Date: x\r\nTo: y\x00\r\n",
        b"To: y\r\nDate: x\r\n",
        b"Date: x\r\nTo: " + b"y" * 2000 + b"\r\n",
        b"Date: x\r\nTo: y",
    ],
)
def test_a_block_that_is_not_exactly_what_was_meant_is_refused(block: bytes) -> None:
    check = HeaderCheck(["Date", "To"])
    assert check(b"Date: x\r\nTo: y\r\n <z>\r\n")
    with pytest.raises(ValueError, match="exactly Date, To"):
        check(block)


def test_a_notice_says_that_a_machine_wrote_it_and_offers_no_unsubscribing() -> None:
    envelope = compose_notice(
        subject="Please confirm\r\nBcc: x@y.org", text="Hello\n.\nFrom us", html="<p>Hello</p>",
        identity=identity(), address="anna@example.org", name="Anna\r\nX: y", notice_id=5, date=NOW,
    )  # fmt: skip
    assert names_of(envelope) == [
        "Date", "To", "Message-ID", "From", "Reply-To", "Subject", "Auto-Submitted",
        "X-Auto-Response-Suppress", "MIME-Version", "Content-Type",
    ]  # fmt: skip
    message = opened(envelope)

    def part(kind: str) -> str:
        found = message.get_body((kind,))
        assert found is not None
        return str(found.get_content())

    assert part("plain") == "Hello\r\n.\r\nFrom us\r\n"
    assert part("html") == "<p>Hello</p>\r\n"
    assert b"\n." not in envelope.message
    plain = compose_notice(
        subject="x", text="Grüße", identity=identity(), address="anna@example.org", notice_id=5, date=NOW
    )
    assert opened(plain).get_content() == "Grüße\r\n"
    assert opened(plain)["Message-ID"] == message["Message-ID"]
