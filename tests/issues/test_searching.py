"""What was withdrawn is not found by its words in the archive's search, from the moment on."""

from __future__ import annotations

from sqlalchemy import select

from digest.issues.finding import issue_row
from digest.issues.lifecycle import publish
from digest.issues.view import IssueView
from digest.models import IssueItemRow
from digest.pipeline.archiving import search_archive
from digest.pipeline.correct import withdraw_article
from digest.searchable import words_asked
from digest.values import Slot
from tests.issues.conftest import HOUR, NOW, Newsroom, being_sent


def found_by_words(newsroom: Newsroom, text: str) -> list[tuple[int, tuple[str, ...]]]:
    """The issues that the archive's search finds, with the headlines that it shows."""
    with newsroom.sessions() as session:
        found, _ = search_archive(session, newsroom.settings, words_asked(text))
        return [(one.entry.id, one.headlines) for one in found]


def name_stories(newsroom: Newsroom) -> None:
    """Give every story of the issue a headline of words that no other has, and the subject the lead's."""
    with newsroom.sessions.begin() as session:
        for row in session.scalars(select(IssueItemRow).where(IssueItemRow.headline != "")):
            row.headline, row.teaser = f"Lantern{row.id}x glows", f"Harbour{row.id}x waits."
            if row.slot is Slot.LEAD:
                issue_row(session, 1).subject = row.headline


def test_what_was_withdrawn_from_a_sent_issue_is_not_found_by_its_words(
    newsroom: Newsroom, issue: IssueView
) -> None:
    name_stories(newsroom)
    being_sent(newsroom, got=4, waiting=0)
    with newsroom.sessions.begin() as session:
        publish(session, 1, now=NOW)
    story, lead = issue.in_slot(Slot.SECTION, "world")[0], issue.lead
    assert lead is not None
    for item in (story, lead):
        words = (f"lantern{item.id}x", f"harbour{item.id}x")
        for word in words:
            assert found_by_words(newsroom, word) == [(1, (f"Lantern{item.id}x glows",))]
        withdraw_article(newsroom.sessions, newsroom.settings, item.article_id or 0, now=NOW)
        for word in words:  # the lead's is in the subject as well
            assert found_by_words(newsroom, word) == []
    other = issue.in_slot(Slot.SECTION, "world")[1]
    assert found_by_words(newsroom, f"lantern{other.id}x") == [(1, (f"Lantern{other.id}x glows",))]
    assert all(
        f"Lantern{gone.id}x glows" not in headlines
        for _, headlines in found_by_words(newsroom, "glows")
        for gone in (story, lead)
    )


def test_what_was_withdrawn_while_an_issue_goes_out_is_not_found_from_then_on(
    newsroom: Newsroom, issue: IssueView
) -> None:
    name_stories(newsroom)
    being_sent(newsroom, got=2, waiting=3)
    story = issue.in_slot(Slot.SECTION, "world")[0]
    assert found_by_words(newsroom, f"lantern{story.id}x")
    found = withdraw_article(newsroom.sessions, newsroom.settings, story.article_id or 0, now=NOW)
    assert found_by_words(newsroom, f"lantern{story.id}x") == []
    with newsroom.sessions.begin() as session:
        swapped_in = session.get_one(IssueItemRow, found[0].swapped_in or 0).headline
        publish(session, 1, now=NOW + HOUR)
    assert found_by_words(newsroom, f"lantern{story.id}x") == []
    assert [issue_id for issue_id, _ in found_by_words(newsroom, swapped_in)] == [1]
