"""Days without an issue of their own whose stories the next issue carries, and says so."""

from __future__ import annotations

from datetime import date, datetime

from sqlalchemy.orm import Session

from digest.models import FactRow


def note(session: Session, edition: str, day: date, *, now: datetime) -> None:
    """The issue of ``day`` had too few stories: the next one takes them along."""
    fact = session.get(FactRow, _name(edition))
    days = set(fact.value.get("days", [])) if fact else set()
    days.add(day.isoformat())
    session.merge(FactRow(name=_name(edition), value={"days": sorted(days)}, at=now))


def take(session: Session, edition: str) -> list[str]:
    """The noted days (ISO), which are forgotten with it."""
    fact = session.get(FactRow, _name(edition))
    if fact is None:
        return []
    days = [str(day) for day in fact.value.get("days", [])]
    session.delete(fact)
    return days


def _name(edition: str) -> str:
    return f"carried-over:{edition}"
