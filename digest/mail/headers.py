"""Header fields from outside text: cleaned, encoded (RFC 2047), folded, and checked to be what was meant."""

from __future__ import annotations

import re
from base64 import b64encode
from collections.abc import Sequence

LINE_LIMIT = 76
LONGEST_NAME = 120  # code points of a display name; more is no name

_CONTROLS = re.compile("[\x00-\x1f\x7f-\x9f\u2028\u2029]")
_SPACES = re.compile(" {2,}")
_ATOMS = re.compile(r"[A-Za-z0-9!#$%&'*+/=?^_`{|}~ -]*").fullmatch
_PLAIN = re.compile(r"[A-Za-z0-9'-]+(?: [A-Za-z0-9'-]+)*").fullmatch
_QUOTED = re.compile(r'(["\\])')
_Q_SAFE = frozenset(b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789!*+-/")
_WORD_LIMIT = 75 - len("=?utf-8?q??=")
_LONGEST_WORD = 900  # octets without a place to fold; RFC 5322 allows a line 998


def clean(text: str) -> str:
    """Outside text on one line that can neither end a header nor pass for an encoded word.

    CPython before 3.11.10 decodes ``=?utf-8?q?a=0D=0ABcc:_v=40x.org?=`` in a Subject into a real
    ``Bcc:`` line; so will others.
    """
    text = _CONTROLS.sub(" ", text).encode("utf-8", "replace").decode("utf-8")
    return _SPACES.sub(" ", text).strip(" ").replace("=?", "= ?")


def unstructured(name: str, text: str) -> bytes:
    """The value of ``name: text`` (Subject), folded; ``text`` may be anything."""
    text = clean(text)
    if text.isascii() and all(len(word) <= _LONGEST_WORD for word in text.split(" ")):
        return _fold(text, len(name) + 2)
    return b"\r\n ".join(_encoded_words(text, first=LINE_LIMIT - len(name) - 2))


def mailbox(name: str, display_name: str, address: str) -> bytes:
    """The value of ``name: Display Name <address>`` (From, To, Reply-To), folded.

    ``address`` is trusted to be one: ASCII, or UTF-8 for a message that goes by SMTPUTF8 (RFC 6532).
    """
    if len(display_name) <= 40 and _PLAIN(display_name):  # almost every name: 1 µs less
        return f"{display_name} <{address}>".encode()
    display_name = clean(display_name)[:LONGEST_NAME].rstrip(" ")
    if not display_name:
        return address.encode("utf-8")
    angle = b"<%b>" % address.encode("utf-8")
    if not display_name.isascii():
        words = _encoded_words(display_name, first=LINE_LIMIT - len(name) - 2)
    elif _ATOMS(display_name):
        words = [display_name.encode("ascii")]
    else:
        words = [b'"%b"' % _QUOTED.sub(r"\\\1", display_name).encode("ascii")]
    if len(words) == 1 and len(name) + 3 + len(words[0]) + len(angle) <= LINE_LIMIT:
        return b"%b %b" % (words[0], angle)
    if len(words) == 1 and len(words[0]) > LINE_LIMIT - len(name) - 2:
        words = [_fold(words[0].decode("ascii"), len(name) + 2)]
    return b"\r\n ".join((*words, angle))


def uris(*addresses: str) -> bytes:
    """The value of a list header: ``<uri>, <uri>`` (RFC 2369), one a line."""
    return b",\r\n ".join(b"<%b>" % uri.encode("ascii") for uri in addresses)


def fold_list(names: Sequence[bytes]) -> bytes:
    """``a:b:c`` with a fold after a colon wherever a line gets long (DKIM's h=)."""
    lines = [b""]
    for name in names:
        if len(lines[-1]) + len(name) > LINE_LIMIT - 2:
            lines.append(b"")
        lines[-1] += name + b":"
    return b"\r\n ".join(lines).removesuffix(b":")


class HeaderCheck:
    """Holds that a block of headers has exactly the expected names, in that order, and nothing else.

    One match of a compiled pattern (0.5 µs for a copy's own headers), so that it is done for every copy.
    """

    def __init__(self, names: Sequence[str]) -> None:
        self.names = tuple(names)
        # At most 998 octets a line (RFC 5322, 2.1.1), and no folded line of blanks alone (4.2).
        # A dot is all but a line feed, and four times as fast as a set; bare CR and NUL are looked for apart.
        body = rb".{0,960}(?:\r\n[ \t](?=[ \t]*[^ \t\r\n]).{1,990})*\r\n"
        self._match = re.compile(
            b"".join(re.escape(name.encode("ascii")) + b": " + body for name in names)
        ).fullmatch

    def __call__(self, block: bytes) -> bytes:
        """Return ``block``. Raises ``ValueError`` when it is anything else than was meant."""
        bare = block.count(b"\r") != block.count(b"\r\n") or b"\0" in block
        if bare or self._match(block) is None:
            raise ValueError(f"a header block is not exactly {', '.join(self.names)}: nothing was sent")
        return block


def _fold(text: str, used: int) -> bytes:
    """ASCII ``text`` folded at spaces; each space stays one (RFC 5322, 2.2.3)."""
    if len(text) + used <= LINE_LIMIT:
        return text.encode("ascii")
    lines, line = [], ""
    for word in text.split(" "):
        if line and used + len(line) + 1 + len(word) > LINE_LIMIT:
            lines.append(line)
            line, used = word, 1
        else:
            line = f"{line} {word}" if line else word
    lines.append(line)
    return "\r\n ".join(lines).encode("ascii")


def _encoded_words(text: str, *, first: int) -> list[bytes]:
    """``text`` as encoded words of at most 75 octets, each of whole characters; the first fits ``first``."""
    sizes = [_q_size(character) for character in text]
    raw = len(text.encode("utf-8"))
    write, measure = (
        (_q_word, _q_size) if sum(sizes) <= raw * 4 // 3 else (_b_word, lambda ch: len(ch.encode("utf-8")))
    )
    full = _WORD_LIMIT if write is _q_word else _WORD_LIMIT // 4 * 3
    room = max(0, first - 12)
    room = min(full, room if write is _q_word else room // 4 * 3)
    words, start, used = [], 0, 0
    for position, character in enumerate(text):
        size = measure(character)
        if used and used + size > room:
            words.append(write(text[start:position]))
            start, used, room = position, 0, full
        used += size
    words.append(write(text[start:]))
    return words


def _q_size(character: str) -> int:
    return 1 if character == " " or ord(character) in _Q_SAFE else 3 * len(character.encode("utf-8"))


def _q_word(text: str) -> bytes:
    return b"=?utf-8?q?%b?=" % b"".join(
        b"_" if byte == 32 else b"%c" % byte if byte in _Q_SAFE else b"=%02X" % byte
        for byte in text.encode("utf-8")
    )


def _b_word(text: str) -> bytes:
    return b"=?utf-8?b?%b?=" % b64encode(text.encode("utf-8"))
