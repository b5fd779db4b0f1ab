"""Whether DNS says what receivers want to see: SPF (RFC 7208), DKIM (RFC 6376), DMARC (RFC 7489).

Pure: the records come in as values. Gmail, Yahoo and Microsoft refuse bulk mail without all three.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum


class Status(StrEnum):
    """How a check ended."""

    OK = "ok"
    WARN = "warn"
    FAIL = "fail"


@dataclass(frozen=True, slots=True)
class Check:
    """One line of ``digest doctor``: what was looked at, how it is, and what to do about it."""

    name: str
    status: Status
    detail: str
    remedy: str = ""


def spf(domain: str, records: Sequence[str] | None) -> Check:
    """``records`` are the domain's TXT records; None when DNS did not answer."""
    if records is None:
        return _unknown("spf", domain)
    found = [record for record in records if re.match(r"v=spf1(\s|$)", record, re.IGNORECASE)]
    if not found:
        return Check(
            "spf", Status.WARN, f"{domain} has no SPF record", 'add a TXT record such as "v=spf1 a mx -all"'
        )
    if len(found) > 1:
        return Check(
            "spf", Status.WARN, f"{domain} has {len(found)} SPF records, which counts as an error", "keep one"
        )
    if re.search(r"(^|\s)\+?all(\s|$)", found[0], re.IGNORECASE):
        return Check("spf", Status.WARN, f"{found[0]} lets everybody send", "end it with -all or ~all")
    return Check("spf", Status.OK, f"{domain}: {found[0]}")


def dkim(name: str, records: Sequence[str] | None, public_key: str) -> Check:
    """``name`` is ``SELECTOR._domainkey.DOMAIN``; ``public_key`` the base64 text that ``p=`` must have."""
    if records is None:
        return _unknown("dkim", name)
    published = [re.sub(r"\s", "", part) for part in (_tag(record, "p") for record in records) if part]
    if not published:
        return Check(
            "dkim", Status.FAIL, f"{name} has no key", "publish the record that `digest dkim new` prints"
        )
    if public_key not in published:
        return Check("dkim", Status.FAIL, f"{name} has another key than ours", "publish the key we sign with")
    return Check("dkim", Status.OK, f"{name} has the key we sign with")


def dmarc(domain: str, records: Sequence[str] | None) -> Check:
    """``records`` are the TXT records of ``_dmarc.DOMAIN`` or of its organisational domain."""
    if records is None:
        return _unknown("dmarc", domain)
    found = [record for record in records if re.match(r"v=DMARC1\s*(;|$)", record)]
    if len(found) != 1:
        what = "no DMARC record" if not found else f"{len(found)} DMARC records, which count as none"
        remedy = f'add _dmarc.{domain} TXT "v=DMARC1; p=none; rua=mailto:…"'
        return Check("dmarc", Status.WARN, f"{domain} has {what}", remedy)
    policy = _tag(found[0], "p") or "none"
    return Check("dmarc", Status.OK, f"{domain}: policy {policy}")


def reverse_name(address: str, names: Sequence[str] | None, confirmed: bool) -> Check:
    """``names`` are the PTR names of the sending address; ``confirmed`` when one resolves back to it."""
    if names is None:
        return _unknown("ptr", address)
    if not names:
        return Check("ptr", Status.WARN, f"{address} has no reverse name", "ask who runs the network for one")
    if not confirmed:
        remedy = "make the name's address and the address's name agree"
        return Check("ptr", Status.WARN, f"{names[0]} does not lead back to {address}", remedy)
    return Check("ptr", Status.OK, f"{address} is {names[0]}, and back")


def _unknown(name: str, what: str) -> Check:
    return Check(name, Status.WARN, f"{what}: DNS did not answer", "try again from a machine with DNS")


def _tag(record: str, tag: str) -> str:
    for part in record.split(";"):
        key, _, value = part.partition("=")
        if key.strip() == tag:
            return value.strip()
    return ""
