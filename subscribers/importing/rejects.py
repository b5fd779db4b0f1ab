"""The errors file: every row that was not imported, with its line and the reason."""

from __future__ import annotations

import csv
import os
from collections.abc import Sequence
from pathlib import Path
from typing import TextIO

from subscribers.importing.values import Rejected


class ErrorsFile:
    """Every rejected row: its line, the reason, the row. Only its owner may read it: it holds addresses."""

    def __init__(self, path: Path | None) -> None:
        self._path = path
        self._file: TextIO | None = None
        self.written = False

    def __enter__(self) -> ErrorsFile:
        return self

    def __exit__(self, *_error: object) -> None:
        if self._file is not None:
            self._file.close()

    def add(self, rejects: Sequence[Rejected]) -> None:
        if not rejects or self._path is None:
            return
        if self._file is None:
            descriptor = os.open(self._path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
            self._file = os.fdopen(descriptor, "w", encoding="utf-8", newline="")
            csv.writer(self._file).writerow(("line", "reason", "row"))
            self.written = True
        csv.writer(self._file).writerows(
            (reject.line, reject.reason, _defused(reject.row)) for reject in rejects
        )
        self._file.flush()


def _defused(text: str) -> str:
    return "'" + text if text[:1] in {"=", "+", "-", "@", "\t", "\r", "＝"} else text
