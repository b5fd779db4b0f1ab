"""Tables of issues: what is printed in them, what was rendered, and the ledger of printed stories."""

from __future__ import annotations

import datetime as civil
from datetime import datetime
from enum import StrEnum

from sqlalchemy import (
    DDL,
    CheckConstraint,
    Date,
    ForeignKey,
    Index,
    String,
    Text,
    UniqueConstraint,
    event,
    text,
)
from sqlalchemy.orm import Mapped, mapped_column

from digest.models.types import Identifier, Json, JsonObject, words
from digest.values import Access, ArticleKind, ItemKind, Origin, Slot
from subscribers.database import Base, UtcDateTime


class IssueStatus(StrEnum):
    """``built → approved → sending ⇄ paused → sent | cancelled``."""

    BUILT = "built"
    APPROVED = "approved"
    SENDING = "sending"
    PAUSED = "paused"
    SENT = "sent"
    CANCELLED = "cancelled"


class IssueRow(Base):
    """One dated instance of an edition."""

    __tablename__ = "issues"
    __table_args__ = (
        # One live issue per edition, civil date and ordinal; building again gives the same one.
        Index(
            "uq_issues_live",
            "edition",
            "date",
            "ordinal",
            unique=True,
            sqlite_where=text("status <> 'cancelled'"),
            postgresql_where=text("status <> 'cancelled'"),
        ),
        UniqueConstraint(
            "edition", "number", name="uq_issues_edition_number"
        ),  # numbers are never used twice
        Index("ix_issues_status", "status"),
        CheckConstraint("ordinal >= 0", name="ordinal"),
    )

    id: Mapped[int] = mapped_column(Identifier, primary_key=True)
    edition: Mapped[str] = mapped_column(String(64))
    date: Mapped[civil.date] = mapped_column(Date)
    ordinal: Mapped[int] = mapped_column(default=0)  # 0 the scheduled issue; more for breaking, correction
    number: Mapped[int | None] = mapped_column(default=None)  # given at the first claim
    status: Mapped[IssueStatus] = mapped_column(words(IssueStatus, "status"), default=IssueStatus.BUILT)
    ledger: Mapped[str] = mapped_column(String(64))
    list_name: Mapped[str] = mapped_column(String(64))
    language: Mapped[str] = mapped_column(String(35))
    timezone: Mapped[str] = mapped_column(String(64))
    template: Mapped[str] = mapped_column(String(64), default="daily")
    subject: Mapped[str] = mapped_column(Text)
    preheader: Mapped[str] = mapped_column(Text)
    sections: Mapped[list[JsonObject]] = mapped_column(Json, default=list)  # key, name, layout, in order
    locked: Mapped[list[str]] = mapped_column(Json, default=list)  # fields edited by hand: subject, preheader
    version: Mapped[int] = mapped_column(default=1)  # grows with every edit (StaleEdit)
    corrects_id: Mapped[int | None] = mapped_column(Identifier, ForeignKey("issues.id"), default=None)
    corrects_rendition_id: Mapped[int | None] = mapped_column(Identifier, default=None)
    built_at: Mapped[datetime] = mapped_column(UtcDateTime)
    approved_at: Mapped[datetime | None] = mapped_column(UtcDateTime, default=None)
    approved_by: Mapped[str] = mapped_column(Text, default="")
    enqueued_at: Mapped[datetime | None] = mapped_column(UtcDateTime, default=None)
    frozen_at: Mapped[datetime | None] = mapped_column(UtcDateTime, default=None)
    sent_at: Mapped[datetime | None] = mapped_column(UtcDateTime, default=None)
    paused_reason: Mapped[str] = mapped_column(Text, default="")
    expires_at: Mapped[datetime | None] = mapped_column(UtcDateTime, default=None)
    counts: Mapped[JsonObject] = mapped_column(Json, default=dict)  # deliveries compacted by retention


class IssueItemRow(Base):
    """One printed item: a snapshot of what is printed, independent of the article's later life."""

    __tablename__ = "issue_items"
    __table_args__ = (
        Index("ix_issue_items_issue_id", "issue_id"),
        Index("ix_issue_items_article_id", "article_id"),
    )

    id: Mapped[int] = mapped_column(Identifier, primary_key=True)
    issue_id: Mapped[int] = mapped_column(Identifier, ForeignKey("issues.id", ondelete="CASCADE"))
    kind: Mapped[ItemKind] = mapped_column(words(ItemKind, "kind"))
    article_id: Mapped[int | None] = mapped_column(
        Identifier, ForeignKey("articles.id", ondelete="SET NULL"), default=None
    )
    story_id: Mapped[int | None] = mapped_column(Identifier, default=None)
    slot: Mapped[Slot] = mapped_column(words(Slot, "slot"))
    section: Mapped[str] = mapped_column(String(64), default="")
    position: Mapped[int] = mapped_column(default=0)
    headline: Mapped[str] = mapped_column(Text, default="")
    teaser: Mapped[str] = mapped_column(Text, default="")
    url: Mapped[str | None] = mapped_column(Text, default=None)
    picture: Mapped[JsonObject | None] = mapped_column(Json, default=None)
    label: Mapped[str] = mapped_column(Text, default="")
    article_kind: Mapped[ArticleKind] = mapped_column(
        words(ArticleKind, "article_kind"), default=ArticleKind.ARTICLE
    )
    access: Mapped[Access] = mapped_column(words(Access, "access"), default=Access.FREE)
    byline: Mapped[str] = mapped_column(Text, default="")
    source: Mapped[str] = mapped_column(String(64), default="")
    published_at: Mapped[datetime | None] = mapped_column(UtcDateTime, default=None)
    word_count: Mapped[int] = mapped_column(default=0)
    reading_minutes: Mapped[int] = mapped_column(default=0)
    duration_seconds: Mapped[int | None] = mapped_column(default=None)
    language: Mapped[str] = mapped_column(String(35), default="")
    also: Mapped[list[str]] = mapped_column(Json, default=list)
    related: Mapped[list[JsonObject]] = mapped_column(Json, default=list)
    updated: Mapped[bool] = mapped_column(default=False)
    origin: Mapped[Origin] = mapped_column(words(Origin, "origin"), default=Origin.RULE)
    locked: Mapped[bool] = mapped_column(default=False)
    dropped: Mapped[bool] = mapped_column(default=False)  # taken out by hand: a rebuild leaves it out
    actor: Mapped[str] = mapped_column(Text, default="")
    edited_at: Mapped[datetime | None] = mapped_column(UtcDateTime, default=None)


class IssueEventRow(Base):
    """What was done to an issue, by whom and when: append-only."""

    __tablename__ = "issue_events"
    __table_args__ = (Index("ix_issue_events_issue_id", "issue_id"),)

    id: Mapped[int] = mapped_column(Identifier, primary_key=True)
    issue_id: Mapped[int] = mapped_column(Identifier, ForeignKey("issues.id", ondelete="CASCADE"))
    at: Mapped[datetime] = mapped_column(UtcDateTime)
    action: Mapped[str] = mapped_column(String(32))
    actor: Mapped[str] = mapped_column(Text, default="")
    detail: Mapped[JsonObject] = mapped_column(Json, default=dict)


class RenditionRow(Base):
    """What was rendered of an issue; a delivery names the one that it carried."""

    __tablename__ = "renditions"
    __table_args__ = (UniqueConstraint("issue_id", "version", name="uq_renditions_issue_id_version"),)

    id: Mapped[int] = mapped_column(Identifier, primary_key=True)
    issue_id: Mapped[int] = mapped_column(Identifier, ForeignKey("issues.id", ondelete="CASCADE"))
    version: Mapped[int] = mapped_column(default=1)
    subject: Mapped[str] = mapped_column(Text)
    preheader: Mapped[str] = mapped_column(Text)
    language: Mapped[str] = mapped_column(String(35))
    direction: Mapped[str] = mapped_column(String(3), default="ltr")
    html: Mapped[list[JsonObject]] = mapped_column(Json)  # fragments, see digest.values
    text: Mapped[list[JsonObject]] = mapped_column(Json)
    mjml: Mapped[str] = mapped_column(Text, default="")
    notes: Mapped[list[str]] = mapped_column(Json, default=list)
    at: Mapped[datetime] = mapped_column(UtcDateTime)


class ArchiveTextRow(Base):
    """What an issue that went out can be found by: the words of ``digest.searchable``, with blanks between.

    SQLite looks for them by the FTS5 table ``archive_search``, which triggers keep; PostgreSQL by an
    index over ``array_to_tsvector``. Both are DDL of their own below, and in migration 0003.
    """

    __tablename__ = "archive_texts"

    issue_id: Mapped[int] = mapped_column(
        Identifier, ForeignKey("issues.id", ondelete="CASCADE"), primary_key=True, autoincrement=False
    )
    text: Mapped[str] = mapped_column(Text)


_SEARCH = {
    "sqlite": (
        "CREATE VIRTUAL TABLE archive_search USING fts5(text, content='archive_texts',"
        " content_rowid='issue_id', tokenize=\"unicode61 remove_diacritics 0 categories 'L* M* N* Co'\")",
        "CREATE TRIGGER archive_texts_added AFTER INSERT ON archive_texts BEGIN"
        " INSERT INTO archive_search(rowid, text) VALUES (new.issue_id, new.text); END",
        "CREATE TRIGGER archive_texts_gone AFTER DELETE ON archive_texts BEGIN"
        " INSERT INTO archive_search(archive_search, rowid, text)"
        " VALUES ('delete', old.issue_id, old.text); END",
        "CREATE TRIGGER archive_texts_changed AFTER UPDATE ON archive_texts BEGIN"
        " INSERT INTO archive_search(archive_search, rowid, text)"
        " VALUES ('delete', old.issue_id, old.text);"
        " INSERT INTO archive_search(rowid, text) VALUES (new.issue_id, new.text); END",
    ),
    "postgresql": (
        "CREATE INDEX ix_archive_texts_words ON archive_texts"
        " USING gin (array_to_tsvector(string_to_array(text, ' ')))",
    ),
}
for _dialect, _statements in _SEARCH.items():
    for _statement in _statements:
        _ddl = DDL(_statement).execute_if(dialect=_dialect)  # type: ignore[no-untyped-call]
        event.listen(ArchiveTextRow.__table__, "after_create", _ddl)


class LedgerState(StrEnum):
    """Reserved when an issue is built, published when it is sent. Released entries are deleted."""

    RESERVED = "reserved"
    PUBLISHED = "published"


class LedgerEntryRow(Base):
    """A story is printed once per ledger."""

    __tablename__ = "ledger_entries"
    __table_args__ = (
        UniqueConstraint("ledger", "story_id", name="uq_ledger_entries_ledger_story_id"),
        Index("ix_ledger_entries_story_id", "story_id"),  # is a story printed anywhere, may it be pruned
        Index("ix_ledger_entries_issue_id", "issue_id"),
    )

    id: Mapped[int] = mapped_column(Identifier, primary_key=True)
    ledger: Mapped[str] = mapped_column(String(64))
    story_id: Mapped[int] = mapped_column(Identifier, ForeignKey("stories.id"))
    issue_id: Mapped[int] = mapped_column(Identifier, ForeignKey("issues.id"))
    state: Mapped[LedgerState] = mapped_column(words(LedgerState, "state"))
    at: Mapped[datetime] = mapped_column(UtcDateTime)
