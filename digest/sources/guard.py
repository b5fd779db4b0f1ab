"""Which addresses may be connected to: never private, loopback, link-local or metadata ones.

The standard library's ``is_global`` passes addresses that carry a private one inside (NAT64, 6to4,
Teredo) and ``is_private`` misses carrier-grade NAT, so the ranges are named here (IANA special-purpose
registries, RFC 6890 and its updates).
"""

from __future__ import annotations

import ipaddress
import re
import unicodedata
from dataclasses import dataclass
from urllib.parse import quote, urlsplit, urlunsplit

from digest.errors import SourceForbidden

Address = ipaddress.IPv4Address | ipaddress.IPv6Address

_FORBIDDEN_4 = tuple(
    ipaddress.IPv4Network(text)
    for text in (
        "0.0.0.0/8",
        "10.0.0.0/8",
        "100.64.0.0/10",  # carrier-grade NAT; 100.100.100.200 is a cloud's metadata service
        "127.0.0.0/8",
        "169.254.0.0/16",  # link-local; 169.254.169.254 is the metadata service
        "172.16.0.0/12",
        "192.0.0.0/24",  # IETF protocol assignments; 192.0.0.192 is a cloud's metadata service
        "192.0.2.0/24",
        "192.88.99.0/24",  # 6to4 relays
        "192.168.0.0/16",
        "198.18.0.0/15",
        "198.51.100.0/24",
        "203.0.113.0/24",
        "224.0.0.0/4",  # multicast
        "240.0.0.0/4",
        "168.63.129.16/32",  # a cloud's wire server
    )
)
_ALLOWED_6 = ipaddress.IPv6Network("2000::/3")
_FORBIDDEN_6 = tuple(
    ipaddress.IPv6Network(text)
    for text in (
        "2001::/23",  # Teredo, ORCHID, benchmarking and other protocol assignments
        "2001:db8::/32",
        "2002::/16",  # 6to4: carries an IPv4 address
        "3fff::/20",
    )
)
_LOOKS_NUMERIC = re.compile(r"(0x[0-9a-f]*|[0-9]+)(\.(0x[0-9a-f]*|[0-9]+))*\.?", re.IGNORECASE)
_NOT_IN_URL = re.compile(r"[\x00-\x20\x7f-\x9f\\<>\"^`{|}\u2028\u2029]")
_HOST = re.compile(r"[a-z0-9_]([a-z0-9_-]{0,61}[a-z0-9_])?(\.[a-z0-9_]([a-z0-9_-]{0,61}[a-z0-9_])?)*\.?")


@dataclass(frozen=True, slots=True)
class Target:
    """An address that was checked: its parts as they go on the wire."""

    url: str
    scheme: str
    host: str
    port: int

    @property
    def origin(self) -> tuple[str, str, int]:
        return (self.scheme, self.host, self.port)


def is_public(address: Address) -> bool:
    """Whether a machine of the public internet has this address, whatever it is wrapped in."""
    if isinstance(address, ipaddress.IPv6Address):
        if address.ipv4_mapped is not None:
            return is_public(address.ipv4_mapped)
        return address in _ALLOWED_6 and not any(address in network for network in _FORBIDDEN_6)
    return not any(address in network for network in _FORBIDDEN_4)


def checked(url: str, *, allow_private: bool = False) -> Target:
    """The parts of an http or https address that may be asked. Raises ``SourceForbidden``.

    Hosts that are numbers in disguise (``2130706433``, ``0x7f.1``, ``127.1``, ``①②⑦.⓪.⓪.①``) are refused
    unless they are a plain dotted quad or a bracketed IPv6 address; what a name resolves to is
    checked when it is connected to.
    """
    text = url.strip()
    if _NOT_IN_URL.search(text) and not re.fullmatch(r"[^\x00-\x1f\x7f-\x9f\\\s]*", text):
        raise SourceForbidden(f"{url[:200]!r}: characters that no address has")
    try:
        parts = urlsplit(text)
        host, port = parts.hostname or "", parts.port
    except ValueError as error:
        raise SourceForbidden(f"{url[:200]!r}: {error}") from None
    if parts.scheme not in {"http", "https"}:
        raise SourceForbidden(f"{url[:200]}: only http and https are fetched")
    if not host or "@" in parts.netloc.rpartition("@")[0]:
        raise SourceForbidden(f"{url[:200]}: no host")
    literal = _literal(host)
    if literal is not None:
        if not allow_private and not is_public(literal):
            raise forbidden(url)
    else:
        host = _name(host, url)
        if not allow_private and host.rstrip(".").rpartition(".")[2] in {"localhost", "local", "internal"}:
            raise forbidden(url)
    port = port or (443 if parts.scheme == "https" else 80)
    netloc = f"[{host}]" if ":" in host else host
    if port != (443 if parts.scheme == "https" else 80):
        netloc += f":{port}"
    path = quote(parts.path or "/", safe="/%:@!$&'()*+,;=~-._")
    query = quote(parts.query, safe="/%:@!$&'()*+,;=~-._?[]")
    return Target(urlunsplit((parts.scheme, netloc, path, query, "")), parts.scheme, host, port)


def forbidden(url: str, address: object = "") -> SourceForbidden:
    """The error that says so, with its remedy."""
    what = f" ({address})" if address else ""
    return SourceForbidden(
        f"{url[:200]}: a private or local address{what}",
        remedy="if it is your own: `allow_private = true` for this source, `digest try --allow-private`",
    )


def _literal(host: str) -> Address | None:
    try:
        return ipaddress.ip_address(host.partition("%")[0])
    except ValueError:
        return None


def _name(host: str, url: str) -> str:
    folded = unicodedata.normalize("NFKC", host)
    if _LOOKS_NUMERIC.fullmatch(folded):
        raise SourceForbidden(f"{url[:200]}: a number is no host name")
    if not folded.isascii():
        import idna

        try:
            folded = idna.encode(host, uts46=True).decode("ascii")
        except idna.IDNAError as error:
            raise SourceForbidden(f"{url[:200]}: no host name: {error}") from None
    elif folded != host:
        raise SourceForbidden(f"{url[:200]}: no host name")
    folded = folded.lower()
    if len(folded) > 253 or not _HOST.fullmatch(folded):
        raise SourceForbidden(f"{url[:200]}: no host name")
    return folded
