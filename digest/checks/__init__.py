"""The preflight's rules: an issue in, findings out; what must be known of DNS or links comes in as a value.

``examine(IssueUnderCheck) → list[Finding]``. Errors stop ``send`` and ``run``; warnings are shown.
"""

from __future__ import annotations

from digest.checks.findings import Finding, IssueUnderCheck, Level, LinkState, PictureState
from digest.checks.rules import RULES, examine

__all__ = ["RULES", "Finding", "IssueUnderCheck", "Level", "LinkState", "PictureState", "examine"]
