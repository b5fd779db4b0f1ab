"""Which picture stands for a story: raster, large enough, never a counting pixel."""

from __future__ import annotations

import re
import struct
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

from digest.sources.identity import link_url
from digest.sources.sanitise import one_line
from digest.values import Picture

WANTED_WIDTH = 1200  # pixels; twice the 600 of a mail, for sharp screens
SMALLEST = 120
MAX_WEIGHT = 5 * 1024 * 1024  # bytes; a mail's reader on a phone pays for each
_RASTER = ("image/jpeg", "image/jpg", "image/png", "image/gif", "image/webp", "image/pjpeg")
_NOT_RASTER = re.compile(r"\.(svgz?|ico|bmp|tiff?|avif|heic|mp3|mp4|m4a|pdf|webm)(\?|$)", re.IGNORECASE)
_NOT_A_STORY = re.compile(
    r"gravatar\.com|feedburner\.com|feeds\.feedburner|doubleclick|pixel|/emoji/|s\.w\.org/images/core/emoji|spacer|"
    r"blank\.gif|/stats?[./]|b\.gif|share[-_]?(icon|button)|avatar|(?<!\d)1x1(?!\d)|transparent\.(gif|png)|placeholder",
    re.IGNORECASE,
)
_IMAGE = re.compile(r"<img\b[^<>]*>", re.IGNORECASE)
_ATTRIBUTE = re.compile(
    r"""\b(data-src|data-lazy-src|data-original|srcset|src|alt|width|height)\s*=\s*("[^"]*"|'[^']*'|[^\s"'>]+)""",
    re.IGNORECASE,
)


@dataclass(frozen=True, slots=True)
class Measured:
    """What the first bytes of a picture tell: its type and its size in pixels."""

    media_type: str
    width: int
    height: int


def picture_candidates(
    *,
    media: Iterable[Any],
    thumbnails: Iterable[Any],
    enclosures: Iterable[Any],
    own: str,
    markup: str,
    base: str,
    credit: str = "",
) -> tuple[Picture, ...]:
    """The pictures a feed's item offers, the best first: nearest 1200 px, then by the place they stand in."""
    found: list[Picture] = []
    for item in media:
        kind = str(item.get("type") or "").lower()
        if (
            kind.startswith("image/")
            or item.get("medium") == "image"
            or (not kind and not item.get("medium"))
        ):
            found.append(_from(item.get("url"), item, kind, base, credit))
    for item in enclosures:
        if str(item.get("type") or "").lower().startswith("image/"):
            found.append(_from(item.get("href"), item, str(item.get("type")).lower(), base, credit))
    found += images_in(markup, base, credit)
    for item in thumbnails:
        found.append(_from(item.get("url"), item, "", base, credit))
    if own:
        found.append(_from(own, {}, "", base, credit))
    return best(found)


def best(found: Iterable[Picture]) -> tuple[Picture, ...]:
    """Usable ones, the nearest to the wanted width first (unknown widths count as good in their order)."""
    usable = [picture for picture in found if picture.url and is_usable(picture)]
    return tuple(sorted(usable, key=lambda picture: _distance(picture.width)))[:5]


def is_usable(picture: Picture) -> bool:
    """Not known to be a vector, a counting pixel, an emoji, an avatar, or tiny."""
    path = urlsplit(picture.url).path
    if _NOT_RASTER.search(path) or _NOT_A_STORY.search(picture.url):
        return False
    return all(side is None or side >= SMALLEST for side in (picture.width, picture.height))


def images_in(markup: str, base: str, credit: str = "") -> list[Picture]:
    """The ``<img>`` of HTML, lazy-loading attributes included, in their order; at most ten."""
    if "<img" not in markup and "<IMG" not in markup:
        return []
    found: list[Picture] = []
    for match in _IMAGE.finditer(markup[:200_000]):
        values = {name.lower(): value.strip("\"'") for name, value in _ATTRIBUTE.findall(match[0])}
        url = (
            values.get("data-src")
            or values.get("data-lazy-src")
            or values.get("data-original")
            or values.get("src")
        )
        found.append(_from(url, values, "", base, credit))
        if len(found) == 10:
            break
    return found


def measure(start: bytes) -> Measured | None:
    """Type and size of a JPEG, PNG, GIF or WebP from its first bytes, or None for anything else."""
    if start.startswith(b"\x89PNG\r\n\x1a\n") and len(start) >= 24:
        return Measured("image/png", *struct.unpack(">II", start[16:24]))
    if start[:6] in (b"GIF87a", b"GIF89a") and len(start) >= 10:
        return Measured("image/gif", *struct.unpack("<HH", start[6:10]))
    if start[:4] == b"RIFF" and start[8:12] == b"WEBP":
        return _webp(start)
    if start[:3] == b"\xff\xd8\xff":
        return _jpeg(start)
    return None


def _jpeg(start: bytes) -> Measured:
    at = 2
    while at + 9 < len(start):
        if start[at] != 0xFF:
            at += 1
            continue
        marker = start[at + 1]
        if marker in range(0xC0, 0xD0) and marker not in (0xC4, 0xC8, 0xCC):
            height, width = struct.unpack(">HH", start[at + 5 : at + 9])
            return Measured("image/jpeg", width, height)
        if marker in (0xFF, 0x01) or marker in range(0xD0, 0xD9):
            at += 1 if marker == 0xFF else 2
            continue
        at += 2 + struct.unpack(">H", start[at + 2 : at + 4])[0]
    return Measured("image/jpeg", 0, 0)  # the size stands behind a long preamble


def _webp(start: bytes) -> Measured | None:
    kind = start[12:16]
    if kind == b"VP8X" and len(start) >= 30:
        width = int.from_bytes(start[24:27], "little") + 1
        return Measured("image/webp", width, int.from_bytes(start[27:30], "little") + 1)
    if kind == b"VP8 " and len(start) >= 30:
        width, height = struct.unpack("<HH", start[26:30])
        return Measured("image/webp", width & 0x3FFF, height & 0x3FFF)
    if kind == b"VP8L" and len(start) >= 25:
        bits = int.from_bytes(start[21:25], "little")
        return Measured("image/webp", (bits & 0x3FFF) + 1, ((bits >> 14) & 0x3FFF) + 1)
    return None


def _from(url: object, values: Any, kind: str, base: str, credit: str) -> Picture:
    if kind and not kind.startswith(_RASTER):
        return Picture("")
    return Picture(
        link_url(_unescaped(str(url or "")), base),
        alt=one_line(str(values.get("alt") or ""), 300),
        credit=credit,
        width=number(values.get("width")),
        height=number(values.get("height")),
    )


def _unescaped(url: str) -> str:
    import html

    return html.unescape(url) if "&" in url else url


def number(value: object) -> int | None:
    """A positive number of pixels or bytes below a million million, or None."""
    match = re.fullmatch(r"\s*(\d{1,9})(?:\.\d+)?\s*(?:px)?\s*", str(value if value is not None else ""))
    return int(match[1]) or None if match else None


def _distance(width: int | None) -> float:
    if width is None:
        return 0.5
    # Too small is worse than too large.
    return abs(width - WANTED_WIDTH) / WANTED_WIDTH * (2.0 if width < WANTED_WIDTH / 2 else 0.5)


def sizes_nearest(sizes: Sequence[Picture]) -> Picture | None:
    """Of one picture in several sizes the one nearest to the wanted width."""
    known = [size for size in sizes if size.url]
    if not known:
        return None
    return min(known, key=lambda size: abs((size.width or 0) - WANTED_WIDTH))
