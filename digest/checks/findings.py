"""What the preflight looks at and what it says."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from functools import cached_property

from digest.checks.page import Page, read_page
from digest.values import Draft, Merge, RenderedIssue


class Level(StrEnum):
    """``error`` stops the sending, ``warning`` does not."""

    ERROR = "error"
    WARNING = "warning"


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that an editor would be ashamed of.

    ``where`` is ``daily/issue.mjml.j2:12``, ``item 7``, ``subject``, ``header List-Unsubscribe``…
    """

    rule: str
    level: Level
    message: str
    where: str = ""


@dataclass(frozen=True, slots=True)
class LinkState:
    """What is known of a link that was asked: its status, or 0 and why there is none."""

    status: int
    detail: str = ""

    @property
    def dead(self) -> bool:
        """Gone for good: nobody will read it. Others may be shy of programs (403, 429, 503)."""
        return self.status in {404, 410}


@dataclass(frozen=True, slots=True)
class PictureState:
    """What is known of a picture that was asked.

    :param status: of the answer, or 0 and in ``detail`` why there is none.
    :param type: by its first bytes, else what the server says.
    :param weight: bytes, if the server tells.
    :param shown: it is of a kind that clients show.
    """

    status: int
    detail: str = ""
    type: str = ""
    weight: int | None = None
    shown: bool = False

    @property
    def dead(self) -> bool:
        """Gone for good; others may only be shy of programs."""
        return self.status in {404, 410}


@dataclass(frozen=True)
class IssueUnderCheck:
    """All that the rules may know.

    :param html: the HTML of the largest copy that is likely, with a sample person's values.
    :param text: the same copy's text part.
    :param contrasts: the ratio of each pair of the theme's colours, ``light: grey on tint`` → 5.4.
    :param headers: of a copy as it would be sent, in order; None when it could not be put together.
    :param links: what was found out of links (``--links``); empty when nobody asked.
    :param pictures: what was found out of pictures, as ``links``.
    :param logos: of the theme: a fault of theirs is not an item's.
    :param sources: template files by name, for the place of a finding.
    """

    draft: Draft
    rendered: RenderedIssue
    html: str
    text: str
    contrasts: Mapping[str, float] = field(default_factory=dict)
    headers: tuple[tuple[str, str], ...] | None = None
    header_fault: str = ""
    links: Mapping[str, LinkState] = field(default_factory=dict)
    pictures: Mapping[str, PictureState] = field(default_factory=dict)
    logos: tuple[str, ...] = ()
    sources: Mapping[str, str] = field(default_factory=dict)

    @cached_property
    def page(self) -> Page:
        """The HTML, read."""
        return read_page(self.html)

    @cached_property
    def slots(self) -> dict[str, list[str]]:
        """The names of merge fields in each part."""
        return {
            "html": [f.name for f in self.rendered.html if isinstance(f, Merge)],
            "text": [f.name for f in self.rendered.text if isinstance(f, Merge)],
        }

    def place(self, snippet: str) -> str:
        """The template file and line in which a text stands, or empty."""
        for name, source in self.sources.items():
            for number, line in enumerate(source.splitlines(), 1):
                if snippet in line:
                    return f"{name}:{number}"
        return ""

    def item_at(self, url: str) -> str:
        """``item 7`` for the address of an item or its picture, or empty.

        ``[links] append`` adds parameters to what is printed: they do not count where nothing else fits.
        """
        if not url:
            return ""
        bare = re.split(r"[?#]", url, maxsplit=1)[0]
        near = ""
        for item in self.draft.items:
            if item.url == url or (item.picture and item.picture.url == url):
                return f"item {item.id}"
            if not near and item.url and re.split(r"[?#]", item.url, maxsplit=1)[0] == bare:
                near = f"item {item.id}"
        return near
