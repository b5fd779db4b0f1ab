"""Tables of delivery: one row per issue and subscriber, the notices, quotas, leases, counters."""

from __future__ import annotations

from datetime import datetime
from enum import StrEnum

from sqlalchemy import ForeignKey, Index, String, Text, UniqueConstraint, text
from sqlalchemy.orm import Mapped, mapped_column

from digest.models.types import Identifier, Json, JsonObject, words
from subscribers.database import Base, UtcDateTime


class DeliveryStatus(StrEnum):
    """The one machine: ``queued → claimed → sending → sent | refused | deferred → queued | uncertain``;
    ``uncertain → queued`` at most once, or ``cancelled``; the ends suppressed, expired, cancelled."""

    QUEUED = "queued"
    CLAIMED = "claimed"
    SENDING = "sending"
    SENT = "sent"
    REFUSED = "refused"
    DEFERRED = "deferred"
    UNCERTAIN = "uncertain"
    SUPPRESSED = "suppressed"
    EXPIRED = "expired"
    CANCELLED = "cancelled"


class DeliveryRow(Base):
    """One copy for one subscriber. ``fence`` grows with every claim; who has an older one may not send."""

    __tablename__ = "deliveries"
    __table_args__ = (
        UniqueConstraint(
            "issue_id", "subscriber_id", name="uq_deliveries_issue_id_subscriber_id"
        ),  # enqueueing twice is harmless
        Index("ix_deliveries_due", "issue_id", "status", "next_attempt_at", "id"),
        Index("ix_deliveries_subscriber_id", "subscriber_id"),
        Index(
            "ix_deliveries_leased",
            "lease_until",
            sqlite_where=text("status IN ('claimed', 'sending')"),
            postgresql_where=text("status IN ('claimed', 'sending')"),
        ),
    )

    id: Mapped[int] = mapped_column(Identifier, primary_key=True)
    issue_id: Mapped[int] = mapped_column(Identifier, ForeignKey("issues.id", ondelete="CASCADE"))
    subscriber_id: Mapped[int | None] = mapped_column(
        Identifier, ForeignKey("subscribers.id", ondelete="SET NULL"), default=None
    )
    subscription_id: Mapped[int | None] = mapped_column(Identifier, default=None)  # what link tokens name
    status: Mapped[DeliveryStatus] = mapped_column(
        words(DeliveryStatus, "status"), default=DeliveryStatus.QUEUED
    )
    worker: Mapped[str] = mapped_column(String(64), default="", server_default="")
    fence: Mapped[int] = mapped_column(default=0, server_default="0")
    lease_until: Mapped[datetime | None] = mapped_column(UtcDateTime, default=None)
    attempts: Mapped[int] = mapped_column(default=0, server_default="0")
    resends: Mapped[int] = mapped_column(default=0, server_default="0")  # of an uncertain copy: at most one
    next_attempt_at: Mapped[datetime | None] = mapped_column(UtcDateTime, default=None)
    not_before: Mapped[datetime | None] = mapped_column(UtcDateTime, default=None)
    first_sent_at: Mapped[datetime | None] = mapped_column(UtcDateTime, default=None)  # the Date header
    sent_at: Mapped[datetime | None] = mapped_column(UtcDateTime, default=None)
    reply: Mapped[str] = mapped_column(Text, default="", server_default="")  # redacted
    queue_id: Mapped[str] = mapped_column(String(128), default="", server_default="")
    rendition_id: Mapped[int | None] = mapped_column(Identifier, ForeignKey("renditions.id"), default=None)


class NoticeKind(StrEnum):
    """What a mail to one person is about."""

    CONFIRM = "confirm"
    WELCOME = "welcome"
    APPROVAL = "approval"
    ADDRESS_CHANGE = "address_change"
    RECONFIRM = "reconfirm"
    ALARM = "alarm"


class NoticeRow(Base):
    """A mail to one person that is no issue; an outbox of its own, ahead of any issue.

    An editor is no subscriber: ``editor`` is the position of their mailbox in ``[newsletter] editors``,
    so that no address is stored here. ``context`` holds what the template needs, never an address.
    ``dedupe_key`` makes enqueueing the same notice twice harmless.
    """

    __tablename__ = "notices"
    __table_args__ = (
        UniqueConstraint("dedupe_key", name="uq_notices_dedupe_key"),
        Index("ix_notices_due", "status", "next_attempt_at", "id"),
    )

    id: Mapped[int] = mapped_column(Identifier, primary_key=True)
    kind: Mapped[NoticeKind] = mapped_column(words(NoticeKind, "kind"))
    subscriber_id: Mapped[int | None] = mapped_column(
        Identifier, ForeignKey("subscribers.id", ondelete="CASCADE"), default=None, index=True
    )
    subscription_id: Mapped[int | None] = mapped_column(Identifier, default=None)
    issue_id: Mapped[int | None] = mapped_column(
        Identifier, ForeignKey("issues.id", ondelete="CASCADE"), default=None
    )
    editor: Mapped[int | None] = mapped_column(default=None)
    dedupe_key: Mapped[str] = mapped_column(String(200))
    language: Mapped[str] = mapped_column(String(35), default="")
    context: Mapped[JsonObject] = mapped_column(Json, default=dict)
    status: Mapped[DeliveryStatus] = mapped_column(
        words(DeliveryStatus, "status"), default=DeliveryStatus.QUEUED
    )
    worker: Mapped[str] = mapped_column(String(64), default="")
    fence: Mapped[int] = mapped_column(default=0)
    lease_until: Mapped[datetime | None] = mapped_column(UtcDateTime, default=None)
    attempts: Mapped[int] = mapped_column(default=0)
    resends: Mapped[int] = mapped_column(default=0, server_default="0")  # of an uncertain notice: at most one
    next_attempt_at: Mapped[datetime | None] = mapped_column(UtcDateTime, default=None)
    created_at: Mapped[datetime] = mapped_column(UtcDateTime)
    first_sent_at: Mapped[datetime | None] = mapped_column(UtcDateTime, default=None)
    sent_at: Mapped[datetime | None] = mapped_column(UtcDateTime, default=None)
    expires_at: Mapped[datetime | None] = mapped_column(UtcDateTime, default=None)
    reply: Mapped[str] = mapped_column(Text, default="")
    queue_id: Mapped[str] = mapped_column(String(128), default="")


class QuotaRow(Base):
    """How many messages went through a server in the current window: a restart does not forget it.

    ``scope`` is the server (``host:port``) or a recipient domain group; ``seconds`` the window's length.
    """

    __tablename__ = "quotas"

    scope: Mapped[str] = mapped_column(String(255), primary_key=True)
    seconds: Mapped[int] = mapped_column(primary_key=True)
    window_start: Mapped[datetime] = mapped_column(UtcDateTime)
    used: Mapped[int] = mapped_column(default=0)
    blocked_until: Mapped[datetime | None] = mapped_column(UtcDateTime, default=None)
    setbacks: Mapped[int] = mapped_column(default=0, server_default="0")  # times in a row it asked for less


class LeaseRow(Base):
    """Who does a job that only one process may do; the holder renews it before ``until``."""

    __tablename__ = "leases"

    name: Mapped[str] = mapped_column(String(128), primary_key=True)
    holder: Mapped[str] = mapped_column(String(64))
    fence: Mapped[int] = mapped_column(default=0)
    until: Mapped[datetime] = mapped_column(UtcDateTime)


class ClickCountRow(Base):
    """Clicks per issue, item and day, without any person."""

    __tablename__ = "click_counts"

    issue_id: Mapped[int] = mapped_column(
        Identifier, ForeignKey("issues.id", ondelete="CASCADE"), primary_key=True
    )
    item_id: Mapped[int] = mapped_column(Identifier, primary_key=True)
    day: Mapped[str] = mapped_column(String(10), primary_key=True)
    clicks: Mapped[int] = mapped_column(default=0)


class RateLimitRow(Base):
    """How often something was asked for in a window; ``key`` is a keyed hash, never an address."""

    __tablename__ = "rate_limits"

    key: Mapped[str] = mapped_column(String(128), primary_key=True)
    window_start: Mapped[datetime] = mapped_column(UtcDateTime)
    count: Mapped[int] = mapped_column(default=0)


class FactRow(Base):
    """Small facts that processes share: schedule positions, results of doctor's round trip."""

    __tablename__ = "facts"

    name: Mapped[str] = mapped_column(String(128), primary_key=True)
    value: Mapped[JsonObject] = mapped_column(Json, default=dict)
    at: Mapped[datetime] = mapped_column(UtcDateTime)
