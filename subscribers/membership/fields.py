"""What may stand in a person's fields, whoever fills them in: a form, a file or the desk."""

from __future__ import annotations

import json
import re
from functools import lru_cache
from typing import Any, Final

from subscribers.errors import InvalidField

LONGEST_NAME: Final = 200  # code points
MOST_ATTRIBUTE_BYTES: Final = 16_384  # of all attributes, as JSON

# Control and format characters that could forge a header or turn a line round; kept are the joiners
# (U+200C, U+200D), which some scripts and emoji need.
_UNPRINTABLE = re.compile(
    "[\x00-\x1f\x7f-\x9f\u00ad\u200b\u200e\u200f\u2028-\u202e\u2060-\u206f\ufeff\ufff9-\ufffb]+"
)
_LANGUAGE = re.compile(r"[A-Za-z]{2,8}(?:-[A-Za-z0-9]{1,8}){0,8}").fullmatch


def clean_name(text: str) -> str:
    """Return a name on one line, without control characters, of at most 200 code points."""
    if text.isalnum():  # the usual given name
        return text[:LONGEST_NAME]
    return " ".join(_UNPRINTABLE.sub(" ", text).split())[:LONGEST_NAME].rstrip()


@lru_cache(maxsize=4096)
def clean_language(text: str) -> str:
    """Return a BCP 47 tag in its usual case (``pt-BR``, ``zh-Hant``), or "" for none.

    :raises InvalidField: it is not shaped like one.
    """
    text = text.strip().replace("_", "-")
    if not text:
        return ""
    if len(text) > 35 or not _LANGUAGE(text):
        raise InvalidField(f"{text[:40]!r} is not a language tag such as en or pt-BR")
    first, *others = text.split("-")
    cased = [
        other.upper()
        if len(other) == 2
        else other.title()
        if len(other) == 4 and other.isalpha()
        else other.lower()
        for other in others
    ]
    return "-".join([first.lower(), *cased])


@lru_cache(maxsize=4096)
def clean_timezone(text: str) -> str:
    """Return an IANA zone name, or "" for none.

    :raises InvalidField: there is no such zone.
    """
    from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

    text = text.strip()
    if not text:
        return ""
    try:
        return ZoneInfo(text).key
    except (ZoneInfoNotFoundError, ValueError, OSError):
        raise InvalidField(f"{text[:60]!r} is not a time zone such as Asia/Dubai") from None


def clean_attributes(attributes: dict[str, Any]) -> dict[str, Any]:
    """Return attributes that can be stored: JSON values, without NUL, of at most 16 KiB together.

    :raises InvalidField: they are too large or no JSON.
    """
    try:
        text = json.dumps(attributes, ensure_ascii=False, allow_nan=False)
        size = len(text.encode())
    except (TypeError, ValueError) as error:
        raise InvalidField(f"the attributes cannot be stored: {error}") from None
    if size > MOST_ATTRIBUTE_BYTES:
        raise InvalidField(f"the attributes have {size} bytes, where {MOST_ATTRIBUTE_BYTES} are allowed")
    if "\\u0000" in text:  # PostgreSQL's jsonb holds no NUL
        cleaned: dict[str, Any] = json.loads(text.replace("\\u0000", ""))
        return cleaned
    return attributes
