"""The process that runs what is due: one leader among several, each job by itself, through any trouble."""

from __future__ import annotations

from digest.schedule.loop import Job, Office

__all__ = ["Job", "Office"]
