"""Complaints: RFC 5965 (ARF) of mailbox providers, and the older forms that say the same."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Final

from digest.bounces.addresses import first_address, typed_address
from digest.bounces.reading import Headers, Mail, split_headers

_COMPLAINTS: Final = frozenset(
    {"abuse", "fraud", "miscategorized", "other", "complaint", "spam", "abuse-report"}
)
_OPT_OUTS: Final = frozenset({"opt-out", "opt-out-list", "unsubscribe"})
_SUBJECTS: Final = re.compile(
    r"^(?:complaint about message from|\[?spamcop|abuse (?:report|complaint)|fbl[: ]|email abuse report|"
    r"email feedback report)",
    re.IGNORECASE,
)
_SPAMCOP = re.compile(r"^\s*\[ SpamCop V|This message is brief for your comfort", re.MULTILINE)


@dataclass(frozen=True, slots=True)
class Feedback:
    """One report: ``kind`` is complaint, opt-out, authentication or other; addresses lower-case."""

    kind: str
    addresses: tuple[str, ...]
    words: str


def read_feedback(mail: Mail) -> Feedback | None:
    """Return the feedback report in ``mail``, or ``None`` if it is none.

    :return: ``authentication`` for RFC 6591 and DMARC failure reports: about us, not a reader.
    """
    fields = _report_fields(mail)
    if fields is not None:
        kind = fields.get("feedback-type").strip().lower().partition(";")[0] or _kind_of_untyped(fields)
        return Feedback(_meaning(kind), _addresses(mail, fields), f"feedback-type: {kind}")
    subject = mail.headers.decoded("subject")
    sender = first_address(mail.headers.get("from"))
    enclosed = any(part.kind in {"message/rfc822", "text/rfc822-headers"} for part in mail.parts)
    if _SUBJECTS.match(subject) and (enclosed or _SPAMCOP.search(mail.text)) and _is_feedback_desk(sender):
        return Feedback("complaint", _addresses(mail, Headers([])), subject[:100])
    return None


def _is_feedback_desk(sender: str) -> bool:
    local, _, domain = sender.rpartition("@")
    return local in {
        "staff",
        "complaints",
        "abuse",
        "fbl",
        "feedbackloop",
        "feedback",
        "arf",
        "scomp",
    } or domain.endswith(("spamcop.net", "hotmail.com", "outlook.com", "abuse.net"))


def _report_fields(mail: Mail) -> Headers | None:
    for part in mail.parts:
        if part.kind == "message/feedback-report" and not part.enclosed:
            return split_headers(part.body.lstrip(b"\n") + b"\n")[0]
    if "report-type=feedback-report" not in mail.headers.get("content-type").lower().replace('"', ""):
        return None
    # Some desks label the part text/plain.
    for part in mail.parts:
        if not part.enclosed and "feedback-type:" in part.text[:2000].lower():
            fields = part.text[part.text.lower().index("feedback-type:") :]
            return split_headers(fields.encode() + b"\n")[0]
    return Headers([("feedback-type", b"abuse")])


def _kind_of_untyped(fields: Headers) -> str:
    return "auth-failure" if "auth-failure" in fields or "delivery-result" in fields else "abuse"


def _meaning(kind: str) -> str:
    if kind in _COMPLAINTS:
        return "complaint"
    if kind in _OPT_OUTS:
        return "opt-out"
    return "authentication" if kind in {"auth-failure", "dmarc", "dkim"} else "other"


def _addresses(mail: Mail, fields: Headers) -> tuple[str, ...]:
    named: dict[str, None] = {}
    for value in fields.all("original-rcpt-to", "removal-recipient", "user-email", "recipient"):
        named.setdefault(typed_address(value))
    for part in mail.parts:
        if part.kind not in {"message/rfc822", "text/rfc822-headers"} or part.enclosed:
            continue
        headers = split_headers(part.body.lstrip(b"\n"))[0]
        for value in headers.all(
            "x-hmxmroriginalrecipient", "x-original-to", "delivered-to", "x-rcpt-to", "x-apparently-to", "to"
        ):
            named.setdefault(first_address(value))
    return tuple(address for address in named if address)
