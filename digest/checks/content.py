"""Rules on what is printed: links, pictures, subject, slots, the law's lines, the text part."""

from __future__ import annotations

import re
from collections.abc import Iterator
from urllib.parse import urlsplit

from digest.checks.addresses import is_on_this_machine, is_web_address
from digest.checks.findings import Finding, IssueUnderCheck, Level
from digest.values import ItemKind

_LEFT_OVER = re.compile(r"slot\.invalid|\{\{|\{%|\}\}|z[0-9a-f]{12}z[mbe][0-9a-f]{3}z|%7B%7B", re.IGNORECASE)
_PLACE = re.compile(r"([\w-]+/[\w.-]+\.j2(?::\d+)?): ")
_SHOUTED = re.compile(r"[A-ZÀ-Þ]{2,}")
HEAVIEST = 1_000_000  # bytes of a picture; ten of these are a minute on a slow phone
SUBJECT_LONGEST = 120  # code points; phones show 30 to 40, desktops 70
SUBJECT_SHOWN = 70
PREHEADER_SHOWN = 140
_STORY_KINDS = {ItemKind.STORY, ItemKind.SPONSOR, ItemKind.EVENT}


def links(issue: IssueUnderCheck) -> Iterator[Finding]:
    """Every link is a web or mail address that is well-formed."""
    for anchor in issue.page.anchors:
        href = anchor.href.strip()
        if href.startswith(("mailto:", "tel:")) and len(href) > 8:
            continue
        words = " ".join(anchor.words.split())[:60]
        where = issue.item_at(href) or issue.place(href)
        if not href or href == "#":
            yield Finding("links", Level.ERROR, f"a link leads nowhere: {words!r}", where)
        elif not is_web_address(href):
            yield Finding("links", Level.ERROR, f"{href[:80]!r} is no address ({words!r})", where)
        elif not words:
            yield Finding("links", Level.WARNING, f"a link has no words: {href[:80]}", where)
    for item in issue.draft.items:
        # The item is printed without its link: one bad address does not hold the issue back.
        if item.kind in _STORY_KINDS and item.url and not is_web_address(item.url):
            yield Finding(
                "links",
                Level.WARNING,
                f"{item.url[:80]!r} of {item.headline[:50]!r} is no web address; printed without a link",
                f"item {item.id}",
            )
        elif item.kind is ItemKind.STORY and not item.url:
            yield Finding("links", Level.WARNING, f"{item.headline[:60]!r} has no link", f"item {item.id}")


def dead_links(issue: IssueUnderCheck) -> Iterator[Finding]:
    """With ``--links``: a story's page answers. Only what is gone for good is an error."""
    for url, state in issue.links.items():
        if state.dead:
            yield Finding("dead-links", Level.ERROR, f"{url} is gone ({state.status})", issue.item_at(url))
        elif state.status == 0 or state.status >= 400:
            cause = state.detail or str(state.status)
            yield Finding("dead-links", Level.WARNING, f"{url} does not answer ({cause})", issue.item_at(url))


def pictures(issue: IssueUnderCheck) -> Iterator[Finding]:
    """Every picture is https, of a kind that clients show, and not a tracker."""
    for image in issue.page.images:
        where = issue.item_at(image.src) or issue.place(image.src)
        path = urlsplit(image.src).path.lower()
        if not image.src:
            yield Finding("pictures", Level.ERROR, "a picture has no address", where)
        elif image.src.startswith("data:"):
            yield Finding("pictures", Level.ERROR, "a picture is in the HTML itself; Gmail drops it", where)
        elif not image.src.startswith("https:") and not is_on_this_machine(image.src):
            yield Finding("pictures", Level.ERROR, f"{image.src[:80]} is not https", where)
        elif path.endswith((".svg", ".avif", ".heic", ".tif", ".tiff")):
            yield Finding("pictures", Level.ERROR, f"mail clients do not show {image.src[:80]}", where)
        elif path.endswith(".webp"):
            yield Finding("pictures", Level.WARNING, f"Outlook does not show {image.src[:80]}", where)
        if image.width in {"0", "1"}:
            yield Finding("pictures", Level.ERROR, f"{image.src[:80]} is a tracking pixel", where)


def dead_pictures(issue: IssueUnderCheck) -> Iterator[Finding]:
    """With ``--links``: a picture is there, is one, and is no burden. Only what readers miss is an error."""
    for url, state in issue.pictures.items():
        where = "newsletter.toml [theme]" if url in issue.logos else issue.item_at(url) or issue.place(url)
        level, fault = Level.WARNING, ""
        if state.dead:
            level, fault = Level.ERROR, f"is gone ({state.status})"
        elif state.status == 0 or state.status >= 400:
            fault = f"does not answer ({state.detail or state.status})"
        elif state.status == 200 and state.type == "" and state.weight is None:
            continue  # it answers, and asked to come back later
        elif not state.shown:
            level, fault = Level.ERROR, f"is no picture that mail clients show, but {state.type or 'nothing'}"
        elif state.type == "image/webp":
            fault = "is WebP, which Outlook does not show"
        elif state.weight is not None and state.weight > HEAVIEST:
            fault = f"weighs {state.weight / 1_000_000:.1f} MB; a phone waits for it"
        if fault:
            yield Finding("dead-pictures", level, f"{url[:120]} {fault}", where)


def subject(issue: IssueUnderCheck) -> Iterator[Finding]:
    """There is a subject, on one line, that fits and does not shout."""
    text = issue.rendered.subject
    if not text.strip():
        yield Finding("subject", Level.ERROR, "there is no subject", "subject")
        return
    if any(ord(character) < 32 for character in text):
        yield Finding("subject", Level.ERROR, "it has control characters", "subject")
    if len(text) > SUBJECT_LONGEST:
        yield Finding(
            "subject",
            Level.WARNING,
            f"{len(text)} characters; inboxes show about {SUBJECT_SHOWN}",
            "subject",
        )
    letters = [character for character in text if character.isalpha()]
    if len(letters) > 12 and _SHOUTED.search(text) and text.upper() == text and text.lower() != text:
        yield Finding("subject", Level.WARNING, "it is all in capitals", "subject")
    if text.count("!") > 1:
        yield Finding("subject", Level.WARNING, "it has more than one exclamation mark", "subject")
    if re.match(r"(?i)(re|fwd?|aw|wg)\s*:", text):
        yield Finding("subject", Level.ERROR, "it looks like an answer, which it is not", "subject")


def preheader(issue: IssueUnderCheck) -> Iterator[Finding]:
    """There is a preheader, and it says something that the subject does not."""
    text = issue.rendered.preheader.strip()
    if not text:
        yield Finding(
            "preheader", Level.WARNING, "there is none; inboxes show the date line instead", "preheader"
        )
    elif text.casefold() == issue.rendered.subject.strip().casefold():
        yield Finding("preheader", Level.WARNING, "it says the same as the subject", "preheader")
    elif len(text) > PREHEADER_SHOWN:
        yield Finding(
            "preheader",
            Level.WARNING,
            f"{len(text)} characters; inboxes show at most {PREHEADER_SHOWN}",
            "preheader",
        )


def slots_left_over(issue: IssueUnderCheck) -> Iterator[Finding]:
    """No placeholder of a template or of a rendering reaches a reader."""
    printed = " ".join(f"{item.headline} {item.teaser} {item.url}" for item in issue.draft.items)
    for part, text in (("HTML", issue.html), ("text part", issue.text), ("subject", issue.rendered.subject)):
        for found in _LEFT_OVER.finditer(text):
            around = " ".join(text[max(0, found.start() - 20) : found.end() + 30].split())
            # A story may be about templates: what an article prints is no slot of ours.
            ours = found[0].lower().startswith(("slot", "z"))
            if not ours and found[0] in printed:
                continue
            yield Finding(
                "slots", Level.ERROR, f"a slot is left over: {around!r}", issue.place(found[0]) or part
            )
            break


def postal_address(issue: IssueUnderCheck) -> Iterator[Finding]:
    """The publisher's postal address is in both parts (CAN-SPAM, 16 CFR 316)."""
    address = issue.draft.masthead.postal_address.strip()
    if not address:
        yield Finding(
            "postal-address",
            Level.ERROR,
            "newsletter.postal_address is not set, and the law wants it",
            "newsletter.toml",
        )
        return
    first = " ".join(address.splitlines()[0].split())
    for part, text in (("HTML", issue.page.words), ("text part", " ".join(issue.text.split()))):
        if first not in text:
            yield Finding("postal-address", Level.ERROR, f"it is not in the {part}", part)


def unsubscribe(issue: IssueUnderCheck) -> Iterator[Finding]:
    """Both parts have the subscriber's own unsubscribe link."""
    for part, name in (("html", "HTML"), ("text", "text part")):
        if "unsubscribe_url" not in issue.slots[part]:
            yield Finding("unsubscribe", Level.ERROR, f"there is no unsubscribe link in the {name}", name)


def text_part(issue: IssueUnderCheck) -> Iterator[Finding]:
    """There is a text part that tells the same stories, no wider than 78 columns but for addresses."""
    from wcwidth import wcswidth

    if len(issue.text.strip()) < 20:
        yield Finding("text-part", Level.ERROR, "there is no text part", "text part")
        return
    flat, shown = "".join(issue.text.split()), "".join(issue.page.words.split())
    for item in issue.draft.items:
        headline = "".join(item.headline.split())
        if item.kind is ItemKind.STORY and headline and headline in shown and headline not in flat:
            yield Finding(
                "text-part",
                Level.ERROR,
                f"{item.headline[:60]!r} is in the HTML, and not in the text part",
                f"item {item.id}",
            )
    for number, line in enumerate(issue.text.splitlines(), 1):
        if len(line) > 39 and wcswidth(line) > 78 and "://" not in line:
            yield Finding(
                "text-part", Level.WARNING, f"line {number} is {wcswidth(line)} columns wide", "text part"
            )
            break


def degraded(issue: IssueUnderCheck) -> Iterator[Finding]:
    """What rendering had to leave out or make smaller."""
    for note in issue.rendered.notes:
        place = _PLACE.match(note)
        where = place[1] if place else _item_named(issue, note)
        yield Finding("degraded", Level.WARNING, note[place.end() :] if place else note, where)


def _item_named(issue: IssueUnderCheck, note: str) -> str:
    for item in issue.draft.items:
        headline = " ".join(item.headline.split())
        if headline and f" of {headline[:60]!r} left out" in note:
            return f"item {item.id}"
    return ""


def empty(issue: IssueUnderCheck) -> Iterator[Finding]:
    """There is something to read."""
    if not any(item.kind is ItemKind.STORY for item in issue.draft.items):
        yield Finding("empty", Level.ERROR, "there is no story in the issue", "")
    for item in issue.draft.items:
        if item.kind in _STORY_KINDS and not item.headline.strip():
            yield Finding("empty", Level.ERROR, "an item has no headline", f"item {item.id}")
