"""Whom a report concerns: the chain from signed token to bare address (pure; the directory is an argument).

VERP token → our Message-ID or the token in it (returned headers, In-Reply-To, ARF) → addresses of RFC
3464 → addresses of reports in words → flufl.bounce. A bare address counts only if it was mailed, and no
more where VERP is on: anybody can write a report about anybody.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, Protocol

from digest.bounces.report import Failure, Form, Report
from digest.mail.judgement import Judgement, Kind
from digest.mail.reply_tables import Reason


@dataclass(frozen=True, slots=True)
class Mailed:
    """Somebody whom we mailed, and which mail it was as far as that is known."""

    subscriber_id: int
    address: str
    subscription_id: int | None = None
    list_id: int | None = None
    issue_id: int | None = None
    delivery_id: int | None = None


class Directory(Protocol):
    """Knows who was mailed. Each answer is ``None`` for what we never sent or cannot verify."""

    def by_token(self, token: str) -> Mailed | None:
        """Of a signed token of a return path or an opt-out address."""
        ...

    def is_genuine(self, token: str) -> bool:
        """Whether we signed ``token``, though the person may be gone."""
        ...

    def by_message_id(self, message_id: str) -> Mailed | None:
        """Of a Message-ID that we gave."""
        ...

    def by_address(self, address: str) -> Mailed | None:
        """Of a bare address: the latest mail that went there."""
        ...


@dataclass(frozen=True, slots=True)
class Finding:
    """One judged recipient, with the person if there is one.

    :param how: "verp", "message-id", "rfc3464", "arf", "ses", "text", "flufl", "from"; or why nobody was
        found: "forged" (tokens, none of them ours), "gone" (the person was erased), "unproven" (an address
        alone, while VERP is on), "unknown" (never mailed), "none" (no bounce at all).
    """

    judgement: Judgement
    how: str
    person: Mailed | None = None
    diagnosis: str = ""


_NOTHING: Final = Judgement(Kind.IGNORED, Reason.UNDEFINED)


def attribute(report: Report, directory: Directory, *, verp: bool) -> tuple[Finding, ...]:
    """Return one finding for each recipient that is to be counted; at least one.

    :param verp: whether VERP is on, so that a report must prove itself.
    """
    if not report.failures or report.form in {Form.DELIVERED, Form.LOOP}:
        return (Finding(_NOTHING, "none"),)
    proven, how = _proven(report, directory)
    if proven is not None:
        failure = _failure_of(proven, report.failures)
        return (Finding(failure.judgement, how, proven, failure.diagnosis),)
    tokens = (*report.verp_tokens, *report.unsubscribe_tokens)
    if tokens and (verp or report.dialect == "token"):
        genuine = any(directory.is_genuine(token) for token in tokens)
        return (Finding(_NOTHING, "gone" if genuine else "forged"),)
    return _by_addresses(report, directory, verp=verp)


def _proven(report: Report, directory: Directory) -> tuple[Mailed | None, str]:
    for token in (*report.unsubscribe_tokens, *report.verp_tokens):
        person = directory.by_token(token)
        if person is not None:
            return person, "verp"
    for message_id in report.message_ids:
        person = directory.by_message_id(message_id)
        if person is not None and _may_speak_for(person, report):
            return person, "message-id"
    return None, ""


def _may_speak_for(person: Mailed, report: Report) -> bool:
    """Whether a letter that asks to be taken off is the person's own: it may answer a forwarded copy."""
    return (
        report.form is not Form.UNSUBSCRIBE
        or report.dialect == "arf"
        or report.sender == person.address.lower()
    )


def _failure_of(person: Mailed, failures: Sequence[Failure]) -> Failure:
    """The failure that is about ``person``; of several others (an alias that expands) the mildest."""
    for failure in failures:
        if person.address.lower() in failure.addresses:
            return failure
    order = (Kind.IGNORED, Kind.UNSUBSCRIBE, Kind.SOFT, Kind.HARD, Kind.COMPLAINT)
    return min(failures, key=lambda failure: order.index(failure.judgement.kind))


def _by_addresses(report: Report, directory: Directory, *, verp: bool) -> tuple[Finding, ...]:
    # An opt-out by a plain letter is honoured in any case: it is the law, and can be undone.
    asked = report.form is Form.UNSUBSCRIBE
    findings = []
    for failure in report.failures:
        person = None
        if asked or not verp:
            found = (directory.by_address(address) for address in failure.addresses)
            person = next((one for one in found if one is not None), None)
        if person is not None:
            findings.append(Finding(failure.judgement, _how(failure), person, failure.diagnosis))
    if findings:
        return tuple(findings)
    how = (
        "unproven"
        if verp and not asked and any(failure.addresses for failure in report.failures)
        else "unknown"
    )
    return (Finding(_NOTHING, how, None, report.failures[0].diagnosis),)


def _how(failure: Failure) -> str:
    match failure.source:
        case "rfc3464" | "arf" | "flufl" | "ses":
            return failure.source
        case "words" | "token":
            return "from"
        case _:
            return "text"
