"""Addresses as reports write them: with types, comments, brackets and xtext around."""

from __future__ import annotations

import re
from typing import Final

# Generous in what stands before the @ (real reports name such), strict in what ends it.
LOCAL: Final = r"(?:\"[^\"\n@]{1,64}\"|[^\s<>\"'()\[\],;:@\\`|]{1,128})"
ADDRESS: Final = (
    LOCAL + r"@[A-Za-z0-9\u0080-\uffff](?:[A-Za-z0-9._\u0080-\uffff-]{0,252}[A-Za-z0-9\u0080-\uffff])?"
)
_ADDRESS = re.compile(ADDRESS)
_XTEXT = re.compile(r"\+([0-9A-F]{2})")
_TYPE = re.compile(r"^\s*[\w.-]{1,20}\s*;\s*")
_ENCODED_LOCAL = re.compile(r"=\?[\w-]+\?[bqBQ]\?[^?\s]*\?=@[\w.-]+")

DAEMONS: Final = frozenset(
    {
        "mailer-daemon",
        "mailerdaemon",
        "mail-daemon",
        "maildaemon",
        "postmaster",
        "poostmaster",
        "mdaemon",
        "mailer",
        "mail_daemon",
        "mail-deamon",
        "mail-delivery",
        "mdaemon-noreply",
        "mailsystem",
        "postmaster-noreply",
        "daemon",
        "returned-mail",
        "symantec_antivirus_for_smtp_gateways",
        "deliveryfailure",
        "delivery-failure",
        "mail_delivery",
        "no-reply-mailer",
        "mailadmin",
        "mailer_daemon",
    }
)


def first_address(text: str) -> str:
    """The first address in ``text``, in lower case, or empty."""
    found = _ENCODED_LOCAL.search(text) or _ADDRESS.search(text)
    return found[0].strip(".").lower() if found else ""


def all_addresses(text: str, *, limit: int) -> list[str]:
    """Addresses in ``text`` in order, lower-case, each once."""
    found: dict[str, None] = {}
    for match in _ADDRESS.finditer(text):
        found.setdefault(match[0].strip(".").lower())
        if len(found) >= limit:
            break
    return list(found)


def typed_address(field: str) -> str:
    """The address of a field of RFC 3464 (``rfc822; ann@example.org``, ``<ann@example.org>``), or empty."""
    value = _TYPE.sub("", field)
    address = first_address(value)
    if "+" in address and "=" not in address:
        undone = _XTEXT.sub(lambda code: chr(int(code[1], 16)), value)
        return first_address(undone) or address
    return address


def is_daemon(field: str) -> bool:
    """Whether a From field is a mail system's: its local part, its display name, or nobody."""
    value = field.strip().lower()
    if value in {"", "<>", "mailer-daemon", "postmaster"} or value.endswith("<>"):
        return True
    address = first_address(value)
    if not address:
        return "daemon" in value or "postmaster" in value or "mail delivery" in value
    name = value.partition("<")[0] if "<" in value else ""
    local = address.rpartition("@")[0].split("+")[0]
    return (
        local in DAEMONS
        or local.startswith(("mailer-daemon", "postmaster"))
        or any(
            words in name
            for words in (
                "mail delivery",
                "mailer-daemon",
                "mailer daemon",
                "delivery subsystem",
                "mail system",
                "postmaster",
                "delivery service",
                "delivery system",
            )
        )
    )
