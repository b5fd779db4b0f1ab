"""What was configured: newsletter.toml, ``.env`` and the environment, validated before anything runs."""

from __future__ import annotations

from digest.settings.loading import FILE_NAME, EditionSettings, Settings, find_folder, load

__all__ = ["FILE_NAME", "EditionSettings", "Settings", "find_folder", "load"]
