"""Where reports are fetched from: IMAP, POP3, Maildir, mbox, a pipe; taken out only after the commit."""

from __future__ import annotations

from digest.bounces.errors import MailboxUnavailable
from digest.bounces.mailbox.contract import After, Letter, Mailbox
from digest.bounces.mailbox.opening import open_mailbox, parse_mailbox_url

__all__ = ["After", "Letter", "Mailbox", "MailboxUnavailable", "open_mailbox", "parse_mailbox_url"]
