"""Inflating a body piece by piece up to a limit: a bomb is stopped where it would begin to cost."""

from __future__ import annotations

import zlib
from collections.abc import Callable, Iterable, Iterator
from typing import Any

from digest.errors import SourceUnavailable

_PIECE = 256 * 1024  # bytes that one step inflates at most


def inflated(pieces: Iterable[bytes], coding: str, *, limit: int, cut: bool, url: str) -> bytes:
    """The body, inflated up to ``limit`` bytes and never beyond.

    A longer one is cut there (``cut``) or refused: ``SourceUnavailable``, as for an encoding that was not
    asked for and for damaged compression.
    """
    inflate = _inflater(coding.strip().lower(), url)
    parts: list[bytes] = []
    room, raw = limit, 0
    for piece in pieces:
        raw += len(piece)
        for part in inflate(piece):
            parts.append(part)
            room -= len(part)
            if cut and room <= 0:
                return b"".join(parts)[:limit]
            if room < 0 or raw > limit:
                raise SourceUnavailable(
                    f"{url}: larger than {limit / (1024 * 1024):.3g} MB",
                    remedy="ask the publisher for a shorter feed",
                )
    return b"".join(parts)


def _inflater(coding: str, url: str) -> Callable[[bytes], Iterator[bytes]]:
    if coding in {"", "identity"}:
        return lambda piece: iter((piece,))
    if coding in {"gzip", "x-gzip", "deflate"}:
        return _zlib(zlib.decompressobj(47 if coding != "deflate" else 15), url)
    if coding == "br":
        import brotli

        return _brotli(brotli.Decompressor(), url)
    # Two encodings on top of each other are a bomb's trick, and nobody asked for others.
    raise SourceUnavailable(f"{url}: content-encoding {coding[:40]!r}, which was not asked for")


def _zlib(inflate: Any, url: str) -> Callable[[bytes], Iterator[bytes]]:
    def pieces(piece: bytes) -> Iterator[bytes]:
        try:
            part = b""
            while piece or len(part) == _PIECE:  # a full piece: more may wait inside
                part = inflate.decompress(piece, _PIECE)
                yield part
                piece = inflate.unconsumed_tail
        except zlib.error as error:
            raise SourceUnavailable(f"{url}: damaged compression ({error})") from None

    return pieces


def _brotli(inflate: Any, url: str) -> Callable[[bytes], Iterator[bytes]]:
    def pieces(piece: bytes) -> Iterator[bytes]:
        import brotli

        try:
            part = inflate.process(piece, output_buffer_limit=_PIECE)
            while part or not inflate.can_accept_more_data():
                yield part
                part = inflate.process(b"", output_buffer_limit=_PIECE)
        except brotli.error as error:
            raise SourceUnavailable(f"{url}: damaged compression ({error})") from None

    return pieces
