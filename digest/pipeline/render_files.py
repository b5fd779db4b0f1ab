"""``issue render`` as a use case: one copy of an issue as files, exactly as it would be sent."""

from __future__ import annotations

import errno
from dataclasses import dataclass
from datetime import datetime
from email import message_from_bytes, policy
from email.message import EmailMessage
from pathlib import Path

from sqlalchemy.orm import Session, sessionmaker

from digest.errors import ConfigError
from digest.issues.drafts import load_draft
from digest.issues.finding import issue_row
from digest.pipeline.composing import template_of
from digest.pipeline.rehearse import recipient_for
from digest.pipeline.render import render_issue
from digest.settings import Settings
from digest.values import Recipient
from subscribers.addresses import parse_address
from subscribers.tokens import TokenSigner


@dataclass(frozen=True, slots=True)
class RenderedFiles:
    """The files that were written, their sizes in bytes, and what was degraded."""

    html: Path
    text: Path
    eml: Path
    mjml: Path
    sizes: dict[str, int]
    notes: tuple[str, ...]

    def as_json(self) -> dict[str, object]:
        """``{"files", "bytes": {html, text, eml}, "notes"}``."""
        files = [str(path) for path in (self.mjml, self.html, self.text, self.eml)]
        return {"files": files, "bytes": self.sizes, "notes": list(self.notes)}


def render_to_files(
    readers: sessionmaker[Session],
    settings: Settings,
    issue_id: int,
    out: Path,
    *,
    signer: TokenSigner,
    now: datetime,
    address: str = "",
) -> RenderedFiles:
    """Write issue.mjml, issue.html, issue.txt and issue.eml into ``out``.

    :param address: whose copy; unknown ones get what a stranger would; empty: a sample reader's.
    :raises RenderError, ConfigError, UnknownIssue, InvalidAddress:
    """
    with readers() as session:
        draft = load_draft(session, settings, issue_id)
        rendered = render_issue(draft, settings)
        person = Recipient(subscriber_id=0, subscription_id=0, address="reader@example.org")
        if address:
            person = recipient_for(
                session, issue_row(session, issue_id).list_name, parse_address(address).address
            )
        template = template_of(session, settings, issue_id, rendered, signer)
    message = template.envelope(person, date=now).message
    parsed = message_from_bytes(message, policy=policy.default)
    contents = {
        "mjml": rendered.mjml.encode("utf-8"),
        "html": _part(parsed, "html"),
        "txt": _part(parsed, "plain"),
        "eml": message,
    }
    try:
        out.mkdir(parents=True, exist_ok=True)
        for suffix, content in contents.items():
            (out / f"issue.{suffix}").write_bytes(content)
    except OSError as error:
        if error.errno in {errno.ENOSPC, errno.EDQUOT}:
            raise  # no mistake of whoever typed it: the same command again, when there is room
        raise ConfigError(
            f"{out}: {error.strerror or error}", remedy="give --out a folder that can be written"
        ) from error
    return RenderedFiles(
        html=out / "issue.html",
        text=out / "issue.txt",
        eml=out / "issue.eml",
        mjml=out / "issue.mjml",
        sizes={
            "html": len(contents["html"]),
            "text": len(contents["txt"]),
            "eml": len(message),
        },
        notes=rendered.notes,
    )


def _part(message: EmailMessage, kind: str) -> bytes:
    part = message.get_body(preferencelist=(kind,))
    return str(part.get_content()).encode("utf-8") if part is not None else b""
