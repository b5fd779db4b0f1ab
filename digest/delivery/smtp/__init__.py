"""The wire: SMTP sessions that lose nothing and lie about nothing, and transports that only pretend."""

from __future__ import annotations

from digest.delivery.smtp.folder import FolderTransport
from digest.delivery.smtp.recording import RecordingTransport
from digest.delivery.smtp.server import SmtpServer, parse_smtp_url, server_of
from digest.delivery.smtp.transport import SmtpTransport

__all__ = [
    "FolderTransport",
    "RecordingTransport",
    "SmtpServer",
    "SmtpTransport",
    "parse_smtp_url",
    "server_of",
]
