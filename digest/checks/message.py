"""Rules on the headers of a copy: RFC 5322, 2369, 2919 and 8058."""

from __future__ import annotations

import re
from collections.abc import Iterator

from digest.checks.addresses import is_on_this_machine
from digest.checks.findings import Finding, IssueUnderCheck, Level

_ONCE = (
    "From", "To", "Subject", "Date", "Message-ID", "MIME-Version", "Content-Type", "List-Id",
    "List-Unsubscribe", "List-Unsubscribe-Post",
)  # fmt: skip
_ANGLED = re.compile(r"<(https?|mailto):[^<>\s]+>")
_NAME = re.compile(r"[!-9;-~]+")
LONGEST_LINE = 998  # octets without CRLF, RFC 5322, 2.1.1


def headers(issue: IssueUnderCheck) -> Iterator[Finding]:
    """The header block is RFC 5322's: each once, printable names, no line that is too long."""
    if issue.headers is None:
        if issue.header_fault:
            yield Finding("headers", Level.ERROR, issue.header_fault, "headers")
        return
    names = [name for name, _value in issue.headers]
    lower = [name.lower() for name in names]
    for name in _ONCE:
        if name.startswith("List-Unsubscribe"):
            continue  # the rule one-click says more
        count = lower.count(name.lower())
        if count != 1:
            yield Finding("headers", Level.ERROR, f"{name} stands {count} times, not once", f"header {name}")
    for name, value in issue.headers:
        if not _NAME.fullmatch(name):
            yield Finding("headers", Level.ERROR, f"{name!r} is no header name", f"header {name}")
        if any(len(line.encode("utf-8")) > LONGEST_LINE for line in value.splitlines()):
            yield Finding("headers", Level.ERROR, "a line is longer than 998 octets", f"header {name}")
        if not value.isascii():
            yield Finding("headers", Level.ERROR, "it is not encoded (RFC 2047)", f"header {name}")
    message_id = _value(issue, "Message-ID")
    if message_id and not re.fullmatch(r"<[^<>@\s]+@[^<>@\s]+>", message_id):
        yield Finding("headers", Level.ERROR, f"{message_id!r} is malformed", "header Message-ID")


def one_click(issue: IssueUnderCheck) -> Iterator[Finding]:
    """One List-Unsubscribe with one https address, and exactly the Post header (RFC 8058, section 3.1)."""
    if issue.headers is None:
        return
    value = _value(issue, "List-Unsubscribe")
    where = "header List-Unsubscribe"
    if not value:
        yield Finding(
            "one-click",
            Level.ERROR,
            "there is none: DIGEST_PUBLIC_URL is not set, and Gmail and Yahoo want one-click unsubscribe",
            where,
        )
        return
    web = [uri for uri in re.findall(r"<([^<>]*)>", value) if uri.startswith("http")]
    if len(web) != 1:
        yield Finding("one-click", Level.ERROR, f"it has {len(web)} web addresses, not one", where)
    elif not web[0].startswith("https:") and not is_on_this_machine(web[0]):
        yield Finding("one-click", Level.WARNING, f"{web[0][:60]} is not https, as RFC 8058 wants it", where)
    if _value(issue, "List-Unsubscribe-Post") != "List-Unsubscribe=One-Click":
        yield Finding(
            "one-click",
            Level.ERROR,
            "it must be exactly List-Unsubscribe=One-Click",
            "header List-Unsubscribe-Post",
        )


def list_headers(issue: IssueUnderCheck) -> Iterator[Finding]:
    """List-* addresses stand in angle brackets (RFC 2369), List-Id is one (RFC 2919)."""
    for name, value in issue.headers or ():
        key = name.lower()
        if key == "list-id" and not re.search(r"<[A-Za-z0-9_.-]+\.[A-Za-z0-9.-]+>$", " ".join(value.split())):
            yield Finding("list-headers", Level.ERROR, f"{value!r} is no list identifier", f"header {name}")
        elif key in {"list-help", "list-archive", "list-owner", "list-subscribe", "list-unsubscribe"}:
            rest = _ANGLED.sub("", value).replace(",", "").strip()
            if rest or not _ANGLED.search(value):
                yield Finding(
                    "list-headers", Level.ERROR, f"{value[:80]!r} is not in angle brackets", f"header {name}"
                )
        elif key == "list-post" and value.strip() != "NO" and not _ANGLED.search(value):
            yield Finding(
                "list-headers", Level.ERROR, f"{value!r} is neither NO nor an address", f"header {name}"
            )


def _value(issue: IssueUnderCheck, name: str) -> str:
    return next((" ".join(v.split()) for n, v in issue.headers or () if n.lower() == name.lower()), "")
