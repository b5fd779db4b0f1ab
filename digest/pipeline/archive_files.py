"""The archive for programs: an Atom feed of issues (RFC 4287) and a sitemap (https://sitemaps.org)."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import TYPE_CHECKING
from xml.sax.saxutils import escape, quoteattr

if TYPE_CHECKING:
    from digest.pipeline.archiving import Entry
    from digest.settings import Settings


def atom_feed(settings: Settings, entries: Sequence[Entry]) -> str:
    """The newest issues as Atom: titles, preheaders and addresses, no content."""
    newsletter = settings.file.newsletter
    base = settings.public_url
    updated = max((entry.modified for entry in entries), default=datetime(1970, 1, 1, tzinfo=UTC))
    parts = [
        '<?xml version="1.0" encoding="utf-8"?>\n'
        f'<feed xmlns="http://www.w3.org/2005/Atom" xml:lang={quoteattr(newsletter.language)}>',
        f"<title>{_text(newsletter.name)}</title>",
        f"<id>{_text(base)}/archive</id>",
        f"<updated>{_moment(updated)}</updated>",
        f"<author><name>{_text(newsletter.name)}</name></author>",
        f'<link rel="self" href={quoteattr(base + "/archive/feed.xml")}/>',
        f'<link rel="alternate" type="text/html" href={quoteattr(base + "/archive")}/>',
    ]
    parts += [
        f"<entry xml:lang={quoteattr(entry.language)}><title>{_text(entry.subject)}</title>"
        f"<id>{_text(base + entry.path)}</id>"
        f"<updated>{_moment(entry.modified)}</updated><published>{_moment(entry.modified)}</published>"
        f'<link rel="alternate" type="text/html" href={quoteattr(base + entry.path)}/>'
        f"<summary>{_text(entry.preheader)}</summary></entry>"
        for entry in entries
    ]
    return "\n".join([*parts, "</feed>", ""])


def sitemap(settings: Settings, entries: Sequence[Entry]) -> str:
    """Addresses of the archive and its issues, at most 50,000."""
    base = settings.public_url
    parts = [
        '<?xml version="1.0" encoding="utf-8"?>\n<urlset xmlns="http://www.sitemaps.org/schemas/sitemap/0.9">',
        f"<url><loc>{_text(base)}/archive</loc></url>",
        *(
            f"<url><loc>{_text(base + entry.path)}</loc><lastmod>{_moment(entry.modified)}</lastmod></url>"
            for entry in entries[:49_999]
        ),
    ]
    return "\n".join([*parts, "</urlset>", ""])


def _text(text: str) -> str:
    # XML 1.0 has no control characters but these three; a headline may have brought one.
    return escape("".join(letter for letter in text if letter >= " " or letter in "\t\n\r"))


def _moment(at: datetime) -> str:
    return at.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
