"""The last look before sending: dead links, and headlines that their sources have changed."""

from __future__ import annotations

from collections import Counter

from sqlalchemy import select, update

from digest.checks import LinkState
from digest.issues.view import IssueView, issue_view
from digest.models import ArticleRow, LedgerEntryRow
from digest.pipeline.edit import approve_issue
from digest.pipeline.recheck import recheck_issue
from digest.values import Slot
from tests.issues.conftest import NEWSLETTER, NOW, Newsroom


class Web:
    """Answers of links, by address; 200 for what it does not know."""

    def __init__(self, **answers: int) -> None:
        self.answers: dict[str, list[int]] = {}
        self.asked: Counter[str] = Counter()

    def __call__(self, url: str) -> LinkState:
        self.asked[url] += 1
        left = self.answers.get(url, [200])
        status = left.pop(0) if len(left) > 1 else left[0]
        return LinkState(status, "" if status else "the name is unknown")


def test_a_link_that_is_dead_twice_is_dropped_and_its_story_is_free(
    newsroom: Newsroom, issue: IssueView
) -> None:
    gone, flaky, shy = issue.in_slot(Slot.SECTION, "world")
    web = Web()
    web.answers = {gone.url: [404], flaky.url: [410, 200], shy.url: [403]}
    found = recheck_issue(newsroom.sessions, newsroom.settings, 1, web, now=NOW)
    assert [note.item for note in found.dead] == [gone.id]
    assert [note.message for note in found.unknown] == ["the link answers 410", "the link answers 403"]
    assert (web.asked[gone.url], web.asked[shy.url]) == (2, 1)
    with newsroom.sessions() as session:
        view = issue_view(session, 1)
        stories = set(session.scalars(select(LedgerEntryRow.story_id)))
    assert [item.id for item in view.in_slot(Slot.SECTION, "world")] == [flaky.id, shy.id]
    assert gone.story_id not in stories


def test_the_policy_may_swap_or_keep(newsroom: Newsroom, issue: IssueView) -> None:
    first = issue.in_slot(Slot.SECTION, "world")[0]
    web = Web()
    web.answers = {first.url: [404]}
    keep = newsroom.configure(NEWSLETTER + 'dead_links = "keep"\n')
    assert recheck_issue(newsroom.sessions, keep, 1, web, now=NOW).dead
    swap = newsroom.configure(NEWSLETTER + 'dead_links = "swap"\n')
    recheck_issue(newsroom.sessions, swap, 1, web, now=NOW)
    with newsroom.sessions() as session:
        view = issue_view(session, 1)
    world = view.in_slot(Slot.SECTION, "world")
    assert len(world) == 3
    assert first.id not in [item.id for item in world]
    assert world[0].story_id not in [item.story_id for item in issue.items]


def test_a_check_by_rule_leaves_the_editors_approval(newsroom: Newsroom, issue: IssueView) -> None:
    approve_issue(newsroom.sessions, 1, now=NOW, actor="ann")
    web = Web()
    web.answers = {issue.in_slot(Slot.SECTION, "world")[0].url: [404]}
    recheck_issue(newsroom.sessions, newsroom.settings, 1, web, now=NOW)
    with newsroom.sessions() as session:
        assert issue_view(session, 1).status == "approved"


def test_a_changed_headline_is_a_notice(newsroom: Newsroom, issue: IssueView) -> None:
    item = issue.in_slot(Slot.SECTION, "world")[0]
    with newsroom.sessions.begin() as session:
        session.execute(
            update(ArticleRow).where(ArticleRow.id == item.article_id).values(title="It is otherwise")
        )
    found = recheck_issue(newsroom.sessions, newsroom.settings, 1, Web(), now=NOW)
    assert [note.message for note in found.renamed] == ["the source now says 'It is otherwise'"]
    assert found.dead == ()


def test_when_the_lead_dies_the_first_story_of_the_page_leads(newsroom: Newsroom, issue: IssueView) -> None:
    assert issue.lead is not None
    heir = issue.in_slot(Slot.SECTION, "world")[0]
    web = Web()
    web.answers = {issue.lead.url: [410]}
    recheck_issue(newsroom.sessions, newsroom.settings, 1, web, now=NOW)
    with newsroom.sessions() as session:
        view = issue_view(session, 1)
    assert view.lead is not None
    assert view.lead.id == heir.id
