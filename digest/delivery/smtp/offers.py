"""What a server offers (its EHLO), hence what it cannot take and how an envelope is put to it."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass

from digest.values import Blame, Envelope, Refused

_PATH = re.compile('[^\x00-\x20\x7f-\x9f<>\\\\"\u2028\u2029]{1,320}').fullmatch


@dataclass(frozen=True, slots=True)
class Offers:
    """Extensions of RFC 2920, 3461, 6531, 6152 and 1870; ``limit`` is in octets, 0 when none was told."""

    pipelining: bool
    dsn: bool
    smtputf8: bool
    eight_bit: bool
    sized: bool
    limit: int

    @classmethod
    def of(cls, features: Mapping[str, str]) -> Offers:
        """From EHLO's keywords in lower case, with their parameters."""
        size = features.get("size", "").strip()
        return cls(
            pipelining="pipelining" in features,
            dsn="dsn" in features,
            smtputf8="smtputf8" in features,
            eight_bit="8bitmime" in features,
            sized="size" in features,
            limit=int(size) if size.isascii() and size.isdigit() and len(size) < 19 else 0,
        )

    def unfit(self, envelope: Envelope) -> Refused | None:
        """What can be said without asking the server; the connection stays as it is."""
        path = envelope.recipient
        ascii_only = path.isascii() and envelope.sender.isascii()
        if _PATH(path) is None or (envelope.sender and _PATH(envelope.sender) is None):
            return Refused(553, "not sent: that is no address for SMTP", "5.1.3", Blame.RECIPIENT)
        if not (ascii_only or envelope.smtputf8):
            return Refused(553, "not sent: that is no address for SMTP", "5.1.3", Blame.RECIPIENT)
        if envelope.smtputf8 and not self.smtputf8:
            why = "not sent: the server does not offer SMTPUTF8, which this address needs"
            return Refused(553, why, "5.6.7", Blame.RECIPIENT)
        if self.limit and envelope.size > self.limit:
            why = f"not sent: {envelope.size} bytes, and the server takes {self.limit}"
            return Refused(552, why, "5.3.4", Blame.MESSAGE)
        parts = envelope.parts  # the last is mostly long, and ends as it should: nothing is put together
        if not parts or not (parts[-1].endswith(b"\r\n") or b"".join(parts[-2:]).endswith(b"\r\n")):
            return Refused(554, "not sent: the message does not end in a line break", "5.6.0", Blame.MESSAGE)
        return None

    def commands(self, envelope: Envelope, *, dsn: bool) -> tuple[str, str]:
        """MAIL and RCPT for ``envelope``, without line ends."""
        mail = f"MAIL FROM:<{envelope.sender}>"
        if self.sized:
            mail += f" SIZE={envelope.size}"
        if envelope.smtputf8:
            mail += " SMTPUTF8 BODY=8BITMIME" if self.eight_bit else " SMTPUTF8"
        recipient = f"RCPT TO:<{envelope.recipient}>"
        if dsn:
            return f"{mail} RET=HDRS", f"{recipient} NOTIFY=FAILURE"
        return mail, recipient
