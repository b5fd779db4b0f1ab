"""Issues in the database: candidates, the ledger, statuses, items, edits, and the draft to render."""

from __future__ import annotations
