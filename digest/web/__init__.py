"""The public pages: leave, confirm, choose, read the archive. HTTP in, calls out; no cookies, no scripts."""

from __future__ import annotations

from digest.web.application import public_pages

__all__ = ["public_pages"]
