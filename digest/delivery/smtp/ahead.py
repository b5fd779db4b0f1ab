"""The commands of the next copy, sent along with the dot of this one (RFC 2920, section 3.1).

A copy then costs one round trip instead of two, and half of the packets. Nothing gets muddled by it: until a
copy's own body goes, which waits for a permit of its own, it is certainly not sent; and the dot's reply is
the first that comes. But not every server is as good as its word, so one connection tries it first, and the
others wait for how that ends.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum, auto
from typing import Final

from digest.delivery.smtp.refusals import OUT_OF_STEP, lost_commands
from digest.delivery.smtp.replies import Reply
from digest.values import Envelope

_START_BODY: Final = 354
_CLOSING: Final = 421


class Trial(Enum):
    """What is known of a server and commands behind the dot."""

    OPEN = auto()
    RUNNING = auto()
    PASSED = auto()
    FAILED = auto()


@dataclass(slots=True)
class Traits:
    """What was learnt of a server, shared by its connections. A server that lies once is not asked again."""

    pipelining: bool = True
    dsn: bool = True
    ahead: Trial = Trial.OPEN
    usual: bytes = b""  # what it said to the first commands that went ahead and were taken

    @property
    def may_go_ahead(self) -> bool:
        """Whether commands may go behind the dot now."""
        return self.pipelining and (self.ahead is Trial.PASSED or self.ahead is Trial.OPEN)


@dataclass(slots=True, eq=False)
class Ahead:
    """The next copy of a connection; ``rest`` is what has not been sent yet of its commands."""

    envelope: Envelope
    rest: bytes
    with_dsn: bool
    traits: Traits
    failed: bool = False  # the commands have to be said again, behind a RSET

    def sent(self, rest: bytes) -> Ahead:
        """All but ``rest`` is out."""
        self.rest = rest
        if self.traits.ahead is Trial.OPEN:
            self.traits.ahead = Trial.RUNNING
        return self

    def lost(self, *, silent: bool) -> None:
        """The connection ended, or the server kept ``silent``, where the answers should have come."""
        if silent or self.traits.ahead is not Trial.PASSED:
            self.traits.ahead = Trial.FAILED

    def answered(self, mail: Reply, rcpt: Reply | None, data: Reply | None) -> None:
        """Draw what follows. In a trial a refusal of the sender may mean the manner: it is asked again."""
        traits = self.traits
        if mail.positive and data is not None and data.code == _START_BODY:
            traits.ahead = Trial.PASSED
            if rcpt is not None and rcpt.positive:
                traits.usual = traits.usual or _as_said(mail, rcpt, data)
        elif mail.code in OUT_OF_STEP or lost_commands(rcpt, data):
            traits.ahead, self.failed = Trial.FAILED, True
        elif traits.ahead is not Trial.PASSED:
            if mail.positive and rcpt is not None and rcpt.code != _CLOSING:
                traits.ahead = Trial.OPEN  # the recipient was refused: that says nothing
            else:
                traits.ahead, self.failed = Trial.FAILED, True


def _as_said(*replies: Reply) -> bytes:
    return b"".join([line + b"\r\n" for reply in replies for line in reply.lines])
