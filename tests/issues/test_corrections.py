"""Dead links, withdrawn stories, and the correction that reaches exactly those who got the wrong copy."""

from __future__ import annotations

from collections import Counter

import pytest
from sqlalchemy import select, update

from digest.checks import LinkState
from digest.errors import EmptyIssue, IssueError, IssueLocked, RenderError, UnknownArticle
from digest.issues.corrections import marks
from digest.issues.drafts import load_draft
from digest.issues.finding import issue_row
from digest.issues.lifecycle import freeze, publish
from digest.issues.view import IssueView, issue_view
from digest.models import DeliveryRow, DeliveryStatus, IssueItemRow, IssueRow, IssueStatus, LedgerEntryRow
from digest.pipeline.archiving import search_archive
from digest.pipeline.build import build_issue
from digest.pipeline.correct import correct_issue, withdraw_article
from digest.pipeline.deliver import audience_of
from digest.pipeline.edit import approve_issue
from digest.pipeline.recheck import recheck_issue
from digest.pipeline.render import load_rendition, render_issue, store_rendition
from digest.searchable import words_asked
from digest.values import ItemKind, Slot
from subscribers.models import MailingListRow, SubscriberRow, SubscriptionRow, SubscriptionStatus
from tests.issues.conftest import HOUR, NEWSLETTER, NOW, Newsroom


@pytest.fixture
def issue(newsroom: Newsroom) -> IssueView:
    newsroom.some(14)
    newsroom.some(3, "Culture")
    return build_issue(newsroom.sessions, newsroom.settings, "daily", now=NOW)


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
    from digest.models import ArticleRow

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


def being_sent(newsroom: Newsroom, *, got: int, waiting: int) -> int:
    """An issue in the middle of a send: some have it, some wait, one is claimed, one on the wire."""
    with newsroom.sessions.begin() as session:
        freeze(session, 1, now=NOW)
        rendered = render_issue(load_draft(session, newsroom.settings, 1), newsroom.settings)
        rendition = store_rendition(session, 1, rendered, now=NOW)
        mailing = MailingListRow(name="daily", title="The Lagoon", created_at=NOW)
        session.add(mailing)
        session.flush()
        states = [DeliveryStatus.SENT] * got + [DeliveryStatus.QUEUED] * waiting
        states += [DeliveryStatus.CLAIMED, DeliveryStatus.SENDING, DeliveryStatus.REFUSED]
        for number, status in enumerate(states):
            address = f"reader{number}@mail.example"
            person = SubscriberRow(
                address=address,
                normalized=address,
                domain="mail.example",
                suppression_hash=b"%016d" % number,
                created_at=NOW,
                updated_at=NOW,
            )
            session.add(person)
            session.flush()
            session.add(
                SubscriptionRow(
                    subscriber_id=person.id,
                    list_id=mailing.id,
                    status=SubscriptionStatus.CONFIRMED,
                    created_at=NOW,
                    confirmed_at=NOW,
                )
            )
            session.add(
                DeliveryRow(
                    issue_id=1, subscriber_id=person.id, status=status, rendition_id=rendition, fence=1
                )
            )
    return rendition


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


def audience_now(newsroom: Newsroom, issue_id: int | None) -> int:
    with newsroom.sessions() as session:
        row = issue_row(session, issue_id or 0)
        return len(session.execute(audience_of(session, row, newsroom.settings.edition("daily"))).all())


def send(newsroom: Newsroom, issue_id: int | None) -> None:
    with newsroom.sessions.begin() as session:
        freeze(session, issue_id or 0, now=NOW)
        publish(session, issue_id or 0, now=NOW)


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
    send(newsroom, one.id)
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
