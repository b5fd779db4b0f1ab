"""IMAP (RFC 9051): sizes first, then at most a mebibyte of each message; deleted by UID after the commit."""

from __future__ import annotations

import contextlib
import imaplib
import re
import ssl
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any, Final

from digest.bounces.errors import MailboxUnavailable
from digest.bounces.mailbox.contract import MOVED_TO, After, Letter, grouped
from digest.bounces.reading import READ_LIMIT

if TYPE_CHECKING:
    from imap_tools import BaseMailBox

    from digest.bounces.mailbox.opening import MailboxAddress

_SIZE = re.compile(rb"UID (\d+) RFC822\.SIZE (\d+)|RFC822\.SIZE (\d+) UID (\d+)")
_UID = re.compile(rb"UID (\d+)")
_SEEN_MARK: Final = "$DigestRead"  # a keyword of ours: \Seen belongs to people


class ImapMailbox:
    """A folder on an IMAP server (implements ``Mailbox``)."""

    def __init__(
        self,
        address: MailboxAddress,
        *,
        after: After,
        timeout: float,
        tls_context: ssl.SSLContext | None = None,
    ) -> None:
        self._address = address
        self._after = after
        self._name = f"mailbox imap://{address.host}:{address.port}/{address.folder}"
        with self._explained():
            self._box = self._open(timeout, tls_context or ssl.create_default_context())
            try:
                self._box.login(address.user, address.password, initial_folder=None)
                self._box.folder.set(address.folder)
            except BaseException:
                self.close()
                raise

    def _open(self, timeout: float, context: ssl.SSLContext) -> BaseMailBox:
        from imap_tools import MailBox, MailBoxStartTls, MailBoxUnencrypted

        address = self._address
        if address.tls:
            return MailBox(address.host, address.port, timeout, ssl_context=context)
        if address.plain:
            return MailBoxUnencrypted(address.host, address.port, timeout)
        return MailBoxStartTls(address.host, address.port, timeout, ssl_context=context)

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

    def wait(self, seconds: float) -> bool:
        if "IDLE" not in self._box.client.capabilities:
            return False
        with self._explained():
            return bool(self._box.idle.wait(timeout=min(seconds, 29 * 60)))

    def close(self) -> None:
        with contextlib.suppress(Exception):
            self._box.logout()

    def _sizes(self) -> list[tuple[str, int]]:
        wanted = "UNDELETED" if self._after is not After.KEEP else f"UNDELETED UNKEYWORD {_SEEN_MARK}"
        with self._explained():
            answer = self._command("SEARCH", None, *wanted.split(" "))
            uids = [int(uid) for line in answer if line for uid in line.split()]
            found: dict[int, int] = {}
            for begin in range(0, len(uids), 5000):
                for line in self._command("FETCH", _as_set(uids[begin : begin + 5000]), "(UID RFC822.SIZE)"):
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
                    letters.append(Letter(uid, bytes(line[1]), sizes[uid]))
        return letters

    def _expunge(self, uids: str) -> None:
        self._command("STORE", uids, "+FLAGS.SILENT", r"(\Deleted)")
        if "UIDPLUS" in self._box.client.capabilities:
            self._command("EXPUNGE", uids)
        else:
            self._box.client.expunge()

    def _move(self, uids: str) -> None:
        if not self._box.folder.exists(MOVED_TO):
            self._box.folder.create(MOVED_TO)
        if "MOVE" in self._box.client.capabilities:
            self._command("MOVE", uids, MOVED_TO)
            return
        self._command("COPY", uids, MOVED_TO)
        self._expunge(uids)

    def _command(self, name: str, *arguments: str | None) -> list[Any]:
        status, answer = self._box.client.uid(name, *[one for one in arguments if one is not None])
        if status != "OK":
            raise MailboxUnavailable(f"{self._name}: {name} was refused: {_words(answer)}")
        return answer

    @contextlib.contextmanager
    def _explained(self) -> Iterator[None]:
        from imap_tools.errors import ImapToolsError

        try:
            yield
        except ssl.SSLError as error:
            raise MailboxUnavailable(
                f"{self._name}: TLS failed: {error.reason or error}",
                remedy="check the certificate and the host's name",
            ) from error
        except TimeoutError as error:
            raise MailboxUnavailable(
                f"{self._name} stalls", remedy="the next poll goes on where this one stopped"
            ) from error
        except (OSError, imaplib.IMAP4.error, ImapToolsError, EOFError) as error:
            raise MailboxUnavailable(
                f"{self._name}: {' '.join(str(error).split())[:200]}",
                remedy="check [bounces] mailbox and DIGEST_MAILBOX_PASSWORD",
            ) from error


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
