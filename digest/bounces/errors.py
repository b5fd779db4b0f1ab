"""What may go wrong with the bounce mailbox."""

from __future__ import annotations

from digest.errors import DigestError


class MailboxUnavailable(DigestError):
    """The bounce mailbox cannot be read now; nothing in it is lost."""
