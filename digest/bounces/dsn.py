"""Delivery status notifications of RFC 3464: one block of fields for each recipient."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Final

from digest.bounces.addresses import typed_address
from digest.bounces.reading import Headers, Mail, Part, decode_text, split_headers

RECIPIENT_LIMIT: Final = 10_000  # we mail one person a message; more are a list's or an attack

_STATUS_KINDS: Final = frozenset({"message/delivery-status", "message/global-delivery-status"})
_RECIPIENT_FIELDS: Final = ("original-recipient", "final-recipient", "x-actual-recipient", "x-actual-rcpt-to")
_BLOCK = re.compile(r"\n[ \t]*\n")
_STATUS = re.compile(r"\b([245]\.\d{1,3}\.\d{1,3})\b")
_IN_TEXT = re.compile(
    r"^(?:Reporting-MTA|Original-Recipient|Final-Recipient|Action|Status|Remote-MTA|Diagnostic-Code|"
    r"Last-Attempt-Date|Arrival-Date|X-Actual-Recipient)\s*:",
    re.IGNORECASE | re.MULTILINE,
)


@dataclass(frozen=True, slots=True)
class StatusBlock:
    """The fields of one recipient: ``action`` in lower case, ``status`` as "5.1.1" or empty."""

    addresses: tuple[str, ...]
    action: str
    status: str
    diagnosis: str


def status_blocks(mail: Mail) -> tuple[list[StatusBlock], int]:
    """Return the recipients of a report, and how many more were left out.

    Reads ``message/delivery-status`` parts, and failing these the same fields in plain text, which gateways
    like to make of them. Parts of an enclosed message (a bounce of a bounce) are not read.
    """
    blocks: list[StatusBlock] = []
    left_out = 0
    texts = _status_texts(mail)
    for text in texts:
        for chunk in _BLOCK.split(text.strip("\n")):
            block = _block(split_headers(chunk.strip("\n").encode() + b"\n")[0])
            if block is None:
                continue
            if len(blocks) < RECIPIENT_LIMIT:
                blocks.append(block)
            else:
                left_out += 1
    if mail.truncated and blocks and mail.parts[-1].kind in _STATUS_KINDS:
        left_out += 1  # how many more there are, nobody knows
    return blocks, left_out


def _status_texts(mail: Mail) -> list[str]:
    own = [part for part in mail.parts if not part.enclosed]
    found = [decode_text(part.body) for part in own if part.kind in _STATUS_KINDS]
    if found:
        return found
    return [
        _fields_only(part)
        for part in own
        if part.kind == "text/plain" and len(_IN_TEXT.findall(part.text)) >= 2
    ]


def _fields_only(part: Part) -> str:
    text = part.text.replace("\r", "")
    begin = _IN_TEXT.search(text)
    return text[begin.start() :] if begin else ""


def _block(fields: Headers) -> StatusBlock | None:
    addresses: dict[str, None] = {}
    for name in _RECIPIENT_FIELDS:  # what we mailed stands first
        for value in fields.all(name):
            address = typed_address(value)
            if address:
                addresses.setdefault(address)
    action = fields.get("action").split(" ")[0].split("(")[0].strip(" ;.").lower()
    if not addresses and not (action and "diagnostic-code" in fields):
        return None
    status = _STATUS.search(fields.get("status"))
    diagnosis = fields.get("diagnostic-code")
    kind, mark, words = diagnosis.partition(";")
    return StatusBlock(
        addresses=tuple(addresses),
        action=action,
        status=status[1] if status else "",
        diagnosis=(words if mark and len(kind) < 20 else diagnosis).strip(),
    )
