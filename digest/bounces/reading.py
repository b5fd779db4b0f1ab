"""Bytes of a stranger's mail in, a bounded tree of decoded parts out; never raises, never recurses.

The standard library's parser recurses once for each nested part and keeps all of a message, so a report that
is nested 1,000 deep or 50 MB long would take the poll down. This one looks at the first ``READ_LIMIT`` bytes,
``DEPTH_LIMIT`` levels and ``PART_LIMIT`` parts; what lies beyond is left out, never an error.
"""

from __future__ import annotations

import binascii
import codecs
import re
from base64 import b64decode
from collections.abc import Iterator
from dataclasses import dataclass, field
from email.header import decode_header
from functools import cached_property, lru_cache
from hashlib import sha256
from typing import Final

READ_LIMIT: Final = 4 * 1_048_576  # bytes of a message that are read; reports have a median of 3 KB
DEPTH_LIMIT: Final = 8
PART_LIMIT: Final = 32
HEADER_LIMIT: Final = 131_072  # bytes of one header block
VALUE_LIMIT: Final = 8192  # bytes of one field
FIELD_LIMIT: Final = 400  # fields of one header block
TEXT_LIMIT: Final = 131_072  # characters of one part

_FIELD = re.compile(rb"^([!-9;-~]{1,76})[ \t]*:[ \t]*((?:.*(?:\n[ \t].*)*))", re.MULTILINE)
_BOUNDARY = re.compile(r'boundary\s*=\s*(?:"([^"]{1,200})"|([^\s;"]{1,200}))', re.IGNORECASE)
_CHARSET = re.compile(r'charset\s*=\s*"?([\w.:-]{1,40})', re.IGNORECASE)
_ENCODED = re.compile(r"=\?[\w.*-]{1,60}\?[bqBQ]\?")
_DASHES = re.compile(rb"^--([^\s-][^\n]{0,200}?|[^\n]{0,200}[^\s-])[ \t]*$", re.MULTILINE)
_TAG = re.compile(
    r"<(?:style|script|head)\b.*?</(?:style|script|head)>|<br\s*/?>|</(?:p|div|tr|li|h\d)>|<[^>]{0,2000}>",
    re.IGNORECASE | re.DOTALL,
)


class Headers:
    """A header block: names in lower case; values are unfolded, and decoded only when asked for."""

    __slots__ = ("_fields",)

    def __init__(self, fields: list[tuple[str, bytes]]) -> None:
        self._fields = fields

    def get(self, name: str) -> str:
        """The first value of ``name`` (lower case), or empty."""
        for key, value in self._fields:
            if key == name:
                return _unfolded(value)
        return ""

    def all(self, *names: str) -> list[str]:
        """All values of the fields called ``names``, in order."""
        return [_unfolded(value) for key, value in self._fields if key in names]

    def decoded(self, name: str) -> str:
        """The first value of ``name`` with its encoded words decoded (RFC 2047)."""
        return decode_words(self.get(name)[:1000])

    def __contains__(self, name: str) -> bool:
        return any(key == name for key, _ in self._fields)

    def __len__(self) -> int:
        return len(self._fields)


@dataclass(frozen=True)
class Part:
    """A leaf of the tree, or an enclosed message (``message/rfc822``), which is a leaf too.

    :param kind: media type in lower case ("text/plain").
    :param headers: the part's own fields; the message's own for the root.
    :param raw: the undecoded body.
    :param enclosed: whether it lies inside an enclosed message (a bounce of a bounce).
    """

    kind: str
    headers: Headers
    raw: bytes = field(repr=False)
    enclosed: bool = False

    @cached_property
    def body(self) -> bytes:
        """The body without its transfer encoding."""
        return _untransfer(self.raw, self.headers.get("content-transfer-encoding"))

    @cached_property
    def text(self) -> str:
        """The body as text; HTML without its tags. Undecodable bytes become U+FFFD, never an error."""
        declared = _CHARSET.search(self.headers.get("content-type"))
        text = decode_text(self.body[: 2 * TEXT_LIMIT], declared[1] if declared else "")[:TEXT_LIMIT]
        return html_to_text(text) if self.kind == "text/html" else text


@dataclass(frozen=True)
class Mail:
    """One message as far as it was read.

    :param digest: SHA-256 (hexadecimal) of what makes it this message: who, when and what, but not the trace
        fields that differ when the same message arrives on two ways.
    :param parts: leaves in order.
    :param size: bytes of the whole message.
    """

    headers: Headers
    kind: str
    parts: tuple[Part, ...]
    digest: str
    size: int
    truncated: bool = False

    @cached_property
    def text(self) -> str:
        """All text that is not in an enclosed message."""
        chosen = [part for part in self.parts if part.kind.startswith("text/plain") and not part.enclosed]
        chosen = chosen or [part for part in self.parts if part.kind == "text/html" and not part.enclosed]
        return "\n".join(part.text for part in chosen)[: 2 * TEXT_LIMIT]


def read_mail(raw: bytes, *, size: int | None = None) -> Mail:
    """Read a message.

    :param raw: the message, or its beginning.
    :param size: bytes of the whole message when ``raw`` is its beginning only.
    """
    whole = len(raw) if size is None else size
    raw = raw[:READ_LIMIT].replace(b"\r\n", b"\n")
    while raw.startswith((b"From ", b">From ", b"\n")):  # the envelope line of an mbox, blank lines of a pipe
        raw = raw.partition(b"\n")[2]
    headers, body = split_headers(raw)
    return Mail(
        headers=headers,
        kind=_kind(headers, "text/plain"),
        parts=tuple(_leaves(headers, body)),
        digest=_digest(headers, body),
        size=whole,
        truncated=whole > READ_LIMIT,
    )


def split_headers(raw: bytes) -> tuple[Headers, bytes]:
    """Cut a block of bytes into its header fields and the rest; text without any field is all body."""
    end = raw.find(b"\n\n", 0, HEADER_LIMIT)
    block, body = (raw[:HEADER_LIMIT], b"") if end < 0 else (raw[: end + 1], raw[end + 2 :])
    if raw.startswith(b"\n"):
        return Headers([]), raw[1:]
    fields = []
    for found in _FIELD.finditer(block):
        fields.append((found[1].decode("ascii").lower(), found[2][:VALUE_LIMIT]))
        if len(fields) >= FIELD_LIMIT:
            break
    return (Headers(fields), body) if fields else (Headers([]), raw)


def _unfolded(value: bytes) -> str:
    return " ".join(decode_text(value).split())


def _kind(headers: Headers, default: str) -> str:
    declared = headers.get("content-type").partition(";")[0].strip().lower()
    return declared if declared.count("/") == 1 else default


def _leaves(headers: Headers, body: bytes) -> Iterator[Part]:
    todo: list[tuple[Headers, bytes, int, bool, str]] = [(headers, body, 0, False, "text/plain")]
    given = seen = 0
    while todo and given < PART_LIMIT and seen < 4 * PART_LIMIT:
        own, raw, depth, enclosed, default = todo.pop()
        seen += 1
        kind = _kind(own, default)
        if kind.startswith("multipart/") and depth < DEPTH_LIMIT:
            pieces = list(_pieces(own, raw))
            if pieces:
                inner = "message/rfc822" if kind == "multipart/digest" else "text/plain"
                # A stack: the last to be read goes in first.
                for piece in reversed(pieces):
                    todo.append((*split_headers(piece), depth + 1, enclosed, inner))
                continue
            kind = "text/plain"  # no boundary to be found: the text may still say something
        given += 1
        part = Part(kind, own, raw, enclosed)
        yield part
        if kind in {"message/rfc822", "message/global"} and depth < DEPTH_LIMIT:
            todo.append((*split_headers(part.body.lstrip(b"\n")), depth + 1, True, "text/plain"))


def _pieces(headers: Headers, raw: bytes) -> Iterator[bytes]:
    declared = _BOUNDARY.search(headers.get("content-type"))
    boundary = (declared[1] or declared[2]).encode("latin-1", "replace") if declared else b""
    if not boundary or b"--" + boundary not in raw:
        guessed = _DASHES.search(raw)
        if guessed is None or raw.count(b"--" + guessed[1]) < 2:
            return
        boundary = guessed[1]
    pieces = (b"\n" + raw).split(b"\n--" + boundary, PART_LIMIT + 1)
    for piece in pieces[1:]:
        if piece.startswith(b"--"):
            return
        yield piece.partition(b"\n")[2]


def _untransfer(raw: bytes, encoding: str) -> bytes:
    encoding = encoding.strip().lower()
    if encoding == "base64":
        try:
            letters = re.sub(rb"[^A-Za-z0-9+/]", b"", raw)
            return b64decode(letters[: len(letters) // 4 * 4] + _padded(letters))
        except (binascii.Error, ValueError):
            return raw
    if encoding == "quoted-printable":
        return binascii.a2b_qp(raw)
    return raw


def _padded(letters: bytes) -> bytes:
    rest = letters[len(letters) // 4 * 4 :]
    return rest + b"=" * (-len(rest) % 4) if len(rest) > 1 else b""


@lru_cache(maxsize=256)
def _codec(name: str) -> str:
    # Codecs that are no character sets (zip, rot13) or cost more than linear time are not for strangers.
    try:
        found = codecs.lookup(name)
    except (LookupError, ValueError):
        return ""
    if not getattr(found, "_is_text_encoding", False) or found.name in {
        "idna",
        "punycode",
        "unicode_escape",
        "raw_unicode_escape",
        "undefined",
        "utf-7",
        "mbcs",
        "oem",
    }:
        return ""
    return {"gb2312": "gb18030", "gbk": "gb18030", "shift_jis": "cp932", "iso2022_jp": "iso2022_jp_2"}.get(
        found.name, found.name
    )


def decode_text(raw: bytes, charset: str = "") -> str:
    """Decode with the declared character set, else UTF-8, else ISO-2022-JP, else Latin-1; never raises."""
    name = _codec(charset) if charset else ""
    if name and name not in {"ascii", "utf-8"}:
        return raw.decode(name, "replace")
    if b"\x1b$" in raw or b"\x1b(" in raw:
        return raw.decode("iso2022_jp_2", "replace")
    try:
        return raw.decode("utf-8")
    except UnicodeDecodeError:
        return raw.decode("utf-8", "replace") if name == "utf-8" else raw.decode("latin-1")


def decode_words(value: str) -> str:
    """Decode RFC 2047 words in ``value``; what cannot be decoded stays as it is."""
    if not _ENCODED.search(value):
        return value
    try:
        return "".join(
            piece if isinstance(piece, str) else decode_text(piece, charset or "")
            for piece, charset in decode_header(value[:2000])
        )
    except (ValueError, LookupError, binascii.Error):
        return value


def html_to_text(html: str) -> str:
    """HTML as plain lines, well enough to find phrases and addresses in a report."""
    from html import unescape

    text = _TAG.sub(
        lambda tag: "\n" if tag[0][:3].lower() in {"<br", "</p", "</d", "</t", "</l", "</h"} else "", html
    )
    return unescape(text).replace("\xa0", " ")


def digest_of(raw: bytes) -> str:
    """What tells a message again that could not be read: SHA-256 of its bytes, hexadecimal."""
    return sha256(raw[:READ_LIMIT]).hexdigest()


def _digest(headers: Headers, body: bytes) -> str:
    named = "\0".join(
        f"{name}:{'|'.join(headers.all(name))}"
        for name in ("message-id", "date", "from", "to", "subject", "x-original-to", "delivered-to")
    )
    return sha256(named.encode("utf-8", "surrogatepass") + b"\0" + body.strip()).hexdigest()
