"""Messages that could not be read to their end, kept aside whole as files: nothing is blocked or lost."""

from __future__ import annotations

import os
from collections.abc import Iterable
from pathlib import Path
from typing import Final

FILES_LIMIT: Final = 1000  # a mailbox full of rubbish must not fill the disk
BYTES_LIMIT: Final = 1_073_741_824


def keep_aside(folder: Path, digest: str, pieces: Iterable[bytes], *, size: int) -> bool:
    """Write a message to ``folder/DIGEST.eml`` (0600); ``False`` when too many lie there already.

    :param size: bytes of the message.
    :raises OSError: the disk is full or may not be written. Then, as after ``False``, the message must stay
        where it is.
    """
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    file = folder / f"{digest[:32]}.eml"
    if file.exists():
        return True
    with os.scandir(folder) as entries:
        sizes = [entry.stat(follow_symlinks=False).st_size for entry in entries]
    if len(sizes) >= FILES_LIMIT or sum(sizes) + size > BYTES_LIMIT:
        return False
    half = file.with_suffix(".half")
    with os.fdopen(os.open(half, os.O_CREAT | os.O_WRONLY | os.O_TRUNC, 0o600), "wb") as out:
        for piece in pieces:
            out.write(piece)
        out.flush()
        os.fsync(out.fileno())
    half.rename(file)
    return True
