"""Why every story is in an issue or out of it: the build looked at again, as of its moment."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy.orm import Session, sessionmaker

from digest.issues.events import last_build
from digest.issues.finding import issue_row
from digest.issues.items import load_items
from digest.issues.stock import Horizon
from digest.models import IssueRow
from digest.picking.judging import Judged
from digest.pipeline.build import pick_for
from digest.pipeline.edition_rules import rules_of
from digest.settings import Settings
from digest.values import Item, ItemKind, Slot

IN = "in"
OUT = "out"


@dataclass(frozen=True, slots=True)
class Verdict:
    """One candidate: in or out, and why. ``score`` is the product of ``factors``."""

    article: int
    story: int
    title: str
    source: str
    section: str
    decision: str
    slot: str
    reason: str
    score: float
    factors: Mapping[str, float]
    duplicate_of: int | None

    def as_json(self) -> dict[str, Any]:
        """The object of the contract (CLI)."""
        return {
            "article": self.article,
            "story": self.story,
            "title": self.title,
            "decision": self.decision,
            "reason": self.reason,
            "score": self.score,
            "factors": dict(self.factors),
            "duplicate_of": self.duplicate_of,
            "slot": self.slot,
            "section": self.section,
            "source": self.source,
        }


def explain_issue(sessions: sessionmaker[Session], settings: Settings, issue_id: int) -> list[Verdict]:
    """Every candidate of an issue, those that are in first, then by score.

    What hands have changed since the build is said so. Raises ``UnknownIssue``, ``ConfigError``.
    """
    with sessions() as session:
        row = issue_row(session, issue_id)
        edition = settings.edition(row.edition)
        rules = rules_of(settings, edition)
        noted = last_build(session, row.id).get("horizon")
        reached = Horizon(**noted) if noted else None
        page, _ = pick_for(session, edition, rules, row, now=row.built_at, as_of=reached)
        printed = {item.article_id: item for item in load_items(session, row.id)}
        dropped = {item.article_id: item for item in load_items(session, row.id, dropped=True)}
        return _sorted([_of_issue(one, printed, dropped, row) for one in page.judged])


def explain_edition(
    sessions: sessionmaker[Session], settings: Settings, edition: str, *, now: datetime
) -> list[Verdict]:
    """What an issue of the edition would print now, and why. Raises ``ConfigError``."""
    desk = settings.edition(edition)
    rules = rules_of(settings, desk)
    with sessions() as session:
        page, _ = pick_for(session, desk, rules, None, now=now)
        return _sorted([_verdict(one, one.slot, one.reason) for one in page.judged])


def _of_issue(
    one: Judged, printed: Mapping[int | None, Item], dropped: Mapping[int | None, Item], row: IssueRow
) -> Verdict:
    item = printed.get(one.candidate.id)
    if item is not None:
        by_hand = f"by the hand of {item.actor or 'an editor'}" if item.locked else ""
        return _verdict(one, item.slot, by_hand if by_hand and one.slot is None else one.reason or by_hand)
    gone = dropped.get(one.candidate.id)
    if gone is not None and gone.kind is ItemKind.STORY:
        return _verdict(one, None, f"dropped by {gone.actor or 'an editor'}")
    if one.slot is not None:
        return _verdict(one, None, f"not there when issue {row.id} was built")
    return _verdict(one, None, one.reason)


def _verdict(one: Judged, slot: Slot | None, reason: str) -> Verdict:
    candidate = one.candidate
    return Verdict(
        article=candidate.id,
        story=candidate.story_id,
        title=candidate.headline or candidate.title,
        source=candidate.source,
        section=one.section,
        decision=OUT if slot is None else IN,
        slot="" if slot is None else slot.value.replace("_", "-"),
        reason=reason,
        score=one.score,
        factors=one.factors,
        duplicate_of=one.duplicate_of,
    )


def _sorted(verdicts: list[Verdict]) -> list[Verdict]:
    order = {"lead": 0, "section": 1, "dont-miss": 2}
    return sorted(verdicts, key=lambda v: (v.decision == OUT, order.get(v.slot, 3), -v.score, v.article))
