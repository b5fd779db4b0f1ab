"""What an editor typed, checked before it comes into an issue: length, control characters, addresses."""

from __future__ import annotations

from urllib.parse import urlsplit

from digest.errors import IssueError

LONGEST = {"headline": 300, "teaser": 5000, "label": 60, "subject": 200, "preheader": 250, "url": 2000}
"""Code points that an edited field may have."""

ONE_LINE = frozenset(LONGEST) - {"teaser"}


def edited_text(name: str, text: str) -> str:
    """Checked for length, without control characters; one line but for teasers, which have paragraphs."""
    kept = "".join(ch if ch == "\n" or (ord(ch) >= 32 and not 127 <= ord(ch) < 160) else " " for ch in text)
    kept = kept.encode("utf-8", "replace").decode("utf-8")
    lines = [" ".join(line.split()) for line in kept.split("\n")]
    kept = " ".join(line for line in lines if line) if name in ONE_LINE else "\n".join(lines).strip()
    if len(kept) > LONGEST[name]:
        raise IssueError(
            f"the {name} has {len(kept)} characters; at most {LONGEST[name]} fit", remedy="shorten it"
        )
    return kept


def edited_address(url: str) -> str:
    """Only http and https addresses come into an issue. Raises ``IssueError``."""
    url = edited_text("url", url)
    try:
        parts = urlsplit(url)
        usable = parts.scheme.lower() in {"http", "https"} and bool(parts.hostname) and " " not in url
    except ValueError:
        usable = False
    if not usable:
        raise IssueError(f"{url[:200]!r} is no web address", remedy="it must begin with https:// or http://")
    return url
