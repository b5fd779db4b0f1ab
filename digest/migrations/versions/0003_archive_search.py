"""The archive can be searched: an index over the words of issues, and the words of those sent before."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from digest.searchable import words_in

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None

_ISSUES = (
    "SELECT id, subject, preheader FROM issues WHERE status IN ('sending', 'paused', 'sent') ORDER BY id"
)
_ITEMS = "SELECT headline, teaser FROM issue_items WHERE issue_id = :issue AND NOT dropped ORDER BY id"


def upgrade() -> None:
    if op.get_bind().dialect.name == "sqlite":
        op.execute(
            "CREATE VIRTUAL TABLE archive_search USING fts5(text, content='archive_texts',"
            " content_rowid='issue_id', tokenize=\"unicode61 remove_diacritics 0 categories 'L* M* N* Co'\")"
        )
        op.execute(
            "CREATE TRIGGER archive_texts_added AFTER INSERT ON archive_texts BEGIN"
            " INSERT INTO archive_search(rowid, text) VALUES (new.issue_id, new.text); END"
        )
        op.execute(
            "CREATE TRIGGER archive_texts_gone AFTER DELETE ON archive_texts BEGIN"
            " INSERT INTO archive_search(archive_search, rowid, text)"
            " VALUES ('delete', old.issue_id, old.text); END"
        )
        op.execute(
            "CREATE TRIGGER archive_texts_changed AFTER UPDATE ON archive_texts BEGIN"
            " INSERT INTO archive_search(archive_search, rowid, text)"
            " VALUES ('delete', old.issue_id, old.text);"
            " INSERT INTO archive_search(rowid, text) VALUES (new.issue_id, new.text); END"
        )
    else:
        op.execute(
            "CREATE INDEX ix_archive_texts_words ON archive_texts"
            " USING gin (array_to_tsvector(string_to_array(text, ' ')))"
        )
    connection = op.get_bind()
    for issue, subject, preheader in connection.execute(sa.text(_ISSUES)).all():
        items = connection.execute(sa.text(_ITEMS), {"issue": issue}).all()
        words = words_in("\n".join([subject, preheader, *(part for item in items for part in item)]))
        connection.execute(
            sa.text("INSERT INTO archive_texts (issue_id, text) VALUES (:issue, :text)"),
            {"issue": issue, "text": " ".join(dict.fromkeys(words))},
        )


def downgrade() -> None:
    raise NotImplementedError("restore the backup that was made before the upgrade")
