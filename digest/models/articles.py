"""Tables of what came in: articles, the stories they tell, the state of each source, decisions."""

from __future__ import annotations

from datetime import datetime
from enum import StrEnum

from sqlalchemy import CheckConstraint, Float, ForeignKey, Index, String, Text, UniqueConstraint, text
from sqlalchemy.orm import Mapped, mapped_column

from digest.models.types import Identifier, Json, JsonObject, words
from digest.values import Access, ArticleKind
from subscribers.database import Base, UtcDateTime


class StoryRow(Base):
    """What several articles tell. ``representative_id`` is the article that is printed for it."""

    __tablename__ = "stories"

    id: Mapped[int] = mapped_column(Identifier, primary_key=True)
    representative_id: Mapped[int | None] = mapped_column(Identifier, default=None)
    sources: Mapped[int] = mapped_column(default=1)  # independent sources that tell it
    also: Mapped[list[str]] = mapped_column(Json, default=list)  # names of the other sources
    first_seen_at: Mapped[datetime] = mapped_column(UtcDateTime, index=True)


class StoryLinkRow(Base):
    """Two stories that are near-duplicates: never both in one section (``low_id < high_id``)."""

    __tablename__ = "story_links"
    __table_args__ = (CheckConstraint("low_id < high_id", name="order"),)

    low_id: Mapped[int] = mapped_column(
        Identifier, ForeignKey("stories.id", ondelete="CASCADE"), primary_key=True
    )
    high_id: Mapped[int] = mapped_column(
        Identifier, ForeignKey("stories.id", ondelete="CASCADE"), primary_key=True, index=True
    )
    likeness: Mapped[float] = mapped_column(Float)


class ArticleRow(Base):
    """One text from one source, in its newest revision. Bodies are stored sanitised."""

    __tablename__ = "articles"
    __table_args__ = (
        UniqueConstraint("identity_url", name="uq_articles_identity_url"),  # one address is one article
        Index("ix_articles_source_guid", "source", "guid"),
        Index("ix_articles_published_at_id", "published_at", "id"),
        Index("ix_articles_title_key", "title_key"),
        Index(
            "ix_articles_withdrawn",
            "published_at",
            "id",
            sqlite_where=text("withdrawn_at IS NOT NULL"),
            postgresql_where=text("withdrawn_at IS NOT NULL"),
        ),
    )

    id: Mapped[int] = mapped_column(Identifier, primary_key=True)
    story_id: Mapped[int] = mapped_column(Identifier, ForeignKey("stories.id"), index=True)
    revision: Mapped[int] = mapped_column(default=1)
    source: Mapped[str] = mapped_column(String(64), index=True)
    guid: Mapped[str] = mapped_column(Text, default="")
    identity_url: Mapped[str] = mapped_column(Text)
    link_url: Mapped[str] = mapped_column(Text)
    canonical_url: Mapped[str] = mapped_column(Text, default="")
    title: Mapped[str] = mapped_column(Text)
    title_key: Mapped[str] = mapped_column(String(64), default="")  # hash of the normalised title
    # Of what the source said: a change is seen
    text_digest: Mapped[str] = mapped_column(String(64), default="")
    # Title words and text sketch, to find near-duplicates
    likeness: Mapped[str] = mapped_column(Text, default="")
    published_at: Mapped[datetime] = mapped_column(UtcDateTime)  # first sight when the source gave none
    date_is_guess: Mapped[bool] = mapped_column(default=False)
    updated_at: Mapped[datetime | None] = mapped_column(UtcDateTime, default=None)
    first_seen_at: Mapped[datetime] = mapped_column(UtcDateTime)
    last_seen_at: Mapped[datetime] = mapped_column(UtcDateTime)
    authors: Mapped[list[str]] = mapped_column(Json, default=list)
    categories: Mapped[list[str]] = mapped_column(Json, default=list)
    kind: Mapped[ArticleKind] = mapped_column(words(ArticleKind, "kind"), default=ArticleKind.ARTICLE)
    label: Mapped[str] = mapped_column(Text, default="")
    access: Mapped[Access] = mapped_column(words(Access, "access"), default=Access.FREE)
    summary: Mapped[str] = mapped_column(Text, default="")  # plain text, as the source gave it
    picture_url: Mapped[str] = mapped_column(Text, default="")
    picture_alt: Mapped[str] = mapped_column(Text, default="")
    picture_credit: Mapped[str] = mapped_column(Text, default="")
    picture_width: Mapped[int | None] = mapped_column(default=None)
    picture_height: Mapped[int | None] = mapped_column(default=None)
    picture_bytes: Mapped[int | None] = mapped_column(default=None)
    language: Mapped[str] = mapped_column(String(35), default="")
    word_count: Mapped[int] = mapped_column(default=0)
    duration_seconds: Mapped[int | None] = mapped_column(default=None)
    media_url: Mapped[str] = mapped_column(Text, default="")
    sticky: Mapped[bool] = mapped_column(default=False)
    front_page_rank: Mapped[int | None] = mapped_column(default=None)
    not_before: Mapped[datetime | None] = mapped_column(UtcDateTime, default=None)  # embargo
    expires_at: Mapped[datetime | None] = mapped_column(UtcDateTime, default=None)
    withdrawn_at: Mapped[datetime | None] = mapped_column(UtcDateTime, default=None)
    related: Mapped[list[JsonObject]] = mapped_column(Json, default=list)
    origins: Mapped[JsonObject] = mapped_column(Json, default=dict)  # where each field came from
    # Last, because SQLite walks over a long text to reach the columns behind it.
    body: Mapped[str] = mapped_column(Text, default="", deferred=True)  # sanitised HTML


class ArticleRevisionRow(Base):
    """What an article said before it was changed; of a printed story also what its source said later
    (a higher revision than the article's own, which stays as it was printed)."""

    __tablename__ = "article_revisions"

    article_id: Mapped[int] = mapped_column(
        Identifier, ForeignKey("articles.id", ondelete="CASCADE"), primary_key=True
    )
    revision: Mapped[int] = mapped_column(primary_key=True)
    title: Mapped[str] = mapped_column(Text)
    summary: Mapped[str] = mapped_column(Text, default="")
    at: Mapped[datetime] = mapped_column(UtcDateTime)


class SourceStateRow(Base):
    """What we know of a source from earlier fetches; ``name`` is its key in newsletter.toml."""

    __tablename__ = "source_states"

    name: Mapped[str] = mapped_column(String(64), primary_key=True)
    url: Mapped[str] = mapped_column(Text)
    kind: Mapped[str] = mapped_column(String(16), default="")  # what was found out
    feed_url: Mapped[str] = mapped_column(Text, default="")  # what was discovered
    title: Mapped[str] = mapped_column(Text, default="")
    etag: Mapped[str] = mapped_column(Text, default="")
    last_modified: Mapped[str] = mapped_column(Text, default="")
    body_digest: Mapped[str] = mapped_column(String(64), default="")
    newest_at: Mapped[datetime | None] = mapped_column(UtcDateTime, default=None)
    fetched_at: Mapped[datetime | None] = mapped_column(UtcDateTime, default=None)
    succeeded_at: Mapped[datetime | None] = mapped_column(UtcDateTime, default=None)
    not_before: Mapped[datetime | None] = mapped_column(UtcDateTime, default=None)  # Retry-After, back-off
    failures: Mapped[int] = mapped_column(default=0)  # in a row
    error: Mapped[str] = mapped_column(Text, default="")
    gap: Mapped[bool] = mapped_column(default=False)
    moved_to: Mapped[str] = mapped_column(Text, default="")
    detail: Mapped[JsonObject] = mapped_column(Json, default=dict)


class Decision(StrEnum):
    """What an editor decided of an article."""

    PIN = "pin"
    HIDE = "hide"
    EDIT = "edit"
    WITHDRAW = "withdraw"


class EditorialDecisionRow(Base):
    """One decision of an editor on an article, with actor and time; ended ones keep their row."""

    __tablename__ = "editorial_decisions"
    __table_args__ = (Index("ix_editorial_decisions_article_id", "article_id"),)

    id: Mapped[int] = mapped_column(Identifier, primary_key=True)
    article_id: Mapped[int] = mapped_column(Identifier, ForeignKey("articles.id", ondelete="CASCADE"))
    decision: Mapped[Decision] = mapped_column(words(Decision, "decision"))
    slot: Mapped[str] = mapped_column(String(64), default="")
    again: Mapped[bool] = mapped_column(default=False)
    until: Mapped[datetime | None] = mapped_column(UtcDateTime, default=None)
    headline: Mapped[str | None] = mapped_column(Text, default=None)
    teaser: Mapped[str | None] = mapped_column(Text, default=None)
    section: Mapped[str | None] = mapped_column(String(64), default=None)
    label: Mapped[str | None] = mapped_column(Text, default=None)
    reason: Mapped[str] = mapped_column(Text, default="")
    actor: Mapped[str] = mapped_column(Text, default="")
    at: Mapped[datetime] = mapped_column(UtcDateTime)
    ended_at: Mapped[datetime | None] = mapped_column(UtcDateTime, default=None)
