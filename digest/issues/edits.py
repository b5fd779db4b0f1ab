"""What each edit of an issue or an article takes, said once for the desk and its use cases."""

from __future__ import annotations

from datetime import datetime
from typing import NotRequired, TypedDict


class Hand(TypedDict):
    """Whose hand it is, when, and which version of the issue it saw (None: whatever it is)."""

    now: datetime
    actor: NotRequired[str]
    version: NotRequired[int | None]


class Lines(Hand):
    """What ``edit_issue`` takes; None leaves a line as it is."""

    subject: NotRequired[str | None]
    preheader: NotRequired[str | None]


class Words(Hand):
    """What ``edit_item`` takes; None leaves a field as it is."""

    headline: NotRequired[str | None]
    teaser: NotRequired[str | None]
    url: NotRequired[str | None]
    label: NotRequired[str | None]


class ArticleWords(TypedDict):
    """What ``decisions.edit`` takes of an article's words; None leaves them as they are, an empty text gives
    them back to the rules."""

    headline: NotRequired[str | None]
    teaser: NotRequired[str | None]
    label: NotRequired[str | None]


class Content(Hand):
    """What ``insert_item`` takes beside kind and place."""

    headline: NotRequired[str]
    text: NotRequired[str]
    url: NotRequired[str]
    image: NotRequired[str]
    label: NotRequired[str]
