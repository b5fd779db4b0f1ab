"""Who the editors are, and the signed links that lead each of them to an issue's desk.

A link names the issue and the editor's address by a fingerprint, so that a link ends with the job: who
is taken out of ``[newsletter] editors`` is let in no more.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from hashlib import sha256
from typing import TYPE_CHECKING, Final

from digest.settings.parts import split_mailbox
from subscribers.errors import TokenForged
from subscribers.tokens import Purpose, TokenSigner

if TYPE_CHECKING:
    from digest.settings import Settings

DESK_MAX_AGE: Final = timedelta(hours=48)
"""How long an editor's link is good: longer than any issue of a daily waits."""


@dataclass(frozen=True, slots=True)
class Editor:
    """One of ``[newsletter] editors``; ``name`` stands beside what they do, and is no address."""

    name: str
    address: str

    @property
    def fingerprint(self) -> int:
        """48 bits of the address, which fit into a token."""
        return int.from_bytes(sha256(self.address.lower().encode()).digest()[:6], "big")


def editors_of(settings: Settings) -> tuple[Editor, ...]:
    """The editors with names that tell them apart: their own, else what stands before the @."""
    found: list[Editor] = []
    for text in settings.file.newsletter.editors:
        name, address = split_mailbox(text)
        name = name or address.partition("@")[0]
        same = sum(one.name == name or one.name.startswith(f"{name} (") for one in found)
        found.append(Editor(f"{name} ({same + 1})" if same else name, address))
    return tuple(found)


def desk_url(settings: Settings, signer: TokenSigner, issue_id: int, address: str, *, at: datetime) -> str:
    """The editor's link to the issue's desk; empty without public pages to lead to."""
    if not settings.public_url:
        return ""
    editor = Editor("", address)
    token = signer.sign(Purpose.DESK, issue_id, editor.fingerprint, issued_at=at)
    return f"{settings.public_url}/d/{token}"


def editor_of(settings: Settings, signer: TokenSigner, token: str, *, now: datetime) -> tuple[int, Editor]:
    """The issue and the editor that a link names. Raises ``TokenForged``, ``TokenExpired``."""
    ids = signer.verify(Purpose.DESK, token, now=now, max_age=DESK_MAX_AGE)
    if len(ids) == 2:
        for editor in editors_of(settings):
            if editor.fingerprint == ids[1]:
                return ids[0], editor
    raise TokenForged("the link belongs to nobody who is an editor now")
