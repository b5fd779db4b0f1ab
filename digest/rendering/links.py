"""Addresses in an issue: which may stand there, and what is appended to our own."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from ipaddress import ip_address
from urllib.parse import parse_qsl, quote, urlencode, urlsplit, urlunsplit

_FORBIDDEN = re.compile(r"[\x00-\x20\x7f-\x9f<>\"\\^`{|}\u2028\u2029\ud800-\udfff]")


def usable_url(url: str) -> str:
    """The address as it may stand in a mail, or empty when it is none of http(s) or is malformed.

    What RFC 3986 does not allow is percent-encoded; what is encoded already stays as it is.
    """
    url = url.strip()
    if not url or len(url) > 2000:
        return ""
    try:
        parts = urlsplit(url)
        host = parts.hostname or ""
        _ = parts.port
    except ValueError:
        return ""
    if parts.scheme.lower() not in {"http", "https"} or not host or _FORBIDDEN.search(parts.netloc):
        return ""
    return _FORBIDDEN.sub(lambda found: quote(found[0].encode("utf-8", "replace")), url)


def host_of(url: str) -> str:
    """The host in lower case, or empty."""
    try:
        return (urlsplit(url).hostname or "").rstrip(".").lower()
    except ValueError:
        return ""


def is_loopback(url: str) -> bool:
    """Whether the address is on this machine (the demo's and the tests' pictures)."""
    host = host_of(url)
    if host == "localhost" or host.endswith(".localhost"):
        return True
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return False


def belongs_to(url: str, domains: Iterable[str]) -> bool:
    """Whether the address is on one of the domains or below it."""
    host = host_of(url)
    return any(host == domain or host.endswith("." + domain) for domain in domains if domain)


@dataclass(frozen=True, slots=True)
class LinkAppender:
    """Appends parameters to links of our own domains; links of others are untouched.

    ``append`` has ``{edition}``, ``{date}`` and ``{slot}`` for what is known of the link.
    """

    append: str
    own_domains: tuple[str, ...]
    known: Mapping[str, str]

    def __call__(self, url: str, *, slot: str) -> str:
        if not self.append or not url or not belongs_to(url, self.own_domains):
            return url
        text = self.append.lstrip("?&")
        for name, value in {**self.known, "slot": slot}.items():
            text = text.replace("{" + name + "}", quote(value, safe=""))
        parts = urlsplit(url)
        present = {name for name, _ in parse_qsl(parts.query, keep_blank_values=True)}
        # A parameter that the link has already is the editor's own choice.
        fresh = [(n, v) for n, v in parse_qsl(text, keep_blank_values=True) if n not in present]
        query = "&".join(part for part in (parts.query, urlencode(fresh)) if part)
        return urlunsplit(parts._replace(query=query))
