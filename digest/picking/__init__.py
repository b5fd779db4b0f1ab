"""The editor's rules: which stories an issue prints, where, why, and with what teaser. Pure."""

from __future__ import annotations
