"""Who a copy is from: sender, list, return path, links and signatures, put together once per issue."""

from __future__ import annotations

import re
from dataclasses import dataclass
from hashlib import sha256
from typing import TYPE_CHECKING, Literal
from urllib.parse import quote, urlsplit, urlunsplit

from digest.errors import ConfigError
from digest.mail.profiles import EnvelopeMode, Profile
from digest.mail.return_path import LOCAL_LIMIT, UNSUBSCRIBE
from subscribers.addresses import ascii_envelope, parse_address

if TYPE_CHECKING:
    from digest.mail.dkim import DkimSigner
    from subscribers.tokens import TokenSigner

TOKEN_LENGTH = 47  # characters of TokenSigner.sign_verp

_WIRE = re.compile(r"[A-Za-z0-9_!#$%&'*+\-/=?^`{|}~.]{1,64}@[A-Za-z0-9][A-Za-z0-9.-]{0,252}").fullmatch
_LABEL = re.compile(r"[a-z0-9](?:[a-z0-9-]*[a-z0-9])?(?:\.[a-z0-9](?:[a-z0-9-]*[a-z0-9])?)*").fullmatch


@dataclass(frozen=True, slots=True, kw_only=True)
class Identity:
    """What every copy of an issue has in common, besides the issue itself.

    :param reply_to: name and address, or two empty texts.
    :param list_name: the list's key; with the sender's domain it makes the stable List-Id.
    :param public_url: where the public pages are, without a slash at its end; empty when there are none
        (test sends and dry runs): then there is no List-Unsubscribe.
    :param bounce_address: ``[bounces] address``, or empty.
    :param round_trip: ``doctor`` saw a mail to ``bounce+TOKEN@`` come back: only then VERP and the mailto.
    :param dkim: signatures to add, in order; ignored where the relay signs.
    :param precedence: the Precedence header, or "none".
    :param feedback_sender_id: the last part of Feedback-ID (Gmail), or empty for no such header.
    """

    sender_name: str
    sender_address: str
    list_name: str
    list_title: str
    edition: str
    public_url: str
    signer: TokenSigner
    profile: Profile
    reply_to: tuple[str, str] = ("", "")
    bounce_address: str = ""
    round_trip: bool = False
    dkim: tuple[DkimSigner, ...] = ()
    precedence: Literal["bulk", "list", "none"] = "none"
    auto_submitted: bool = True
    feedback_sender_id: str = ""

    @property
    def domain(self) -> str:
        """The sender's own domain in ASCII: of Message-ID and List-Id."""
        return own_address(self.sender_address).rpartition("@")[2].lower()

    @property
    def list_id(self) -> str:
        """``daily.news.example.org``: RFC 2919; the same for as long as list and domain keep their names."""
        label = self.list_name.lower()
        if not _LABEL(label):
            # Another script, or a space: the field's right side must be ASCII and may never change.
            label = f"list-{sha256(self.list_name.encode()).hexdigest()[:12]}"
        return f"{label}.{self.domain}"

    @property
    def uses_verp(self) -> bool:
        """Whether each copy has a return path of its own."""
        return bool(self.bounce_address) and self.round_trip and self.profile.envelope is EnvelopeMode.VERP

    @property
    def uses_mailto(self) -> bool:
        """Whether List-Unsubscribe offers a mailto: only when that mailbox is read, and the token fits."""
        local = self.bounce_address.rpartition("@")[0]
        return self.round_trip and 0 < len(local) <= LOCAL_LIMIT - TOKEN_LENGTH - len(UNSUBSCRIBE) - 1

    @property
    def plain_return_path(self) -> str:
        """MAIL FROM without VERP."""
        if self.bounce_address and self.profile.envelope is EnvelopeMode.VERP:
            return own_address(self.bounce_address)
        return own_address(self.sender_address)

    def return_path(self) -> tuple[str, str]:
        """What stands before and after the token in MAIL FROM. Raises ``ConfigError`` when it is too long."""
        local, _at, domain = own_address(self.bounce_address).rpartition("@")
        if len(local) + 1 + TOKEN_LENGTH > LOCAL_LIMIT:
            longest = LOCAL_LIMIT - TOKEN_LENGTH - 1
            raise ConfigError(
                f"[bounces] address: {local!r} leaves no room for a token",
                remedy=f"use a name of at most {longest} characters before the @",
            )
        return f"{local}+", f"@{domain}"

    @property
    def is_aligned(self) -> bool:
        """Whether the return path's domain is the sender's, or one is below the other (DMARC, relaxed)."""
        path = self.plain_return_path.rpartition("@")[2].lower()
        return f".{path}".endswith(f".{self.domain}") or f".{self.domain}".endswith(f".{path}")


def own_address(address: str) -> str:
    """One of our own addresses in ASCII. Raises ``ConfigError`` when that cannot be."""
    found = ascii_envelope(address)
    if found is None or not _WIRE(found):
        raise ConfigError(f"{address!r} cannot be a sender", remedy="use ASCII characters before the @")
    return found


def wire_address(address: str) -> tuple[str, bool]:
    """A reader's address as it goes over the wire, and whether that needs SMTPUTF8 (RFC 6531).

    What could end the command or the header is refused, whatever the database says.
    Raises ``InvalidAddress``.
    """
    if _WIRE(address):
        return address, False
    parsed = parse_address(address).address
    found = ascii_envelope(parsed)
    return (parsed, True) if found is None else (found, False)


def ascii_url(url: str) -> str:
    """A public address as it may stand in a header: host in Punycode, the rest percent-encoded."""
    parts = urlsplit(url)
    try:
        host = (parts.hostname or "").encode("idna").decode("ascii")
        port = f":{parts.port}" if parts.port else ""
    except (UnicodeError, ValueError) as error:
        raise ConfigError(f"DIGEST_PUBLIC_URL: {url!r} is no address") from error
    if ":" in host:
        host = f"[{host}]"
    path = quote(parts.path, safe="/:@!$&'()*+;=%~-._")
    return urlunsplit((parts.scheme, host + port, path, "", "")).rstrip("/")
