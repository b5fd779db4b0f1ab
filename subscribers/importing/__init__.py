"""Importing people from whatever another system exports."""

from subscribers.importing.running import import_people
from subscribers.importing.values import Candidate, Format, Options, Rejected, Report, Watcher

__all__ = ["Candidate", "Format", "Options", "Rejected", "Report", "Watcher", "import_people"]
