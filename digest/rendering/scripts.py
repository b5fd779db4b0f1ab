"""How each script is set: its direction, its fonts that mail clients have, its sizes and line height."""

from __future__ import annotations

import unicodedata
from collections.abc import Iterable
from dataclasses import dataclass
from functools import lru_cache


@dataclass(frozen=True, slots=True)
class Typography:
    """Sizes in pixels and font stacks of one script. ``capitals``: the script has them, so that a
    section's name may be set in capitals and spaced."""

    headline_font: str
    text_font: str
    lead: int = 28
    lead_phone: int = 24
    first: int = 20
    story: int = 17
    text: int = 16
    meta: int = 14
    line: float = 1.5
    headline_line: float = 1.25
    capitals: bool = True


_SERIF = "Georgia, 'Times New Roman', serif"
_SANS = "-apple-system, 'Segoe UI', Roboto, Helvetica, Arial, sans-serif"


def _larger(headline_font: str, text_font: str, line: float, headline_line: float = 1.4) -> Typography:
    # Scripts with marks above and below the line need 5 to 10 % more size and more air.
    return Typography(
        headline_font,
        text_font,
        lead=30,
        lead_phone=26,
        first=21,
        story=18,
        text=17,
        meta=15,
        line=line,
        headline_line=headline_line,
        capitals=False,
    )


_LATIN = Typography(_SERIF, _SANS)
_SCRIPTS = {
    "Arab": _larger(
        "'Geeza Pro', 'Noto Naskh Arabic', 'Sakkal Majalla', 'Times New Roman', serif",
        "'Geeza Pro', 'Segoe UI', Tahoma, 'Noto Sans Arabic', Arial, sans-serif",
        1.75,
        1.5,
    ),
    "Hebr": _larger(
        "'Times New Roman', 'Noto Serif Hebrew', serif", "'Arial Hebrew', 'Segoe UI', Arial, sans-serif", 1.6
    ),
    "Deva": _larger(
        "'Kohinoor Devanagari', 'Noto Serif Devanagari', 'Nirmala UI', Mangal, serif",
        "'Kohinoor Devanagari', 'Noto Sans Devanagari', 'Nirmala UI', Mangal, sans-serif",
        1.7,
        1.45,
    ),
    "Hans": _larger(
        "'Songti SC', 'Noto Serif CJK SC', 'Microsoft YaHei', SimSun, serif",
        "'PingFang SC', 'Microsoft YaHei', 'Noto Sans CJK SC', 'Noto Sans SC', sans-serif",
        1.7,
    ),
    "Hant": _larger(
        "'Songti TC', 'Noto Serif CJK TC', 'Microsoft JhengHei', PMingLiU, serif",
        "'PingFang TC', 'Microsoft JhengHei', 'Noto Sans CJK TC', 'Noto Sans TC', sans-serif",
        1.7,
    ),
    "Jpan": _larger(
        "'Hiragino Mincho ProN', 'Yu Mincho', 'Noto Serif CJK JP', serif",
        "'Hiragino Sans', 'Yu Gothic', Meiryo, 'Noto Sans CJK JP', sans-serif",
        1.7,
    ),
    "Kore": _larger(
        "'AppleMyungjo', Batang, 'Noto Serif CJK KR', serif",
        "'Apple SD Gothic Neo', 'Malgun Gothic', 'Noto Sans CJK KR', sans-serif",
        1.7,
    ),
    "Thai": _larger(
        "Thonburi, 'Leelawadee UI', 'Noto Serif Thai', serif",
        "Thonburi, 'Leelawadee UI', 'Noto Sans Thai', Tahoma, sans-serif",
        1.75,
        1.5,
    ),
    # Other scripts of South and South-East Asia: the system's own font, with room.
    "Indic": _larger("'Nirmala UI', 'Noto Serif', serif", "'Nirmala UI', 'Noto Sans', sans-serif", 1.7, 1.45),
}
_BY_LANGUAGE = {
    **dict.fromkeys(("ar", "fa", "ur", "ps", "sd", "ug", "ckb", "arz", "azb", "ks", "arc"), "Arab"),
    **dict.fromkeys(("he", "yi", "iw", "ji"), "Hebr"),
    **dict.fromkeys(("hi", "mr", "ne", "sa", "kok", "mai", "bho", "doi"), "Deva"),
    **dict.fromkeys(("bn", "as", "ta", "te", "kn", "ml", "gu", "pa", "or", "si", "km", "lo", "my"), "Indic"),
    **dict.fromkeys(("zh", "cmn", "wuu"), "Hans"),
    **dict.fromkeys(("yue", "nan", "hak"), "Hant"),
    "ja": "Jpan",
    "ko": "Kore",
    "th": "Thai",
    "dv": "Thaa",
}
_RIGHT_TO_LEFT = {"Arab", "Hebr", "Thaa", "Syrc", "Nkoo", "Adlm", "Rohg", "Mand", "Samr"}
_TRADITIONAL = {"tw", "hk", "mo"}


@lru_cache(maxsize=1024)
def script_of(language: str) -> str:
    """The script (ISO 15924) that a language is written in: ``"ar"`` → ``"Arab"``."""
    parts = language.replace("_", "-").split("-")
    for part in parts[1:]:
        if len(part) == 4 and part.isalpha():
            return part.title()
    if parts[0].lower() == "zh" and any(part.lower() in _TRADITIONAL for part in parts[1:]):
        return "Hant"
    return _BY_LANGUAGE.get(parts[0].lower(), "Latn")


@lru_cache(maxsize=1024)
def typography_of(language: str) -> Typography:
    """How text of that language is set."""
    return _SCRIPTS.get(script_of(language), _LATIN)


@lru_cache(maxsize=1024)
def direction_of(language: str) -> str:
    """``rtl`` or ``ltr``."""
    return "rtl" if script_of(language) in _RIGHT_TO_LEFT else "ltr"


@lru_cache(maxsize=4096)
def direction_of_text(text: str, default: str) -> str:
    """The direction of the first strong character (UAX 9, rules P2 and P3), else ``default``."""
    for character in text:
        kind = unicodedata.bidirectional(character)
        if kind == "L":
            return "ltr"
        if kind in {"R", "AL"}:
            return "rtl"
    return default


def dotted(parts: Iterable[str], direction: str) -> str:
    """The parts of a line with dots between them, in their order whatever their scripts.

    Beside a part of the other direction the dot gets a mark (LRM, RLM): without it "Meera Nair · 23 …" in
    an Arabic line would be shown as "23 · Meera Nair …" (UAX 9, rules W2 to W7 and N1).
    """
    found = list(parts)
    mark = "\u200f" if direction == "rtl" else "\u200e"
    dot = f" {mark}· " if any(_runs_against(part, direction) for part in found) else " · "
    return dot.join(found)


@lru_cache(maxsize=4096)
def _runs_against(text: str, direction: str) -> bool:
    against = {"L"} if direction == "rtl" else {"R", "AL"}
    return any(unicodedata.bidirectional(character) in against for character in text)
