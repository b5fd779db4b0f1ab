"""The demo: the whole main job on the bundled newsroom, for three invented readers, on this machine alone."""

from __future__ import annotations

import contextlib
import os
from dataclasses import dataclass, replace
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING
from zoneinfo import ZoneInfo

from pydantic import SecretStr
from sqlalchemy.engine import Engine
from sqlalchemy.orm import Session, sessionmaker

from digest.clock import Clock
from digest.errors import ConfigError, EmptyIssue
from digest.issues.finding import issue_row
from digest.issues.view import IssueView
from digest.pipeline.begin import IGNORED, env_file
from digest.settings import FILE_NAME, Settings, load
from digest.settings.secrets import Environment
from digest.values import Progress
from subscribers.tokens import TokenSigner

if TYPE_CHECKING:
    from digest.pipeline.newsroom import Newsroom
    from digest.sources.http import Http
    from digest.values import Transport

EDITION = "daily"
_MARK = "# The newsletter of the demo."


@dataclass(frozen=True)
class Reader:
    """An invented subscriber; ``sections`` is None for all of them."""

    address: str
    name: str
    language: str
    city: str
    sections: tuple[str, ...] | None = None


READERS = (
    Reader("ada@readers.example", "Ada Brunn", "en", "Marenholt"),
    Reader("ivo@readers.example", "Ivo Castell", "en", "Hollen", ("city", "sport")),
    Reader("layla@readers.example", "ليلى منصور", "ar", "Marenholt"),
)


@dataclass(frozen=True)
class DemoReport:
    """What the main job made of the newsroom: stories taken in, the issue, and copies that went out.

    ``sent`` counts all readers who have it, ``delivered`` those of this run.
    ``tomorrow`` is an unsent issue of what is left, for the desk; None when too little is.
    """

    stories: int
    issue: int
    tomorrow: int | None
    subject: str
    recipients: int
    sent: int
    delivered: int


def lay_out(folder: Path, newsroom: Newsroom, *, smtp_url: str, public_url: str = "") -> Settings:
    """Write the demo's newsletter into ``folder`` and return its settings.

    :param public_url: where its public pages stand; without any, links to them lead to the newsroom.

    A folder that an earlier demo laid out is taken up again: its keys and what was changed in it stay,
    addresses follow. DIGEST_* of the environment is *not* heeded: a demo never mails through a real server.
    Raises ``ConfigError`` when the folder holds somebody's newsletter, or cannot be written.
    """
    file = folder / FILE_NAME
    try:
        if file.exists() and not file.read_text(encoding="utf-8").startswith(_MARK):
            raise ConfigError(
                f"{folder} holds a newsletter already", remedy="give the demo an empty or new folder"
            )
        (folder / "notebook").mkdir(parents=True, exist_ok=True)
        _write_secrets(folder / ".env", smtp_url=smtp_url, public_url=public_url or newsroom.base)
        (folder / ".gitignore").write_text(IGNORED, encoding="utf-8")
        for story in sorted((newsroom.folder / "notebook").glob("*.md")):
            (folder / "notebook" / story.name).write_text(
                newsroom.filled(f"notebook/{story.name}"), encoding="utf-8"
            )
        file.write_text(newsroom.filled(FILE_NAME), encoding="utf-8")
    except OSError as error:
        raise ConfigError(f"{error.filename}: {error.strerror}", remedy="give a writable folder") from error
    own = dict(_lines(folder / ".env"))
    environment = Environment(
        database_url=SecretStr("sqlite:///digest.sqlite3"),
        smtp_url=SecretStr(own["DIGEST_SMTP_URL"]),
        secret_key=SecretStr(own["DIGEST_SECRET_KEY"]),
        suppression_key=SecretStr(own["DIGEST_SUPPRESSION_KEY"]),
        public_url=own["DIGEST_PUBLIC_URL"],
    )
    return replace(load(folder), environment=environment)


def run_demo(
    engine: Engine,
    sessions: sessionmaker[Session],
    settings: Settings,
    *,
    clock: Clock,
    http: Http,
    transport: Transport,
    signer: TokenSigner,
    progress: Progress,
) -> DemoReport:
    """Fetch, build, render and send: the same use cases that ``digest run`` calls."""
    from digest.pipeline.build import build_issue
    from digest.pipeline.collect import collect
    from digest.pipeline.deliver import deliver

    with sessions.begin() as session:
        invite(session, settings, clock)
    collected = collect(sessions, settings, clock=clock, http=http, progress=progress)
    now = clock.now()
    issue = _number(build_issue(sessions, settings, EDITION, now=now))
    summary = deliver(
        engine, settings, issue, transport=transport, signer=signer, clock=clock, progress=progress
    )
    with sessions() as session:
        subject = issue_row(session, issue).subject
    tomorrow = None
    with contextlib.suppress(EmptyIssue):
        day = now.astimezone(ZoneInfo(settings.edition(EDITION).timezone)).date() + timedelta(days=1)
        tomorrow = _number(build_issue(sessions, settings, EDITION, day=day, now=now))
    return DemoReport(
        collected.new, issue, tomorrow, subject, summary.recipients, summary.sent, summary.delivered
    )


def read_again(settings: Settings) -> Settings:
    """newsletter.toml of the demo as it is now, with the demo's own environment. Raises ``ConfigError``."""
    return replace(load(settings.folder), environment=settings.environment)


def _number(view: IssueView) -> int:
    if view.id is None:
        raise ValueError("an issue that was not stored")
    return view.id


def invite(session: Session, settings: Settings, clock: Clock) -> None:
    """Put the invented readers on the list; those who are there already stay as they are."""
    from subscribers.addresses import parse_address
    from subscribers.membership import How, create_list, find_list, list_names, subscribe
    from subscribers.models import ConsentMethod
    from subscribers.suppression import SuppressionKey

    edition = settings.edition(EDITION)
    now = clock.now()
    if edition.list_name not in list_names(session):
        create_list(session, edition.list_name, now=now, title=edition.title)
    mailing_list = find_list(session, edition.list_name)
    key = SuppressionKey(settings.suppression_key)
    for reader in READERS:
        subscribe(
            session,
            parse_address(reader.address),
            mailing_list,
            key,
            now=now,
            how=How(ConsentMethod.COMMAND, note="invented for the demo"),
            confirmed=True,
            name=reader.name,
            language=reader.language,
            attributes={"city": reader.city},
            sections=reader.sections,
        )


def _write_secrets(file: Path, *, smtp_url: str, public_url: str) -> None:
    """``.env`` with the demo's addresses, keeping the keys that are there."""
    text = file.read_text(encoding="utf-8") if file.exists() else env_file()
    changing = ("DIGEST_SMTP_URL=", "DIGEST_PUBLIC_URL=")
    kept = [line for line in text.splitlines() if not line.startswith(changing)]
    kept += [f"DIGEST_SMTP_URL={smtp_url}", f"DIGEST_PUBLIC_URL={public_url}"]
    part = file.with_name(file.name + ".part")
    part.unlink(missing_ok=True)
    with os.fdopen(os.open(part, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600), "w", encoding="utf-8") as out:
        out.write("\n".join(kept) + "\n")
    part.replace(file)


def _lines(file: Path) -> list[tuple[str, str]]:
    lines = file.read_text(encoding="utf-8").splitlines()
    return [
        (name, value)
        for name, _, value in (line.partition("=") for line in lines if not line.startswith("#"))
    ]
