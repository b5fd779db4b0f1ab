"""E-mail addresses: what we would hand to an SMTP server, and the one form that tells people apart.

The semantics are those of ``email-validator`` without DNS, strict in length (RFC 5321, section
4.5.3.1), with ``.test`` allowed for rehearsals. Plain ASCII addresses, nearly all there are, take a
fast path that decides the same (a property test holds them together).
"""

from __future__ import annotations

import re
import unicodedata
from enum import StrEnum
from typing import Final, NamedTuple

from subscribers.domains import DISPOSABLE_DOMAINS, likely_meant
from subscribers.errors import InvalidAddress

LONGEST_ADDRESS: Final = 254

_ATEXT = r"[A-Za-z0-9_!#$%&'*+\-/=?^`{|}~]+"
_LOCAL_PART = re.compile(rf"(?=.{{1,64}}\Z){_ATEXT}(?:\.{_ATEXT})*").fullmatch
_DOMAIN = re.compile(
    r"(?=.{1,253}\Z)"
    # No label with two hyphens in third place: Punycode goes to the library (RFC 5891, 4.2.3.1).
    r"(?:(?![^.]{2}--)[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?\.)+"
    r"(?!(?:arpa|invalid|local|localhost|onion)\Z)(?![^.]{2}--)"
    r"(?:(?:[a-z0-9][a-z0-9-]{0,61})?[a-z])"
).fullmatch
_ROLES: Final = frozenset(
    """
    abuse admin administrator all billing contact editor editors enquiries everyone feedback ftp
    hello help helpdesk hostmaster hr info inquiries jobs list list-request mail mailer-daemon
    marketing media news newsdesk newsletter no-reply nobody noc noreply office postmaster press
    privacy registrar root sales security service spam staff subscribe support sysadmin team tech
    undisclosed-recipients unsubscribe usenet uucp webmaster www
    """.split()
)
_CACHED_DOMAINS = 100_000
_ANY_ADDRESS = re.compile(r"[^\s<>\"'(),:;@]+@[^\s<>\"'(),:;@]+")


class Address(NamedTuple):
    """An address that may be mailed (a tuple, since an import makes a million of them).

    ``address`` is as given, without surrounding space; ``normalized`` tells people apart: lower
    case, NFC, domain in Unicode; dots and tags of a local part are kept, as their meaning is the
    provider's own. ``domain`` is that of ``normalized``.
    """

    address: str
    normalized: str
    domain: str


class AddressWarning(StrEnum):
    """Something that deserves a look and is no error."""

    ROLE = "role account"
    DISPOSABLE = "disposable domain"
    TYPO = "likely typo"


_domains: dict[str, str] = {}  # domain as written -> normalised; only such as need no library
_odd_domains: dict[str, bool] = {}


def parse_address(text: str) -> Address:
    """Read one bare address (no display name, no comment, no quoted local part).

    About 1.1 µs for an ASCII address in a known domain.

    :raises InvalidAddress: with the reason.
    """
    text = text.strip()
    local, _at, domain = text.rpartition("@")
    known = _domains.get(domain)
    if known is None:
        lowered = domain.lower()
        if not (lowered.isascii() and _DOMAIN(lowered)):
            return _parse_any(text)
        if len(_domains) >= _CACHED_DOMAINS:
            _domains.clear()
        known = _domains[domain] = lowered
    if _LOCAL_PART(local) is None or len(text) > LONGEST_ADDRESS:
        return _parse_any(text)
    return Address(text, f"{local.lower()}@{known}", known)


def parse_domain(text: str) -> str:
    """Return the normalised domain of ``example.org`` or ``@example.org``.

    :raises InvalidAddress: it is no domain that could get mail.
    """
    try:
        return parse_address("someone@" + text.strip().removeprefix("@")).domain
    except InvalidAddress as error:
        raise InvalidAddress(f"{_shown(text)} is not a domain: {error.reason}", reason=error.reason) from None


def ascii_envelope(address: str) -> str | None:
    """Return ``address`` with its domain in Punycode for a server without SMTPUTF8.

    ``None`` if its local part is not ASCII: then only SMTPUTF8 (RFC 6531) can carry it.
    """
    if address.isascii():
        return address
    from email_validator import EmailNotValidError, validate_email

    try:
        found = validate_email(address, check_deliverability=False, test_environment=True)
    except EmailNotValidError:
        return None
    return found.ascii_email


def deserves_a_look(normalized: str, domain: str) -> bool:
    """Whether ``warnings_of`` would find anything; 0.2 µs for a domain seen before."""
    odd = _odd_domains.get(domain)
    if odd is None:
        if len(_odd_domains) >= _CACHED_DOMAINS:
            _odd_domains.clear()
        odd = _odd_domains[domain] = domain in DISPOSABLE_DOMAINS or likely_meant(domain) is not None
    return odd or normalized[: -len(domain) - 1] in _ROLES


def warnings_of(address: Address) -> dict[AddressWarning, str]:
    """Return what deserves a look, each with a word of explanation."""
    found: dict[AddressWarning, str] = {}
    local = address.normalized[: -len(address.domain) - 1]
    if local in _ROLES:
        found[AddressWarning.ROLE] = f"{local}@ is read by a group or a machine"
    if address.domain in DISPOSABLE_DOMAINS:
        found[AddressWarning.DISPOSABLE] = f"{address.domain} gives out throw-away addresses"
    meant = likely_meant(address.domain)
    if meant:
        found[AddressWarning.TYPO] = f"{address.domain}: {meant} was probably meant"
    return found


def redact(text: str) -> str:
    """Return ``text`` without addresses: no table but that of subscribers may hold one."""
    return _ANY_ADDRESS.sub("[address]", text) if "@" in text else text


def _parse_any(text: str) -> Address:
    """Everything unusual, by the library (30 µs and more)."""
    if not text:
        raise InvalidAddress("no address given", reason="empty")
    if len(text) > 4 * LONGEST_ADDRESS:
        reason = f"{len(text)} characters, where {LONGEST_ADDRESS} are allowed"
        raise InvalidAddress(f"{_shown(text)} is not an address: {reason}", reason=reason)
    from email_validator import EmailNotValidError, validate_email

    try:
        found = validate_email(text, check_deliverability=False, test_environment=True, strict=True)
    except EmailNotValidError as error:
        reason = _one_line(str(error)).rstrip(".")
        raise InvalidAddress(f"{_shown(text)} is not an address: {reason}", reason=reason) from None
    # Lower-casing may undo NFC and the reverse (U+0130): once more settles it.
    local = unicodedata.normalize("NFC", found.local_part.lower())
    return Address(text, f"{local}@{found.domain}", found.domain)


def _shown(text: str) -> str:
    short = text if len(text) <= 80 else text[:77] + "…"
    return repr(short)


def _one_line(text: str) -> str:
    return " ".join(text.split())
