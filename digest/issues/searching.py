"""Finding issues by their words: FTS5 on SQLite, an index over a ``tsvector`` on PostgreSQL.

Both are asked for words that ``digest.searchable`` made, which hold nothing but letters, marks and
digits: no question is an error of syntax, or anything but words.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from sqlalchemy import ColumnElement, select, text

from digest.issues.corrections import marks, names_headline
from digest.models import ArchiveTextRow, IssueItemRow, IssueRow
from digest.searchable import PREFIX_FROM, words_in

if TYPE_CHECKING:
    from sqlalchemy.orm import Session

_SQLITE = "issues.id IN (SELECT rowid FROM archive_search WHERE archive_search MATCH :asked)"
_POSTGRESQL = (
    "issues.id IN (SELECT issue_id FROM archive_texts"
    " WHERE array_to_tsvector(string_to_array(archive_texts.text, ' ')) @@ CAST(:asked AS tsquery))"
)


def make_findable(session: Session, issue_id: int) -> None:
    """Store the words of an issue as it is printed now; again, when something of it changed.

    Stories that were withdrawn are left out, and a subject or preheader that names one.
    """
    issue = session.get_one(IssueRow, issue_id)
    items = session.execute(
        select(IssueItemRow.id, IssueItemRow.headline, IssueItemRow.teaser).where(
            IssueItemRow.issue_id == issue_id, IssueItemRow.dropped.is_(False)
        )
    )
    withdrawn = marks(session, issue_id)
    gone = {mark.item for mark in withdrawn}
    told = [
        line
        for line in (issue.subject, issue.preheader)
        if not any(names_headline(line, mark.headline) for mark in withdrawn)
    ]
    for item, headline, teaser in items:
        if item not in gone:
            told += [headline, teaser]
    words = " ".join(dict.fromkeys(words_in("\n".join(told))))
    row = session.get(ArchiveTextRow, issue_id)
    if row is None:
        session.add(ArchiveTextRow(issue_id=issue_id, text=words))
    elif row.text != words:
        row.text = words
    session.flush()


def found_by(session: Session, asked: Sequence[str]) -> ColumnElement[bool]:
    """The condition that an issue has all the words; one of three letters and more finds longer ones too.

    :param asked: of ``digest.searchable.words_asked``; at least one.
    """
    if session.get_bind().dialect.name == "sqlite":
        terms = [f'"{word}"' + "*" * (len(word) >= PREFIX_FROM) for word in asked]
        return text(_SQLITE).bindparams(asked=" ".join(terms))  # type: ignore[return-value]
    terms = [f"'{word}'" + ":*" * (len(word) >= PREFIX_FROM) for word in asked]
    return text(_POSTGRESQL).bindparams(asked=" & ".join(terms))  # type: ignore[return-value]
