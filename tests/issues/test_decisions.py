"""What editors decide of articles: pins, hides and words, for coming issues and for one that is open."""

from __future__ import annotations

import pytest

from digest.errors import ArticleError, UnknownArticle, UsageError
from digest.issues.view import IssueView, issue_view
from digest.pipeline import decide
from digest.pipeline import edit as desk
from digest.pipeline.build import build_issue
from digest.values import Slot
from tests.issues.conftest import HOUR, NOW, Newsroom, sent

DAY = 24 * HOUR


def edited(newsroom: Newsroom, article: int | None, **words: str) -> list[decide.Consequence]:
    return decide.edit_article(newsroom.sessions, newsroom.settings, article or 0, now=NOW, **words)


def pinned(newsroom: Newsroom, article: int | None, slot: str = "") -> list[decide.Consequence]:
    return decide.pin_article(newsroom.sessions, newsroom.settings, article or 0, now=NOW, slot=slot)


def shown(newsroom: Newsroom) -> IssueView:
    with newsroom.sessions() as session:
        return issue_view(session, 1)


class TestDecisionsForComingIssues:
    def test_a_pinned_story_leads_and_the_pin_ends_when_it_is_printed(self, newsroom: Newsroom) -> None:
        newsroom.some(3)
        old = newsroom.article("Old but good", at=NOW - 20 * DAY)
        decide.pin_article(newsroom.sessions, newsroom.settings, old, slot="lead", now=NOW, actor="ann")
        view = build_issue(newsroom.sessions, newsroom.settings, "daily", now=NOW)
        assert [item.headline for item in view.in_slot(Slot.LEAD)] == ["Old but good"]
        sent(newsroom, view.id)
        assert decide.unpin_article(newsroom.sessions, old, now=NOW + HOUR) is False

    def test_a_published_story_is_pinned_again_as_updated_and_only_once(self, newsroom: Newsroom) -> None:
        first = newsroom.some(3)[0]
        sent(newsroom, build_issue(newsroom.sessions, newsroom.settings, "daily", now=NOW).id)
        with pytest.raises(ArticleError, match=r"was printed in issue 1"):
            decide.pin_article(newsroom.sessions, newsroom.settings, first, now=NOW + HOUR)
        decide.pin_article(newsroom.sessions, newsroom.settings, first, now=NOW + HOUR, again=True)
        newsroom.some(3, at=NOW + 20 * HOUR)
        tomorrow = build_issue(newsroom.sessions, newsroom.settings, "daily", now=NOW + DAY)
        assert [item.article_id for item in tomorrow.items if item.updated] == [first]
        sent(newsroom, tomorrow.id)
        newsroom.some(3, at=NOW + 44 * HOUR)
        after = build_issue(newsroom.sessions, newsroom.settings, "daily", now=NOW + 2 * DAY)
        assert first not in [item.article_id for item in after.items]

    def test_hidden_stories_stay_out_until_they_are_shown_again(self, newsroom: Newsroom) -> None:
        first = newsroom.some(3)[0]
        decide.hide_article(newsroom.sessions, first, now=NOW)
        dry = {"now": NOW + HOUR, "dry_run": True}
        assert first not in [
            i.article_id for i in build_issue(newsroom.sessions, newsroom.settings, "daily", **dry).items
        ]
        decide.unhide_article(newsroom.sessions, first, now=NOW)
        assert first in [
            i.article_id for i in build_issue(newsroom.sessions, newsroom.settings, "daily", **dry).items
        ]

    def test_an_edited_article_is_printed_with_the_editors_words(self, newsroom: Newsroom) -> None:
        first = newsroom.some(3)[0]
        decide.edit_article(newsroom.sessions, newsroom.settings, first, headline="Ours", section="Business",
                          label="Update", teaser="Our teaser.", now=NOW)  # fmt: skip
        view = build_issue(newsroom.sessions, newsroom.settings, "daily", now=NOW)
        item = next(item for item in view.items if item.article_id == first)
        assert (item.headline, item.teaser, item.label, item.section) == (
            "Ours",
            "Our teaser.",
            "Update",
            "business",
        )

    def test_a_pin_ends_at_its_time(self, newsroom: Newsroom) -> None:
        newsroom.some(3)
        old = newsroom.article("Old", at=NOW - 20 * DAY)
        decide.pin_article(newsroom.sessions, newsroom.settings, old, now=NOW - HOUR, until=NOW)
        view = build_issue(newsroom.sessions, newsroom.settings, "daily", now=NOW)
        assert old not in [item.article_id for item in view.items]

    def test_wrong_decisions_are_named(self, newsroom: Newsroom) -> None:
        first = newsroom.some(1)[0]
        with pytest.raises(UnknownArticle, match="there is no article 99"):
            decide.pin_article(newsroom.sessions, newsroom.settings, 99, now=NOW)
        with pytest.raises(UsageError, match="'wrld' is no slot") as caught:
            decide.pin_article(newsroom.sessions, newsroom.settings, first, slot="wrld", now=NOW)
        assert caught.value.remedy == "did you mean 'world'?"
        with pytest.raises(UsageError, match="there is no section 'sports'"):
            decide.edit_article(newsroom.sessions, newsroom.settings, first, section="sports", now=NOW)


class TestDecisionsWhileAnIssueIsOpen:
    def test_new_words_come_into_it_at_once_and_its_subject_follows(
        self, newsroom: Newsroom, issue: IssueView
    ) -> None:
        lead = issue.lead
        assert lead is not None
        desk.approve_issue(newsroom.sessions, 1, now=NOW, actor="ann")
        found = edited(newsroom, lead.article_id, headline="Better words", teaser="Ours.", label="Update")
        assert [(one.issue, one.item, one.changed, one.advice) for one in found] == [
            (1, lead.id, ("headline", "teaser", "label"), "")
        ]
        view = shown(newsroom)
        assert view.lead is not None
        assert (view.lead.headline, view.lead.teaser, view.lead.label) == ("Better words", "Ours.", "Update")
        assert (view.subject, view.status) == ("Better words", "built")  # what was approved was another one
        assert view.version > issue.version
        again = build_issue(
            newsroom.sessions, newsroom.settings, "daily", now=NOW + HOUR / 2, rebuild=True
        ).lead
        assert again is not None
        assert again.headline == "Better words"

    def test_a_change_that_is_taken_back_leaves_the_issue_too(
        self, newsroom: Newsroom, issue: IssueView
    ) -> None:
        before = issue.in_slot(Slot.SECTION, "world")[1]
        edited(newsroom, before.article_id, headline="Better words", teaser="Ours.", label="Update")
        edited(newsroom, before.article_id, headline="", teaser="", label="")
        after = shown(newsroom).in_slot(Slot.SECTION, "world")[1]
        assert (after.headline, after.teaser, after.label) == (before.headline, before.teaser, before.label)
        assert not after.locked

    def test_what_a_hand_wrote_there_stays_and_is_named(self, newsroom: Newsroom, issue: IssueView) -> None:
        item = issue.in_slot(Slot.SECTION, "world")[0]
        desk.edit_item(newsroom.sessions, 1, item.id, headline="The hand's", now=NOW)
        (one,) = edited(newsroom, item.article_id, headline="The desk's", teaser="Also new.")
        assert one.changed == ("teaser",)
        assert one.advice == (
            f"a hand wrote its headline there: `digest issue edit 1 {item.id} --headline …`"
        )
        after = shown(newsroom).in_slot(Slot.SECTION, "world")[0]
        assert (after.headline, after.teaser) == ("The hand's", "Also new.")

    def test_places_change_by_the_command_that_is_named(self, newsroom: Newsroom, issue: IssueView) -> None:
        item = issue.in_slot(Slot.SECTION, "world")[0]
        (one,) = edited(newsroom, item.article_id, section="Business")
        assert one.advice == f"`digest issue move 1 {item.id} --to business` moves it there"
        (one,) = decide.hide_article(newsroom.sessions, item.article_id or 0, now=NOW)
        assert one.advice == f"`digest issue drop 1 {item.id}` takes it out there, too"
        (one,) = pinned(newsroom, item.article_id, slot="lead")
        assert one.advice == f"`digest issue move 1 {item.id} --to lead` moves it there"
        assert pinned(newsroom, item.article_id, slot="world") == []
        (one,) = pinned(newsroom, newsroom.some(1)[0])
        assert one.line == (
            "issue 1 is open: `digest issue build daily --date 2026-03-10 --rebuild` picks it anew, "
            "with this one"
        )
        assert shown(newsroom) == issue

    def test_a_sent_issue_stays_as_it_is(self, newsroom: Newsroom, issue: IssueView) -> None:
        assert issue.lead is not None
        sent(newsroom, 1)
        assert edited(newsroom, issue.lead.article_id, headline="Too late") == []
        assert shown(newsroom).lead == issue.lead
