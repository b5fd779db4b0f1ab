"""Small value types of newsletter.toml: durations, rates, addresses, keys, and what is allowed."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import timedelta
from typing import Annotated, Any
from zoneinfo import ZoneInfo, available_timezones

from pydantic import AfterValidator, BeforeValidator, PlainSerializer, StringConstraints

_UNITS = {"s": 1, "m": 60, "min": 60, "h": 3600, "d": 86400, "w": 604800}
_DURATION = re.compile(r"\s*(\d+(?:\.\d+)?)\s*(s|min|m|h|d|w)\s*", re.IGNORECASE)
_RATE = re.compile(r"\s*(\d+)\s*/\s*(s|sec|second|min|minute|h|hour|day|d)\s*", re.IGNORECASE)
_RATE_SECONDS = {
    "s": 1,
    "sec": 1,
    "second": 1,
    "min": 60,
    "minute": 60,
    "h": 3600,
    "hour": 3600,
    "d": 86400,
    "day": 86400,
}


def parse_duration(text: object) -> timedelta:
    """``"36h"``, ``"7d"``, ``"90min"``, ``"45s"`` as a timedelta. Raises ``ValueError`` otherwise."""
    if isinstance(text, timedelta):
        return text
    match = _DURATION.fullmatch(text) if isinstance(text, str) else None
    if match is None:
        raise ValueError('give a number and a unit, such as "45s", "90min", "36h", "7d" or "2w"')
    seconds = float(match[1]) * _UNITS[match[2].lower()]
    if seconds > 20 * 365 * 86400:
        raise ValueError("that is more than twenty years")
    return timedelta(seconds=seconds)


def format_duration(value: timedelta) -> str:
    """The shortest text that ``parse_duration`` reads back."""
    seconds = int(value.total_seconds())
    for unit in ("w", "d", "h", "min"):
        size = _UNITS[unit]
        if seconds and seconds % size == 0:
            return f"{seconds // size}{unit}"
    return f"{seconds}s"


@dataclass(frozen=True, slots=True)
class Rate:
    """``count`` messages in ``seconds``; an empty tuple of rates is no limit."""

    count: int
    seconds: int

    def __str__(self) -> str:
        unit = {1: "s", 60: "min", 3600: "h", 86400: "day"}[self.seconds]
        return f"{self.count}/{unit}"


def parse_rates(value: object) -> tuple[Rate, ...]:
    """``"10/s"``, ``["10/s", "20000/day"]`` or ``"unlimited"`` as rates. Raises ``ValueError``."""
    if isinstance(value, tuple) and all(isinstance(rate, Rate) for rate in value):
        return value
    texts = value if isinstance(value, list) else [value]
    rates = []
    for text in texts:
        if text == "unlimited":
            continue
        match = _RATE.fullmatch(text) if isinstance(text, str) else None
        if match is None or int(match[1]) == 0:
            raise ValueError('give "10/s", "600/min", "20000/day", a list of these, or "unlimited"')
        rates.append(Rate(int(match[1]), _RATE_SECONDS[match[2].lower()]))
    return tuple(rates)


def nearest(word: str, known: list[str]) -> str:
    """The known word that is nearest to a mistyped one, or empty."""
    import difflib

    found = difflib.get_close_matches(word.lower(), [name.lower() for name in known], n=1, cutoff=0.55)
    return next((name for name in known if found and name.lower() == found[0]), "")


def _zone(name: str) -> str:
    try:
        ZoneInfo(name)
    except (KeyError, ValueError, OSError):
        guess = nearest(name, sorted(available_timezones()))
        hint = f"; did you mean {guess}?" if guess else ""
        raise ValueError(f"no such time zone{hint}") from None
    return name


def _language(tag: str) -> str:
    if not re.fullmatch(r"[A-Za-z]{2,3}(-[A-Za-z0-9]{2,8})*", tag):
        raise ValueError('give a BCP 47 language tag, such as "en", "hi" or "zh-Hant"')
    return tag


def _http_url(url: str) -> str:
    from urllib.parse import urlsplit

    parts = urlsplit(url)
    if parts.scheme not in {"http", "https"} or not parts.hostname or re.search(r"[\s<>\"]", url):
        raise ValueError("give an address that begins with https:// or http://")
    return url


_MAILBOX = re.compile(
    r"(?:(?P<name>[^<>\r\n]*?)\s*<(?P<angle>[^<>\s]+@[^<>\s]+)>|(?P<bare>[^<>\s]+@[^<>\s]+))"
)


def split_mailbox(text: str) -> tuple[str, str]:
    """``"Asian Lite <daily@x.org>"`` as (name, address). Raises ``ValueError``."""
    match = _MAILBOX.fullmatch(text.strip())
    address = match and (match["angle"] or match["bare"])
    if not match or not address or not re.fullmatch(r"[^@\s]+@[^@\s.]+(\.[^@\s.]+)*", address):
        raise ValueError('give an address, such as "daily@example.org" or "The Daily <daily@example.org>"')
    return (match["name"] or "").strip().strip('"'), address


def _mailbox(text: str) -> str:
    if any(ord(ch) < 32 for ch in text):
        raise ValueError("control characters are not allowed")
    split_mailbox(text)
    return text


def slug(name: str) -> str:
    """A stable key from a name: ``"Arab News"`` → ``arab-news``; other scripts keep their letters."""
    import unicodedata

    text = unicodedata.normalize("NFKC", name).casefold()
    # Marks belong to their letters (vowel signs of Devanagari); ``\w`` does not know them.
    kept = (ch if ch.isalnum() or unicodedata.category(ch).startswith("M") else "-" for ch in text)
    text = re.sub(r"-+", "-", "".join(kept)).strip("-")
    return text or "section"


Duration = Annotated[timedelta, BeforeValidator(parse_duration), PlainSerializer(format_duration)]
Rates = Annotated[
    tuple[Rate, ...], BeforeValidator(parse_rates), PlainSerializer(lambda rates: [str(r) for r in rates])
]
Zone = Annotated[str, AfterValidator(_zone)]
LanguageTag = Annotated[str, AfterValidator(_language)]
HttpUrl = Annotated[str, AfterValidator(_http_url)]
Mailbox = Annotated[str, AfterValidator(_mailbox)]
Key = Annotated[str, StringConstraints(pattern=r"^[\w][\w\-.]{0,63}$")]
Colour = Annotated[str, StringConstraints(pattern=r"^#[0-9a-fA-F]{6}$")]


def as_list(value: Any) -> Any:
    """One text where a list is meant."""
    return [value] if isinstance(value, str) else value
