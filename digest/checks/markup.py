"""Rules on the HTML: size, alt texts, contrast, headings, language, clients, what comes from elsewhere."""

from __future__ import annotations

import re
from collections.abc import Iterator

from digest.checks.clients import uses_of
from digest.checks.findings import Finding, IssueUnderCheck, Level

WARNING = 90_000  # bytes
LIMIT = 100_000
AA_TEXT = 4.5
_IMPORT = re.compile(r"@import|@font-face|url\(\s*['\"]?https?:", re.IGNORECASE)


def size(issue: IssueUnderCheck) -> Iterator[Finding]:
    """Gmail clips at 102 KB of decoded HTML after the merge, and hides the unsubscribe link with it."""
    bytes_ = len(issue.html.encode("utf-8", "replace"))
    if bytes_ > LIMIT:
        yield Finding(
            "size", Level.ERROR, f"the HTML has {bytes_ / 1000:.0f} KB; Gmail clips it at 102 KB", "HTML"
        )
    elif bytes_ > WARNING:
        yield Finding(
            "size", Level.WARNING, f"the HTML has {bytes_ / 1000:.0f} KB, close to Gmail's 102 KB", "HTML"
        )


def alt_texts(issue: IssueUnderCheck) -> Iterator[Finding]:
    """Every picture has an alt text; an empty one only for decoration."""
    for image in issue.page.images:
        if image.alt is None:
            yield Finding(
                "alt",
                Level.ERROR,
                f"{image.src[:80]} has no alt text",
                issue.item_at(image.src) or issue.place(image.src),
            )
    for anchor in issue.page.anchors:
        if re.fullmatch(r"\S+\.(jpe?g|png|gif|webp)", anchor.words.strip(), re.IGNORECASE):
            yield Finding(
                "alt",
                Level.WARNING,
                f"{anchor.words.strip()[:60]!r} is a file name, not an alt text",
                issue.item_at(anchor.href) or issue.place(anchor.href),
            )


def contrast(issue: IssueUnderCheck) -> Iterator[Finding]:
    """Every pair of colours of the theme reads, light and dark (WCAG AA)."""
    for pair, ratio in issue.contrasts.items():
        if ratio < AA_TEXT:
            yield Finding(
                "contrast",
                Level.ERROR,
                f"{pair} is {ratio:.1f}:1, below {AA_TEXT}:1",
                "newsletter.toml [theme]",
            )


def headings(issue: IssueUnderCheck) -> Iterator[Finding]:
    """One h1, and no level is skipped."""
    levels = [heading.level for heading in issue.page.headings]
    if levels.count(1) != 1:
        yield Finding("headings", Level.ERROR, f"there are {levels.count(1)} h1 headings, not one", "HTML")
    for before, heading in zip(levels, issue.page.headings[1:], strict=False):
        if heading.level > before + 1:
            words = " ".join(heading.words.split())[:60]
            yield Finding(
                "headings",
                Level.WARNING,
                f"h{heading.level} follows h{before}: {words!r}",
                issue.place(f"<h{heading.level}"),
            )
            return


def language(issue: IssueUnderCheck) -> Iterator[Finding]:
    """The HTML says its language and direction, and they are the issue's; it has a title."""
    page = issue.page
    if page.language != issue.draft.language:
        yield Finding(
            "language", Level.ERROR, f"lang is {page.language!r}, not {issue.draft.language!r}", "HTML"
        )
    if page.direction != issue.rendered.direction:
        yield Finding(
            "language",
            Level.ERROR,
            f"dir is {page.direction!r}, not {issue.rendered.direction!r}",
            "HTML",
        )
    if not page.title.strip():
        yield Finding("language", Level.WARNING, "the HTML has no title", "HTML")


def client_support(issue: IssueUnderCheck) -> Iterator[Finding]:
    """What the author's CSS and HTML use that clients lack, summed per feature (can-I-email)."""
    for use in uses_of(issue.rendered.mjml):
        feature = use.feature
        if not feature.harmful:
            continue
        shown = ", ".join(feature.lacking[:5])
        more = f" and {len(feature.lacking) - 5} more" if len(feature.lacking) > 5 else ""
        times = f", used {use.times} times" if use.times > 1 else ""
        yield Finding(
            "clients",
            Level.WARNING,
            f"{feature.title}: not in {shown}{more}{times}",
            issue.place(use.snippet),
        )


def foreign_resources(issue: IssueUnderCheck) -> Iterator[Finding]:
    """No script, font or style sheet comes from elsewhere."""
    for address in issue.page.external:
        yield Finding(
            "foreign", Level.ERROR, f"the HTML loads {address[:80]}", issue.place(address) or "HTML"
        )
    for sheet in issue.page.styles:
        for found in _IMPORT.finditer(sheet):
            around = " ".join(sheet[found.start() : found.start() + 60].split())
            yield Finding(
                "foreign", Level.ERROR, f"a style loads {around!r}", issue.place(found[0]) or "HTML"
            )
    for element in ("script", "iframe", "object", "embed", "form", "video", "audio", "base"):
        if element in issue.page.elements:
            yield Finding(
                "foreign",
                Level.ERROR,
                f"<{element}> has no place in a mail",
                issue.place(f"<{element}") or "HTML",
            )
