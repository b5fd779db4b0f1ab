"""What the rules know of addresses: whether one is a web address, and whether it is on this machine."""

from __future__ import annotations

import re
from ipaddress import ip_address
from urllib.parse import urlsplit

_NOT_ALLOWED = re.compile(r"[^\x21-\x7e\xa0-\U0010ffff]|[<>\"\\^`{|}]")  # RFC 3986, and RFC 3987 for the rest


def is_web_address(url: str) -> bool:
    """Whether this is a well-formed address of http or https."""
    if not url or _NOT_ALLOWED.search(url):
        return False
    try:
        parts = urlsplit(url)
        host = parts.hostname or ""
        _ = parts.port
    except ValueError:
        return False
    return parts.scheme.lower() in {"http", "https"} and bool(host)


def is_on_this_machine(url: str) -> bool:
    """Whether the host is loopback: the demo's pictures may be."""
    try:
        host = (urlsplit(url).hostname or "").lower()
        return host == "localhost" or host.endswith(".localhost") or ip_address(host).is_loopback
    except ValueError:
        return False
