"""A news site's page saved as text: only the story itself is taken from among the other headlines.

The shape: date, "1 min read", headline, standfirst (ending in "…reports Outlet"), paragraphs with the
headline repeated as a picture's caption and "ALSO READ: …" between them, then "Previous Story", "Next
Story", "Latest from …", "Don't Miss", each with other stories' headlines.
"""

from __future__ import annotations

import re
from datetime import datetime, tzinfo

from digest.sources.dates import read_date
from digest.sources.entry import Entry, article_from
from digest.sources.identity import folded
from digest.values import Article, Related

_READING_TIME = re.compile(
    r"\d{1,3}\s*(min(ute)?s?)\.?\s*(read|lesezeit|de lecture)?|lesezeit:?.*", re.IGNORECASE
)
_END = re.compile(
    r"(previous|next)\s+(story|article|post)|latest\s+from\b.*|don[’'`]?t\s+miss.*|you\s+may\s+also\s+like.*|"
    r"related\s+(stories|articles|posts)|more\s+from\b.*|go\s*to\s*top|leave\s+a\s+(reply|comment).*|"
    r"recommended(\s+for\s+you)?|most\s+(read|popular)|trending(\s+now)?|share\s+this.*|tags?:.*|comments?",
    re.IGNORECASE,
)
_ALSO = re.compile(
    r"(also\s+read|read\s+(also|more|next)|see\s+also|related)\s*[:|–-]\s*(?P<title>.+)", re.IGNORECASE
)
_CREDIT = re.compile(r"\s*(?:…|\.{2,4})\s*\.?\s*reports\s+(?P<outlet>[^.!?\n]{2,60})\.?\s*$", re.IGNORECASE)
_FURNITURE = re.compile(
    r"(home|menu|search|subscribe|sign in|log in|advertisement|skip to (main )?content|share|tweet|e-?mail|"
    r"print|(by\s+)?(admin|editor)|facebook|twitter|whatsapp|linkedin)",
    re.IGNORECASE,
)
_BYLINE = re.compile(r"by\s+(?P<name>[^\d|•]{3,60}?)(\s*[|•].*)?", re.IGNORECASE)


def read_saved_text(text: str, *, path: str, source: str, now: datetime, zone: tzinfo) -> Article | None:
    """The story in a saved page, or None when the text has not that shape (no date and no end marks)."""
    lines = [" ".join(line.split()) for line in text.splitlines()]
    lines = [line for line in lines if line]
    ends = next((at for at, line in enumerate(lines) if at > 1 and _END.fullmatch(line)), None)
    published, at = None, 0
    byline = ""
    while at < min(len(lines), 12):
        line = lines[at]
        found = read_date(line, now=now, zone=zone)
        named = _BYLINE.fullmatch(line)
        if found is not None:
            published = published or found
        elif named:
            byline = byline or named["name"]
        elif not _READING_TIME.fullmatch(line) and not _FURNITURE.fullmatch(line):
            break
        at += 1
    if ends is None and published is None:
        return None
    if at >= len(lines):
        return None
    title, rest = lines[at], lines[at + 1 : ends]
    related: list[Related] = []
    paragraphs: list[str] = []
    standfirst, outlet = "", ""
    for line in rest:
        also = _ALSO.fullmatch(line)
        credit = _CREDIT.search(line)
        if also:
            related.append(Related(also["title"], ""))
        elif _READING_TIME.fullmatch(line) or _FURNITURE.fullmatch(line) or folded(line) == folded(title):
            continue
        elif credit and not paragraphs and not standfirst:
            standfirst, outlet = line[: credit.start()].rstrip(" .…") + ".", credit["outlet"].strip()
        else:
            paragraphs.append(line)
    if not standfirst and len(paragraphs) > 1 and len(paragraphs[0]) <= 320:
        standfirst = paragraphs[0]
        paragraphs = paragraphs[1:]
    entry = Entry(
        read_by="saved-page",
        title=title,
        guid=path,
        published_at=published,
        authors=(byline,) if byline else (outlet,) if outlet else (),
        summary=_escaped(standfirst),
        body="".join(f"<p>{_escaped(line)}</p>" for line in paragraphs),
        related=tuple(related[:10]),
    )
    return article_from(entry, source=source, now=now)


def _escaped(text: str) -> str:
    import html

    return html.escape(text, quote=False)
