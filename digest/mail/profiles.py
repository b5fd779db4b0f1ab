"""What relays do to a message and how much they take: one profile a provider (data only).

Sources: the providers' own pages on SMTP relaying and limits (Amazon SES, Postmark, Mailgun, Exchange
Online, Google Workspace); no live account was tried.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from digest.settings.parts import Rate


class EnvelopeMode(StrEnum):
    """What may stand in MAIL FROM."""

    VERP = "verp"  # a return path per copy
    SENDER = "sender"  # the From address: the relay refuses others, or replaces it with its own


@dataclass(frozen=True, slots=True, kw_only=True)
class Profile:
    """One provider.

    :param relay_signs: the relay signs with DKIM by itself, so that ours is off.
    :param unsigned: lower-case headers that the relay rewrites: our signature must not cover them.
    :param rates: default limits, until ``[smtp] rate`` is set.
    :param connections: default number of connections, until ``[smtp] connections`` is set.
    :param remark: what people should know of it, for ``doctor``.
    """

    name: str
    envelope: EnvelopeMode = EnvelopeMode.VERP
    relay_signs: bool = False
    unsigned: frozenset[str] = frozenset()
    rates: tuple[Rate, ...] = (Rate(10, 1),)
    connections: int = 4
    remark: str = ""


PROFILES: Final[Mapping[str, Profile]] = {
    profile.name: profile
    for profile in (
        Profile(name="generic"),
        Profile(name="postfix", connections=16),
        Profile(
            name="ses",
            unsigned=frozenset({"date", "message-id", "return-path", "bounces-to"}),
            rates=(Rate(14, 1), Rate(50_000, 86400)),
            remark="SES writes Date and Message-ID anew; rate and daily quota are your account's own",
        ),
        Profile(
            name="postmark",
            envelope=EnvelopeMode.SENDER,
            relay_signs=True,
            remark="bulk mail belongs into a broadcast stream: use that stream's SMTP token",
        ),
        Profile(name="mailgun", envelope=EnvelopeMode.SENDER, relay_signs=True),
        Profile(
            name="m365",
            envelope=EnvelopeMode.SENDER,
            relay_signs=True,
            rates=(Rate(30, 60), Rate(10_000, 86400)),
            connections=2,
            remark="set oauth_token_command: Basic authentication ends; a foreign sender is refused (5.7.60)",
        ),
        Profile(
            name="gmail",
            envelope=EnvelopeMode.SENDER,
            relay_signs=True,
            rates=(Rate(1, 1), Rate(2_000, 86400)),
            connections=2,
            remark="Gmail replaces the envelope sender, so that reports go to the sending account",
        ),
    )
}

_HOSTS: Final = (
    (".amazonaws.com", "ses"),
    (".amazonses.com", "ses"),
    (".awsapps.com", "ses"),
    (".postmarkapp.com", "postmark"),
    (".mtasv.net", "postmark"),
    (".mailgun.org", "mailgun"),
    (".mailgun.net", "mailgun"),
    (".office365.com", "m365"),
    (".outlook.com", "m365"),
    (".office365.us", "m365"),
    (".gmail.com", "gmail"),
    (".google.com", "gmail"),
    (".googlemail.com", "gmail"),
)


def provider_of(host: str) -> str:
    """The name of the profile for a mail server: ``email-smtp.eu-west-1.amazonaws.com`` is ``ses``."""
    name = "." + host.strip().rstrip(".").lower()
    return next((provider for ending, provider in _HOSTS if name.endswith(ending)), "generic")


def profile_of(host: str, provider: str | None = None) -> Profile:
    """The profile that was configured, else the one that the host's name tells."""
    return PROFILES[provider or provider_of(host)]
