"""Messages that nobody could read, kept aside as files, so that they block nothing and are not lost."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Final

FILES_LIMIT: Final = 1000  # a mailbox full of rubbish must not fill the disk


def keep_aside(folder: Path, digest: str, raw: bytes) -> Path | None:
    """Write ``raw`` to ``folder/DIGEST.eml`` (0600); ``None`` when there are too many already.

    :raises OSError: the disk is full or may not be written: then the message must stay in its mailbox.
    """
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    file = folder / f"{digest[:32]}.eml"
    if file.exists():
        return file
    if sum(1 for _ in os.scandir(folder)) >= FILES_LIMIT:
        return None
    with os.fdopen(os.open(file, os.O_CREAT | os.O_WRONLY | os.O_TRUNC, 0o600), "wb") as out:
        out.write(raw)
        out.flush()
        os.fsync(out.fileno())
    return file
