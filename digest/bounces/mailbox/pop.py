"""POP3 (RFC 1939, STLS of RFC 2595): what was settled is deleted when the session ends in order."""

from __future__ import annotations

import contextlib
import poplib
import ssl
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

from digest.bounces.errors import MailboxUnavailable
from digest.bounces.mailbox.contract import After, Letter, grouped
from digest.bounces.reading import READ_LIMIT
from digest.errors import ConfigError

if TYPE_CHECKING:
    from digest.bounces.mailbox.opening import MailboxAddress

_LINES_OF_LARGE = 5000  # TOP gives so many lines of a message above READ_LIMIT

# The library gives up at 2,048 octets a line, and reports with longer ones are common.
poplib._MAXLINE = READ_LIMIT  # type: ignore[attr-defined]


class _Pop(poplib.POP3):
    """Closes its socket when the greeting does not come, which the library's own forgets."""

    def __init__(self, *arguments: Any, **named: Any) -> None:
        try:
            super().__init__(*arguments, **named)
        except BaseException:
            if hasattr(self, "sock"):
                self.close()
            raise


class _PopTls(poplib.POP3_SSL):
    """The same with TLS from the start."""

    def __init__(self, *arguments: Any, **named: Any) -> None:
        try:
            super().__init__(*arguments, **named)
        except BaseException:
            if hasattr(self, "sock"):
                self.close()
            raise


class PopMailbox:
    """A POP3 maildrop (implements ``Mailbox``): it can delete, but neither move nor mark."""

    def __init__(
        self,
        address: MailboxAddress,
        *,
        after: After,
        timeout: float,
        tls_context: ssl.SSLContext | None = None,
    ) -> None:
        if after is After.MOVE:
            raise ConfigError(
                '[bounces] after = "move" needs folders, which POP3 has not', remedy='write "delete"'
            )
        self._name = f"mailbox pop3://{address.host}:{address.port}"
        self._after = after
        self._address = address
        self._timeout = timeout
        self._context = tls_context or ssl.create_default_context()
        self._box = self._open()

    def _open(self) -> poplib.POP3:
        address = self._address
        with self._explained():
            if address.tls:
                box: poplib.POP3 = _PopTls(
                    address.host, address.port, timeout=self._timeout, context=self._context
                )
            else:
                box = _Pop(address.host, address.port, timeout=self._timeout)
            try:
                if not address.tls and not address.plain:
                    box.stls(self._context)
                box.user(address.user)
                box.pass_(address.password)
            except BaseException:
                box.close()
                raise
            return box

    def batches(self) -> Iterator[list[Letter]]:
        with self._explained():
            sizes = [line.split()[:2] for line in self._box.list()[1]]
        for group in grouped([(number.decode(), int(size)) for number, size in sizes], limit=READ_LIMIT):
            yield [self._fetch(number, size) for number, size in group]

    def _fetch(self, number: str, size: int) -> Letter:
        with self._explained():
            if size <= READ_LIMIT:
                lines = self._box.retr(int(number))[1]
            else:
                lines = self._box.top(int(number), _LINES_OF_LARGE)[1]
        return Letter(number, b"\n".join(lines)[:READ_LIMIT], size)

    def settle(self, letters: Sequence[Letter]) -> None:
        if self._after is After.KEEP:
            return
        with self._explained():
            for letter in letters:
                self._box.dele(int(letter.key))

    def wait(self, seconds: float) -> bool:
        return False

    def close(self) -> None:
        with contextlib.suppress(Exception):
            self._box.quit()

    @contextlib.contextmanager
    def _explained(self) -> Iterator[None]:
        try:
            yield
        except ssl.SSLError as error:
            raise MailboxUnavailable(f"{self._name}: TLS failed: {error.reason or error}") from error
        except TimeoutError as error:
            raise MailboxUnavailable(f"{self._name} stalls", remedy="the next poll goes on") from error
        except (OSError, poplib.error_proto, EOFError) as error:
            raise MailboxUnavailable(
                f"{self._name}: {' '.join(str(error).split())[:200]}",
                remedy="check [bounces] mailbox and DIGEST_MAILBOX_PASSWORD",
            ) from error
