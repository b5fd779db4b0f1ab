"""The editor's desk: edits that last, places, two editors at once, and what explains an issue."""

from __future__ import annotations

import pytest
from sqlalchemy import select

from digest.errors import (
    IssueError,
    IssueLocked,
    StaleEdit,
    UnknownIssue,
    UsageError,
)
from digest.issues.finding import resolve_issue_id
from digest.issues.lifecycle import freeze, pause, resume
from digest.issues.view import IssueView
from digest.models import IssueEventRow
from digest.pipeline import edit as desk
from digest.pipeline.build import build_issue
from digest.pipeline.explain import explain_edition, explain_issue
from digest.values import Slot
from tests.issues.conftest import HOUR, NOW, Newsroom, sent

DAY = 24 * HOUR


@pytest.fixture
def issue(newsroom: Newsroom) -> IssueView:
    newsroom.some(7)
    newsroom.some(3, "Business")
    newsroom.some(3, "Culture")
    return build_issue(newsroom.sessions, newsroom.settings, "daily", now=NOW)


def rebuilt(newsroom: Newsroom) -> IssueView:
    return build_issue(newsroom.sessions, newsroom.settings, "daily", now=NOW + HOUR / 2, rebuild=True)


def number(view: IssueView) -> int:
    assert view.id is not None
    return view.id


def headlines(view: IssueView, slot: Slot, section: str = "") -> list[str]:
    return [item.headline for item in view.in_slot(slot, section)]


def test_every_edit_survives_a_rebuild_with_actor_and_time(newsroom: Newsroom, issue: IssueView) -> None:
    sessions, settings, lead = newsroom.sessions, newsroom.settings, issue.lead
    assert lead is not None
    second = issue.in_slot(Slot.SECTION, "world")[1]
    third = issue.in_slot(Slot.SECTION, "world")[2]
    at = {"now": NOW + HOUR / 4, "actor": "ann"}
    desk.edit_issue(sessions, number(issue), subject="A quiet day", **at)
    desk.edit_item(sessions, number(issue), lead.id, headline="Better words", teaser="And a teaser.", **at)
    desk.move_item(sessions, settings, number(issue), second.id, to="business/1", **at)
    desk.drop_item(sessions, number(issue), third.id, **at)
    desk.insert_item(sessions, settings, number(issue), kind="intro", to="top", text="Good morning.", **at)
    newsroom.some(3, at=NOW)
    view = rebuilt(newsroom)
    assert view.subject == "A quiet day"
    assert view.lead is not None
    assert (view.lead.headline, view.lead.teaser, view.lead.actor) == ("Better words", "And a teaser.", "ann")
    assert headlines(view, Slot.SECTION, "business")[0] == second.headline
    assert third.headline not in [item.headline for item in view.items]
    assert [item.teaser for item in view.in_slot(Slot.TOP)] == ["Good morning."]
    with sessions() as session:
        events = session.execute(
            select(IssueEventRow.action, IssueEventRow.actor).order_by(IssueEventRow.id)
        ).all()
    assert [tuple(event) for event in events] == [
        ("built", ""),
        ("edited", "ann"),
        ("edited", "ann"),
        ("edited", "ann"),
        ("moved", "ann"),
        ("dropped", "ann"),
        ("inserted", "ann"),
        ("rebuilt", ""),
    ]


def test_a_story_moved_to_the_lead_sends_the_old_lead_home(newsroom: Newsroom, issue: IssueView) -> None:
    chosen = issue.in_slot(Slot.SECTION, "business")[0]
    view = desk.move_item(newsroom.sessions, newsroom.settings, number(issue), chosen.id, to="lead", now=NOW)
    assert headlines(view, Slot.LEAD) == [chosen.headline]
    assert issue.lead is not None
    assert headlines(view, Slot.SECTION, "world")[0] == issue.lead.headline
    assert [item.position for item in view.in_slot(Slot.SECTION, "world")] == [1, 2, 3, 4]


def test_positions_have_no_holes_wherever_an_item_goes(newsroom: Newsroom, issue: IssueView) -> None:
    items = issue.in_slot(Slot.SECTION, "world")
    for to in ("world/1", "world/99", "more/2", "dont-miss/1", "bottom", "world/2"):
        view = desk.move_item(
            newsroom.sessions, newsroom.settings, number(issue), items[0].id, to=to, now=NOW
        )
        for slot, key in [
            (Slot.SECTION, "world"),
            (Slot.SECTION, "more"),
            (Slot.DONT_MISS, ""),
            (Slot.BOTTOM, ""),
        ]:
            positions = [item.position for item in view.in_slot(slot, key)]
            assert positions == list(range(1, len(positions) + 1))


def test_a_dropped_story_is_free_for_the_next_issue(newsroom: Newsroom, issue: IssueView) -> None:
    dropped = issue.in_slot(Slot.SECTION, "world")[0]
    desk.drop_item(newsroom.sessions, number(issue), dropped.id, now=NOW)
    sent(newsroom, number(issue))
    newsroom.some(2, at=NOW + 20 * HOUR)
    tomorrow = build_issue(newsroom.sessions, newsroom.settings, "daily", now=NOW + DAY)
    assert dropped.headline in [item.headline for item in tomorrow.items]


def test_two_editors_do_not_overwrite_each_other_silently(newsroom: Newsroom, issue: IssueView) -> None:
    desk.edit_issue(newsroom.sessions, number(issue), subject="Ann's", now=NOW, version=issue.version)
    with pytest.raises(StaleEdit, match=r"issue 1 was changed meanwhile: it is at version 2, you saw 1"):
        desk.edit_issue(newsroom.sessions, number(issue), subject="Ben's", now=NOW, version=issue.version)


def test_an_edit_takes_the_approval_back(newsroom: Newsroom, issue: IssueView) -> None:
    assert desk.approve_issue(newsroom.sessions, number(issue), now=NOW, actor="ann").status == "approved"
    assert desk.edit_issue(newsroom.sessions, number(issue), subject="Other", now=NOW).status == "built"


def test_a_sent_issue_cannot_be_edited_rebuilt_or_cancelled(newsroom: Newsroom, issue: IssueView) -> None:
    sent(newsroom, number(issue))
    assert issue.lead is not None
    with pytest.raises(IssueLocked, match="issue 1 is sent and can no longer be edited"):
        desk.edit_item(newsroom.sessions, number(issue), issue.lead.id, headline="No", now=NOW)
    with pytest.raises(IssueLocked, match="issue 1 is sent"):
        rebuilt(newsroom)
    with pytest.raises(IssueLocked, match="issue 1 is sent and cannot be cancelled"):
        desk.cancel_issue(newsroom.sessions, number(issue), now=NOW)


@pytest.mark.parametrize(
    ("to", "message"),
    [
        ("nowhere", "'nowhere' is no slot and no section"),
        ("world/0", "'world/0' is no place"),
        ("world/x", "'world/x' is no place"),
        ("", "'' is no slot"),
    ],
)
def test_a_wrong_place_is_named(newsroom: Newsroom, issue: IssueView, to: str, message: str) -> None:
    assert issue.lead is not None
    with pytest.raises(UsageError, match=message):
        desk.move_item(newsroom.sessions, newsroom.settings, number(issue), issue.lead.id, to=to, now=NOW)


def test_what_comes_in_by_hand_is_checked(newsroom: Newsroom, issue: IssueView) -> None:
    put = {"to": "top", "now": NOW}
    sessions, settings = newsroom.sessions, newsroom.settings
    with pytest.raises(IssueError, match="no web address"):
        desk.insert_item(sessions, settings, 1, kind="note", headline="x", url="javascript:alert(1)", **put)
    with pytest.raises(UsageError, match="'advert' is no kind"):
        desk.insert_item(sessions, settings, 1, kind="advert", headline="x", **put)
    with pytest.raises(IssueError, match="needs a headline or a text"):
        desk.insert_item(sessions, settings, 1, kind="note", **put)
    with pytest.raises(IssueError, match="at most 300 fit"):
        desk.insert_item(sessions, settings, 1, kind="note", headline="x" * 301, **put)
    with pytest.raises(IssueError, match="cannot stand in lead"):
        desk.insert_item(sessions, settings, 1, kind="sponsor", headline="x", to="lead", now=NOW)
    _, view = desk.insert_item(
        sessions, settings, 1, kind="sponsor", headline="A\r\nB\x00", to="sponsor", now=NOW
    )
    assert [(item.headline, item.label) for item in view.in_slot(Slot.SPONSOR)] == [("A B", "Sponsored")]


@pytest.mark.parametrize(
    ("kind", "to", "slot"),
    [
        ("intro", "top", Slot.TOP),
        ("note", "bottom", Slot.BOTTOM),
        ("sponsor", "sponsor", Slot.SPONSOR),
        ("event", "world/2", Slot.SECTION),
        ("correction", "corrections", Slot.CORRECTIONS),
    ],
)
def test_every_kind_of_item_goes_in_by_hand_and_stays(
    newsroom: Newsroom, issue: IssueView, kind: str, to: str, slot: Slot
) -> None:
    number_of_it, view = desk.insert_item(
        newsroom.sessions, newsroom.settings, number(issue), kind=kind, to=to, headline="By hand",
        text="What the desk says.", url="https://lagoon.example/x", now=NOW, actor="ann",
    )  # fmt: skip
    for seen in (view, rebuilt(newsroom)):
        (item,) = [item for item in seen.items if item.id == number_of_it]
        assert (item.kind.value, item.slot, item.headline) == (kind, slot, "By hand")
        assert (item.locked, item.actor) == (True, "ann")
        if slot is Slot.SECTION:
            assert (item.section, item.position) == ("world", 2)


def test_an_issue_is_found_by_number_date_and_latest(newsroom: Newsroom, issue: IssueView) -> None:
    with newsroom.sessions() as session:
        assert resolve_issue_id(session, "1") == 1
        assert resolve_issue_id(session, "daily@2026-03-10") == 1
        assert resolve_issue_id(session, "daily@latest") == 1
        for text in ("2", "0", "-1", "x", "daily@", "daily@2026-03-11", "weekly@latest", "9" * 30, "²"):
            malformed = text in {"0", "-1", "x", "daily@", "²"}
            with pytest.raises(UsageError if malformed else UnknownIssue):
                resolve_issue_id(session, text)


def test_the_number_is_given_at_the_first_claim_and_never_again(newsroom: Newsroom, issue: IssueView) -> None:
    with newsroom.sessions.begin() as session:
        assert freeze(session, 1, now=NOW).number == 1
        assert freeze(session, 1, now=NOW).number == 1
        assert pause(session, 1, now=NOW, reason="bounces").status == "paused"
        assert freeze(session, 1, now=NOW).status == "paused"
        assert resume(session, 1, now=NOW).status == "sending"
    desk.cancel_issue(newsroom.sessions, 1, now=NOW)
    again = build_issue(newsroom.sessions, newsroom.settings, "daily", now=NOW)
    with newsroom.sessions.begin() as session:
        assert freeze(session, number(again), now=NOW).number == 2


class TestExplain:
    def test_it_tells_of_every_candidate_as_of_the_build(self, newsroom: Newsroom, issue: IssueView) -> None:
        before = explain_issue(newsroom.sessions, newsroom.settings, number(issue))
        assert len(before) == 13
        inside = [one.article for one in before if one.decision == "in"]
        assert sorted(inside) == sorted(item.article_id or 0 for item in issue.items)
        newsroom.some(5, at=NOW + HOUR)
        sent(newsroom, number(issue))
        assert explain_issue(newsroom.sessions, newsroom.settings, number(issue)) == before

    def test_it_says_what_hands_have_changed(self, newsroom: Newsroom, issue: IssueView) -> None:
        gone, moved = issue.in_slot(Slot.SECTION, "world")[:2]
        desk.drop_item(newsroom.sessions, number(issue), gone.id, now=NOW, actor="ann")
        desk.move_item(newsroom.sessions, newsroom.settings, 1, moved.id, to="bottom", now=NOW, actor="ben")
        found = {one.article: one for one in explain_issue(newsroom.sessions, newsroom.settings, 1)}
        assert (found[gone.article_id or 0].decision, found[gone.article_id or 0].reason) == (
            "out",
            "dropped by ann",
        )
        assert (found[moved.article_id or 0].decision, found[moved.article_id or 0].slot) == ("in", "bottom")

    def test_an_edition_is_explained_before_it_is_built(self, newsroom: Newsroom) -> None:
        newsroom.some(1)
        found = explain_edition(newsroom.sessions, newsroom.settings, "daily", now=NOW)
        assert [one.decision for one in found] == ["in"]
