"""Teasers: the two sentences under a headline, from what the source gave, cleaned and cut."""

from __future__ import annotations

from digest.picking.teasers.cascade import teaser_from
from digest.picking.teasers.cleaning import clean
from digest.picking.teasers.cutting import cut
from digest.picking.teasers.lint import Flaw, lint
from digest.picking.teasers.reading import reading_minutes

__all__ = ["Flaw", "clean", "cut", "lint", "reading_minutes", "teaser_from"]
