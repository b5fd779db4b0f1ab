"""One session at work: the envelope in one packet, the body, a permit, the dot, and a truthful outcome."""

from __future__ import annotations

import contextlib
import re
import socket
import struct
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from digest.delivery.smtp.replies import Reply, SessionError, queue_id_of
from digest.delivery.smtp.session import Session
from digest.values import Accepted, Blame, Deferred, Envelope, Outcome, Refused, Uncertain, Withheld

_DOT: Final = b"\r\n.\r\n"
_START_BODY: Final = 354
_CLOSING: Final = 421
_OUT_OF_STEP: Final = frozenset({500, 502, 503})  # what a server says that lost commands sent ahead
_UNKNOWN_PARAMETER: Final = frozenset({501, 555})
_PATH = re.compile('[^\x00-\x20\x7f-\x9f<>\\\\"\u2028\u2029]{1,320}').fullmatch
_GOODBYE_SECONDS: Final = 1.0
_EARLY_SECONDS: Final = 2.0
_BUSY_SECONDS: Final = 0.02
_RESET_ON_CLOSE: Final = struct.pack("ii", 1, 0)


@dataclass(slots=True)
class Traits:
    """What was learnt of a server, shared by its connections. A server that lies once is not asked again."""

    pipelining: bool = True
    dsn: bool = True


class SmtpConnection:
    """Implements ``digest.values.Connection`` on a session; used by one thread."""

    def __init__(self, session: Session, traits: Traits) -> None:
        assert session.sock is not None  # noqa: S101 - an opened session has one
        self._session = session
        self._traits = traits
        self._server = session.server
        self._sock: socket.socket = session.sock
        self._replies = session.replies
        features = session.esmtp_features
        self._pipelining = "pipelining" in features
        self._dsn = "dsn" in features
        self._smtputf8 = "smtputf8" in features
        self._eight_bit = "8bitmime" in features
        self._sized = "size" in features
        size = features.get("size", "").strip()
        self._limit = int(size) if size.isascii() and size.isdigit() and len(size) < 19 else 0
        self._count = 0
        self._open = True
        self._in_transaction = False  # a MAIL was taken, and no dot: RSET goes before the next

    @property
    def usable(self) -> bool:
        """Whether another message may be sent on it."""
        return self._open and self._count < self._server.messages_per_connection

    def send(self, envelope: Envelope, *, permit: Callable[[], bool]) -> Outcome:
        """Deliver one copy (``digest.values.Connection``). Nothing but ``permit`` raises.

        Every outcome but ``Uncertain`` is certain: a connection that ends before the dot has delivered
        nothing (RFC 5321, section 4.1.1.4), and after the dot only a reply counts.
        """
        if not self._open:
            return Deferred(0, "the connection is closed", blame=Blame.CONNECTION)
        unfit = self._unfit(envelope)
        if unfit is not None:
            return unfit
        self._count += 1
        try:
            failure = self._hand_over_envelope(envelope)
            if failure is not None:
                return failure
            failure = self._hand_over_body(envelope.message)
        except SessionError as lost:
            self._drop()
            return Deferred(0, lost.reason, blame=Blame.CONNECTION)
        except OSError as error:
            self._drop()
            return Deferred(0, error.strerror or str(error), blame=Blame.CONNECTION)
        if failure is not None:
            return failure
        try:
            permitted = permit()
        except BaseException:
            self.abort()
            raise
        if not permitted:
            self.abort()
            return Withheld()
        # An early answer is no acceptance. (One look, here: a look gives the interpreter's lock away.)
        return self._answered_early("an answer before the dot") if self._replies.waiting() else self._finish()

    def close(self) -> None:
        """QUIT when the server is waiting for a command; then close."""
        if not self._open:
            return
        with contextlib.suppress(OSError, SessionError):  # a good-bye changes nothing
            self._sock.settimeout(_GOODBYE_SECONDS)
            self._sock.sendall(b"QUIT\r\n")
            self._replies.read(_GOODBYE_SECONDS)
        self._drop()

    def abort(self) -> None:
        """Close at once with a reset, so that the server cannot take what it has for a whole message."""
        with contextlib.suppress(OSError):  # closed already
            self._sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET_ON_CLOSE)
        self._drop()

    def _drop(self) -> None:
        self._open = False
        self._session.close()

    def _unfit(self, envelope: Envelope) -> Refused | None:
        """What can be said without asking the server; the connection stays as it is."""
        path = envelope.recipient
        ascii_only = path.isascii() and envelope.sender.isascii()
        if _PATH(path) is None or (envelope.sender and _PATH(envelope.sender) is None):
            return Refused(553, "not sent: that is no address for SMTP", "5.1.3", Blame.RECIPIENT)
        if not (ascii_only or envelope.smtputf8):
            return Refused(553, "not sent: that is no address for SMTP", "5.1.3", Blame.RECIPIENT)
        if envelope.smtputf8 and not self._smtputf8:
            why = "not sent: the server does not offer SMTPUTF8, which this address needs"
            return Refused(553, why, "5.6.7", Blame.RECIPIENT)
        if self._limit and len(envelope.message) > self._limit:
            why = f"not sent: {len(envelope.message)} bytes, and the server takes {self._limit}"
            return Refused(552, why, "5.3.4", Blame.MESSAGE)
        if not envelope.message.endswith(b"\r\n"):
            return Refused(554, "not sent: the message does not end in a line break", "5.6.0", Blame.MESSAGE)
        return None

    def _commands(self, envelope: Envelope) -> tuple[str, str]:
        mail = f"MAIL FROM:<{envelope.sender}>"
        if self._sized:
            mail += f" SIZE={len(envelope.message)}"
        if envelope.smtputf8:
            mail += " SMTPUTF8 BODY=8BITMIME" if self._eight_bit else " SMTPUTF8"
        recipient = f"RCPT TO:<{envelope.recipient}>"
        if self._dsn and self._traits.dsn:
            return f"{mail} RET=HDRS", f"{recipient} NOTIFY=FAILURE"
        return mail, recipient

    def _hand_over_envelope(self, envelope: Envelope) -> Outcome | None:
        """MAIL, RCPT and DATA; None when the server waits for the body. Raises ``SessionError``."""
        self._expect_silence()
        for _attempt in range(3):  # as it is offered; in step; without DSN
            pipelined = self._pipelining and self._traits.pipelining
            with_dsn = self._dsn and self._traits.dsn
            mail, rcpt, data = self._converse(self._commands(envelope), pipelined)
            answers = [reply for reply in (mail, rcpt, data) if reply is not None]
            if any(reply.code == _CLOSING for reply in answers):
                self._drop()
                return _judged(next(r for r in answers if r.code == _CLOSING), Blame.CONNECTION)
            if data is not None and mail.positive and rcpt is not None and rcpt.positive:
                if data.code == _START_BODY:
                    return None
                if data.code < 400:
                    raise SessionError(f"out of step: {data} to DATA")
            self._in_transaction = True
            if data is not None and data.code == _START_BODY:
                self._end_empty_body(mail)
            if with_dsn and any(reply.code in _UNKNOWN_PARAMETER for reply in answers[:2]):
                self._traits.dsn = False
                continue
            if pipelined and mail.positive and _lost_commands(rcpt, data):
                self._traits.pipelining = False
                continue
            return _first_refusal(mail, rcpt, data)
        return _first_refusal(mail, rcpt, data)

    def _converse(
        self, commands: tuple[str, str], pipelined: bool
    ) -> tuple[Reply, Reply | None, Reply | None]:
        reset = self._in_transaction
        seconds = self._server.timeout
        read = self._replies.read
        mail_line, rcpt_line = (f"{command}\r\n".encode() for command in commands)
        if pipelined:
            self._sock.sendall(b"".join((b"RSET\r\n" if reset else b"", mail_line, rcpt_line, b"DATA\r\n")))
            if reset:
                self._check_reset(read(seconds))
            mail = read(seconds)
            try:
                if mail.code == _CLOSING or (rcpt := read(seconds)).code == _CLOSING:
                    return mail, None if mail.code == _CLOSING else rcpt, None
                return mail, rcpt, read(seconds)
            except SessionError as lost:
                if lost.timed_out:
                    self._traits.pipelining = False  # it took one command and forgot the others
                raise
        if reset:
            self._sock.sendall(b"RSET\r\n")
            self._check_reset(read(seconds))
        self._sock.sendall(mail_line)
        mail = read(seconds)
        if not mail.positive:
            return mail, None, None
        self._sock.sendall(rcpt_line)
        rcpt = read(seconds)
        if not rcpt.positive:
            return mail, rcpt, None
        self._sock.sendall(b"DATA\r\n")
        return mail, rcpt, read(seconds)

    def _check_reset(self, reply: Reply) -> None:
        if not reply.positive:
            raise SessionError(f"{reply} to RSET")
        self._in_transaction = False

    def _expect_silence(self) -> None:
        """An answer to no question would be taken for the next one's: the session is out of step."""
        busy = (
            self._replies.age < _BUSY_SECONDS
        )  # the last reply has just been read, and with it all there was
        if self._replies.buffered if busy else self._replies.waiting():
            reply = self._replies.read(self._server.timeout)
            raise SessionError(str(reply) if reply.code == _CLOSING else f"out of step: {reply}")

    def _end_empty_body(self, mail: Reply) -> None:
        """The server refused the recipient and wants a body all the same: a lone dot (RFC 2920, 3.1)."""
        if mail.positive:
            # Nobody is to receive it, whatever the answer. Were MAIL refused and RCPT taken, somebody might.
            self._sock.sendall(b".\r\n")
            self._replies.read(self._server.timeout)
            self._in_transaction = True
        else:
            raise SessionError("out of step: 354 to a refused sender")

    def _hand_over_body(self, message: bytes) -> Outcome | None:
        """All but the last five bytes; None when the server keeps quiet, as it should."""
        try:
            self._sock.sendall(memoryview(message)[:-2])
        except OSError as error:
            return self._answered_early(error.strerror or str(error))
        if self._replies.buffered:
            return self._answered_early("an answer before the dot")
        return None

    def _answered_early(self, why: str) -> Outcome:
        """A verdict before the dot ends the session: the server will read the rest as commands."""
        try:
            self._sock.settimeout(_EARLY_SECONDS)
            reply = self._replies.read(_EARLY_SECONDS)
        except (SessionError, OSError) as lost:
            self._drop()
            return Deferred(0, f"{why}; {lost}", blame=Blame.CONNECTION)
        self.abort()
        if reply.code < 400:
            return Deferred(0, f"out of step: {reply} before the dot", blame=Blame.CONNECTION)
        return _judged(reply, Blame.CONNECTION if reply.code == _CLOSING else Blame.MESSAGE)

    def _finish(self) -> Outcome:
        """The dot and its reply: the only place where something can be in doubt (RFC 1047)."""
        try:
            sent = self._sock.send(_DOT)
        except OSError as error:
            # Nothing of the five bytes left: the message has no end and is not delivered.
            self.abort()
            return Deferred(0, error.strerror or str(error), blame=Blame.CONNECTION)
        try:
            if sent < len(_DOT):
                self._sock.sendall(_DOT[sent:])
            reply = self._replies.read(self._server.dot_timeout)
        except (SessionError, OSError) as lost:
            self._drop()
            return Uncertain(f"after the final dot: {lost}")
        self._in_transaction = False
        if reply.positive:
            return Accepted(str(reply), queue_id_of(reply.text))
        if reply.code < 400:
            self._drop()
            return Uncertain(f"after the final dot: {reply}")
        if reply.code == _CLOSING:
            self._drop()
            return _judged(reply, Blame.CONNECTION)
        return _judged(reply, Blame.MESSAGE)


def _first_refusal(mail: Reply, rcpt: Reply | None, data: Reply | None) -> Outcome:
    """The first refusal counts; what follows it only repeats it (RFC 2920, section 3.1)."""
    if not mail.positive:
        return _judged(mail, Blame.SENDER)
    if rcpt is not None and not rcpt.positive:
        return _judged(rcpt, Blame.RECIPIENT)
    if data is None:
        raise SessionError("out of step: no answer to DATA")
    return _judged(data, Blame.MESSAGE)


def _lost_commands(rcpt: Reply | None, data: Reply | None) -> bool:
    """Whether a server that offered PIPELINING took no notice of what was sent ahead."""
    if rcpt is None or data is None:
        return False
    # After a refused RCPT, DATA is out of step by right, and that says nothing.
    return rcpt.code in _OUT_OF_STEP or (rcpt.positive and data.code in _OUT_OF_STEP)


def _judged(reply: Reply, blame: Blame) -> Deferred | Refused:
    if 400 <= reply.code < 500:
        return Deferred(reply.code, str(reply), reply.enhanced, blame)
    if reply.code >= 500:
        return Refused(reply.code, str(reply), reply.enhanced, blame)
    raise SessionError(f"out of step: {reply}")
