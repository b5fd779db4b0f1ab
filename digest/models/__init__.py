"""The tables of articles, issues and deliveries, on the base that ``subscribers`` owns."""

from __future__ import annotations

from digest.models.articles import (
    ArticleRevisionRow,
    ArticleRow,
    Decision,
    EditorialDecisionRow,
    SourceStateRow,
    StoryLinkRow,
    StoryRow,
)
from digest.models.deliveries import (
    ClickCountRow,
    DeliveryRow,
    DeliveryStatus,
    FactRow,
    LeaseRow,
    NoticeKind,
    NoticeRow,
    QuotaRow,
    RateLimitRow,
)
from digest.models.issues import (
    ArchiveTextRow,
    IssueEventRow,
    IssueItemRow,
    IssueRow,
    IssueStatus,
    LedgerEntryRow,
    LedgerState,
    RenditionRow,
)
from subscribers import models as people

__all__ = [
    "ArchiveTextRow",
    "ArticleRevisionRow",
    "ArticleRow",
    "ClickCountRow",
    "Decision",
    "DeliveryRow",
    "DeliveryStatus",
    "EditorialDecisionRow",
    "FactRow",
    "IssueEventRow",
    "IssueItemRow",
    "IssueRow",
    "IssueStatus",
    "LeaseRow",
    "LedgerEntryRow",
    "LedgerState",
    "NoticeKind",
    "NoticeRow",
    "QuotaRow",
    "RateLimitRow",
    "RenditionRow",
    "SourceStateRow",
    "StoryLinkRow",
    "StoryRow",
    "people",
]
