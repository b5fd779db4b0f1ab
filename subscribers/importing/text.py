"""From bytes to lines: gzip, encodings, line ends, and limits that no file can break.

Memory is bounded by a block (1 MiB) and the longest line allowed, whatever the file.
"""

from __future__ import annotations

import codecs
import zlib
from collections.abc import Iterator
from typing import BinaryIO, Final, NamedTuple

from subscribers.errors import ImportFailed

BLOCK_BYTES: Final = 1 << 20
LONGEST_LINE: Final = 1 << 20  # characters
_SNIFF_BYTES = 1 << 16
_MAGIC: Final = {
    b"PK\x03\x04": "a ZIP archive or an Excel workbook: unpack it, or save the sheet as CSV",
    b"\xd0\xcf\x11\xe0": "an old Excel workbook: save the sheet as CSV",
    b"%PDF": "a PDF",
    b"\x89PNG": "a picture",
    b"\xff\xd8\xff": "a picture",
    b"GIF8": "a picture",
    b"\x7fELF": "a program",
    b"SQLite format 3": "an SQLite database",
    b"BZh": "compressed with bzip2: unpack it first",
    b"\xfd7zXZ": "compressed with xz: unpack it first",
    b"\x28\xb5\x2f\xfd": "compressed with zstd: unpack it first",
}


class Line(NamedTuple):
    """One line without its end; ``too_long`` if only its beginning is here."""

    number: int  # from 1
    text: str
    too_long: bool = False


class Source:
    """An opened file or stream, read once from beginning to end."""

    def __init__(self, stream: BinaryIO, *, encoding: str | None = None) -> None:
        """:raises ImportFailed: it is no text, or ``encoding`` is unknown."""
        self._stream = stream
        self.bytes_read = 0
        self._inflate: zlib._Decompress | None = None
        self.notes: list[str] = []
        self._broken = False
        start = self._read_start()
        if not start:
            raise ImportFailed("the file is empty", remedy="it should begin with a line of column names")
        self._refuse_binary(start)
        self.encoding = encoding or _encoding_of(start)
        try:
            self._decoder = codecs.getincrementaldecoder(_codec(self.encoding))(errors=_errors(self.encoding))
        except LookupError:
            raise ImportFailed(
                f"no encoding is called {self.encoding!r}", remedy="try utf-8 or cp1252"
            ) from None
        self._start = start

    def blocks(self) -> Iterator[list[Line]]:
        """Yield lines, some ten thousands at a time. ``\\r``, ``\\n`` and ``\\r\\n`` end a line."""
        number, rest, skipping = 1, "", False
        for text in self._texts():
            if rest.endswith("\r"):
                rest, text = rest[:-1], "\r" + text
            if "\r" in text:
                held = text.endswith("\r")
                text = text[:-1] if held else text
                text = text.replace("\r\n", "\n").replace("\r", "\n") + ("\r" if held else "")
            first, *others = text.split("\n")
            if not others:
                if not skipping:
                    rest += first
                    if len(rest) > LONGEST_LINE:
                        rest, skipping = rest[:1000], True
                continue
            lines = [Line(number, rest if skipping else rest + first, skipping)]
            rest = others.pop()
            lines += map(Line, range(number + 1, number + 1 + len(others)), others)
            number += len(lines)
            skipping = False
            if len(rest) > LONGEST_LINE:
                rest, skipping = rest[:1000], True
            yield lines
        rest = rest.removesuffix("\r")
        if rest or skipping:
            yield [Line(number, rest, skipping)]

    def _texts(self) -> Iterator[str]:
        raw, self._start = self._start, b""
        while raw:
            try:
                yield self._decoder.decode(raw)
            except UnicodeDecodeError as error:
                self.notes.append(
                    f"what follows byte {self.bytes_read} is not {self.encoding}: {error.reason}"
                )
                return
            raw = self._read()
        yield self._decoder.decode(b"", final=True)

    def _read_start(self) -> bytes:
        raw = self._stream.read(_SNIFF_BYTES)
        self.bytes_read = len(raw)
        if raw.startswith(b"\x1f\x8b"):
            self._inflate = zlib.decompressobj(wbits=31)
            return self._inflated(raw) or self._read()
        return raw

    def _read(self) -> bytes:
        while not self._broken:
            if self._inflate is not None and self._inflate.unconsumed_tail:
                raw = self._inflate.unconsumed_tail
            else:
                raw = self._stream.read(BLOCK_BYTES)
                self.bytes_read += len(raw)
                if not raw:
                    if self._inflate is not None and not self._inflate.eof:
                        self.notes.append("the gzip file ends in the middle; what came before was read")
                    return b""
            if self._inflate is None:
                return raw
            made = self._inflated(raw)
            if made:
                return made
        return b""

    def _inflated(self, raw: bytes) -> bytes:
        inflate = self._inflate
        assert inflate is not None  # noqa: S101 - only called for gzip
        try:
            if inflate.eof:  # another gzip member follows
                self._inflate = inflate = zlib.decompressobj(wbits=31)
            made = inflate.decompress(raw, BLOCK_BYTES)
            while inflate.eof and inflate.unused_data:
                rest = inflate.unused_data
                self._inflate = inflate = zlib.decompressobj(wbits=31)
                made += inflate.decompress(rest, BLOCK_BYTES)
        except zlib.error:
            self.notes.append("the gzip file is damaged; what came before was read")
            self._broken = True
            return b""
        return made

    def _refuse_binary(self, start: bytes) -> None:
        for magic, what in _MAGIC.items():
            if start.startswith(magic):
                raise ImportFailed(f"this is {what}", remedy="CSV, TSV and JSON lines can be imported")
        sample = start[:4096]
        odd = sum(byte < 32 and byte not in b"\t\n\r\x1a\x1b\x0c" for byte in sample)
        if odd > len(sample) // 20 and not _encoding_of(start).startswith("utf-16"):
            raise ImportFailed("this is no text file", remedy="CSV, TSV and JSON lines can be imported")


def _encoding_of(start: bytes) -> str:
    if start.startswith(codecs.BOM_UTF8):
        return "utf-8-sig"
    if start.startswith((codecs.BOM_UTF32_LE, codecs.BOM_UTF32_BE)):
        return "utf-32"
    if start.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        return "utf-16"
    sample = start[:4096]
    if len(sample) >= 8:
        # Latin text in UTF-16 has a zero in every other byte.
        if sample[1::2].count(0) > len(sample) // 4 and sample[0::2].count(0) == 0:
            return "utf-16-le"
        if sample[0::2].count(0) > len(sample) // 4 and sample[1::2].count(0) == 0:
            return "utf-16-be"
    return "utf-8"


def _codec(encoding: str) -> str:
    return "utf-8-sig" if encoding == "utf-8" else encoding


def _errors(encoding: str) -> str:
    return "dontmiss-cp1252" if encoding.startswith("utf-8") else "replace"


def _as_cp1252(error: UnicodeError) -> tuple[str, int]:
    """Read the bytes that are no UTF-8 as Windows-1252: whole files of it come out right, and mixed ones."""
    if not isinstance(error, UnicodeDecodeError):
        raise error
    bad = error.object[error.start : error.end]
    return bad.decode("cp1252", errors="replace"), error.end


codecs.register_error("dontmiss-cp1252", _as_cp1252)
