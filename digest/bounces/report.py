"""The values of this room: what one message in the bounce mailbox says, and about whom."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from digest.mail.judgement import Judgement, Kind


class Form(StrEnum):
    """What kind of message it is, before anybody asks whom it concerns."""

    DSN = "dsn"  # RFC 3464
    WORDS = "words"  # a report in prose, in one of the known dialects
    COMPLAINT = "complaint"  # RFC 5965, abuse
    UNSUBSCRIBE = "unsubscribe"
    DELIVERED = "delivered"  # a success report
    RECEIPT = "receipt"  # RFC 8098
    AUTHENTICATION = "authentication"  # RFC 6591, DMARC
    AUTO_REPLY = "auto-reply"  # vacation, ticket, challenge: RFC 3834
    LOOP = "loop"  # bulk mail, perhaps our own, that came back
    HUMAN = "human"  # somebody wrote


@dataclass(frozen=True, slots=True)
class Failure:
    """One recipient of a report.

    :param addresses: every name the report gives the recipient, lower-case: the one that was mailed, those it
        was forwarded to. Empty when only a token or a Message-ID tells who it is.
    :param diagnosis: the words that were judged, as they came (not redacted).
    :param source: how the recipient was read ("rfc3464", a dialect's name, "flufl").
    """

    addresses: tuple[str, ...]
    judgement: Judgement
    diagnosis: str = ""
    source: str = ""


@dataclass(frozen=True, slots=True)
class Report:
    """What one message says.

    :param digest: tells the same message twice (``Mail.digest``).
    :param dialect: which detector read it.
    :param failures: at most ``RECIPIENT_LIMIT``.
    :param left_out: how many recipients more are named, at least: the message must be kept whole.
    :param verp_tokens: what stands where our tokens stand, unverified.
    :param unsubscribe_tokens: the same, from addresses of mailto unsubscribes.
    :param message_ids: of messages that it answers, returns or reports, without angle brackets.
    :param sender: the address in From, lower-case: whom an unsubscribe without a token means.
    """

    digest: str
    form: Form
    dialect: str
    failures: tuple[Failure, ...] = ()
    verp_tokens: tuple[str, ...] = ()
    unsubscribe_tokens: tuple[str, ...] = ()
    message_ids: tuple[str, ...] = ()
    sender: str = ""
    subject: str = ""
    left_out: int = 0

    @property
    def kind(self) -> Kind:
        """The weightiest kind among the failures."""
        kinds = {failure.judgement.kind for failure in self.failures}
        for kind in (Kind.COMPLAINT, Kind.UNSUBSCRIBE, Kind.HARD, Kind.SOFT):
            if kind in kinds:
                return kind
        return Kind.IGNORED
