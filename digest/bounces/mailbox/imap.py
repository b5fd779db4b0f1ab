"""IMAP (RFC 9051): sizes first, then the beginning of each message; deleted by UID after the commit."""

from __future__ import annotations

import contextlib
import imaplib
import re
import select
import socket
import ssl
import threading
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any, Final

from digest.bounces.errors import MailboxUnavailable
from digest.bounces.mailbox.contract import EXCHANGE_SECONDS, MOVED_TO, After, Letter, grouped
from digest.bounces.mailbox.watchdog import Watchdog
from digest.bounces.reading import READ_LIMIT

if TYPE_CHECKING:
    from imap_tools import BaseMailBox

    from digest.bounces.mailbox.opening import MailboxAddress

LITERAL_LIMIT: Final = 64 * 1_048_576  # bytes; some servers give the whole where a part is asked for
SIZES_AT_ONCE: Final = 500  # messages; RFC 7162 asks for command lines below 8,192 octets
IDLE_LIMIT: Final = 29 * 60  # seconds, RFC 2177

_SIZE = re.compile(rb"UID (\d+) RFC822\.SIZE (\d+)|RFC822\.SIZE (\d+) UID (\d+)")
_UID = re.compile(rb"UID (\d+)")
_SEEN_MARK: Final = "$DigestRead"  # a keyword of ours: \Seen belongs to people


class _Line(imaplib.IMAP4):
    """The library's client, watched over, and with a limit to what a server may make us hold."""

    def __init__(
        self, address: MailboxAddress, timeout: float, watchdog: Watchdog, context: ssl.SSLContext | None
    ) -> None:
        self._watchdog = watchdog
        self._context = context
        super().__init__(address.host, address.port, timeout)

    def _create_socket(self, timeout: float | None) -> socket.socket:
        line = self._watchdog.watch(super()._create_socket(timeout))  # type: ignore[misc]
        return self._context.wrap_socket(line, server_hostname=self.host) if self._context else line

    def read(self, size: int) -> bytes:
        if size > LITERAL_LIMIT:
            raise self.abort(f"the server wants to send {size} bytes at once")
        return super().read(size)


class ImapMailbox:
    """A folder on an IMAP server (implements ``Mailbox``).

    :param timeout: seconds that the server may be silent.
    :param exchange: seconds that one batch may take in all.
    """

    def __init__(
        self,
        address: MailboxAddress,
        *,
        after: After,
        timeout: float,
        exchange: float = EXCHANGE_SECONDS,
        tls_context: ssl.SSLContext | None = None,
    ) -> None:
        self._after = after
        self._name = f"mailbox imap://{address.host}:{address.port}/{address.folder}"
        self._watchdog = Watchdog(exchange)
        self._moved_to = ""
        try:
            with self._explained():
                self._box = self._open(address, timeout, tls_context or ssl.create_default_context())
        except BaseException:
            self._watchdog.close()
            raise

    def _open(self, address: MailboxAddress, timeout: float, context: ssl.SSLContext) -> BaseMailBox:
        from imap_tools import BaseMailBox

        client = _Line(address, timeout, self._watchdog, context if address.tls else None)

        class Box(BaseMailBox):
            def _get_mailbox_client(self) -> imaplib.IMAP4:
                return client

        try:
            if not address.tls and not address.plain:
                client.starttls(context)
            box = Box()
            ascii_only = f"{address.user}{address.password}".isascii()
            log_in = box.login if ascii_only else box.login_utf8
            log_in(address.user, address.password, initial_folder=None)
            box.folder.set(address.folder)
        except BaseException:
            with contextlib.suppress(OSError):
                client.shutdown()
            raise
        return box

    def batches(self) -> Iterator[list[Letter]]:
        for group in grouped(self._sizes(), limit=READ_LIMIT):
            yield self._fetch(group)

    def settle(self, letters: Sequence[Letter]) -> None:
        if not letters:
            return
        uids = _as_set([int(letter.key) for letter in letters])
        with self._explained():
            match self._after:
                case After.KEEP:
                    self._command("STORE", uids, "+FLAGS.SILENT", f"({_SEEN_MARK})")
                case After.MOVE:
                    self._move(uids)
                case After.DELETE:
                    self._expunge(uids)

    def pieces(self, letter: Letter) -> Iterator[bytes]:
        begin = 0
        while begin < letter.size:
            with self._explained():
                part = f"(UID BODY.PEEK[]<{begin}.{READ_LIMIT}>)"
                answer = self._command("FETCH", letter.key, part)
            piece = b"".join(line[1] for line in answer if isinstance(line, tuple))
            yield piece
            begin += len(piece)
            if len(piece) != READ_LIMIT:
                return

    def wait(self, seconds: float, stop: threading.Event) -> bool:
        client = self._box.client
        if "IDLE" not in client.capabilities or stop.is_set():
            return False
        with self._explained():
            self._box.idle.start()  # type: ignore[no-untyped-call]
        line = select.poll()
        line.register(client.sock, select.POLLIN)
        came = False
        for _ in range(int(min(seconds, IDLE_LIMIT))):
            came = bool(line.poll(1000))
            if came or stop.is_set():
                break
        with self._explained():
            self._box.idle.stop()  # type: ignore[no-untyped-call]
        return came

    def close(self) -> None:
        with contextlib.suppress(MailboxUnavailable), self._explained():
            self._box.logout()
        with contextlib.suppress(OSError):
            self._box.client.shutdown()
        self._watchdog.close()

    def _sizes(self) -> list[tuple[str, int]]:
        wanted = "UNDELETED" if self._after is not After.KEEP else f"UNDELETED UNKEYWORD {_SEEN_MARK}"
        with self._explained():
            self._box.client.noop()  # some servers tell of new mail only when they are asked
            answer = self._command("SEARCH", None, *wanted.split(" "))
            uids = [int(uid) for line in answer if line for uid in line.split()]
        found: dict[int, int] = {}
        for begin in range(0, len(uids), SIZES_AT_ONCE):
            some = _as_set(uids[begin : begin + SIZES_AT_ONCE])
            with self._explained():
                for line in self._command("FETCH", some, "(UID RFC822.SIZE)"):
                    match = _SIZE.search(line if isinstance(line, bytes) else b"")
                    if match:
                        uid, size = (match[1], match[2]) if match[1] else (match[4], match[3])
                        found[int(uid)] = int(size)
        return [(str(uid), found[uid]) for uid in sorted(found)]

    def _fetch(self, group: list[tuple[str, int]]) -> list[Letter]:
        sizes = dict(group)
        uids = _as_set([int(uid) for uid in sizes])
        letters = []
        with self._explained():
            for line in self._command("FETCH", uids, f"(UID BODY.PEEK[]<0.{READ_LIMIT}>)"):
                if not isinstance(line, tuple):
                    continue
                found = _UID.search(line[0])
                if found and found[1].decode() in sizes:
                    uid = found[1].decode()
                    letters.append(Letter(uid, bytes(line[1])[:READ_LIMIT], sizes[uid]))
        return letters

    def _expunge(self, uids: str) -> None:
        self._command("STORE", uids, "+FLAGS.SILENT", r"(\Deleted)")
        if "UIDPLUS" in self._box.client.capabilities:
            self._command("EXPUNGE", uids)
        else:
            self._box.client.expunge()

    def _move(self, uids: str) -> None:
        self._moved_to = self._moved_to or self._folder_for_moved()
        if "MOVE" in self._box.client.capabilities:
            self._command("MOVE", uids, self._moved_to)
            return
        self._command("COPY", uids, self._moved_to)
        self._expunge(uids)

    def _folder_for_moved(self) -> str:
        from imap_tools.errors import MailboxFolderCreateError

        # Some servers let folders be only below the inbox.
        names = (MOVED_TO, f"INBOX.{MOVED_TO}", f"INBOX/{MOVED_TO}")
        for name in names:
            if self._box.folder.exists(name):
                return name
        for name in names[:-1]:
            with contextlib.suppress(MailboxFolderCreateError):
                self._box.folder.create(name)
                return name
        self._box.folder.create(names[-1])
        return names[-1]

    def _command(self, name: str, *arguments: str | None) -> list[Any]:
        status, answer = self._box.client.uid(name, *[one for one in arguments if one is not None])
        if status != "OK":
            raise MailboxUnavailable(f"{self._name}: {name} was refused: {_words(answer)}")
        return answer

    @contextlib.contextmanager
    def _explained(self) -> Iterator[None]:
        from imap_tools.errors import ImapToolsError

        with self._watchdog.exchange(self._name, imaplib.IMAP4.error, ImapToolsError):
            yield


def _as_set(uids: list[int]) -> str:
    """``1:3,7``: ranges only of neighbours that are both meant."""
    parts: list[str] = []
    last = 0
    for uid in sorted(uids):
        if parts and uid == last + 1:
            parts[-1] = f"{parts[-1].partition(':')[0]}:{uid}"
        else:
            parts.append(str(uid))
        last = uid
    return ",".join(parts)


def _words(answer: list[Any]) -> str:
    return " ".join(one.decode("utf-8", "replace") for one in answer if isinstance(one, bytes))[:200]
