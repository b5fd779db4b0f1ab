"""The values that walk through the house: one noun per hop, frozen, without a database or a clock.

``Article → Candidate → Pick → Draft(items) → RenderedIssue → MessageTemplate → Envelope``, and back
``Outcome = Accepted | Deferred | Refused | Uncertain``. Times are aware and UTC.
"""

from __future__ import annotations

from digest.values.issues import (
    Context,
    Draft,
    Fragment,
    Item,
    ItemKind,
    Literal,
    Masthead,
    Merge,
    Origin,
    PreviousIssue,
    RenderedIssue,
    SectionHeading,
    escape_merged,
)
from digest.values.mail import (
    PERMIT,
    Accepted,
    Blame,
    Connection,
    Deferred,
    Envelope,
    Follow,
    Outcome,
    Recipient,
    Refused,
    SteppedConnection,
    Steps,
    Transport,
    Uncertain,
    Wait,
    Withheld,
)
from digest.values.progress import Progress, Silent
from digest.values.stories import Access, Article, ArticleKind, Candidate, Pick, Picture, Related, Slot

__all__ = [
    "PERMIT",
    "Accepted",
    "Access",
    "Article",
    "ArticleKind",
    "Blame",
    "Candidate",
    "Connection",
    "Context",
    "Deferred",
    "Draft",
    "Envelope",
    "Follow",
    "Fragment",
    "Item",
    "ItemKind",
    "Literal",
    "Masthead",
    "Merge",
    "Origin",
    "Outcome",
    "Pick",
    "Picture",
    "PreviousIssue",
    "Progress",
    "Recipient",
    "Refused",
    "Related",
    "RenderedIssue",
    "SectionHeading",
    "Silent",
    "Slot",
    "SteppedConnection",
    "Steps",
    "Transport",
    "Uncertain",
    "Wait",
    "Withheld",
    "escape_merged",
]
