"""The previewer and the editor's desk in it: an issue in the browser, live, over loopback."""

from __future__ import annotations

from digest.preview.desk import Desk

__all__ = ["Desk"]
