"""What people type: dates."""

from __future__ import annotations

from datetime import date

from digest.errors import ConfigError


def civil_date(text: str) -> date:
    """``2026-11-23``. Raises ``ConfigError``."""
    try:
        return date.fromisoformat(text)
    except ValueError:
        raise ConfigError(f"{text!r} is no date", remedy="write it like 2026-11-23") from None
