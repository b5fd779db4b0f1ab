"""The tables of people: who they are, what they joined, what they agreed to, and who is never mailed.

No table but ``SubscriberRow`` stores an address. Ids of people and subscriptions are never used
twice (``AUTOINCREMENT``, sequences), since links in old mails name them for ever.
"""

from __future__ import annotations

from datetime import datetime
from enum import StrEnum
from typing import Annotated, Any

from sqlalchemy import (
    DDL,
    BigInteger,
    CheckConstraint,
    Enum,
    ForeignKey,
    Index,
    Integer,
    LargeBinary,
    String,
    Text,
    UniqueConstraint,
    event,
    text,
)
from sqlalchemy.orm import Mapped, mapped_column

from subscribers.database import Base, JsonValue, UtcDateTime

Json = JsonValue(none_as_null=True)
Identifier = BigInteger().with_variant(Integer, "sqlite")
PrimaryKey = Annotated[int, mapped_column(Identifier, primary_key=True, autoincrement=True)]


class OptIn(StrEnum):
    """How one joins a list: at once, or after a click in a confirm notice."""

    SINGLE = "single"
    DOUBLE = "double"


class SubscriptionStatus(StrEnum):
    """The standing of one person on one list."""

    PENDING = "pending"
    CONFIRMED = "confirmed"
    UNSUBSCRIBED = "unsubscribed"


class SuppressionKind(StrEnum):
    """What is suppressed: one address (kept as a keyed hash) or a whole domain (kept plain)."""

    ADDRESS = "address"
    DOMAIN = "domain"


class SuppressionCause(StrEnum):
    """Why it is suppressed, in one word; ``reason`` has the sentence."""

    DESK = "desk"
    BOUNCE = "bounce"
    COMPLAINT = "complaint"
    ERASED = "erased"
    IMPORTED = "imported"


class ConsentAction(StrEnum):
    """What changed in somebody's standing."""

    ADDED = "added"
    REQUESTED = "requested"  # pending on a double opt-in list
    NOTIFIED = "notified"  # a confirm or re-permission notice went out
    CONFIRMED = "confirmed"
    UNSUBSCRIBED = "unsubscribed"
    SECTIONS = "sections"
    ADDRESS = "address"
    SUPPRESSED = "suppressed"
    UNSUPPRESSED = "unsuppressed"
    ERASED = "erased"


class ConsentMethod(StrEnum):
    """How the change came about."""

    COMMAND = "command"
    IMPORT = "import"
    FORM = "form"
    CONFIRM_LINK = "confirm_link"
    UNSUBSCRIBE_PAGE = "unsubscribe_page"
    ONE_CLICK = "one_click"  # RFC 8058
    MAILTO = "mailto"
    PREFERENCES = "preferences"
    BOUNCE = "bounce"
    COMPLAINT = "complaint"
    NOTICE = "notice"


class BounceKind(StrEnum):
    """What a message in the bounce mailbox was."""

    HARD = "hard"
    SOFT = "soft"
    COMPLAINT = "complaint"
    UNSUBSCRIBE = "unsubscribe"
    IGNORED = "ignored"


class ImportStatus(StrEnum):
    """How far an import run came; ``running`` with no process behind it was killed."""

    RUNNING = "running"
    DONE = "done"
    STOPPED = "stopped"
    FAILED = "failed"


def _words(kind: type[StrEnum], name: str) -> Enum:
    """The enum's values as text, held by a CHECK constraint called ``name``."""
    return Enum(
        kind,
        name=name,
        native_enum=False,
        create_constraint=True,
        length=32,
        values_callable=lambda members: [member.value for member in members],
    )


class SubscriberRow(Base):
    """One person. The only table that stores an address."""

    __tablename__ = "subscribers"
    __table_args__ = ({"sqlite_autoincrement": True},)

    id: Mapped[PrimaryKey]
    address: Mapped[str] = mapped_column(String(320))  # as given: this is what is mailed
    normalized: Mapped[str] = mapped_column(String(320), unique=True)  # one person per address
    domain: Mapped[str] = mapped_column(String(255))  # of ``normalized``; domain suppressions match it
    suppression_hash: Mapped[bytes] = mapped_column(LargeBinary(16))  # of ``normalized``
    # Asked for by the person and not yet confirmed from there; the old one is mailed until then.
    new_address: Mapped[str | None] = mapped_column(String(320), default=None)
    name: Mapped[str] = mapped_column(Text, default="")
    language: Mapped[str] = mapped_column(String(35), default="")  # BCP 47, or "": the newsletter's
    timezone: Mapped[str] = mapped_column(String(64), default="")  # IANA, or "": the newsletter's
    attributes: Mapped[dict[str, Any]] = mapped_column(Json, default=dict)
    created_at: Mapped[datetime] = mapped_column(UtcDateTime)
    updated_at: Mapped[datetime] = mapped_column(UtcDateTime)


class MailingListRow(Base):
    """A list that people join."""

    __tablename__ = "lists"
    __table_args__ = ({"sqlite_autoincrement": True},)

    id: Mapped[PrimaryKey]
    name: Mapped[str] = mapped_column(String(64), unique=True)
    title: Mapped[str] = mapped_column(Text, default="")
    optin: Mapped[OptIn] = mapped_column(_words(OptIn, "optin"), default=OptIn.SINGLE)
    created_at: Mapped[datetime] = mapped_column(UtcDateTime)


class SubscriptionRow(Base):
    """A person on a list."""

    __tablename__ = "subscriptions"
    __table_args__ = (
        UniqueConstraint("subscriber_id", "list_id"),  # joining twice is the same subscription
        # Covers the audience and the counts of a list: neither touches the table itself.
        Index("ix_subscriptions_audience", "list_id", "status", "subscriber_id"),
        {"sqlite_autoincrement": True},
    )

    id: Mapped[PrimaryKey]
    subscriber_id: Mapped[int] = mapped_column(Identifier, ForeignKey("subscribers.id", ondelete="CASCADE"))
    list_id: Mapped[int] = mapped_column(Identifier, ForeignKey("lists.id", ondelete="CASCADE"))
    status: Mapped[SubscriptionStatus] = mapped_column(_words(SubscriptionStatus, "status"))
    sections: Mapped[list[str] | None] = mapped_column(Json, default=None)  # chosen keys; null: all
    created_at: Mapped[datetime] = mapped_column(UtcDateTime)
    confirmed_at: Mapped[datetime | None] = mapped_column(UtcDateTime, default=None)
    unsubscribed_at: Mapped[datetime | None] = mapped_column(UtcDateTime, default=None)


class SegmentRow(Base):
    """A named filter on people; ``expression`` is in the language of ``subscribers.segments``."""

    __tablename__ = "segments"

    id: Mapped[PrimaryKey]
    name: Mapped[str] = mapped_column(String(64), unique=True)
    expression: Mapped[str] = mapped_column(Text)
    created_at: Mapped[datetime] = mapped_column(UtcDateTime)


class SuppressionRow(Base):
    """An address (as a keyed hash) or a domain that is never mailed, however it comes back."""

    __tablename__ = "suppressions"
    __table_args__ = (
        CheckConstraint(
            "(kind = 'address' AND address_hash IS NOT NULL AND domain IS NULL)"
            " OR (kind = 'domain' AND address_hash IS NULL AND domain IS NOT NULL)",
            name="subject",
        ),
    )

    id: Mapped[PrimaryKey]
    kind: Mapped[SuppressionKind] = mapped_column(_words(SuppressionKind, "kind"))
    address_hash: Mapped[bytes | None] = mapped_column(LargeBinary(16), unique=True, default=None)
    domain: Mapped[str | None] = mapped_column(String(255), unique=True, default=None)
    cause: Mapped[SuppressionCause] = mapped_column(_words(SuppressionCause, "cause"))
    reason: Mapped[str] = mapped_column(Text, default="")
    created_at: Mapped[datetime] = mapped_column(UtcDateTime)


class ImportRunRow(Base):
    """One import of one file; a killed run is found again by ``fingerprint`` and goes on."""

    __tablename__ = "import_runs"

    id: Mapped[PrimaryKey]
    name: Mapped[str] = mapped_column(Text)  # the file's name without its folder
    fingerprint: Mapped[str] = mapped_column(String(64), index=True)
    format: Mapped[str] = mapped_column(String(32))
    # A list may go while its import stays in the ledger.
    list_id: Mapped[int | None] = mapped_column(
        Identifier, ForeignKey("lists.id", ondelete="SET NULL"), index=True, default=None
    )
    status: Mapped[ImportStatus] = mapped_column(_words(ImportStatus, "status"))
    first_subscriber_id: Mapped[int] = mapped_column(Identifier)  # people from here on came with it
    started_at: Mapped[datetime] = mapped_column(UtcDateTime)
    finished_at: Mapped[datetime | None] = mapped_column(UtcDateTime, default=None)
    rows: Mapped[int] = mapped_column(default=0)
    added: Mapped[int] = mapped_column(default=0)
    updated: Mapped[int] = mapped_column(default=0)
    unchanged: Mapped[int] = mapped_column(default=0)
    suppressed: Mapped[int] = mapped_column(default=0)
    rejected: Mapped[int] = mapped_column(default=0)


class ConsentEventRow(Base):
    """One change of standing, appended and never altered; erasing a person removes their rows."""

    __tablename__ = "consent_events"
    __table_args__ = (
        # Few events have a hash: a partial index costs an import nothing.
        Index(
            "ix_consent_events_address_hash",
            "address_hash",
            sqlite_where=text("address_hash IS NOT NULL"),
            postgresql_where=text("address_hash IS NOT NULL"),
        ),
    )

    id: Mapped[PrimaryKey]
    # Plain numbers: history does not change when a list goes; ids are never used twice, and the one
    # way to remove a person (``erase_person``) removes their lines. Three look-ups a row would take a
    # third of the time of an import into PostgreSQL.
    subscriber_id: Mapped[int | None] = mapped_column(Identifier, index=True, default=None)
    # Suppressions outlive the person: their events are found by the keyed hash.
    address_hash: Mapped[bytes | None] = mapped_column(LargeBinary(16), default=None)
    domain: Mapped[str | None] = mapped_column(String(255), default=None)
    list_id: Mapped[int | None] = mapped_column(Identifier, default=None)
    action: Mapped[ConsentAction] = mapped_column(_words(ConsentAction, "action"))
    method: Mapped[ConsentMethod] = mapped_column(_words(ConsentMethod, "method"))
    at: Mapped[datetime] = mapped_column(UtcDateTime)
    import_id: Mapped[int | None] = mapped_column(Identifier, default=None)
    line: Mapped[int | None] = mapped_column(default=None)  # of the imported file, counted from 1
    wording: Mapped[str | None] = mapped_column(Text, default=None)  # what the person was shown
    ip: Mapped[str | None] = mapped_column(String(45), default=None)
    note: Mapped[str | None] = mapped_column(Text, default=None)  # a reason, an actor, a queue id


class BounceEventRow(Base):
    """One recipient of one report from the bounce mailbox, redacted; outlives the person."""

    __tablename__ = "bounce_events"
    __table_args__ = (
        # The same message read twice counts once; one report may name several recipients.
        UniqueConstraint("report_digest", "recipient_index"),
        # Soft bounces in a row of one person, newest first.
        Index("ix_bounce_events_subscriber_at", "subscriber_id", "at"),
        Index("ix_bounce_events_at", "at"),
        Index("ix_bounce_events_issue", "issue_id", "kind"),
        # Refusals at SMTP time are judged once for each delivery.
        Index("ix_bounce_events_delivery", "delivery_id"),
    )

    id: Mapped[PrimaryKey]
    report_digest: Mapped[str] = mapped_column(String(64))  # SHA-256 of the message, hexadecimal
    recipient_index: Mapped[int] = mapped_column(default=0)
    at: Mapped[datetime] = mapped_column(UtcDateTime)
    kind: Mapped[BounceKind] = mapped_column(_words(BounceKind, "kind"))
    code: Mapped[str] = mapped_column(String(16), default="")  # enhanced status, RFC 3463, or SMTP code
    reason: Mapped[str] = mapped_column(String(64), default="")
    attribution: Mapped[str] = mapped_column(String(32), default="")  # how the person was found
    # Against the person: not a delay, not a refusal of us (blocklists, policy, spam).
    counts: Mapped[bool] = mapped_column(default=False)
    subscriber_id: Mapped[int | None] = mapped_column(
        Identifier, ForeignKey("subscribers.id", ondelete="SET NULL"), default=None
    )
    list_id: Mapped[int | None] = mapped_column(
        Identifier, ForeignKey("lists.id", ondelete="SET NULL"), default=None
    )
    # Of digest's tables, which this package does not know: plain numbers.
    delivery_id: Mapped[int | None] = mapped_column(Identifier, default=None)
    issue_id: Mapped[int | None] = mapped_column(Identifier, default=None)
    excerpt: Mapped[str] = mapped_column(Text, default="")  # redacted: addresses are taken out


# The database refuses what would rewrite history, whoever asks: no line is changed, and none is deleted
# while the person it speaks of is here (a line about an address they no longer have may be erased).
# Migration 0004 makes the same triggers. SQLite forgets them when a table is rebuilt: make them again.
_IS_HISTORY = (
    "OLD.domain IS NOT NULL OR EXISTS (SELECT 1 FROM subscribers WHERE subscribers.id = OLD.subscriber_id"
    " AND (OLD.address_hash IS NULL OR subscribers.suppression_hash = OLD.address_hash))"
)
_REFUSED = "the consent ledger is append-only"
for _when, _condition in (("UPDATE", "1"), ("DELETE", _IS_HISTORY)):
    event.listen(
        ConsentEventRow.__table__,
        "after_create",
        DDL(  # type: ignore[no-untyped-call]
            f"CREATE TRIGGER consent_events_no_{_when.lower()} BEFORE {_when} ON consent_events"
            f" WHEN {_condition} BEGIN SELECT RAISE(ABORT, '{_REFUSED}'); END"
        ).execute_if(dialect="sqlite"),
    )
for _statement in (
    "CREATE FUNCTION consent_events_append_only() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN"
    f" IF TG_OP = 'DELETE' THEN IF NOT ({_IS_HISTORY}) THEN RETURN OLD; END IF; END IF;"
    f" RAISE EXCEPTION '{_REFUSED}' USING ERRCODE = 'integrity_constraint_violation'; END $$",
    "CREATE TRIGGER consent_events_rows BEFORE UPDATE OR DELETE ON consent_events"
    " FOR EACH ROW EXECUTE FUNCTION consent_events_append_only()",
    "CREATE TRIGGER consent_events_whole BEFORE TRUNCATE ON consent_events"
    " FOR EACH STATEMENT EXECUTE FUNCTION consent_events_append_only()",
):
    _ddl = DDL(_statement)  # type: ignore[no-untyped-call]
    event.listen(ConsentEventRow.__table__, "after_create", _ddl.execute_if(dialect="postgresql"))


@event.listens_for(ConsentEventRow, "before_update")
def _ledger_is_append_only(_mapper: object, _connection: object, row: ConsentEventRow) -> None:
    raise TypeError(f"consent event {row.id} is history: append another instead")
