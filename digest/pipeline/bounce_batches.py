"""Batches of the bounce mailbox: each is judged, committed, and only then taken out."""

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
from digest.bounces.mailbox import Letter, Mailbox
from digest.bounces.parsing import parse_report
from digest.bounces.policy import Consequence, Policy, follow_finding, record_finding
from digest.bounces.rates import Alarm, pause_by_rate, tell_editors
from digest.bounces.reading import digest_of
from digest.bounces.refusals import judge_refusals
from digest.bounces.report import Form, Report
from digest.mail.judgement import Kind
from digest.values import Progress
from subscribers.addresses import redact
from subscribers.models import BounceEventRow, BounceKind
from subscribers.suppression import SuppressionKey
from subscribers.tokens import TokenSigner

if TYPE_CHECKING:
    from digest.clock import Clock

TASK: Final = "bounces"
_UNREADABLE: Final = "unreadable"


@dataclass
class Counts:
    """What one poll did. ``read`` are new messages; ``repeated`` were known; ``unreadable`` lie aside.

    ``overlong`` named more recipients than are read: what was read is judged, and they lie aside too.
    """

    read: int = 0
    hard: int = 0
    soft: int = 0
    complaints: int = 0
    unsubscribes: int = 0
    ignored: int = 0
    suppressed: int = 0
    repeated: int = 0
    unreadable: int = 0
    overlong: int = 0
    refusals: int = 0
    paused: int = 0
    left: int = 0  # could not be taken out of the mailbox or kept aside: they come again

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
        batch = _Batch(sessions, rules, Shelf(mailbox, kept), clock.now())
        counts.add(batch.process(letters))
        staying = batch.shelf.staying
        try:
            mailbox.settle([letter for letter in letters if letter.key not in staying])
        except MailboxUnavailable as error:
            counts.left += len(letters) - len(staying)
            progress.note(
                f"{error}: {len(letters)} messages stay there; they are in the database and count once"
            )
        if staying:
            progress.note(
                f"{len(staying)} messages cannot be read and {kept} is full: they stay in the mailbox; "
                "look at what lies there and move it away"
            )
        progress.advance(TASK, len(letters), hard=counts.hard, soft=counts.soft, complaints=counts.complaints)
    progress.finish(TASK)
    return counts


@dataclass
class Shelf:
    """Where messages are kept aside whole; what finds no room there stays in the mailbox."""

    mailbox: Mailbox
    folder: Path
    staying: set[str] = field(default_factory=set)

    def take(self, letter: Letter, digest: str) -> bool:
        """Keep ``letter``; False when there is no room."""
        pieces = self.mailbox.pieces(letter) if letter.size > len(letter.raw) else [letter.raw]
        if keep_aside(self.folder, digest, pieces, size=letter.size):
            return True
        self.staying.add(letter.key)
        return False


Read = tuple[Letter, Report | None]
"""A letter and what it says; ``None`` if nobody can read it."""

_NOT_ITS_FAULT: Final = (OSError, OperationalError, InterfaceError, MailboxUnavailable)


@dataclass(frozen=True)
class _Batch:
    sessions: sessionmaker[Session]
    rules: Rules
    shelf: Shelf
    now: datetime

    def process(self, letters: Sequence[Letter]) -> Counts:
        read = [(letter, _read(letter)) for letter in letters]
        try:
            return self._commit(read)
        except _NOT_ITS_FAULT:
            raise  # the disk, the database or the mailbox: no message is to blame
        except Exception:
            if len(read) == 1 and read[0][1] is None:
                raise  # it is not the message: it was not even looked at
        # One message spoils the batch (or another process was faster): each by itself, the odd one aside.
        counts = Counts()
        for one in read:
            counts.add(self._commit_one(*one))
        return counts

    def _commit_one(self, letter: Letter, report: Report | None) -> Counts:
        try:
            return self._commit([(letter, report)])
        except _NOT_ITS_FAULT:
            raise
        except Exception:  # noqa: BLE001 (kept aside and counted)
            if report is not None and _is_known(self.sessions, report.digest):
                return Counts(repeated=1)  # another process was faster
            return self._commit([(letter, None)])

    def _commit(self, read: Sequence[Read]) -> Counts:
        counts = Counts()
        with self.sessions.begin() as session:
            new = self._new_among(session, read, counts)
            reports = [report for _, report in new.values() if report]
            directory = BatchDirectory(session, reports, self.rules.signer)
            found: list[tuple[Finding, str]] = []
            for digest, (letter, report) in new.items():
                aside = report is None or report.left_out > 0
                if aside and not self.shelf.take(letter, digest):
                    counts.left += 1
                    continue
                counts.read += 1
                if report is None:
                    counts.unreadable += 1
                    session.add(_unreadable(digest, self.now))
                    continue
                counts.overlong += aside
                for index, finding in enumerate(attribute(report, directory, verp=self.rules.verp)):
                    form = _form(report, finding)
                    record_finding(session, finding, digest=digest, index=index, form=form, now=self.now)
                    found.append((finding, digest))
            session.flush()
            self._follow(session, found, counts)
        return counts

    def _new_among(self, session: Session, read: Sequence[Read], counts: Counts) -> dict[str, Read]:
        digests = {
            report.digest if report else digest_of(letter.raw): (letter, report) for letter, report in read
        }
        known = _known_among(session, list(digests))
        counts.repeated += len(read) - len(digests) + len(known)
        return {digest: pair for digest, pair in digests.items() if digest not in known}

    def _follow(self, session: Session, found: Sequence[tuple[Finding, str]], counts: Counts) -> None:
        rules = self.rules
        touched: set[int] = set()
        alarms: dict[str, Alarm] = {}
        for finding, digest in found:
            consequence = follow_finding(
                session, finding, digest=digest, policy=rules.policy, key=rules.key, now=self.now
            )
            _count(counts, consequence)
            _note(finding, consequence, touched, alarms)
        _follow_up(session, rules, touched, alarms, counts, self.now)


def _known_among(session: Session, digests: Sequence[str]) -> set[str]:
    found = select(BounceEventRow.report_digest).where(BounceEventRow.report_digest.in_(digests))
    return set(session.scalars(found))


def _is_known(sessions: sessionmaker[Session], digest: str) -> bool:
    with sessions() as session:
        found = select(BounceEventRow.id).where(BounceEventRow.report_digest == digest).limit(1)
        return session.scalar(found) is not None


def _read(letter: Letter) -> Report | None:
    if not letter.raw.strip():
        return None
    try:
        return parse_report(letter.raw, size=letter.size)
    except Exception:  # noqa: BLE001 (a stranger's mail: kept aside and counted)
        return None


def process_refusals(
    sessions: sessionmaker[Session], rules: Rules, *, now: datetime, issue_id: int | None = None
) -> Counts:
    """Judge refusals at SMTP time that were not judged yet, by the same rules as reports.

    Call it after sending; it is idempotent.
    """
    counts = Counts()
    last = 0
    while True:
        with sessions.begin() as session:
            judged = judge_refusals(
                session, policy=rules.policy, key=rules.key, now=now, issue_id=issue_id, after=last
            )
            touched: set[int] = set()
            alarms: dict[str, Alarm] = {}
            for one in judged:
                counts.refusals += 1
                counts.suppressed += one.consequence.suppressed
                _note(one.finding, one.consequence, touched, alarms)
            _follow_up(session, rules, touched, alarms, counts, now)
        if not judged:
            return counts
        last = max(one.delivery_id for one in judged)


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


def _unreadable(digest: str, now: datetime) -> BounceEventRow:
    return BounceEventRow(
        report_digest=digest, at=now, kind=BounceKind.IGNORED, reason=_UNREADABLE, attribution="none"
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
