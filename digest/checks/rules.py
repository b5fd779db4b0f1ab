"""All rules of the preflight by id, and what runs them."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from digest.checks import content, markup, message
from digest.checks.findings import Finding, IssueUnderCheck, Level

Rule = Callable[[IssueUnderCheck], Iterator[Finding]]

RULES: dict[str, Rule] = {
    "size": markup.size,
    "links": content.links,
    "dead-links": content.dead_links,
    "pictures": content.pictures,
    "dead-pictures": content.dead_pictures,
    "alt": markup.alt_texts,
    "contrast": markup.contrast,
    "headings": markup.headings,
    "language": markup.language,
    "clients": markup.client_support,
    "foreign": markup.foreign_resources,
    "subject": content.subject,
    "preheader": content.preheader,
    "slots": content.slots_left_over,
    "headers": message.headers,
    "one-click": message.one_click,
    "list-headers": message.list_headers,
    "postal-address": content.postal_address,
    "unsubscribe": content.unsubscribe,
    "text-part": content.text_part,
    "degraded": content.degraded,
    "empty": content.empty,
}
"""Every rule by its id, in the order in which findings are shown."""


def examine(issue: IssueUnderCheck) -> list[Finding]:
    """What all rules find, errors first; the same issue gives the same list."""
    found = [finding for rule in RULES.values() for finding in rule(issue)]
    return sorted(dict.fromkeys(found), key=lambda finding: finding.level is not Level.ERROR)
