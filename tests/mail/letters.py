"""An issue, a sender and readers for the tests of mail, and how a mail program reads what comes out."""

from __future__ import annotations

from datetime import UTC, datetime
from email import message_from_bytes, policy
from email.message import EmailMessage
from typing import cast

from digest.mail import Identity, profile_of
from digest.values import Context, Envelope, Literal, Merge, Recipient, RenderedIssue
from subscribers.tokens import TokenSigner

NOW = datetime(2026, 11, 23, 7, 0, 5, tzinfo=UTC)
SIGNER = TokenSigner([b"a key of more than sixteen bytes"])

ISSUE = RenderedIssue(
    subject="Iraq and NATO discuss regional stability",
    preheader="And four more",
    language="en",
    direction="ltr",
    html=(
        Literal("<html><body><p>Dear "),
        Merge("first_name", Context.HTML, "reader"),
        Literal(', price = 5 €, café.</p>\n.dot at the start\nFrom here on\n<p title="'),
        Merge("city", Context.ATTRIBUTE, ""),
        Literal('">'),
        Literal("<h2>Arab News</h2>\n", section="arab-news"),
        Merge("city", Context.HTML, "your town", section="arab-news"),
        Literal("<h2>Business</h2>\n", section="business"),
        Literal('<a href="'),
        Merge("unsubscribe_url", Context.URL),
        Literal('">bye</a> <a href="'),
        Merge("preferences_url", Context.URL),
        Literal('">choose</a> <a href="'),
        Merge("view_url", Context.URL),
        Literal('">view</a></body></html>\n'),
    ),
    text=(
        Literal("Dear "),
        Merge("first_name", Context.TEXT, "reader"),
        Literal(",\n\n.a dot\nFrom the desk\n"),
        Literal("ARAB NEWS\n", section="arab-news"),
        Literal("BUSINESS\n", section="business"),
        Literal("Leave: "),
        Merge("unsubscribe_url", Context.TEXT),
        Literal("\n"),
    ),
)


def identity(**changes: object) -> Identity:
    settings: dict[str, object] = {
        "sender_name": "Asian Lite",
        "sender_address": "daily@asianlite.example",
        "reply_to": ("The desk", "desk@asianlite.example"),
        "list_name": "daily",
        "list_title": "Asian Lite Daily",
        "edition": "daily",
        "public_url": "https://news.asianlite.example",
        "signer": SIGNER,
        "profile": profile_of("mx.example"),
        **changes,
    }
    return Identity(**settings)  # type: ignore[arg-type]


def reader(**changes: object) -> Recipient:
    settings: dict[str, object] = {
        "subscriber_id": 3,
        "subscription_id": 12,
        "address": "anna@example.org",
        **changes,
    }
    return Recipient(**settings)  # type: ignore[arg-type]


def opened(envelope: Envelope) -> EmailMessage:
    """The message as Python's own parser reads it."""
    return cast("EmailMessage", message_from_bytes(envelope.message, policy=policy.default))


def parts_of(envelope: Envelope) -> tuple[str, str]:
    """Text and HTML, decoded, with line feeds."""
    text, html = opened(envelope).iter_parts()
    return tuple(part.get_content().replace("\r\n", "\n") for part in (text, html))  # type: ignore[return-value, union-attr]


def names_of(envelope: Envelope) -> list[str]:
    """The header names as they stand in the bytes, without any parser's opinion."""
    head = envelope.message.partition(b"\r\n\r\n")[0]
    return [line.partition(b":")[0].decode() for line in head.split(b"\r\n") if line[:1] not in b" \t"]
