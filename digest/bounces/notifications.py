"""Amazon SES's notifications by mail (SNS): bounces, complaints and deliveries as JSON in the text."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Final

_SIGNS: Final = ('notificationType\\"', '"notificationType"', 'eventType\\"', '"eventType"')


@dataclass(frozen=True, slots=True)
class Notification:
    """``kind`` is bounce, complaint or other; recipients are (address, status, diagnosis)."""

    kind: str
    recipients: tuple[tuple[str, str, str], ...]


def read_notification(text: str) -> Notification | None:
    """Return SES's notification in ``text``, or ``None`` if there is none that can be read."""
    if not any(sign in text[:4000] for sign in _SIGNS):
        return None
    try:
        # Mail servers wrap lines of more than 998 octets, even inside a string.
        document = json.loads(text[text.index("{") : _end(text)], strict=False)
        if isinstance(document, dict) and isinstance(document.get("Message"), str):
            document = json.loads(document["Message"].replace("\n", ""), strict=False)
    except (ValueError, RecursionError):
        return None
    if not isinstance(document, dict):
        return None
    kind = str(document.get("notificationType") or document.get("eventType") or "").lower()
    body = document.get(kind)
    if kind not in {"bounce", "complaint"} or not isinstance(body, dict):
        return Notification("other", recipients=())
    named = body.get("bouncedRecipients") or body.get("complainedRecipients") or []
    people = named if isinstance(named, list) else []
    return Notification(
        kind,
        recipients=tuple(
            (
                str(person.get("emailAddress", "")).strip().lower()[:320],
                str(person.get("status", ""))[:16],
                str(person.get("diagnosticCode", ""))[:1000].partition(";")[2].strip(),
            )
            for person in people  # at most what TEXT_LIMIT holds
            if isinstance(person, dict)
        ),
    )


def _end(text: str) -> int:
    """SNS appends a footer of prose after the document: it ends at a closing brace alone on its line."""
    closing = text.find("\n}")
    return closing + 2 if closing >= 0 else text.rindex("}") + 1
