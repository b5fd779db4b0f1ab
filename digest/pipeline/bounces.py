"""Bounces as a use case: which mailbox is read by which rules, and whether reports come back at all."""

from __future__ import annotations

import threading
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Final

from sqlalchemy.orm import Session, sessionmaker

from digest.bounces.mailbox import After, Mailbox, open_mailbox, parse_mailbox_url
from digest.bounces.mailbox.opening import MailboxAddress, open_stream
from digest.bounces.policy import Policy
from digest.bounces.roundtrip import check_round_trip, forget_round_trip, remember_round_trip, round_trip_seen
from digest.errors import ConfigError, DigestError
from digest.pipeline.bounce_batches import Counts, Rules, process_mailbox, process_refusals
from digest.settings import Settings
from digest.settings.parts import split_mailbox
from digest.values import Progress
from digest.values.progress import Silent
from subscribers.suppression import SuppressionKey
from subscribers.tokens import TokenSigner

if TYPE_CHECKING:
    from digest.clock import Clock
    from digest.values import Transport

__all__ = [
    "Counts", "Rules", "bounce_address", "configured_mailbox", "given_mailbox", "poll", "process_mailbox",
    "process_refusals", "round_trip", "rules_of", "watch",
]  # fmt: skip

GATHER_SECONDS: Final = 2.0
KEPT_FOLDER: Final = "bounces-unread"  # in the newsletter's folder


def rules_of(settings: Settings, sessions: sessionmaker[Session], signer: TokenSigner) -> Rules:
    """The rules of ``[bounces]``, or the defaults without it. Raises ``ConfigError`` without keys."""
    own = settings.file.bounces
    key = SuppressionKey(settings.suppression_key)
    editors = len(settings.file.newsletter.editors)
    if own is None:
        return Rules(key, signer, editors=editors)
    with sessions() as session:
        verp = round_trip_seen(session, bounce_address(settings)) and _keeps_return_path(settings)
    return Rules(
        key,
        signer,
        Policy(own.soft_after, own.soft_over),
        verp=verp,
        pause_bounce_rate=own.pause_bounce_rate,
        pause_complaint_rate=own.pause_complaint_rate,
        editors=editors,
    )


def _keeps_return_path(settings: Settings) -> bool:
    """Whether the provider lets our return path stand: behind one that does not, no report has a token."""
    from digest.delivery.smtp import server_of
    from digest.mail import profile_of
    from digest.mail.profiles import EnvelopeMode

    try:
        host = server_of(settings).host
    except ConfigError:
        return True
    return profile_of(host, settings.file.smtp.provider).envelope is EnvelopeMode.VERP


def bounce_address(settings: Settings) -> str:
    """``[bounces] address`` without a display name, or empty."""
    own = settings.file.bounces
    return split_mailbox(own.address)[1] if own else ""


def configured_mailbox(settings: Settings) -> Mailbox:
    """Open ``[bounces] mailbox``. Raises ``ConfigError``, ``MailboxUnavailable``."""
    own = settings.file.bounces
    if own is None:
        raise ConfigError(
            "there is no [bounces] in newsletter.toml", remedy="set address and mailbox; see docs/bounces.md"
        )
    password = settings.environment.mailbox_password
    address = parse_mailbox_url(
        own.mailbox, base=settings.folder, password=password.get_secret_value() if password else ""
    )
    return open_mailbox(address, after=After(own.after))


def given_mailbox(*, stream: str, mbox: Path | None, maildir: Path | None) -> Mailbox | None:
    """The mailbox that the command line names instead of the configured one; files are only read.

    :raises ConfigError: more than one is named, or an argument that is not ``-``.
    """
    if stream not in {"", "-"}:
        raise ConfigError(
            f"{stream!r} cannot be read", remedy="- is standard input; else use --mbox or --maildir"
        )
    if sum((bool(stream), mbox is not None, maildir is not None)) > 1:
        raise ConfigError("more than one mailbox is named", remedy="use one of -, --mbox, --maildir")
    if stream:
        import sys

        return open_stream(sys.stdin.buffer)
    if mbox is not None:
        return open_mailbox(MailboxAddress("mbox", path=mbox), after=After.READ_ONLY)
    if maildir is not None:
        return open_mailbox(MailboxAddress("maildir", path=maildir), after=After.READ_ONLY)
    return None


def poll(
    settings: Settings,
    sessions: sessionmaker[Session],
    *,
    signer: TokenSigner,
    clock: Clock,
    mailbox: Mailbox | None = None,
    progress: Progress | None = None,
) -> Counts:
    """Read the bounce mailbox once, and judge refusals that nobody judged yet.

    :param mailbox: another one than the configured (a file, a pipe).
    :raises MailboxUnavailable: it refuses or stalls; what was read until then is in the database.
    """
    rules = rules_of(settings, sessions, signer)
    counts = process_refusals(sessions, rules, now=clock.now())  # whatever the mailbox does
    opened = configured_mailbox(settings) if mailbox is None else mailbox
    try:
        counts.add(_read(opened, settings, sessions, rules, clock, progress or Silent()))
    finally:
        opened.close()
    return counts


def watch(
    settings: Settings,
    sessions: sessionmaker[Session],
    *,
    signer: TokenSigner,
    clock: Clock,
    stop: threading.Event,
    every: timedelta,
    mailbox: Mailbox | None = None,
) -> Counts:
    """Read the bounce mailbox, and stay by it until ``every`` is over: what ``schedule run`` does.

    Where the server tells of new mail (IMAP's IDLE) it is read at once, so that an issue that comes back is
    paused while it is being sent. Elsewhere this is a ``poll``.

    :raises MailboxUnavailable: as of ``poll``.
    """
    rules = rules_of(settings, sessions, signer)
    end = clock.monotonic() + every.total_seconds()
    counts = process_refusals(sessions, rules, now=clock.now())
    opened = configured_mailbox(settings) if mailbox is None else mailbox
    try:
        while True:
            counts.add(_read(opened, settings, sessions, rules, clock, Silent()))
            if not opened.wait(end - clock.monotonic(), stop):
                return counts
            clock.wait(GATHER_SECONDS, until=stop)  # reports come in flocks
            rules = rules_of(settings, sessions, signer)
            counts.add(process_refusals(sessions, rules, now=clock.now()))
    finally:
        opened.close()


def _read(
    mailbox: Mailbox,
    settings: Settings,
    sessions: sessionmaker[Session],
    rules: Rules,
    clock: Clock,
    progress: Progress,
) -> Counts:
    kept = settings.folder / KEPT_FOLDER
    return process_mailbox(mailbox, sessions, rules, clock=clock, kept=kept, progress=progress)


def round_trip(
    settings: Settings,
    sessions: sessionmaker[Session],
    transport: Transport,
    *,
    signer: TokenSigner,
    clock: Clock,
    nonce: int,
) -> str:
    """For ``doctor``: mail a VERP address and find it in the mailbox; then VERP is on. Returns a line.

    If it does not come back, VERP and the mailto are off from now on: reports to such addresses, and wishes
    to be taken off, would be lost. A server that cannot be reached today changes nothing.

    :raises DigestError: it did not come back, or a server cannot be reached.
    """
    own = settings.file.bounces
    if own is None:
        raise ConfigError("there is no [bounces] in newsletter.toml", remedy="set address and mailbox")
    address = bounce_address(settings)
    mailbox = configured_mailbox(settings)
    try:
        trip = check_round_trip(mailbox, transport, address, signer, clock, nonce=nonce)
    finally:
        mailbox.close()
    with sessions.begin() as session:
        if trip.ok:
            remember_round_trip(session, address, now=clock.now())
            return trip.detail
        forget_round_trip(session)
    raise DigestError(trip.detail, remedy=trip.remedy)
