"""One message in, one ``Report`` out: what it is, which recipients it names, what befell each (pure).

The order matters: an opt-out's address is enough by itself; complaints, receipts and machine-made answers are
told apart before anything in their text may look like a bounce; prose is read only of a mail system.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import replace
from typing import Final

from digest.bounces import dialects, recognition
from digest.bounces.addresses import all_addresses, first_address, is_daemon
from digest.bounces.dsn import RECIPIENT_LIMIT, StatusBlock, status_blocks
from digest.bounces.fallback import by_flufl
from digest.bounces.feedback import read_feedback
from digest.bounces.notifications import Notification, read_notification
from digest.bounces.reading import READ_LIMIT, Headers, Mail, read_mail, split_headers
from digest.bounces.report import Failure, Form, Report
from digest.mail.judgement import Judgement, Kind, judge_reply, stage_of
from digest.mail.reply_tables import Reason
from digest.mail.return_path import UNSUBSCRIBE, tokens_in

ID_LIMIT: Final = 50

_MESSAGE_ID = re.compile(
    rb"^[ \t>]*(?:message-id|original-message-id|x-original-message-id)[ \t]*:\s*<([^<>\s]{3,250})>",
    re.IGNORECASE | re.MULTILINE,
)
_ANGLED = re.compile(r"<([^<>\s]{3,250})>")
_RECIPIENT_HEADERS: Final = (
    "to",
    "delivered-to",
    "x-original-to",
    "envelope-to",
    "x-envelope-to",
    "x-delivered-to",
    "x-rcpt-to",
    "cc",
)
_DELIVERED: Final = frozenset({"delivered", "relayed", "expanded", "deliverable"})

_COMPLAINT: Final = Judgement(Kind.COMPLAINT, Reason.SPAM, evidence="feedback-type")
_OPT_OUT: Final = Judgement(Kind.UNSUBSCRIBE, Reason.UNDEFINED, evidence="opt-out")
_IGNORED: Final = Judgement(Kind.IGNORED, Reason.UNDEFINED)


def parse_report(raw: bytes, *, size: int | None = None) -> Report:
    """Read one message of the bounce mailbox; never raises, whatever it is.

    :param raw: the message, or its first ``READ_LIMIT`` bytes.
    :param size: bytes of the whole when ``raw`` is a beginning only.
    """
    mail = read_mail(raw, size=size)
    verp, unsubscribe = tokens_in(raw[:READ_LIMIT], limit=ID_LIMIT)
    report = Report(
        digest=mail.digest,
        form=Form.HUMAN,
        dialect="",
        verp_tokens=verp,
        unsubscribe_tokens=unsubscribe,
        message_ids=_message_ids(mail, raw),
        sender=first_address(mail.headers.get("from")),
        subject=mail.headers.decoded("subject")[:200],
    )
    if _addressed_to_unsubscribe(mail, unsubscribe):
        return _unsubscribed(report, "token")
    feedback = read_feedback(mail)
    if feedback is not None:
        return _of_feedback(report, feedback.kind, feedback.addresses, feedback.words)
    notification = read_notification(mail.text)
    if notification is not None:
        return _of_notification(report, notification)
    if recognition.is_receipt(mail):
        return replace(report, form=Form.RECEIPT)
    if _may_report(mail):
        found = _of_status(report, mail) or _of_words(report, mail, raw)
        if found is not None:
            return found
    return _of_people(report, mail, raw)


def _may_report(mail: Mail) -> bool:
    if recognition.is_status_report(mail) or recognition.is_from_daemon(mail):
        return True
    # Machine-made answers have the null return path too (RFC 3834, section 3.3).
    return mail.headers.get("return-path") == "<>" and not recognition.is_auto_reply(mail)


def _of_people(report: Report, mail: Mail, raw: bytes) -> Report:
    if recognition.is_bulk(mail):
        return replace(report, form=Form.LOOP)
    if recognition.is_unsubscribe(mail):
        return _unsubscribed(report, "words")
    if recognition.is_auto_reply(mail):
        return replace(report, form=Form.AUTO_REPLY)
    if recognition.looks_like_bounce(mail):
        found = _of_words(report, mail, raw)
        if found is not None:
            return found
    return report


def _unsubscribed(report: Report, how: str) -> Report:
    addresses = (report.sender,) if report.sender else ()
    return replace(
        report,
        form=Form.UNSUBSCRIBE,
        dialect=how,
        failures=(Failure(addresses, _OPT_OUT, report.subject, how),),
    )


def _of_feedback(report: Report, kind: str, addresses: tuple[str, ...], words: str) -> Report:
    report = replace(report, dialect="arf")
    match kind:
        case "complaint":
            return replace(
                report, form=Form.COMPLAINT, failures=(Failure(addresses, _COMPLAINT, words, "arf"),)
            )
        case "opt-out":
            return replace(
                report, form=Form.UNSUBSCRIBE, failures=(Failure(addresses, _OPT_OUT, words, "arf"),)
            )
        case "authentication":
            return replace(report, form=Form.AUTHENTICATION)
        case _:
            return replace(report, form=Form.AUTO_REPLY)


def _of_notification(report: Report, notification: Notification) -> Report:
    report = replace(report, dialect="ses")
    if notification.kind == "complaint":
        failures = tuple(
            Failure((address,), _COMPLAINT, "", "ses") for address, _, _ in notification.recipients
        )
        return replace(report, form=Form.COMPLAINT, failures=failures)
    if notification.kind != "bounce":
        return replace(report, form=Form.DELIVERED)
    failures = tuple(
        Failure((address,), judge_told(status, diagnosis, ""), diagnosis, "ses")
        for address, status, diagnosis in notification.recipients
    )
    return replace(report, form=Form.WORDS, failures=failures)


def _of_status(report: Report, mail: Mail) -> Report | None:
    blocks, left_out = status_blocks(mail)
    if not blocks:
        return None
    notice = dialects.notice_of(mail.text)
    failures = tuple(_judged(block, notice, alone=len(blocks) == 1) for block in blocks)
    if all(failure.judgement.kind is Kind.IGNORED for failure in failures):
        return replace(report, form=Form.DELIVERED, dialect="rfc3464", failures=failures)
    if len(failures) == 1 and not failures[0].addresses:
        failures = (replace(failures[0], addresses=_returned_to(mail)),)
    return replace(report, form=Form.DSN, dialect="rfc3464", failures=failures, left_out=left_out)


def _judged(block: StatusBlock, notice: str, *, alone: bool) -> Failure:
    if block.action in _DELIVERED or (not block.action and block.status.startswith("2")):
        return Failure(block.addresses, _IGNORED, block.diagnosis, "rfc3464")
    about = notice if alone else _about(notice, block.addresses)
    judgement = judge_told(block.status, block.diagnosis, about)
    if block.action == "delayed":
        judgement = replace(judgement, kind=Kind.SOFT, final=False)
    return Failure(block.addresses, judgement, block.diagnosis or about[:300], "rfc3464")


def judge_told(status: str, diagnosis: str, about: str) -> Judgement:
    """Judge by the diagnosis, and by the words around it where the diagnosis says nothing certain."""
    stage = stage_of(about)
    judgement = judge_reply(0, status, diagnosis, stage=stage)
    for words in (dialects.answer_in(about), about):
        if judgement.certain:
            break
        if words:
            second = judge_reply(0, status, words, stage=stage)
            if second.certain or judgement.reason is Reason.UNDEFINED:
                judgement = second
    return judgement


def _about(notice: str, addresses: tuple[str, ...]) -> str:
    words = notice.lower()
    for address in addresses:
        at = words.find(address)
        if at >= 0:
            end = words.find("\n\n", at)
            return notice[at : min(end if end > 0 else len(notice), at + dialects.CAUSE_LIMIT)]
    return ""


def _of_words(report: Report, mail: Mail, raw: bytes) -> Report | None:
    text = mail.text
    notice = dialects.notice_of(text)
    dialect = dialects.find_dialect(notice)
    subject = report.subject
    if dialect is None and (dialect := dialects.find_dialect(subject)) is None:
        return _of_unknown_dialect(report, mail, raw, notice)
    foreign = _foreign(mail)
    found = list(dialects.recipients_in(notice, (*dialect.shapes, *dialects.ANY_SHAPES), foreign=foreign))
    failed = all_addresses(" ".join(mail.headers.all("x-failed-recipients")), limit=RECIPIENT_LIMIT)
    if failed:
        known = dict(found)
        found = [(address, known.get(address, notice)) for address in failed]
    if not found:
        found = [(address, notice) for address in by_flufl(raw) or _returned_to(mail)] or [("", notice)]
    if len(found) == 1:
        found = [(found[0][0], f"{notice}\n{subject}")]
    failures = []
    for address, about in found:
        judgement = judge_told("", "", about)
        if dialect.delayed:
            judgement = replace(judgement, kind=Kind.SOFT, final=False)
        failures.append(Failure((address,) if address else (), judgement, about[:600], dialect.name))
    left_out = dialects.recipients_beyond(text) if len(found) >= dialects.LIST_OF_MANY else 0
    return replace(report, form=Form.WORDS, dialect=dialect.name, failures=tuple(failures), left_out=left_out)


def _of_unknown_dialect(report: Report, mail: Mail, raw: bytes, notice: str) -> Report | None:
    """A mail system's report in a dialect that nobody knows: its subject and its returned copy must do."""
    addresses = all_addresses(" ".join(mail.headers.all("x-failed-recipients")), limit=RECIPIENT_LIMIT)
    addresses = addresses or list(by_flufl(raw))
    if not addresses and not recognition.looks_like_bounce(mail):
        return None
    addresses = addresses or list(_returned_to(mail))
    judgement = judge_told("", "", notice)
    failures = tuple(Failure((address,), judgement, notice[:600], "subject") for address in addresses)
    return replace(
        report,
        form=Form.WORDS,
        dialect="subject",
        failures=failures or (Failure((), judgement, notice[:600], "subject"),),
    )


def _foreign(mail: Mail) -> Callable[[str], bool]:
    own = {first_address(value) for value in mail.headers.all("from", "reply-to", *_RECIPIENT_HEADERS)}

    def is_foreign(address: str) -> bool:
        return (
            address in own
            or is_daemon(address)
            or address.startswith(("support@", "abuse@", "help@", "helpdesk@"))
        )

    return is_foreign


def _returned(mail: Mail) -> Headers | None:
    for part in mail.parts:
        if (
            part.kind in {"message/rfc822", "message/global", "text/rfc822-headers", "text/rfc822"}
            and not part.enclosed
        ):
            return split_headers(part.body.lstrip(b"\n"))[0]
    text = mail.text
    cut = len(dialects.notice_of(text))
    rest = text[cut:]
    begin = re.search(
        r"^[ \t>]*(?:received|return-path|from|date|message-id|to|subject|mime-version|dkim-signature):",
        rest,
        re.IGNORECASE | re.MULTILINE,
    )
    if begin is None:
        return None
    lines = rest[begin.start() :].lstrip(" \t>")
    return split_headers(lines.encode("utf-8", "replace"))[0]


def _returned_to(mail: Mail) -> tuple[str, ...]:
    """The one address that the returned copy was written to: a digest has one recipient."""
    returned = _returned(mail)
    if returned is None:
        return ()
    addresses = all_addresses(" ".join(returned.all("to", "x-original-to", "delivered-to")), limit=3)
    return tuple(addresses[:1])


def _addressed_to_unsubscribe(mail: Mail, tokens: tuple[str, ...]) -> bool:
    # With its mark: a returned copy's List-Unsubscribe has the same token as the return path has.
    to = " ".join(mail.headers.all(*_RECIPIENT_HEADERS)).lower() if tokens else ""
    return any(f"+{UNSUBSCRIBE}{token}" in to for token in tokens)


def _message_ids(mail: Mail, raw: bytes) -> tuple[str, ...]:
    found: dict[str, None] = {}
    for value in mail.headers.all("in-reply-to", "references"):
        for match in _ANGLED.finditer(value):
            found.setdefault(match[1])
    own = mail.headers.get("message-id").strip("<> ")
    for line in _MESSAGE_ID.finditer(raw, 0, READ_LIMIT):
        found.setdefault(line[1].decode("latin-1"))
        if len(found) >= ID_LIMIT:
            break
    for part in mail.parts:
        if (
            part.raw is not part.body
            or "quoted-printable" in part.headers.get("content-transfer-encoding").lower()
        ):
            for line in _MESSAGE_ID.finditer(part.body):
                found.setdefault(line[1].decode("latin-1"))
    found.pop(own, None)
    return tuple(found)[:ID_LIMIT]
