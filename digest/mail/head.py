"""The head of a message: its fields in print order, its date, and the signatures over them."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from hashlib import sha256
from typing import Final
from urllib.parse import quote

from digest.mail import headers
from digest.mail.dkim import relax
from digest.mail.identity import Identity, own_address
from digest.values import RenderedIssue

# Quoted-printable text never holds "=_": no boundary of this form can be part of a body (RFC 2045, 6.7).
BOUNDARY: Final = b"=_dontmiss_alternative"

_DAYS = ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun")
_MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")

# DKIM covers what readers see and what their mail program acts on, and not what relays like to change.
_SIGNED = frozenset(
    b"from reply-to subject date to message-id list-id list-unsubscribe list-unsubscribe-post feedback-id "
    b"auto-submitted content-language mime-version content-type".split()
)


def issue_fields(
    rendered: RenderedIssue, identity: Identity, public_url: str, issue_id: int
) -> list[tuple[str, bytes]]:
    """The headers that all copies share, in print order."""
    fields = [
        *sender_fields(identity),
        ("Subject", headers.unstructured("Subject", rendered.subject)),
        ("List-Id", headers.mailbox("List-Id", identity.list_title or identity.list_name, identity.list_id)),
    ]
    if public_url:
        fields += [
            ("List-Unsubscribe-Post", b"List-Unsubscribe=One-Click"),  # RFC 8058, to the letter
            ("List-Help", headers.uris(f"{public_url}/subscribe")),
            ("List-Archive", headers.uris(f"{public_url}/archive/{_path(identity.edition)}")),
        ]
    owner = identity.reply_to[1] or identity.sender_address
    fields += [("List-Owner", headers.uris(f"mailto:{_path(owner)}")), ("List-Post", b"NO")]
    fields += machine_fields(identity)
    if identity.feedback_sender_id:
        parts = (f"issue{issue_id}", identity.edition, identity.list_name, identity.feedback_sender_id)
        fields.append(("Feedback-ID", ":".join(_path(part, safe="") for part in parts).encode("ascii")))
    return [*fields, *content_fields(rendered.language, multipart=True)]


def sender_fields(identity: Identity) -> list[tuple[str, bytes]]:
    """From, and Reply-To if there is one."""
    fields = [("From", headers.mailbox("From", identity.sender_name, own_address(identity.sender_address)))]
    name, address = identity.reply_to
    if address:
        fields.append(("Reply-To", headers.mailbox("Reply-To", name, own_address(address))))
    return fields


def machine_fields(identity: Identity) -> list[tuple[str, bytes]]:
    """What tells machines not to answer (RFC 3834, and Exchange's own)."""
    fields = []
    if identity.auto_submitted:
        fields += [("Auto-Submitted", b"auto-generated"), ("X-Auto-Response-Suppress", b"OOF, AutoReply")]
    if identity.precedence != "none":
        fields.append(("Precedence", identity.precedence.encode("ascii")))
    return fields


def content_fields(language: str, *, multipart: bool) -> list[tuple[str, bytes]]:
    """MIME's own headers."""
    fields = [("Content-Language", language.encode("ascii"))] if language else []
    fields.append(("MIME-Version", b"1.0"))
    if multipart:
        return [*fields, ("Content-Type", b'multipart/alternative; boundary="%b"' % BOUNDARY)]
    return [
        *fields,
        ("Content-Type", b"text/plain; charset=utf-8"),
        ("Content-Transfer-Encoding", b"quoted-printable"),
    ]


def head_of(fields: list[tuple[str, bytes]]) -> bytes:
    """The block of ``fields`` with the empty line after it, checked to be exactly these."""
    block = b"".join(b"%b: %b\r\n" % (name.encode("ascii"), value) for name, value in fields)
    return headers.HeaderCheck([name for name, _value in fields])(block) + b"\r\n"


def _path(text: str, safe: str = "@+") -> str:
    return quote(text, safe=safe)


class Signing:
    """DKIM for the copies of one message: what is the same in all of them is prepared once."""

    def __init__(self, identity: Identity, head: bytes, own_names: Sequence[str]) -> None:
        self._signers = () if identity.profile.relay_signs else identity.dkim
        if not self._signers:
            return
        unsigned = {name.encode("ascii") for name in identity.profile.unsigned}
        common = relax(head.removesuffix(b"\r\n"))
        signed = [name for name in common if name in _SIGNED - unsigned]
        self._own = [
            name for name in (own.lower().encode("ascii") for own in own_names) if name not in unsigned
        ]
        self._common = b"".join(common[name] for name in signed)
        # From is named once more than it is there: a second one, added on the way, breaks the signature.
        self._names = headers.fold_list([*signed, *self._own, b"from"])

    def sign(self, own: bytes, body: Sequence[bytes], date: datetime) -> bytes:
        """The DKIM-Signature lines for a copy, or nothing."""
        if not self._signers:
            return b""
        digest = sha256()
        for piece in body:
            digest.update(piece)
        relaxed = relax(own)
        canonical = self._common + b"".join([relaxed[name] for name in self._own])
        body_hash, at = digest.digest(), int(date.timestamp())
        return b"".join([signer.header(self._names, canonical, body_hash, at) for signer in self._signers])


def rfc5322_date(date: datetime) -> bytes:
    """``Tue, 24 Nov 2026 07:00:00 +0000``: in UTC. Raises ``ValueError`` for a time without a zone."""
    if date.tzinfo is None:
        raise ValueError("the Date of a message needs a zone")
    utc = date.astimezone(UTC)
    text = f"{_DAYS[utc.weekday()]}, {utc:%d} {_MONTHS[utc.month - 1]} {utc:%Y %H:%M:%S} +0000"
    return text.encode("ascii")
