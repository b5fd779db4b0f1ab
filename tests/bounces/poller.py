"""A process that polls a mailbox once, to be killed: ``python -m tests.bounces.poller FOLDER URL CAFILE``."""

from __future__ import annotations

import ssl
import sys
from pathlib import Path

from digest.bounces.mailbox import open_mailbox, parse_mailbox_url
from digest.clock import SystemClock
from digest.pipeline.bounces import Rules, process_mailbox
from digest.values.progress import Silent
from subscribers.database import open_engine, session_factory
from tests.bounces.conftest import KEY, SIGNER


def main(folder: str, url: str, authority: str) -> None:
    context = ssl.create_default_context(cafile=authority)
    mailbox = open_mailbox(parse_mailbox_url(url), tls_context=context)
    engine = open_engine(f"sqlite:///{folder}/digest.sqlite3")
    counts = process_mailbox(
        mailbox,
        session_factory(engine),
        Rules(KEY, SIGNER),
        clock=SystemClock(),
        kept=Path(folder) / "kept",
        progress=Silent(),
    )
    mailbox.close()
    sys.stdout.write(f"{counts.read} {counts.repeated}\n")


if __name__ == "__main__":
    main(*sys.argv[1:])
