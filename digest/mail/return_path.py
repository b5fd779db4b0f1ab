"""Where reports come back to: the VERP return path and the mailto of List-Unsubscribe, one token each.

``bounce+TOKEN@domain`` returns bounces, ``bounce+u-TOKEN@domain`` takes opt-outs: greylisters strip what
follows the ``+``. Both fit into the 64 octets of a local part (RFC 5321, section 4.5.3.1.1).
"""

from __future__ import annotations

import re
from typing import Final

LOCAL_LIMIT: Final = 64
UNSUBSCRIBE: Final = "u-"

# 47 characters of base32 (subscribers.tokens.TokenSigner.sign_verp), in whatever case a server left them.
_IN_ADDRESS = re.compile(rb"\+(u-)?([a-z2-7]{47})(?=[@=])", re.IGNORECASE)
_IN_MESSAGE_ID = re.compile(r"(?<![A-Za-z0-9])([A-Za-z2-7]{47})(?![A-Za-z0-9])")


def verp_sender(address: str, token: str) -> str:
    """The envelope sender for one copy. Raises ``ValueError`` when its local part gets too long."""
    return _with(address, token)


def unsubscribe_mailbox(address: str, token: str) -> str:
    """The address to which an empty mail is an opt-out. Raises ``ValueError`` when it gets too long."""
    return _with(address, UNSUBSCRIBE + token)


def tokens_in(raw: bytes, *, limit: int) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """What stands where tokens stand in addresses of ``raw``: (of return paths, of opt-outs), unverified."""
    verp: dict[str, None] = {}
    unsubscribe: dict[str, None] = {}
    for token in _IN_ADDRESS.finditer(raw):
        (unsubscribe if token[1] else verp).setdefault(token[2].decode("ascii").lower())
        if len(verp) + len(unsubscribe) >= limit:
            break
    return tuple(verp), tuple(unsubscribe)


def token_in_message_id(message_id: str) -> str:
    """What stands where a token may stand in a Message-ID of ours, unverified; or empty."""
    found = _IN_MESSAGE_ID.search(message_id)
    return found[1].lower() if found else ""


def _with(address: str, detail: str) -> str:
    local, _, domain = address.rpartition("@")
    made = f"{local}+{detail}"
    if len(made.encode()) > LOCAL_LIMIT:
        raise ValueError(f"{address!r} is too long for a return path: at most 14 characters before the @")
    return f"{made}@{domain}"
