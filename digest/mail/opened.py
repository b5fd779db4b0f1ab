"""A finished message, opened again: its parts, headers and tree, as the inbox and the previewer show them.

Nothing that comes in is trusted: a message that cannot be read is shown as far as it goes.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from email import message_from_bytes, policy
from email.errors import MessageError
from email.header import decode_header, make_header
from email.message import EmailMessage, Message
from email.utils import parseaddr

_MAX_PARTS = 200
_MAX_DEPTH = 20


@dataclass(frozen=True, slots=True)
class MimePart:
    """One line of the MIME tree; ``size`` is bytes as sent, before decoding."""

    depth: int
    content_type: str
    encoding: str
    name: str
    size: int


@dataclass(frozen=True, slots=True)
class OpenedMessage:
    """What a reader sees of a message, and what is behind it.

    ``headers`` are decoded for people (RFC 2047), unfolded, in the order of the message; ``html`` and
    ``text`` are empty when there is no such part. ``defects`` are what Python's ``email`` found wrong.
    """

    subject: str
    sender: str
    to: str
    headers: tuple[tuple[str, str], ...]
    html: str
    text: str
    parts: tuple[MimePart, ...]
    source: str
    size: int
    defects: tuple[str, ...]

    @property
    def sender_name(self) -> str:
        """The name in From, or its address."""
        name, address = parseaddr(self.sender)
        return name or address or self.sender

    def header(self, name: str) -> str:
        """The first header of that name, or empty."""
        return next((value for key, value in self.headers if key.lower() == name.lower()), "")


def open_message(source: bytes) -> OpenedMessage:
    """Read a message as it went over the wire. Never raises on bad input: what cannot be read is left out."""
    # compat32 keeps every header as it stands; the modern policy raises on some that spammers write.
    message = message_from_bytes(source, policy=policy.compat32)
    headers = tuple((name, _decoded(str(value))) for name, value in message.raw_items())
    found = {name.lower(): value for name, value in reversed(headers)}
    defects: list[str] = []
    parts: list[MimePart] = []
    bodies = {"text/html": "", "text/plain": ""}
    for depth, part in _walk(message):
        defects += [type(defect).__name__ for defect in part.defects]
        payload = part.get_payload()
        size = len(payload) if isinstance(payload, str) else 0
        kind = part.get_content_type()
        name = _decoded(str(part.get_filename() or ""))
        parts.append(MimePart(depth, kind, str(part.get("Content-Transfer-Encoding", "")), name, size))
        if kind in bodies and not bodies[kind] and not name:
            bodies[kind] = _content(part)
    return OpenedMessage(
        subject=found.get("subject", ""),
        sender=found.get("from", ""),
        to=found.get("to", ""),
        headers=headers,
        html=bodies["text/html"],
        text=bodies["text/plain"],
        parts=tuple(parts),
        source=source.decode("utf-8", "replace").replace("\r\n", "\n"),
        size=len(source),
        defects=tuple(dict.fromkeys(defects)),
    )


def strict_defects(source: bytes) -> tuple[str, ...]:
    """What Python's ``email`` finds wrong in headers and parts under its strict reading; empty is good."""
    message = message_from_bytes(source, policy=policy.default, _class=EmailMessage)
    found = [
        f"{name}: {defect}" for name, value in message.items() for defect in getattr(value, "defects", ())
    ]
    for _, part in _walk(message):
        found += [f"{part.get_content_type()}: {type(defect).__name__}" for defect in part.defects]
    return tuple(found)


def _walk(message: Message, depth: int = 0) -> Iterator[tuple[int, Message]]:
    stack: list[tuple[int, Message]] = [(depth, message)]
    seen = 0
    while stack and seen < _MAX_PARTS:
        level, part = stack.pop()
        seen += 1
        yield level, part
        payload = part.get_payload()
        if isinstance(payload, list) and level < _MAX_DEPTH:
            stack += [(level + 1, child) for child in reversed(payload) if isinstance(child, Message)]


def _content(part: Message) -> str:
    payload = part.get_payload(decode=True)
    if not isinstance(payload, bytes):
        return ""
    try:
        return payload.decode(part.get_content_charset("utf-8"), "replace").replace("\r\n", "\n")
    except (LookupError, ValueError):
        return payload.decode("utf-8", "replace").replace("\r\n", "\n")


def _decoded(value: str) -> str:
    flat = " ".join(value.split())
    try:
        return str(make_header(decode_header(flat)))
    except (MessageError, LookupError, ValueError):
        return flat
