"""Withdrawn stories, and the correction that reaches exactly those who got the wrong copy."""

from __future__ import annotations

from collections import Counter

import pytest
from sqlalchemy import select, update

from digest.errors import EmptyIssue, IssueError, IssueLocked, RenderError, UnknownArticle
from digest.issues.corrections import marks
from digest.issues.drafts import load_draft
from digest.issues.finding import issue_row
from digest.issues.lifecycle import freeze, publish
from digest.issues.view import IssueView, issue_view
from digest.models import DeliveryRow, DeliveryStatus, IssueRow, IssueStatus, LedgerEntryRow
from digest.pipeline.build import build_issue
from digest.pipeline.correct import correct_issue, withdraw_article
from digest.pipeline.deliver import audience_of
from digest.pipeline.render import load_rendition, render_issue
from digest.values import ItemKind, Slot
from subscribers.models import SubscriptionRow
from tests.issues.conftest import HOUR, NOW, Newsroom, being_sent, sent


def test_a_story_withdrawn_before_the_first_copy_is_swapped(newsroom: Newsroom, issue: IssueView) -> None:
    article = issue.in_slot(Slot.SECTION, "world")[1].article_id or 0
    found = withdraw_article(newsroom.sessions, newsroom.settings, article, now=NOW, actor="ann")
    assert [(one.issue, one.status, one.needs_correction) for one in found] == [(1, "built", False)]
    with newsroom.sessions() as session:
        view = issue_view(session, 1)
    assert article not in [item.article_id for item in view.items]
    assert view.in_slot(Slot.SECTION, "world")[1].id == found[0].swapped_in
    again = build_issue(newsroom.sessions, newsroom.settings, "daily", now=NOW + HOUR, rebuild=True)
    assert article not in [item.article_id for item in again.items]


def test_a_story_withdrawn_during_a_send_leaves_the_copies_that_wait(
    newsroom: Newsroom, issue: IssueView
) -> None:
    first = being_sent(newsroom, got=2, waiting=3)
    item = issue.in_slot(Slot.SECTION, "world")[0]
    found = withdraw_article(newsroom.sessions, newsroom.settings, item.article_id or 0, now=NOW, actor="ann")
    assert [(one.status, one.copies, one.needs_correction) for one in found] == [("sending", 4, True)]
    with newsroom.sessions() as session:
        rows = session.execute(select(DeliveryRow.status, DeliveryRow.rendition_id, DeliveryRow.fence)).all()
        new = max(row.rendition_id for row in rows)
        old_text = load_rendition(session, first).html_for({})
        new_text = load_rendition(session, new).html_for({})
        assert [mark.headline for mark in marks(session, 1)] == [item.headline]
        stories = set(session.scalars(select(LedgerEntryRow.story_id)))
    assert Counter((row.status.value, row.rendition_id == new) for row in rows) == {
        ("sent", False): 2,
        ("queued", True): 4,
        ("sending", False): 1,
        ("refused", False): 1,
    }
    assert item.headline in old_text
    assert item.headline not in new_text
    assert item.story_id in stories  # copies with it are out: it counts as printed


def test_the_correction_goes_to_exactly_those_who_got_the_wrong_copy(
    newsroom: Newsroom, issue: IssueView
) -> None:
    being_sent(newsroom, got=2, waiting=3)
    item = issue.in_slot(Slot.SECTION, "world")[0]
    withdraw_article(newsroom.sessions, newsroom.settings, item.article_id or 0, now=NOW)
    with newsroom.sessions.begin() as session:
        session.execute(
            update(DeliveryRow)
            .where(DeliveryRow.status.in_([DeliveryStatus.QUEUED, DeliveryStatus.SENDING]))
            .values(status=DeliveryStatus.SENT)
        )
        publish(session, 1, now=NOW + HOUR)
    view = correct_issue(newsroom.sessions, newsroom.settings, 1, now=NOW + 2 * HOUR, actor="ann")
    assert correct_issue(newsroom.sessions, newsroom.settings, 1, now=NOW + 2 * HOUR) == view
    assert (view.corrects, view.ordinal, view.status) == (1, 1, "built")
    assert view.subject.startswith("Correction: ")
    assert [(i.kind, i.headline) for i in view.in_slot(Slot.CORRECTIONS)] == [
        (ItemKind.CORRECTION, item.headline)
    ]
    assert "March 10, 2026" in view.items[0].teaser
    with newsroom.sessions() as session:
        row = issue_row(session, view.id or 0)
        chosen = session.execute(audience_of(session, row, newsroom.settings.edition("daily"))).all()
        rendered = render_issue(load_draft(session, newsroom.settings, row.id), newsroom.settings)
    assert len(chosen) == 3  # two who had it, and the one whose copy was on the wire
    assert item.headline in rendered.html_for({})


def test_a_sent_issue_is_marked_and_corrected_to_all_who_got_it(newsroom: Newsroom, issue: IssueView) -> None:
    being_sent(newsroom, got=4, waiting=0)
    with newsroom.sessions.begin() as session:
        publish(session, 1, now=NOW)
    before = issue.in_slot(Slot.SECTION, "world")[0]
    found = withdraw_article(newsroom.sessions, newsroom.settings, before.article_id or 0, now=NOW)
    assert [(one.status, one.needs_correction) for one in found] == [("sent", True)]
    with newsroom.sessions() as session:
        assert before.id in [item.id for item in issue_view(session, 1).items]  # the archive stays as it was
        assert [mark.item for mark in marks(session, 1)] == [before.id]
    view = correct_issue(newsroom.sessions, newsroom.settings, 1, now=NOW, text="The figure is three.")
    assert view.items[0].teaser == "The figure is three."


def audience_now(newsroom: Newsroom, issue_id: int | None) -> int:
    with newsroom.sessions() as session:
        row = issue_row(session, issue_id or 0)
        return len(session.execute(audience_of(session, row, newsroom.settings.edition("daily"))).all())


def all_sent(newsroom: Newsroom) -> None:
    with newsroom.sessions.begin() as session:
        session.execute(update(DeliveryRow).values(status=DeliveryStatus.SENT))
        publish(session, 1, now=NOW)


def test_a_correction_that_waits_takes_in_what_is_withdrawn_meanwhile_and_a_new_text(
    newsroom: Newsroom, issue: IssueView
) -> None:
    being_sent(newsroom, got=2, waiting=3)
    first, second = issue.in_slot(Slot.SECTION, "world")[:2]
    sessions, settings = newsroom.sessions, newsroom.settings
    withdraw_article(sessions, settings, first.article_id or 0, now=NOW)
    one = correct_issue(sessions, settings, 1, now=NOW)
    assert audience_now(newsroom, one.id) == 3
    all_sent(newsroom)
    withdraw_article(sessions, settings, second.article_id or 0, now=NOW)
    both = correct_issue(sessions, settings, 1, now=NOW, text="Both were wrong.")
    assert both.id == one.id
    assert both.version > one.version
    told = [(item.headline, item.teaser) for item in both.in_slot(Slot.CORRECTIONS)]
    assert told == [(first.headline, "Both were wrong."), (second.headline, "Both were wrong.")]
    assert audience_now(newsroom, both.id) == 8  # the second story was in every copy


def test_what_a_sent_correction_told_is_not_told_again(newsroom: Newsroom, issue: IssueView) -> None:
    being_sent(newsroom, got=4, waiting=0)
    all_sent(newsroom)
    first, second = issue.in_slot(Slot.SECTION, "world")[:2]
    sessions, settings = newsroom.sessions, newsroom.settings
    withdraw_article(sessions, settings, first.article_id or 0, now=NOW)
    one = correct_issue(sessions, settings, 1, now=NOW)
    sent(newsroom, one.id)
    with pytest.raises(IssueError, match="issue 2 has corrected issue 1 already") as caught:
        correct_issue(sessions, settings, 1, now=NOW)
    assert "--text" in caught.value.remedy
    withdraw_article(sessions, settings, second.article_id or 0, now=NOW)
    two = correct_issue(sessions, settings, 1, now=NOW)
    assert [item.headline for item in two.items] == [second.headline]


def test_a_cancelled_correction_has_told_nothing(newsroom: Newsroom, issue: IssueView) -> None:
    being_sent(newsroom, got=4, waiting=0)
    all_sent(newsroom)
    first = issue.in_slot(Slot.SECTION, "world")[0]
    withdraw_article(newsroom.sessions, newsroom.settings, first.article_id or 0, now=NOW)
    one = correct_issue(newsroom.sessions, newsroom.settings, 1, now=NOW)
    with newsroom.sessions.begin() as session:
        session.execute(update(IssueRow).where(IssueRow.id == one.id).values(status=IssueStatus.CANCELLED))
    again = correct_issue(newsroom.sessions, newsroom.settings, 1, now=NOW)
    assert again.id != one.id
    assert [item.headline for item in again.items] == [first.headline]


def test_two_withdrawals_during_a_send_reach_those_who_got_either(
    newsroom: Newsroom, issue: IssueView
) -> None:
    being_sent(newsroom, got=2, waiting=4)
    first, second = issue.in_slot(Slot.SECTION, "world")[:2]
    for item in (first, second):
        withdraw_article(newsroom.sessions, newsroom.settings, item.article_id or 0, now=NOW)
    all_sent(newsroom)
    view = correct_issue(newsroom.sessions, newsroom.settings, 1, now=NOW)
    assert [item.headline for item in view.items] == [first.headline, second.headline]
    assert audience_now(newsroom, view.id) == 4  # nobody had the version in between


def test_a_copy_in_doubt_that_was_sent_once_more_counts_as_wrong(
    newsroom: Newsroom, issue: IssueView
) -> None:
    being_sent(newsroom, got=2, waiting=3)
    item = issue.in_slot(Slot.SECTION, "world")[0]
    withdraw_article(newsroom.sessions, newsroom.settings, item.article_id or 0, now=NOW)
    all_sent(newsroom)
    before = audience_now(newsroom, correct_issue(newsroom.sessions, newsroom.settings, 1, now=NOW).id)
    with newsroom.sessions.begin() as session:
        twice = session.scalars(select(DeliveryRow).order_by(DeliveryRow.rendition_id.desc())).first()
        assert twice is not None
        twice.resends, twice.first_sent_at = 1, NOW - HOUR
    assert audience_now(newsroom, 2) == before + 1


def test_who_had_left_out_the_storys_section_gets_no_correction(newsroom: Newsroom, issue: IssueView) -> None:
    being_sent(newsroom, got=4, waiting=0)
    all_sent(newsroom)
    with newsroom.sessions.begin() as session:
        one, other = session.scalars(select(SubscriptionRow).order_by(SubscriptionRow.id).limit(2))
        one.sections, other.sections = ["business"], ["world"]
    item = issue.in_slot(Slot.SECTION, "world")[0]
    withdraw_article(newsroom.sessions, newsroom.settings, item.article_id or 0, now=NOW)
    view = correct_issue(newsroom.sessions, newsroom.settings, 1, now=NOW)
    assert audience_now(newsroom, view.id) == 6  # of the seven who got the issue
    assert issue.lead is not None  # the lead stands in the subject that everybody read
    withdraw_article(newsroom.sessions, newsroom.settings, issue.lead.article_id or 0, now=NOW)
    assert audience_now(newsroom, correct_issue(newsroom.sessions, newsroom.settings, 1, now=NOW).id) == 7


def test_what_was_frozen_but_never_made_needs_no_correction(newsroom: Newsroom, issue: IssueView) -> None:
    with newsroom.sessions.begin() as session:
        freeze(session, 1, now=NOW)
    item = issue.in_slot(Slot.SECTION, "world")[0]
    found = withdraw_article(newsroom.sessions, newsroom.settings, item.article_id or 0, now=NOW)
    assert [(one.status, one.needs_correction) for one in found] == [("sending", False)]
    with newsroom.sessions() as session:
        assert marks(session, 1) == []


def test_what_needs_no_correction_gets_none(newsroom: Newsroom, issue: IssueView) -> None:
    with pytest.raises(IssueLocked, match="issue 1 is built: no copy of it is out"):
        correct_issue(newsroom.sessions, newsroom.settings, 1, now=NOW)
    with newsroom.sessions.begin() as session:
        freeze(session, 1, now=NOW)
        publish(session, 1, now=NOW)
    with pytest.raises(IssueError, match="nothing of issue 1 was withdrawn"):
        correct_issue(newsroom.sessions, newsroom.settings, 1, now=NOW)
    with pytest.raises(EmptyIssue, match="nobody got a wrong copy"):
        correct_issue(newsroom.sessions, newsroom.settings, 1, now=NOW, text="Sorry.")
    with pytest.raises(UnknownArticle):
        withdraw_article(newsroom.sessions, newsroom.settings, 999, now=NOW)


def test_when_the_new_rendition_cannot_be_made_nothing_is_withdrawn(
    newsroom: Newsroom, issue: IssueView
) -> None:
    being_sent(newsroom, got=1, waiting=1)
    own = newsroom.folder / "templates" / "daily"
    own.mkdir(parents=True)
    (own / "issue.mjml.j2").write_text("{# contract: 1 #}{{ nonsense(", encoding="utf-8")
    article = issue.items[0].article_id or 0
    with pytest.raises(RenderError):
        withdraw_article(newsroom.sessions, newsroom.settings, article, now=NOW)
    with newsroom.sessions() as session:
        assert article in [item.article_id for item in issue_view(session, 1).items]
        assert marks(session, 1) == []
