"""Pieces of quoted-printable text say what was meant in any order, and are safe on the wire as they are."""

from __future__ import annotations

import quopri

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from digest.mail.quoted_printable import encode, encode_value

AWKWARD = st.sampled_from(
    [".", "..", "From ", ".From ", "\n", "\r\n", "\r", " ", "\t", "=", "é", "हि", "x" * 75, ". " * 40]
)  # fmt: skip
TEXTS = st.lists(st.one_of(AWKWARD, st.text(max_size=5)), max_size=12).map("".join)


def wire_lines(encoded: bytes) -> list[bytes]:
    assert encoded.count(b"\r") == encoded.count(b"\n") == encoded.count(b"\r\n")
    return encoded.split(b"\r\n")


@settings(deadline=None, max_examples=80)
@given(st.lists(TEXTS, max_size=5))
def test_pieces_in_a_row_read_as_their_texts_in_a_row(texts: list[str]) -> None:
    encoded = b"".join(
        encode(text) if number % 2 else encode_value(text) for number, text in enumerate(texts)
    )
    expected = "".join(text.replace("\r\n", "\n").replace("\r", "\n") for text in texts)
    assert quopri.decodestring(encoded).replace(b"\r\n", b"\n") == expected.encode()
    for line in wire_lines(encoded):
        assert len(line) <= 76
        assert not line.startswith((b".", b"From "))
        assert not line.endswith((b" ", b"\t"))
        assert line.isascii()


@pytest.mark.parametrize("smuggled", ["a\n.\nb", "a\n.\r\nb", "a\r.\r\nb", "a\r\n.\r\nMAIL FROM:<z@z>\r\n"])
def test_no_text_can_end_the_message_early(smuggled: str) -> None:
    assert b"\n." not in encode(smuggled)
    assert b"\r." not in encode(smuggled)


def test_a_lone_surrogate_is_replaced_and_nothing_breaks() -> None:
    assert quopri.decodestring(encode("a\ud800b")) == b"a?b"
