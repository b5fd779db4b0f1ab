"""What a refusal means: reply code, enhanced code and text in, hard or soft and the reason out (pure)."""

from __future__ import annotations

import re
from dataclasses import dataclass
from enum import StrEnum
from functools import lru_cache
from typing import Final

from digest.mail.reply_tables import (
    ADDRESS_INVALID,
    BLAMES_SENDER,
    BOILERPLATE,
    PHRASES,
    REPLY,
    STATUS,
    SUBJECT,
    VERDICTS,
    Reason,
)

TEXT_LIMIT: Final = 2000  # characters of a reply that are read; real ones have under 500
GAP: Final = 60  # characters that a * in a phrase may stand for


class Kind(StrEnum):
    """What a report is, in the words of ``BounceEventRow.kind``."""

    HARD = "hard"
    SOFT = "soft"
    COMPLAINT = "complaint"
    UNSUBSCRIBE = "unsubscribe"
    IGNORED = "ignored"


class Stage(StrEnum):
    """Which SMTP command a refusal answered; ``UNKNOWN`` when nobody says."""

    CONNECT = "connect"
    MAIL = "mail"
    RCPT = "rcpt"
    DATA = "data"
    UNKNOWN = ""


@dataclass(frozen=True, slots=True)
class Judgement:
    """The meaning of one refusal, bounce or report.

    :param kind: hard: the address or its domain does not exist, never mail it again. soft: all else.
    :param reason: why, one of the table's words.
    :param status: the enhanced code it was judged by ("5.1.1"), or empty.
    :param evidence: what decided: the phrase, the code, or "nothing".
    :param alarm: the sender is refused, not the reader: the editors are told, nobody is blamed.
    :param final: False for a report of delay: the message may still arrive.
    """

    kind: Kind
    reason: Reason
    status: str = ""
    evidence: str = "nothing"
    alarm: bool = False
    final: bool = True

    @property
    def certain(self) -> bool:
        """Whether words or a telling code decided, rather than a code that says next to nothing."""
        return self.reason is not Reason.UNDEFINED and self.evidence not in {"nothing", "reply", "subject"}


def judge_reply(code: int, enhanced: str, text: str, *, stage: Stage = Stage.UNKNOWN) -> Judgement:
    """Judge one SMTP reply or Diagnostic-Code.

    Words weigh more than codes, since "550 5.1.1 mailbox full" is common and "5.x.x is hard" was right
    for 48 % of real reports only. Hard needs a permanent answer about the recipient: a 4yz reply, a 5.7.x
    code and an answer to MAIL or to the connection condemn no address; one to DATA only with X.1.z.

    :param code: the three-digit reply, or 0. Read from the text when 0.
    :param enhanced: RFC 3463 code, or empty. Read from the text when empty.
    :param stage: the command that was answered; when unknown it is read from the text, if that tells.
    """
    words = normalise(text)
    said_code, said_status = _codes(words)
    code = code or said_code
    status = said_status if not enhanced or enhanced[2:] in {"0.0", "0"} else enhanced
    status = status or enhanced
    stage = stage or stage_of(words)
    reason, evidence = _reason(code, status, words, stage)
    hard = reason in ADDRESS_INVALID and not _temporary(code, status) and _about_recipient(status, stage)
    return Judgement(
        kind=Kind.HARD if hard else Kind.SOFT,
        reason=reason,
        status=status,
        evidence=evidence,
        alarm=reason in BLAMES_SENDER,
    )


def asks_for_less(code: int, enhanced: str, text: str) -> bool:
    """Whether a temporary refusal is about how much or how fast we send: a rate, or policy (4.7.x).

    Greylisting is not: it asks each copy to come again, and slower senders wait no less.
    """
    judged = judge_reply(code, enhanced, text)
    if not _temporary(code, judged.status) or _GREYLISTED.search(text):
        return False
    return judged.reason is Reason.RATE or judged.status.startswith("4.7.")


@lru_cache(maxsize=4096)
def normalise(text: str) -> str:
    """Lower-case words on one line, without addresses, links' fragments and codes of continuation lines.

    Addresses and fragments like to contain words such as "unknown" or "blocked".
    """
    text = text[:TEXT_LIMIT].lower().replace("’", "'").replace("`", "'")
    text = _ADDRESS.sub("<>", text)
    text = _FRAGMENT.sub("", text)
    text = _CONTINUATION.sub(" ", text)
    return " ".join(text.split())


_ADDRESS = re.compile(r"<?[\w.!#$%&*+/=?^{|}~-]{1,128}@[\w.-]{1,255}>?")
_FRAGMENT = re.compile(r"(?<=[\w/=])#[a-z][\w-]*")  # not qmail's (#5.1.1)
_CONTINUATION = re.compile(r"\s[245]\d\d-(?:[245]\.\d{1,3}\.\d{1,3})?\s?|\s<<<\s")
_GREYLISTED = re.compile(r"gr[ea]y-?list", re.IGNORECASE)
_CODE = re.compile(r"(?<![\d.])([45]\d\d)(?=[\s\-:;,.<#(]|$)(?!\.\d)")
_STATUS = re.compile(r"(?<![\d.\[])([45]\.\d{1,3}\.\d{1,3})(?![\d.]|\])")
_IN_REPLY = re.compile(
    r"(?:in reply to|after) (?:the )?"
    r"(end of data|mail from|rcpt to|data|helo|ehlo|initial connection|pipelined (?:mail|rcpt|data))"
)
_STAGES: Final = {
    "end of data": Stage.DATA, "data": Stage.DATA, "pipelined data": Stage.DATA,
    "mail from": Stage.MAIL, "pipelined mail": Stage.MAIL,
    "rcpt to": Stage.RCPT, "pipelined rcpt": Stage.RCPT,
    "helo": Stage.CONNECT, "ehlo": Stage.CONNECT, "initial connection": Stage.CONNECT,
}  # fmt: skip

# These say that something went wrong, not what: a telling code is worth more.
_WEAK: Final = frozenset({Reason.EXPIRED, Reason.NETWORK, Reason.SYSTEM, Reason.POLICY, Reason.SYNTAX})
_TELLING: Final = frozenset({"1.1", "1.2", "1.3", "1.6", "1.10", "2.2", "2.3", "3.4", "4.4", "7.25", "7.26"})
_NOT_UNKNOWN: Final = frozenset({"2.2", "2.3", "3.4", "1.7", "1.8"})


def _split(phrase: str) -> tuple[str, ...]:
    return tuple(part.strip() for part in phrase.split("*"))


_COMPILED: Final = tuple((reason, tuple(_split(p) for p in phrases)) for reason, phrases in PHRASES)
_VERDICTS: Final = tuple((reason, _split(phrase)) for reason, phrase in VERDICTS)


def _contains(words: str, parts: tuple[str, ...]) -> bool:
    if len(parts) == 1:
        return parts[0] in words
    begin = words.find(parts[0])
    while begin >= 0:
        at = begin + len(parts[0])
        for part in parts[1:]:
            found = words.find(part, at, at + GAP + len(part))
            if found < 0:
                break
            at = found + len(part)
        else:
            return True
        begin = words.find(parts[0], begin + 1)
    return False


def phrase_of(words: str) -> tuple[Reason, str] | None:
    """The first row of the table that matches the normalised ``words``: its reason and the phrase."""
    for reason, phrases in _COMPILED:
        for parts in phrases:
            if parts[0] in words and _contains(words, parts):
                return reason, " … ".join(parts)
    return None


def _reason(code: int, status: str, words: str, stage: Stage) -> tuple[Reason, str]:
    told = f"{code} {status} {words}"
    for reason, parts in _VERDICTS:
        if _contains(told, parts):
            return reason, " … ".join(parts)
    detail = status[2:]
    by_status = STATUS.get(detail)
    if by_status is Reason.DOMAIN_UNKNOWN and status.startswith("4"):
        by_status = Reason.NETWORK
    for opening in BOILERPLATE:
        words = words.replace(opening, "")
    found = phrase_of(words)
    if found is not None:
        reason, phrase = found
        if reason in _WEAK and by_status is not None and detail in _TELLING and not _temporary(code, status):
            return by_status, status
        if reason is Reason.USER_UNKNOWN and by_status is not None and detail in _NOT_UNKNOWN:
            return by_status, status
        if reason in ADDRESS_INVALID and stage in {Stage.MAIL, Stage.CONNECT}:
            return Reason.SENDER, phrase
        return reason, phrase
    if stage is Stage.MAIL:
        return Reason.SENDER, "mail from"
    if by_status is not None:
        return by_status, status
    if code in REPLY:
        return REPLY[code], "reply"
    return SUBJECT.get(status[2:3], Reason.UNDEFINED), "subject" if status else "nothing"


def _temporary(code: int, status: str) -> bool:
    return 400 <= code < 500 if code else status.startswith("4")


def _about_recipient(status: str, stage: Stage) -> bool:
    if status[2:4] == "7." and status[2:] not in {"7.17", "7.18"}:
        return False
    return stage in {Stage.RCPT, Stage.UNKNOWN} or (stage is Stage.DATA and status[2:4] == "1.")


def _codes(words: str) -> tuple[int, str]:
    status = _STATUS.search(words)
    code = _CODE.search(words)
    return (int(code[1]) if code else 0), (status[1] if status else "")


def stage_of(text: str) -> Stage:
    """The SMTP command that ``text`` says was answered; Postfix, Exim and others tell."""
    found = _IN_REPLY.search(text.lower())
    return _STAGES[found[1]] if found else Stage.UNKNOWN
