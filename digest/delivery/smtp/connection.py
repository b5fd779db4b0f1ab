"""One session at work: the envelope in one packet, a permit, the body and the dot, and a truthful outcome.

It never makes its thread wait: what it waits for it yields (``digest.values.Steps``). Where the server bears
it, the commands of the next copy go in one packet with the dot of this one (``ahead.py``).
"""

from __future__ import annotations

import contextlib
import ssl
from collections.abc import Callable, Generator, Sequence
from typing import Final

from digest.delivery.smtp.ahead import Ahead, Traits
from digest.delivery.smtp.offers import Offers
from digest.delivery.smtp.refusals import first_refusal, judged, lost_commands
from digest.delivery.smtp.replies import Reply, SessionError, queue_id_of, would_block
from digest.delivery.smtp.session import Session
from digest.delivery.smtp.wire import Wire
from digest.values import (
    PERMIT,
    Accepted,
    Blame,
    Deferred,
    Envelope,
    Follow,
    Outcome,
    Steps,
    Uncertain,
    Wait,
    Withheld,
)

_DOT: Final = b"\r\n.\r\n"
Answers = tuple[Reply, Reply | None, Reply | None]
_START_BODY: Final = 354
_CLOSING: Final = 421
_UNKNOWN_PARAMETER: Final = frozenset({501, 555})
_GOODBYE_SECONDS: Final = 1.0
_EARLY_WAIT: Final = Wait(2.0, readable=True)
_BUSY_SECONDS: Final = 0.02


class SmtpConnection(Wire):
    """Implements ``digest.values.SteppedConnection`` on a session; used by one thread at a time."""

    def __init__(self, session: Session, traits: Traits) -> None:
        super().__init__(session)
        self._traits = traits
        self._secret = isinstance(self._sock, ssl.SSLSocket)
        self._offers = Offers.of(session.esmtp_features)
        self._dot_wait = Wait(self._server.dot_timeout, readable=True)
        self._count = 0
        self._in_transaction = False  # a MAIL was taken, and no dot: RSET goes before the next
        self._ahead: Ahead | None = None  # whose commands are on their way

    @property
    def usable(self) -> bool:
        """Whether another message may be sent on it."""
        return self._open and self._count < self._server.messages_per_connection

    def send(self, envelope: Envelope, *, permit: Callable[[], bool]) -> Outcome:
        """Deliver one copy (``digest.values.Connection``). Nothing but ``permit`` raises."""
        steps = self.steps(envelope)
        try:
            wait = next(steps)
            while True:
                if wait is PERMIT:
                    try:
                        answer = permit()
                    except BaseException:
                        self.abort()
                        raise
                else:
                    answer = self._came(wait)
                wait = steps.send(answer)
        except StopIteration as end:
            outcome: Outcome = end.value
            return outcome

    def steps(self, envelope: Envelope, follow: Follow | None = None) -> Steps:
        """Deliver one copy, step by step. Raises nothing.

        Every outcome but ``Uncertain`` is certain: a connection that ends before the dot has delivered
        nothing (RFC 5321, section 4.1.1.4), and after the dot only a reply counts.
        """
        if not self._open:
            return Deferred(0, "the connection is closed", blame=Blame.CONNECTION)
        ahead, self._ahead = self._ahead, None
        if ahead is None:
            unfit = self._offers.unfit(envelope)
            if unfit is not None:
                return unfit
        elif ahead.envelope is not envelope:
            self.abort()
            return Deferred(0, "the commands of another copy are on their way", blame=Blame.CONNECTION)
        self._count += 1
        try:
            if ahead is None or ahead.rest or not self._replies.take_all(self._traits.usual):
                failure = yield from self._hand_over_envelope(envelope, ahead)
                if failure is not None:
                    return failure
            if self._replies.buffered:
                return (yield from self._answered_early("an answer before the dot"))
            if not (yield PERMIT):
                self.abort()
                return Withheld()
            body = envelope.size - 2  # its last line break belongs to the dot
            ahead = self._look_ahead(follow)
            sent = self._send_at_once(envelope.parts, ahead)
            failure = None
            if sent < body:
                failure = yield from self._hand_over_body(envelope.message, sent)
        except SessionError as lost:
            self._drop()
            return Deferred(0, lost.reason, blame=Blame.CONNECTION)
        except OSError as error:
            self._drop()
            return Deferred(0, error.strerror or str(error), blame=Blame.CONNECTION)
        if failure is not None:
            return failure
        if sent < body:  # it took its time: ask once more
            if not (yield PERMIT):
                self.abort()
                return Withheld()
            if self._replies.waiting():  # an early answer is no acceptance
                return (yield from self._answered_early("an answer before the dot"))
        return (yield from self._finish(max(0, sent - body), ahead))

    def close(self) -> None:
        """QUIT when the server is waiting for a command; then close."""
        if not self._open:
            return None
        if self._ahead is not None:  # it waits for a message, or will
            return self.abort()
        with contextlib.suppress(OSError, SessionError):  # a good-bye changes nothing
            self._sock.settimeout(_GOODBYE_SECONDS)
            self._sock.sendall(b"QUIT\r\n")
            self._replies.read(_GOODBYE_SECONDS)
        return self._drop()

    # -- the envelope -------------------------------------------------------------------------

    def _hand_over_envelope(
        self, envelope: Envelope, ahead: Ahead | None
    ) -> Generator[Wait, bool, Outcome | None]:
        """MAIL, RCPT and DATA; None when the server waits for the body. Raises ``SessionError``."""
        if ahead is None and self._speaks():
            yield from self._complain()
        for _attempt in range(4):  # sent ahead; as it is offered; in step; without DSN
            if ahead is not None:
                pipelined, with_dsn = True, ahead.with_dsn
                mail, rcpt, data = yield from self._hear_of(ahead)
            else:
                pipelined = self._offers.pipelining and self._traits.pipelining
                with_dsn = self._offers.dsn and self._traits.dsn
                mail, rcpt, data = yield from self._converse(
                    self._offers.commands(envelope, dsn=with_dsn), pipelined
                )
            answers = [reply for reply in (mail, rcpt, data) if reply is not None]
            if any(reply.code == _CLOSING for reply in answers):
                self._drop()
                return judged(next(r for r in answers if r.code == _CLOSING), Blame.CONNECTION)
            if data is not None and mail.positive and rcpt is not None and rcpt.positive:
                if data.code == _START_BODY:
                    return None
                if data.code < 400:
                    raise SessionError(f"out of step: {data} to DATA")
            self._in_transaction = True
            if data is not None and data.code == _START_BODY:
                yield from self._end_empty_body(mail)
            if ahead is not None and ahead.failed:
                ahead = None
                continue
            if with_dsn and any(reply.code in _UNKNOWN_PARAMETER for reply in answers[:2]):
                self._traits.dsn, ahead = False, None
                continue
            if pipelined and mail.positive and lost_commands(rcpt, data):
                self._traits.pipelining, ahead = False, None
                continue
            return first_refusal(mail, rcpt, data)
        return first_refusal(mail, rcpt, data)

    def _converse(self, commands: tuple[str, str], pipelined: bool) -> Generator[Wait, bool, Answers]:
        reset = self._in_transaction
        if pipelined:
            group = _group(commands)
            packet = b"RSET\r\n" + group if reset else group
            if (sent := self._send_some(packet)) < len(packet):
                yield from self._say(packet[sent:])
            if reset:
                self._check_reset((yield from self._read(self._reply_wait)))
            return (yield from self._hear_group())
        if reset:
            self._check_reset((yield from self._ask("RSET")))
        mail = yield from self._ask(commands[0])
        if not mail.positive:
            return mail, None, None
        rcpt = yield from self._ask(commands[1])
        if not rcpt.positive:
            return mail, rcpt, None
        return mail, rcpt, (yield from self._ask("DATA"))

    def _hear_group(self) -> Generator[Wait, bool, Answers]:
        wait = self._reply_wait
        mail = yield from self._read(wait)
        if mail.code == _CLOSING:
            return mail, None, None
        try:
            take = self._replies.take  # they mostly come together
            rcpt = take() or (yield from self._read(wait))
            if rcpt.code == _CLOSING:
                return mail, rcpt, None
            return mail, rcpt, take() or (yield from self._read(wait))
        except SessionError as lost:
            if lost.timed_out:
                self._traits.pipelining = False  # it took one command and forgot the others
            raise

    def _hear_of(self, ahead: Ahead) -> Generator[Wait, bool, Answers]:
        """The answers to what went along with the dot before."""
        try:
            if ahead.rest:
                yield from self._say(ahead.rest)
            mail, rcpt, data = yield from self._hear_group()
        except SessionError as lost:
            ahead.lost(silent=lost.timed_out)
            raise
        ahead.answered(mail, rcpt, data)
        return mail, rcpt, data

    def _look_ahead(self, follow: Follow | None) -> Ahead | None:
        """The next copy, if its commands may go along with this one's dot."""
        offers, traits = self._offers, self._traits
        if follow is None or not (offers.pipelining and traits.may_go_ahead and self.usable):
            return None
        envelope = follow()
        if envelope is None or offers.unfit(envelope) is not None:
            return None
        with_dsn = offers.dsn and traits.dsn
        return Ahead(envelope, _group(offers.commands(envelope, dsn=with_dsn)), with_dsn, traits)

    def _check_reset(self, reply: Reply) -> None:
        if not reply.positive:
            raise SessionError(f"{reply} to RSET")
        self._in_transaction = False

    def _speaks(self) -> bool:
        """Whether there is an answer to no question, which would be taken for the next one's."""
        # What has just been read was all there was: no need to look again.
        busy = self._replies.age < _BUSY_SECONDS
        return self._replies.buffered if busy else self._replies.waiting()

    def _complain(self) -> Generator[Wait, bool, None]:
        reply = yield from self._read(self._reply_wait)
        raise SessionError(str(reply) if reply.code == _CLOSING else f"out of step: {reply}")

    def _end_empty_body(self, mail: Reply) -> Generator[Wait, bool, None]:
        """The server refused the recipient and wants a body all the same: a lone dot (RFC 2920, 3.1)."""
        if mail.positive:
            # Nobody is to receive it, whatever the answer. Were MAIL refused and RCPT taken, somebody might.
            yield from self._ask(".")
            self._in_transaction = True
        else:
            raise SessionError("out of step: 354 to a refused sender")

    # -- the body, and the dot ----------------------------------------------------------------

    def _send_at_once(self, parts: Sequence[bytes], ahead: Ahead | None) -> int:
        """Message, dot and what goes ahead in one packet, as far as there is room; how much went.

        Under TLS the rest of a record that found no room must be sent as it was: not done there.
        """
        if self._secret or self._replies.waiting():  # an early answer is no acceptance
            return 0
        try:
            if ahead is not None:
                return self._sock.sendmsg((*parts, b".\r\n", ahead.rest))
            return self._sock.sendmsg((*parts, b".\r\n"))
        except OSError:  # it is full; or broken, which the rest will find
            return 0

    def _hand_over_body(self, message: bytes, sent: int) -> Generator[Wait, bool, Outcome | None]:
        """The rest but the last five bytes; None when the server keeps quiet, as it should."""
        body = memoryview(message)[:-2]
        try:
            quiet = yield from self._write(body, sent)
        except OSError as error:
            return (yield from self._answered_early(error.strerror or str(error)))
        return None if quiet else (yield from self._answered_early("an answer before the dot"))

    def _answered_early(self, why: str) -> Generator[Wait, bool, Outcome]:
        """A verdict before the dot ends the session: the server will read the rest as commands."""
        try:
            reply = yield from self._read(_EARLY_WAIT)
        except (SessionError, OSError) as lost:
            self._drop()
            return Deferred(0, f"{why}; {lost}", blame=Blame.CONNECTION)
        self.abort()
        if reply.code < 400:
            return Deferred(0, f"out of step: {reply} before the dot", blame=Blame.CONNECTION)
        return judged(reply, Blame.CONNECTION if reply.code == _CLOSING else Blame.MESSAGE)

    def _finish(self, sent: int, ahead: Ahead | None) -> Generator[Wait, bool, Outcome]:
        """The dot and what goes along, of which ``sent`` bytes are out, and its reply: the only place where
        something can be in doubt (RFC 1047)."""
        packet = _DOT if ahead is None else _DOT + ahead.rest
        while not sent:
            try:
                sent = self._sock.send(packet)
            except OSError as error:
                if not would_block(error):
                    # Nothing of the five bytes left: the message has no end and is not delivered.
                    self.abort()
                    return Deferred(0, error.strerror or str(error), blame=Blame.CONNECTION)
                # No room for five bytes: whoever waits for it asks once more whether they may go.
                if not (yield self._room_wait):
                    self.abort()
                    return Deferred(0, "the server takes nothing any more", blame=Blame.CONNECTION)
                if not (yield PERMIT):
                    self.abort()
                    return Withheld()
        try:
            if sent < len(_DOT):
                yield from self._write(_DOT, sent)
            elif sent > len(_DOT) and ahead is not None:
                self._ahead = ahead.sent(packet[sent:])
            reply = yield from self._read(self._dot_wait)
        except (SessionError, OSError) as lost:
            self._drop()
            return Uncertain(f"after the final dot: {lost}")
        self._in_transaction = False  # but for what went ahead, which knows of itself
        if reply.positive:
            return Accepted(str(reply), queue_id_of(reply.text))
        if reply.code < 400:
            self._drop()
            return Uncertain(f"after the final dot: {reply}")
        if reply.code == _CLOSING:
            self._drop()
            return judged(reply, Blame.CONNECTION)
        return judged(reply, Blame.MESSAGE)


def _group(commands: tuple[str, str]) -> bytes:
    return f"{commands[0]}\r\n{commands[1]}\r\nDATA\r\n".encode()
