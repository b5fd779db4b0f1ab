"""Bounces as a use case: poll the mailbox, judge what came, apply the policy, tell the editors."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, fields
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Final

from sqlalchemy import select
from sqlalchemy.exc import InterfaceError, OperationalError
from sqlalchemy.orm import Session, sessionmaker

from digest.bounces.attribution import Finding, attribute
from digest.bounces.directory import BatchDirectory
from digest.bounces.errors import MailboxUnavailable
from digest.bounces.kept import keep_aside
from digest.bounces.mailbox import After, Letter, Mailbox, open_mailbox, parse_mailbox_url
from digest.bounces.mailbox.opening import MailboxAddress, open_stream
from digest.bounces.parsing import parse_report
from digest.bounces.policy import Consequence, Policy, follow_finding, record_finding
from digest.bounces.rates import Alarm, pause_by_rate, tell_editors
from digest.bounces.reading import digest_of
from digest.bounces.refusals import judge_refusals
from digest.bounces.report import Form, Report
from digest.bounces.roundtrip import check_round_trip, remember_round_trip, round_trip_seen
from digest.errors import ConfigError, DigestError
from digest.mail.judgement import Kind
from digest.settings import Settings
from digest.settings.parts import split_mailbox
from digest.values import Progress
from digest.values.progress import Silent
from subscribers.addresses import redact
from subscribers.models import BounceEventRow, BounceKind
from subscribers.suppression import SuppressionKey
from subscribers.tokens import TokenSigner

if TYPE_CHECKING:
    from digest.clock import Clock
    from digest.values import Transport

KEPT_FOLDER: Final = "bounces-unread"  # in the newsletter's folder
TASK: Final = "bounces"
_UNREADABLE: Final = "unreadable"


@dataclass
class Counts:
    """What one poll did. ``read`` are new messages; ``repeated`` were known; ``unreadable`` lie aside."""

    read: int = 0
    hard: int = 0
    soft: int = 0
    complaints: int = 0
    unsubscribes: int = 0
    ignored: int = 0
    suppressed: int = 0
    repeated: int = 0
    unreadable: int = 0
    refusals: int = 0
    paused: int = 0
    left: int = 0  # could not be taken out of the mailbox: they come again, and count no more

    def add(self, other: Counts) -> None:
        """Add another poll's numbers."""
        for one in fields(self):
            setattr(self, one.name, getattr(self, one.name) + getattr(other, one.name))


@dataclass(frozen=True)
class Rules:
    """All that judging a batch needs besides the mail.

    :param verp: whether reports must prove themselves by a token.
    :param editors: how many addresses get alarms.
    """

    key: SuppressionKey
    signer: TokenSigner | None
    policy: Policy = field(default_factory=Policy)
    verp: bool = False
    pause_bounce_rate: float = 0.02
    pause_complaint_rate: float = 0.001
    editors: int = 0


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
    """Read the bounce mailbox once, and judge refusals that nobody judged yet: what ``schedule run`` does.

    :param mailbox: another one than the configured (a file, a pipe).
    :raises MailboxUnavailable: it refuses or stalls; what was read until then is in the database.
    """
    rules = rules_of(settings, sessions, signer)
    own = mailbox is None
    opened = configured_mailbox(settings) if mailbox is None else mailbox
    try:
        counts = process_mailbox(
            opened,
            sessions,
            rules,
            clock=clock,
            kept=settings.folder / KEPT_FOLDER,
            progress=progress or Silent(),
        )
    finally:
        if own:
            opened.close()
    counts.add(process_refusals(sessions, rules, now=clock.now()))
    return counts


def process_mailbox(
    mailbox: Mailbox,
    sessions: sessionmaker[Session],
    rules: Rules,
    *,
    clock: Clock,
    kept: Path,
    progress: Progress,
) -> Counts:
    """Read all that is in ``mailbox``: each batch is committed, and only then taken out.

    Killed anywhere, it goes on where it stopped: a message that is in the database already counts no more.
    """
    counts = Counts()
    progress.start(TASK)
    for letters in mailbox.batches():
        counts.add(_process_batch(letters, sessions, rules, now=clock.now(), kept=kept))
        try:
            mailbox.settle(letters)
        except MailboxUnavailable as error:
            counts.left += len(letters)
            progress.note(
                f"{error}: {len(letters)} messages stay there; they are in the database and count once"
            )
        progress.advance(TASK, len(letters), hard=counts.hard, soft=counts.soft, complaints=counts.complaints)
    progress.finish(TASK)
    return counts


def _process_batch(
    letters: Sequence[Letter], sessions: sessionmaker[Session], rules: Rules, *, now: datetime, kept: Path
) -> Counts:
    read = [(letter, _read(letter)) for letter in letters]
    try:
        return _commit(read, sessions, rules, now=now, kept=kept)
    except (OSError, OperationalError, InterfaceError):
        raise  # the disk or the database: no message is to blame
    except Exception:
        if len(read) == 1 and read[0][1] is None:
            raise  # it is not the message: it was not even looked at
    # One message spoils the batch (or another process was faster): each by itself, the odd one aside.
    counts = Counts()
    for letter, report in read:
        try:
            counts.add(_commit([(letter, report)], sessions, rules, now=now, kept=kept))
        except (OSError, OperationalError, InterfaceError):
            raise
        except Exception:  # noqa: BLE001 (kept aside and counted)
            counts.add(_commit([(letter, None)], sessions, rules, now=now, kept=kept))
    return counts


def _read(letter: Letter) -> Report | None:
    if not letter.raw.strip():
        return None
    try:
        return parse_report(letter.raw, size=letter.size)
    except Exception:  # noqa: BLE001 (a stranger's mail: kept aside and counted)
        return None


def _commit(
    read: Sequence[tuple[Letter, Report | None]],
    sessions: sessionmaker[Session],
    rules: Rules,
    *,
    now: datetime,
    kept: Path,
) -> Counts:
    counts = Counts()
    with sessions.begin() as session:
        digests = {
            report.digest if report else digest_of(letter.raw): (letter, report) for letter, report in read
        }
        counts.repeated += len(read) - len(digests)
        known = set(
            session.scalars(
                select(BounceEventRow.report_digest).where(BounceEventRow.report_digest.in_(list(digests)))
            )
        )
        counts.repeated += len(known)
        new = {digest: pair for digest, pair in digests.items() if digest not in known}
        directory = BatchDirectory(session, [report for _, report in new.values() if report], rules.signer)
        touched: set[int] = set()
        alarms: dict[str, Alarm] = {}
        found: list[tuple[Finding, str]] = []
        for digest, (letter, report) in new.items():
            counts.read += 1
            if report is None:
                _keep(session, letter, digest, kept, now)
                counts.unreadable += 1
                continue
            for index, finding in enumerate(attribute(report, directory, verp=rules.verp)):
                form = _form(report, finding)
                record_finding(session, finding, digest=digest, index=index, form=form, now=now)
                found.append((finding, digest))
        session.flush()
        for finding, digest in found:
            consequence = follow_finding(
                session, finding, digest=digest, policy=rules.policy, key=rules.key, now=now
            )
            _count(counts, consequence)
            _note(finding, consequence, touched, alarms)
        _follow_up(session, rules, touched, alarms, counts, now)
    return counts


def process_refusals(
    sessions: sessionmaker[Session], rules: Rules, *, now: datetime, issue_id: int | None = None
) -> Counts:
    """Judge refusals at SMTP time that were not judged yet, by the same rules as reports.

    Call it after sending; it is idempotent.
    """
    counts = Counts()
    while True:
        with sessions.begin() as session:
            judged = judge_refusals(session, policy=rules.policy, key=rules.key, now=now, issue_id=issue_id)
            touched: set[int] = set()
            alarms: dict[str, Alarm] = {}
            for one in judged:
                counts.refusals += 1
                counts.suppressed += one.consequence.suppressed
                _note(one.finding, one.consequence, touched, alarms)
            _follow_up(session, rules, touched, alarms, counts, now)
        if not judged:
            return counts


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
    if not trip.ok:
        raise DigestError(trip.detail, remedy=trip.remedy)
    with sessions.begin() as session:
        remember_round_trip(session, address, now=clock.now())
    return trip.detail


def _follow_up(
    session: Session, rules: Rules, touched: set[int], alarms: dict[str, Alarm], counts: Counts, now: datetime
) -> None:
    paused = pause_by_rate(
        session,
        touched,
        bounce_limit=rules.pause_bounce_rate,
        complaint_limit=rules.pause_complaint_rate,
        now=now,
    )
    counts.paused += sum(alarm.paused for alarm in paused)
    tell_editors(session, [*alarms.values(), *paused], editors=rules.editors, now=now)


def _note(finding: Finding, consequence: Consequence, touched: set[int], alarms: dict[str, Alarm]) -> None:
    if finding.person is None:
        return
    if finding.person.issue_id is not None and consequence.kind in {Kind.HARD, Kind.SOFT, Kind.COMPLAINT}:
        touched.add(finding.person.issue_id)
    judgement = finding.judgement
    if judgement.alarm and consequence.kind is Kind.SOFT:
        words = redact(" ".join(finding.diagnosis.split())[:400])[:200]
        text = (
            f"copies are refused for a reason that is ours ({judgement.reason}): “{words}”; nobody is blamed"
        )
        alarms.setdefault(
            judgement.reason.value, Alarm(f"refused:{judgement.reason}", text, finding.person.issue_id)
        )


def _form(report: Report, finding: Finding) -> str:
    """The word that an event of nobody is listed under: what it was, or why it concerns nobody."""
    if finding.person is None and report.form in {Form.DSN, Form.WORDS, Form.COMPLAINT, Form.UNSUBSCRIBE}:
        return finding.how
    return report.form.value


def _keep(session: Session, letter: Letter, digest: str, kept: Path, now: datetime) -> None:
    keep_aside(kept, digest, letter.raw)
    session.add(
        BounceEventRow(
            report_digest=digest, at=now, kind=BounceKind.IGNORED, reason=_UNREADABLE, attribution="none"
        )
    )


def _count(counts: Counts, consequence: Consequence) -> None:
    match consequence.kind:
        case Kind.HARD:
            counts.hard += 1
        case Kind.SOFT:
            counts.soft += 1
        case Kind.COMPLAINT:
            counts.complaints += 1
        case Kind.UNSUBSCRIBE:
            counts.unsubscribes += 1
        case _:
            counts.ignored += 1
    counts.suppressed += consequence.suppressed
