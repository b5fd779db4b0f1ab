"""The last resort for reports in words that no dialect of ours knows: flufl.bounce."""

from __future__ import annotations

import logging
from typing import Final

SIZE_LIMIT: Final = 65_536  # bytes; its detectors read every line some thirty times
BOUNDARY_LIMIT: Final = 16  # the standard library's parser recurses once for each nested part


def by_flufl(raw: bytes) -> tuple[str, ...]:
    """Addresses that flufl.bounce finds, lower-case, temporary ones too; none if it cannot read ``raw``."""
    if len(raw) > SIZE_LIMIT or raw.lower().count(b"boundary=") > BOUNDARY_LIMIT:
        return ()
    from email import message_from_bytes

    from flufl.bounce import all_failures

    # A detector that fails is logged with its traceback; others try all the same.
    logging.getLogger("flufl.bounce").setLevel(logging.CRITICAL)
    try:
        temporary, permanent = all_failures(message_from_bytes(raw))
    except Exception:  # noqa: BLE001 (a stranger's mail in somebody else's parser: one report must not stop the rest)
        return ()
    found = [*sorted(permanent), *sorted(temporary)]
    return tuple(address.decode("utf-8", "replace").lower() for address in found if b"@" in address)
