"""From ``[bounces] mailbox`` to an open mailbox."""

from __future__ import annotations

import ipaddress
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, TYPE_CHECKING
from urllib.parse import unquote, urlsplit

from digest.bounces.mailbox.contract import EXCHANGE_SECONDS, TIMEOUT_SECONDS, After, Mailbox
from digest.errors import ConfigError

if TYPE_CHECKING:
    import ssl

_PORTS = {"imaps": 993, "imap": 143, "pop3s": 995, "pop3": 110}
_REMEDY = "write imaps://user@host/INBOX, pop3s://user@host, maildir:PATH or mbox:PATH"


@dataclass(frozen=True, slots=True)
class MailboxAddress:
    """A mailbox's URL: ``kind`` is imap, pop3, maildir or mbox; ``tls`` from the start, or ``plain``."""

    kind: str
    host: str = ""
    port: int = 0
    user: str = ""
    password: str = field(default="", repr=False)
    folder: str = ""
    tls: bool = True
    plain: bool = False
    path: Path = Path()


def parse_mailbox_url(text: str, *, base: Path = Path(), password: str = "") -> MailboxAddress:
    """Read a mailbox's URL; relative paths start at ``base``.

    Without TLS from the start, STARTTLS is required; only a server on loopback may do without.

    :param password: from ``DIGEST_MAILBOX_PASSWORD``; one in the URL goes first.
    :raises ConfigError: it is none of the four kinds, or host or user is missing.
    """
    for kind in ("maildir", "mbox"):
        if text.startswith(f"{kind}:"):
            path = text.removeprefix(f"{kind}:").removeprefix("//")
            if not path:
                raise ConfigError(f"[bounces] mailbox: {text!r} names no path", remedy=_REMEDY)
            return MailboxAddress(kind, path=base / Path(path).expanduser())
    try:
        parts = urlsplit(text)
        port = parts.port
    except ValueError as error:
        raise ConfigError(f"[bounces] mailbox cannot be read: {error}", remedy=_REMEDY) from None
    if parts.scheme not in _PORTS or not parts.hostname or not parts.username:
        raise ConfigError(f"[bounces] mailbox: {_without_password(text)!r} cannot be read", remedy=_REMEDY)
    found = unquote(parts.password) if parts.password else password
    if not found:
        raise ConfigError("the bounce mailbox has no password", remedy="set DIGEST_MAILBOX_PASSWORD in .env")
    return MailboxAddress(
        kind=parts.scheme.rstrip("s") if parts.scheme != "pop3s" else "pop3",
        host=parts.hostname,
        port=port or _PORTS[parts.scheme],
        user=unquote(parts.username),
        password=found,
        folder=unquote(parts.path.strip("/")) or "INBOX",
        tls=parts.scheme.endswith("s"),
        plain=not parts.scheme.endswith("s") and _is_loopback(parts.hostname),
    )


def open_mailbox(
    address: MailboxAddress,
    *,
    after: After = After.DELETE,
    timeout: float = TIMEOUT_SECONDS,
    exchange: float = EXCHANGE_SECONDS,
    tls_context: ssl.SSLContext | None = None,
) -> Mailbox:
    """Connect or open. Raises ``MailboxUnavailable`` when it refuses, stalls or is not there.

    :param timeout: seconds that a server may be silent.
    :param exchange: seconds that it may take for one batch.
    :param tls_context: for tests with a certificate of their own.
    """
    match address.kind:
        case "imap":
            from digest.bounces.mailbox.imap import ImapMailbox

            return ImapMailbox(
                address, after=after, timeout=timeout, exchange=exchange, tls_context=tls_context
            )
        case "pop3":
            from digest.bounces.mailbox.pop import PopMailbox

            return PopMailbox(
                address, after=after, timeout=timeout, exchange=exchange, tls_context=tls_context
            )
        case "maildir":
            from digest.bounces.mailbox.files import MaildirMailbox

            return MaildirMailbox(address.path, after=after)
        case _:
            from digest.bounces.mailbox.mbox import MboxMailbox

            return MboxMailbox(address.path, after=after)


def open_stream(stream: IO[bytes]) -> Mailbox:
    """One message from a pipe: an MTA's alias runs ``digest bounces process -``."""
    from digest.bounces.mailbox.files import StreamMailbox

    return StreamMailbox(stream)


def _is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def _without_password(text: str) -> str:
    head, at, tail = text.rpartition("@")
    return f"{head.rpartition(':')[0]}:…@{tail}" if at and head.count(":") > 1 else text
