"""Reports in prose, before and beside RFC 3464: one row for each mail system's dialect.

A dialect is known by its opening words; where it writes the recipient is one of few shapes. Openings are
lower-case and were taken from the mail systems' own strings and from many reports.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Final

from digest.bounces.addresses import ADDRESS

RECIPIENT_LIMIT: Final = 1000  # a notice has room for some 500
LIST_OF_MANY: Final = 20  # a notice that names so many is a list of recipients, not a long story about one
NOTICE_LIMIT: Final = 16_000  # characters before the returned copy
CAUSE_LIMIT: Final = 900  # characters after a recipient that may tell the cause

# Where the notice ends and the returned message begins.
_RETURNED = re.compile(
    r"^[ \t]*(?:-{2,}[ \t]*(?:this is a (?:truncated )?copy of|below this line|original message|"
    r"returned (?:message|mail|content)|unsent message|"
    r"the (?:header|body) of the original|message header|forwarded message|transcript of header|"
    r"begin(?:ning)? of (?:original )?message|undelivered message|"
    r"here is (?:a|your)|a copy of|the following is|unsent draft|included is|enclosed|attached)"
    r"|original message (?:headers?|follows)|message headers? follows?|original message follows|"
    r"below is a copy of|the (?:original )?message (?:headers|follows)"
    r"|your (?:original )?message (?:follows|reads|is|was)\b.{0,20}:|a summary of the undelivered|"
    r"received: (?:from|by) |return-path: <"
    r"|original mail as follows|--- original|-{3,} the header|-{3,} message header|"
    r"en-têtes de message d'origine|ursprüngliche nachrichtenkopf|the header of the original)",
    re.IGNORECASE | re.MULTILINE,
)

_ANSWER = re.compile(
    r"(?:error that the other server returned was|gave this error|remote (?:host|server|system) (?:said|"
    r"returned)|response (?:from the remote server )?was|"
    r"generated (?:the )?following response|for the following reason|server message|"
    r"diagnostic code)\b[^:'\"\n]{0,40}[:'\"\n]",
    re.IGNORECASE,
)
_ANY_ADDRESS = re.compile(ADDRESS)
_ALONE = re.compile(rf"^[ \t>*•·\"'<(-]*({ADDRESS})[ \t>\"')]*[:;,.]?[ \t]*$", re.MULTILINE)
_LEADING = re.compile(
    rf"^[ \t>*\"'<(-]*({ADDRESS})[>\"')]*(?:[ \t]*[:;,]|[ \t]*\.\.\.|[ \t]+-|[ \t]*<|[ \t]*\(|"
    rf"[ \t]+on[ \t])(.*)$",
    re.MULTILINE,
)
_SAID = re.compile(rf"[<\s\"]({ADDRESS})>?\s?\.\.\.\s*(.*)")
_COMMAND = re.compile(rf"rcpt\s+to:\s*<?({ADDRESS})>?(.*)", re.IGNORECASE)
_NAMED = re.compile(
    rf"\b(?:recipient(?:[ \t]address)?|addressed[ \t]to|delivery[ \t](?:has[ \t])?failed(?:[ \t]to|"
    rf"[ \t]\d+[ \t]attempts)?|unknown[ \t]user|destinat\w+|"
    rf"user|mailbox|address|message[ \t]to|mail[ \t]to|e-?mail[ \t]to|sent[ \t]to|deliver(?:ed|"
    rf"y)?[ \t]to|to|smtp=|for|warning)"
    rf"(?:[ \t]*[:=,][ \t]*|[ \t]+|(?=[<\"'(\[]))[<\"'(\[]?(?:smtp:|mailto:)?({ADDRESS})[>\"')\]]?(.*)",
    re.IGNORECASE,
)
_WHILE = re.compile(rf"^(?:[245]\d\d[- ])(?:[245]\.\d\.\d )?<?({ADDRESS})>?(.*)$", re.MULTILINE)
_BRACKETED = re.compile(rf"<({ADDRESS})>(.*)")
_MAILBOX_OF = re.compile(
    rf"(?:mailbox|mail box|account)[^\n]{{0,30}}[:<]\s*<?({ADDRESS})>?(.*)", re.IGNORECASE
)

Shape = re.Pattern[str]


def _openings(block: str) -> tuple[str, ...]:
    return tuple(" ".join(opening.split()) for opening in block.split("|"))


@dataclass(frozen=True, slots=True)
class Dialect:
    """A mail system's way to say it.

    :param openings: any of these in the notice (lower-case) gives the dialect away.
    :param shapes: where the recipient stands; the first that is found counts.
    :param delayed: whether it is a warning that the message is late, not a failure.
    """

    name: str
    openings: tuple[str, ...]
    shapes: tuple[Shape, ...]
    delayed: bool = False


_LIST: Final = (_ALONE, _LEADING)
ANY_SHAPES: Final = (_ALONE, _LEADING, _WHILE, _SAID, _COMMAND, _NAMED, _MAILBOX_OF, _BRACKETED)

DIALECTS: Final = (
    Dialect(
        "gmail-delay",
        _openings(
            "delivery to the following recipient has been delayed | delivery incomplete | gmail will retry"
        ),
        _LIST,
        delayed=True,
    ),
    Dialect(
        "exim-delay",
        _openings("has not yet been delivered to | has not been delivered yet"),
        (_ALONE, _LEADING, *ANY_SHAPES),
        delayed=True,
    ),
    Dialect(
        "postfix-delay",
        _openings("your message could not be delivered for | this is just a warning"),
        (_LEADING, _ALONE),
        delayed=True,
    ),
    Dialect("symantec-delay", _openings("delivery attempts will continue to be made"), _LIST, delayed=True),
    Dialect(
        "delay",
        _openings("""
            this is a warning message only | still trying to deliver | temporary non-fatal |
            delivery is delayed | has been delayed | will continue trying
        """),
        ANY_SHAPES,
        delayed=True,
    ),
    Dialect(
        "gmail",
        _openings("""
            delivery to the following recipient failed permanently | address not found |
            message not delivered | message blocked | recipient inbox full |
            you may not have permission to post |
            delivery to the following recipients failed permanently |
            you do not have permission to post | delivery status notification (failure)
        """),
        (
            _ALONE,
            re.compile(
                rf"(?:delivered to|delivering your message to|"
                rf"post messages? to the group)[^\n]{{0,80}}?({ADDRESS}|[\w.-]+)(.*)",
                re.IGNORECASE,
            ),
            _NAMED,
        ),
    ),
    Dialect(
        "exim",
        _openings("""
            the following address(es) failed | the following address failed |
            could not be delivered to all of its recipients |
            could not be delivered to one or more of its | mail delivery failed: returning |
            following addresses had delivery
        """),
        (
            re.compile(
                rf"^[ \t]{{1,4}}<?({ADDRESS})>?[ \t:]*(.*)$",
                re.MULTILINE | re.IGNORECASE,
            ),
            _LEADING,
            _ALONE,
        ),
    ),
    Dialect(
        "exim-syntax",
        _openings("incorrectly constructed | malformed recipient address"),
        (re.compile(rf"^[ \t]+.*?<({ADDRESS})>(.*)$", re.MULTILINE), *ANY_SHAPES),
    ),
    Dialect(
        "yahoo",
        _openings(
            "we were unable to deliver your message to the following | sorry, we were unable to deliver"
        ),
        (_LEADING, _ALONE),
    ),
    Dialect(
        "qmail",
        _openings("""
            this is the qmail-send program | i'm afraid i wasn't able to deliver |
            i wasn't able to deliver your message |
            unable to deliver your message to the following address |
            was unable to deliver your message | unable to deliver message to the following address |
            could not be delivered. this is a permanent error |
            your mail was not delivered to the following |
            your mail message to the following address(es) could not be delivered
        """),
        (re.compile(rf"^<?({ADDRESS})>?:[ \t]*(.*)$", re.MULTILINE), _LEADING, _ALONE),
    ),
    Dialect(
        "postfix",
        _openings("""
            this is the mail system at host | i'm sorry to have to inform you |
            could not be delivered to one or more destinations | this is the postfix program
        """),
        (re.compile(rf"^<({ADDRESS})>(?: \(expanded from [^)]*\))?:(.*)$", re.MULTILINE), _LEADING, _ALONE),
    ),
    Dialect(
        "sendmail",
        _openings("""
            the following addresses had permanent fatal errors |
            the following addresses had delivery problems | had permanent delivery errors |
            the following recipients of your message
        """),
        (_ALONE, _LEADING, _SAID),
    ),
    Dialect("sendmail5", _openings("transcript of session follows"), (_SAID, _WHILE, _COMMAND, _LEADING)),
    Dialect(
        "exchange",
        _openings("""
            did not reach the following recipient | could not be reached | did not reach some or all |
            following recipient(s) could not
        """),
        (_LEADING, re.compile(rf"smtp=({ADDRESS})(.*)", re.IGNORECASE), _ALONE),
    ),
    Dialect(
        "office365",
        _openings("""
            delivery has failed to these recipients | couldn't be delivered to | wasn't delivered to |
            rejected your message to the following | échec de la remise |
            your message couldn't be delivered | fehler bei der nachrichtenzustellung |
            no se pudo entregar | diagnostic information for administrators | recipno
        """),
        (
            re.compile(
                rf"^[ \t]*({ADDRESS})(?:[ \t]*\([^)\n]*\))?(?:<mailto:[^>]*>|[ \t]*<)?(.*)$", re.MULTILINE
            ),
            _ALONE,
            _NAMED,
        ),
    ),
    Dialect(
        "imail",
        _openings("""
            delivery failed | unknown host: | unknown user: | user mailbox exceeds |
            invalid final delivery userid | undeliverable to
        """),
        (
            re.compile(
                rf"^(?:delivery failed[^:]*|unknown (?:host|user)|user mailbox exceeds[^:]*|"
                rf"undeliverable to|invalid final[^:]*):?[ \t]*({ADDRESS})(.*)$",
                re.IGNORECASE | re.MULTILINE,
            ),
            *ANY_SHAPES,
        ),
    ),
    Dialect(
        "courier",
        _openings("your message to the following recipients | running the courier mail server"),
        (_LEADING, _ALONE),
    ),
    Dialect("opensmtpd", _openings("this is the mailer-daemon, please do not reply"), (_LEADING, _ALONE)),
    Dialect(
        "dragonfly",
        _openings("this is the dragonfly mail agent"),
        (re.compile(rf"delivering your mail to <({ADDRESS})>(.*)"),),
    ),
    Dialect("amavis", _openings("was not relayed to | generated by the program amavisd"), (_LEADING, _ALONE)),
    Dialect(
        "mdaemon",
        _openings("did not receive a copy of your message | no such user here | user by that name"),
        (_ALONE, _LEADING),
    ),
    Dialect(
        "messagingserver",
        _openings("your message cannot be delivered to the following recipients"),
        (re.compile(rf"(?:Recipient|Original) address:[ \t]*({ADDRESS})(.*)", re.IGNORECASE),),
    ),
    Dialect("x400", _openings("your message was not delivered to"), (_ALONE, _LEADING)),
    Dialect("notes", _openings("failure reasons | was not delivered to:"), (_ALONE, _LEADING)),
    Dialect("m-filter", _openings("-------server message | -------smtp command"), (_ALONE, _LEADING)),
    Dialect(
        "interscan",
        _openings("the following mail could not be delivered | sent <<< rcpt to | message from interscan"),
        (re.compile(rf"(?:deliver message to|RCPT TO:)[ \t]*<({ADDRESS})>(.*)", re.IGNORECASE), *ANY_SHAPES),
    ),
    Dialect("barracuda", _openings("was blocked by our spam | has not been delivered"), ANY_SHAPES),
    Dialect(
        "ezweb",
        _openings("recipients was rejected | recipients did not receive | 次のあて先"),
        (re.compile(rf"^[ \t]*(?:Recipient:[ \t]*)?<({ADDRESS})>(.*)$", re.MULTILINE), *ANY_SHAPES),
    ),
    Dialect(
        "fml",
        _openings("duplicated message-id in < | loop alert"),
        (re.compile(rf"Message-ID in <({ADDRESS})>(.*)"),),
    ),
    Dialect(
        "listserv",
        _openings("""
            could not be delivered to the following | cannot be delivered | could not be delivered |
            could not deliver | was not delivered | not been delivered | undeliverable |
            delivery problems | non-delivery report | failed to deliver | unable to deliver |
            delivery failure | delivery error | could not be sent | mailbox is full |
            returned to sender | email address is wrong | not deliverable | 送信できませんでした |
            配信できません | не было доставлено | не доставлено | non recapitat |
            no ha podido ser entreg | konnte nicht zugestellt | n'a pas pu être |
            não foi possível entregar | 系统退信 | 退信 | 无法投递 | 投递失败
        """),
        ANY_SHAPES,
    ),
)


def answer_in(notice: str) -> str:
    """The other server's words, where a report quotes them after words of its own; else empty."""
    found = _ANSWER.search(notice)
    return notice[found.end() : found.end() + CAUSE_LIMIT] if found else ""


def notice_of(text: str) -> str:
    """The part of a report that was written by the mail system: what comes before the returned message."""
    return text[: _ends_of_notice(text)[0]]


def recipients_beyond(text: str) -> int:
    """How many addresses a notice names behind ``NOTICE_LIMIT``, where nobody reads them."""
    return len(set(_ANY_ADDRESS.findall(text, *_ends_of_notice(text))))


def _ends_of_notice(text: str) -> tuple[int, int]:
    """Where the reading of a notice ends (after a whole line, if there is any), and where it ends itself."""
    found = _RETURNED.search(text, 40)
    end = found.start() if found else len(text)
    read = end if end <= NOTICE_LIMIT else text.rfind("\n", 0, NOTICE_LIMIT) + 1 or NOTICE_LIMIT
    return read, end


def find_dialect(notice: str) -> Dialect | None:
    """The dialect that ``notice`` is written in, or ``None``."""
    words = " ".join(notice.lower().replace("’", "'").replace("`", "'").split())
    for dialect in DIALECTS:
        if any(opening in words for opening in dialect.openings):
            return dialect
    return None


def recipients_in(
    notice: str, shapes: tuple[Shape, ...], *, foreign: Callable[[str], bool]
) -> Iterator[tuple[str, str]]:
    """Yield (address, the words about it) in order, each address once.

    :param foreign: tells addresses that are no recipients: of the daemon, of the help desk, our own.
    """
    for shape in shapes:
        places: list[tuple[int, str]] = []
        found: dict[str, int] = {}
        for match in shape.finditer(notice):
            address = match[1].strip(".\"'").lower()
            if "@" in address and not foreign(address):
                places.append((match.start(), address))
                found.setdefault(address, match.start())
            if len(found) >= RECIPIENT_LIMIT:
                break
        if found:
            for address, start in found.items():
                others = (place for place, other in places if place > start and other != address)
                end = min(next(others, len(notice)), start + CAUSE_LIMIT)
                yield address, notice[start:end]
            return
