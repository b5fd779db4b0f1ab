"""A process that polls a mailbox once: ``python -m tests.bounces.poller FOLDER URL CAFILE [KILL_AT]``.

With KILL_AT it kills itself (SIGKILL) after the commit of that batch, before the mailbox hears of it.
"""

from __future__ import annotations

import os
import signal
import ssl
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from digest.bounces.mailbox import Letter, open_mailbox, parse_mailbox_url
from digest.clock import SystemClock
from digest.pipeline.bounce_batches import Rules, process_mailbox
from digest.values.progress import Silent
from subscribers.database import open_engine, session_factory
from tests.bounces.conftest import KEY, SIGNER


class Killed:
    """A mailbox during whose ``at``-th batch the process dies."""

    def __init__(self, mailbox: Any, at: int) -> None:
        self._mailbox = mailbox
        self._left = at
        self.batches = mailbox.batches

    def settle(self, letters: Sequence[Letter]) -> None:
        self._left -= 1
        if self._left == 0:
            os.kill(os.getpid(), signal.SIGKILL)
        self._mailbox.settle(letters)


def main(folder: str, url: str, authority: str, kill_at: str = "0") -> None:
    context = ssl.create_default_context(cafile=authority)
    mailbox = open_mailbox(parse_mailbox_url(url), tls_context=context)
    counts = process_mailbox(
        Killed(mailbox, int(kill_at)) if int(kill_at) else mailbox,  # type: ignore[arg-type]
        session_factory(open_engine(f"sqlite:///{folder}/digest.sqlite3")),
        Rules(KEY, SIGNER),
        clock=SystemClock(),
        kept=Path(folder) / "kept",
        progress=Silent(),
    )
    mailbox.close()
    sys.stdout.write(f"{counts.read} {counts.repeated}\n")


if __name__ == "__main__":
    main(*sys.argv[1:])
