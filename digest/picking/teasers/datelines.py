"""Datelines: the place, date and agency before the first sentence ("LONDON (Reuters) - …")."""

from __future__ import annotations

import re

LEAST_REST = 12  # code points that must remain

# Names in capitals that are no places.
_NO_PLACES = frozenset(
    (
        *("NATO", "OPEC", "ASEAN", "UNESCO", "UNICEF", "NASA", "BRICS", "FIFA", "UEFA", "COVID", "AIDS"),
        *("OSCE", "SAARC", "UNHCR", "ISRO", "NAFTA", "INTERPOL", "EUROPOL", "IAEA", "IMAX", "LGBTQ"),
    )
)
_DATE = r"(?:[A-Z][a-z]{2,8}\.?\s+\d{1,2}(?:,?\s+\d{4})?|\d{1,2}\.?\s+[A-Z][a-z]{2,8}\.?(?:\s+\d{4})?)"
_AGENCY = r"\((?P<agency>[A-Z][\w./ -]{1,30})\)"
_DASH = r"(?:--|[-–—])"
_CAPITALS = r"(?P<place>[A-Z][A-Z.'’-]+(?:[ /][A-Z][A-Z.'’-]+){0,4})(?:,\s*[A-Z][\w.]+(?:\s[A-Z][\w.]+)?)??"
_MIXED = r"[A-Z][\w.'’-]+(?:\s[A-Z][\w.'’-]+){0,3}"

_PATTERNS = [
    re.compile(rf"{_CAPITALS}(?:,\s*{_DATE})?\s*{_AGENCY}\s*{_DASH}?\s*"),
    re.compile(rf"{_CAPITALS}(?:,\s*{_DATE})?\s*(?:\s{_DASH}|:)\s+"),
    re.compile(rf"{_MIXED}(?:,\s*{_DATE})?\s*{_AGENCY}\s*{_DASH}\s*"),
    re.compile(rf"{_MIXED},\s*{_DATE}\s*{_AGENCY}\s*{_DASH}?\s*"),
    # Arabic, Hindi: place (agency) - …
    re.compile(rf"[\u0600-\u06ff\u0900-\u097f]+(?:\s[\u0600-\u06ff\u0900-\u097f]+){{0,3}}\s*"
               rf"\([\u0600-\u06ff\u0900-\u097f.\s]{{2,30}}\)\s*(?:{_DASH}|:)\s*"),
    # Chinese: （新华社北京12月27日电） or 新华社北京12月27日电
    re.compile(r"[（(【][^（）()【】]{2,40}(?:电|電|讯|訊)(?:\s*[^（）()【】]{0,20})?[）)】]\s*"),
    re.compile(r"(?:新华社|新華社|中新社|中新网|人民网|央视网)[^，。\s]{0,20}?(?:电|電|讯|訊)[\s　:：]*"),
]  # fmt: skip


def without_dateline(text: str) -> str:
    """``text`` without a dateline. It needs a place in capitals before a dash or a colon, or an agency in
    brackets; "NATO — the alliance…" and "BEDU, Dubai's…" are no datelines."""
    for pattern in _PATTERNS:
        found = pattern.match(text)
        if found is None:
            continue
        rest = text[found.end() :]
        first = rest[:1]
        if len(rest) < LEAST_REST or first.islower():
            continue
        groups = found.groupdict()
        place = (groups.get("place") or "").strip()
        if place and not groups.get("agency") and (place in _NO_PLACES or len(place) < 4):
            continue
        return rest
    return text
