"""What a worker is given: the lanes of notices and issues, their policy, and how fast they may go."""

from __future__ import annotations

from collections.abc import Callable

from sqlalchemy.engine import Engine
from sqlalchemy.orm import Session, sessionmaker

from digest.clock import Clock
from digest.delivery.machine import Policy
from digest.delivery.notices import NoticeOutbox
from digest.delivery.pace import Pace, domain_group, pace_of
from digest.delivery.smtp import server_of
from digest.delivery.worker import Lane
from digest.delivery.writer import Writer
from digest.models import IssueRow
from digest.pipeline.composing import notice_composer, profile_of_settings
from digest.settings import Settings
from digest.settings.parts import split_mailbox
from subscribers.tokens import TokenSigner

SERVER_SCOPE = "server:"


def notice_lane(
    engine: Engine,
    readers: sessionmaker[Session],
    writer: Writer,
    settings: Settings,
    *,
    signer: TokenSigner,
    clock: Clock,
    policy: Policy,
) -> Lane:
    """Notices, which overtake issues."""
    editors = [split_mailbox(editor)[1] for editor in settings.file.newsletter.editors]
    outbox = NoticeOutbox(engine, writer, clock, policy=policy, editors=editors)
    return Lane(outbox, notice_composer(readers, settings, signer), paced=False)


def policy_of(settings: Settings, row: IssueRow, *, companions: int = 1) -> Policy:
    """The machine's numbers for an issue."""
    connections = settings.file.smtp.connections or profile_of_settings(settings).connections
    return Policy(
        resend=settings.edition(row.edition).own.in_doubt == "resend",
        connections=max(1, connections // companions),
        expires_at=row.expires_at,
    )


def paces_of(settings: Settings, writer: Writer, clock: Clock) -> tuple[Pace, Callable[[str], Pace] | None]:
    """The server's rates, and those of the recipients' domains where newsletter.toml sets one."""
    smtp = settings.file.smtp
    limits = profile_of_settings(settings).rates if smtp.rate is None else smtp.rate
    pace = pace_of(writer.call, clock, SERVER_SCOPE + server_of(settings).address, limits)
    domain_limits = smtp.domain_rate
    if not domain_limits:
        return pace, None
    known: dict[str, Pace] = {}

    def domain_pace(address: str) -> Pace:
        group = domain_group(address)
        if group not in known:
            known[group] = pace_of(writer.call, clock, f"domain:{group}", domain_limits)
        return known[group]

    return pace, domain_pace
