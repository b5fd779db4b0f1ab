"""The round trip: only when a mail to a VERP address came back are VERP and the mailto switched on."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from email.utils import format_datetime
from typing import Final

from sqlalchemy.orm import Session

from digest.bounces.errors import MailboxUnavailable
from digest.bounces.mailbox.contract import Mailbox
from digest.clock import Clock
from digest.mail.return_path import tokens_in, unsubscribe_mailbox, verp_sender
from digest.models import FactRow
from digest.values import Accepted, Envelope, Transport
from subscribers.tokens import TokenSigner

FACT: Final = "bounces.round_trip"
NOBODY: Final = 0  # the subscription that round trips are signed for
POLL_SECONDS: Final = 2.0
SUBJECT: Final = "Round trip of the bounce mailbox"


@dataclass(frozen=True, slots=True)
class RoundTrip:
    """What ``doctor`` says: ``ok``, and one sentence with its remedy."""

    ok: bool
    detail: str
    remedy: str = ""


def round_trip_seen(session: Session, address: str) -> bool:
    """Whether mail to ``address`` with a token was seen in the mailbox: then VERP may be on."""
    fact = session.get(FactRow, FACT)
    return bool(address) and fact is not None and fact.value.get("address") == _bare(address)


def remember_round_trip(session: Session, address: str, *, now: datetime) -> None:
    """Write down that mail to ``address`` came back."""
    session.merge(FactRow(name=FACT, value={"address": _bare(address)}, at=now))


def forget_round_trip(session: Session) -> None:
    """Switch VERP off until the next round trip succeeds."""
    fact = session.get(FactRow, FACT)
    if fact is not None:
        session.delete(fact)


def check_round_trip(
    mailbox: Mailbox,
    transport: Transport,
    address: str,
    signer: TokenSigner,
    clock: Clock,
    *,
    nonce: int,
    within: timedelta = timedelta(seconds=60),
) -> RoundTrip:
    """Send a mail to a VERP address and to a mailto address, and look for both in the mailbox.

    Other mail is left as it is. The caller remembers a success (``remember_round_trip``).

    :param address: ``[bounces] address``.
    :param nonce: tells this trip from earlier ones, 1 to 2^48-1.
    :raises DigestError: the server or the mailbox cannot be reached.
    """
    token = signer.sign_verp(NOBODY, nonce)
    recipients = (verp_sender(address, token), unsubscribe_mailbox(address, token))
    for recipient in recipients:
        refused = _send(transport, address, recipient, clock.now())
        if refused:
            return RoundTrip(
                False,
                f"the server refused mail to {_shown(recipient)}: {refused}",
                "let the mailbox take addresses with +DETAIL (Postfix: recipient_delimiter = +)",
            )
    deadline = clock.monotonic() + within.total_seconds()
    missing = {"verp", "mailto"}
    while True:
        missing -= _look(mailbox, token)
        if not missing:
            return RoundTrip(True, f"mail to {_shown(recipients[0])} came back: VERP and mailto are on")
        if clock.monotonic() >= deadline:
            break
        clock.wait(POLL_SECONDS)
    return RoundTrip(
        False,
        f"mail to {_shown(recipients[0])} was accepted, but is not in the mailbox after {within.seconds} s",
        "check that +DETAIL addresses are delivered into this mailbox, then run doctor again",
    )


def _send(transport: Transport, sender: str, recipient: str, now: datetime) -> str:
    connection = transport.open()
    try:
        outcome = connection.send(
            Envelope(sender, recipient, (_message(sender, recipient, now),)), permit=lambda: True
        )
    finally:
        connection.close()
    return (
        "" if isinstance(outcome, Accepted) else str(getattr(outcome, "reply", "") or type(outcome).__name__)
    )


def _message(sender: str, recipient: str, now: datetime) -> bytes:
    domain = sender.rpartition("@")[2]
    lines = (
        f"From: {sender}",
        f"To: {recipient}",
        f"Subject: {SUBJECT}",
        f"Date: {format_datetime(now)}",
        f"Message-ID: <{int(now.timestamp())}.{recipient.rpartition('@')[0][-16:]}@{domain}>",
        "Auto-Submitted: auto-generated",
        "MIME-Version: 1.0",
        "Content-Type: text/plain; charset=us-ascii",
        "",
        "doctor sent this to itself. It may be deleted.",
        "",
    )
    return "\r\n".join(lines).encode("ascii", "replace")


def _look(mailbox: Mailbox, token: str) -> set[str]:
    found: set[str] = set()
    for letters in mailbox.batches():
        ours = []
        for letter in letters:
            verp, mailto = tokens_in(letter.raw[:16_384], limit=20)
            if token in verp or token in mailto:
                ours.append(letter)
                found |= ({"verp"} if token in verp else set()) | ({"mailto"} if token in mailto else set())
        try:
            mailbox.settle(ours)
        except MailboxUnavailable:
            continue  # the trip itself succeeded; the mail is taken out by the next poll
    return found


def _bare(address: str) -> str:
    """``Name <address>`` or ``address``, without the name, lower-case."""
    return address.rpartition("<")[2].rstrip("> ").lower()


def _shown(address: str) -> str:
    local, _, domain = address.rpartition("@")
    return f"{local.partition('+')[0]}+…@{domain}"
