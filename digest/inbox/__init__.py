"""A local catch-all mail server and a page that shows what arrived; nothing is ever passed on."""

from __future__ import annotations

from digest.inbox.mailbox import ArrivedMail, Mailbox
from digest.inbox.receiver import Receiver

__all__ = ["ArrivedMail", "Mailbox", "Receiver"]
