"""Teasers: the two sentences under a headline, from what the source gave, cleaned and cut."""

from __future__ import annotations

from digest.picking.teasers.cascade import teaser_from
from digest.picking.teasers.reading import reading_minutes

__all__ = ["reading_minutes", "teaser_from"]
