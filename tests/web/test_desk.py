"""The editor from a phone: a mail with the whole issue, links that are one editor's, buttons that act."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from datetime import timedelta
from pathlib import Path

import pytest
from sqlalchemy import select

from digest.models import IssueStatus, NoticeRow
from digest.pipeline.run import Ending
from subscribers.tokens import Purpose
from tests.web.newsdesk import BUILT, GOES_OUT, MARIA, TOM, NewsDesk, links_of
from tests.web.test_scanners import everything

Opened = Callable[..., NewsDesk]


@pytest.fixture
def opened(tmp_path: Path) -> Iterator[Opened]:
    made: list[NewsDesk] = []

    def open_desk(own: str = "", **options: str) -> NewsDesk:
        made.append(NewsDesk(tmp_path, own=own, **options))
        return made[0]

    yield open_desk
    for desk in made:
        desk.close()


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> NewsDesk:
    """An issue that is built and waits; its editors have their mails."""
    made = NewsDesk(tmp_path_factory.mktemp("built"))
    assert made.run().ending is Ending.WAITS_FOR_APPROVAL
    made.close()
    return made


@pytest.fixture
def desk(built: NewsDesk, tmp_path: Path) -> Iterator[NewsDesk]:
    """The same, for one test."""
    made = built.again(tmp_path)
    yield made
    made.close()


def press(desk: NewsDesk, action: str, address: str = MARIA, **form: object) -> int:
    """Press a button of the editor's page; the answer's status."""
    answer = desk.client.post(
        f"{desk.link(address)}/do/{action}",
        data={name: str(value) for name, value in form.items()},
        headers={"Sec-Fetch-Site": "same-origin"},
    )
    return answer.status_code


def test_each_editor_is_mailed_the_whole_issue_and_links_of_their_own(desk: NewsDesk) -> None:
    marias, toms = desk.notices[MARIA][0], desk.notices[TOM][0]
    assert marias.subject == "To approve: " + desk.issue.subject
    assert "Goes out at 07:00" in marias.html
    assert "If nobody does by 10:00, it is not sent" in marias.html
    for item in desk.issue.items:  # the issue as it is: headlines and their links, in both parts
        assert item.headline in marias.html
        assert item.headline in marias.text
        assert f'href="{item.url}' in marias.html
    assert "1 Quay" in marias.text
    names = {"Approve", "Hold", "Send now", "Drop, move up, edit headlines", "View the issue"}
    mine, theirs = links_of(marias), links_of(toms)
    assert names <= set(mine)
    assert all(mine[name] in marias.text for name in names)
    assert not {mine[name] for name in names} & {theirs[name] for name in names}
    for name in names:
        assert desk.client.get(mine[name].partition("#")[0]).status_code == 200


def test_an_editors_copy_unsubscribes_nobody(desk: NewsDesk) -> None:
    url = re.search(r"http://127\.0\.0\.1(/u/[\w-]+)", desk.notices[MARIA][0].html)
    assert url is not None
    assert desk.client.post(url[1], data={"List-Unsubscribe": "One-Click"}).status_code == 200
    press(desk, "send")
    desk.app.deliver(1)
    assert desk.copies == ["ada@readers.example"]


def test_without_public_pages_the_notice_names_the_commands(opened: Opened) -> None:
    desk = opened(public="")
    desk.run()
    text = desk.notices[MARIA][0].text
    for command in ("digest issue approve 1", "digest pause 1", "digest send 1", "digest issue drop 1 ITEM"):
        assert command in text
    assert "/d/" not in text
    assert all(item.headline in text for item in desk.issue.items)


def test_the_notice_shows_the_issue_as_it_is_when_it_is_sent(opened: Opened) -> None:
    desk = opened()
    keep, desk.app.deliver_notices = desk.app.deliver_notices, lambda **_: None  # type: ignore[method-assign]
    desk.run()
    item = desk.issue.items[0]
    assert press(desk, "headline", item=item.id, version=1, headline="Written meanwhile") == 200
    keep()
    assert "Written meanwhile" in desk.notices[MARIA][0].html


@pytest.mark.parametrize("method", ["GET", "HEAD"])
def test_following_the_links_changes_no_row(desk: NewsDesk, method: str) -> None:
    before = everything(desk.app.engine)
    for url in links_of(desk.notices[MARIA][0]).values():
        if url.startswith("http://127.0.0.1/d/"):
            assert desk.client.request(method, url.partition("#")[0]).status_code == 200
    for action in ("approve", "hold", "send", "drop", "up", "headline"):
        query = "?item=1&version=1&headline=x&done=approve"
        assert desk.client.request(method, f"{desk.link()}/do/{action}{query}").status_code == 405
    assert everything(desk.app.engine) == before


def test_approved_on_the_phone_it_goes_out_at_its_time(desk: NewsDesk) -> None:
    assert press(desk, "approve", TOM) == 200
    assert "Goes out at 07:00" in desk.client.get(desk.link()).text
    assert desk.run().ending is Ending.WAITS_FOR_TIME
    assert desk.copies == []
    desk.clock.move(GOES_OUT)
    assert desk.run().ending is Ending.SENT
    assert desk.copies == ["ada@readers.example"]
    assert ("approved", "tom") in desk.history


def test_send_now_does_not_wait_for_the_time(desk: NewsDesk) -> None:
    assert press(desk, "send") == 200
    assert desk.status is IssueStatus.SENDING
    assert desk.run().ending is Ending.SENT
    assert desk.clock.now() < GOES_OUT
    assert desk.copies == ["ada@readers.example"]
    assert ("sent-now", "Maria Reyes") in desk.history


def test_what_is_held_is_not_sent_by_policy_and_its_stories_stay(opened: Opened) -> None:
    desk = opened('unapproved = "send"\n')
    desk.run()
    assert "it is sent all the same, unless it is held" in desk.notices[MARIA][0].html
    assert press(desk, "hold") == 200
    assert "Held by Maria Reyes" in desk.client.get(desk.link(TOM)).text
    desk.clock.move(GOES_OUT + timedelta(hours=4))
    assert desk.run().ending is Ending.TOO_LATE
    assert desk.copies == []
    assert desk.status is IssueStatus.CANCELLED


def test_what_nobody_holds_is_sent_by_policy_and_the_editors_hear_of_it(opened: Opened) -> None:
    desk = opened('unapproved = "send"\n')
    desk.run()
    desk.clock.move(GOES_OUT + timedelta(hours=4))
    assert desk.run().ending is Ending.SENT
    assert desk.copies == ["ada@readers.example"]
    with desk.app.readers() as session:
        texts = [row.context.get("text") for row in session.scalars(select(NoticeRow))]
    assert "nobody approved issue 1 in time: it is sent, as `unapproved` says" in texts


def test_hold_takes_an_approval_back_and_stops_a_sending(desk: NewsDesk) -> None:
    press(desk, "approve", TOM)
    assert press(desk, "hold") == 200
    assert desk.status is IssueStatus.BUILT
    desk.clock.move(GOES_OUT)
    assert desk.run().ending is Ending.WAITS_FOR_APPROVAL
    press(desk, "send")
    assert press(desk, "hold") == 200
    assert desk.status is IssueStatus.PAUSED
    assert "held by Maria Reyes" in desk.client.get(desk.link()).text
    assert press(desk, "resume") == 200
    assert desk.run().ending is Ending.SENT


def test_a_held_issue_is_not_sent_by_hand_either(desk: NewsDesk) -> None:
    from digest.errors import IssueNotApproved

    press(desk, "hold")
    with pytest.raises(IssueNotApproved, match="held by Maria Reyes"):
        desk.app.deliver(1)


def test_drop_move_up_and_edit_are_recorded_with_the_editor(desk: NewsDesk) -> None:
    first, second, *_ = desk.issue.in_slot(desk.issue.items[-1].slot, "news")
    assert press(desk, "up", item=second.id, version=1) == 200
    assert [one.id for one in desk.issue.in_slot(first.slot, "news")][:2] == [second.id, first.id]
    version = desk.issue.version
    assert press(desk, "headline", TOM, item=first.id, version=version, headline="Better said") == 200
    assert press(desk, "drop", item=second.id, version=version) == 409  # Tom was faster
    assert press(desk, "drop", item=second.id, version=desk.issue.version) == 200
    shown = {item.id: item for item in desk.issue.items}
    assert shown[first.id].headline == "Better said"
    assert shown[first.id].actor == "tom"
    assert second.id not in shown
    assert {actor for action, actor in desk.history if action not in {"built"}} == {"Maria Reyes", "tom"}


def test_a_reminder_comes_when_it_should_have_gone_out(desk: NewsDesk) -> None:
    desk.clock.move(GOES_OUT + timedelta(minutes=1))
    desk.run()
    desk.run()
    subjects = [message.subject for message in desk.notices[TOM]]
    assert subjects == [f"To approve: {desk.issue.subject}", f"Still to approve: {desk.issue.subject}"]


def test_without_a_time_to_go_out_the_reminder_comes_at_half_of_the_patience(opened: Opened) -> None:
    desk = opened()
    edition = desk.app.settings.file.editions["daily"].model_copy(update={"send_at": None})
    desk.app.settings.file.editions["daily"] = edition
    desk.app.settings.__dict__.pop("_editions", None)
    desk.run()
    assert "Goes out as soon as somebody approves it" in desk.notices[MARIA][0].html
    desk.clock.move(BUILT + timedelta(minutes=89))
    desk.run()
    assert len(desk.notices[MARIA]) == 1
    desk.clock.move(BUILT + timedelta(minutes=91))
    desk.run()
    assert len(desk.notices[MARIA]) == 2


def test_a_link_ends_after_two_days_and_says_so(desk: NewsDesk) -> None:
    link = desk.link()
    desk.clock.move(BUILT + timedelta(hours=47))
    assert desk.client.get(link).status_code == 200
    desk.clock.move(BUILT + timedelta(hours=49))
    answer = desk.client.get(link)
    assert answer.status_code == 410
    assert "This link has expired" in answer.text
    assert desk.client.get(f"{link}/issue").status_code == 410
    assert desk.client.post(f"{link}/do/approve").status_code == 410
    assert desk.status is IssueStatus.BUILT


def test_once_it_is_sent_a_link_only_looks(desk: NewsDesk) -> None:
    press(desk, "send")
    desk.run()
    page = desk.client.get(desk.link())
    assert "It is sent" in page.text
    assert "<form" not in page.text
    for action in ("approve", "hold", "send", "drop"):
        answer = desk.client.post(f"{desk.link()}/do/{action}", data={"item": "1", "version": "1"})
        assert answer.status_code == 409
        assert "this link changes nothing any more" in answer.text
    assert desk.copies == ["ada@readers.example"]


def test_who_is_no_editor_any_more_is_let_in_no_more(desk: NewsDesk) -> None:
    link = desk.link(TOM)
    newsletter = desk.app.settings.file.newsletter
    newsletter.editors.remove(TOM)
    assert desk.client.get(link).status_code == 404
    assert desk.client.post(f"{link}/do/approve").status_code == 404
    assert desk.client.get(desk.link(MARIA)).status_code == 200


@pytest.mark.parametrize("purpose", [one for one in Purpose if one not in {Purpose.DESK, Purpose.VERP}])
def test_tokens_of_other_links_open_no_desk(desk: NewsDesk, purpose: Purpose) -> None:
    good = desk.app.signer
    token = good.sign(purpose, *good.verify(Purpose.DESK, desk.link()[3:]), issued_at=BUILT)
    for path in (f"/d/{token}", f"/d/{token}/issue"):
        assert desk.client.get(path).status_code == 404
    assert desk.client.post(f"/d/{token}/do/approve").status_code == 404
    assert desk.status is IssueStatus.BUILT


def test_a_desk_token_is_worth_nothing_where_readers_go(desk: NewsDesk) -> None:
    token = desk.link()[3:]
    assert desk.client.post(f"/u/{token}", data={"List-Unsubscribe": "One-Click"}).status_code == 404
    assert desk.client.get(f"/p/{token}").status_code == 404


@pytest.mark.parametrize(
    "headers",
    [
        {"Sec-Fetch-Site": "cross-site"},
        {"Sec-Fetch-Site": "same-site"},
        {"Sec-Fetch-Site": "none"},
        {"Origin": "https://evil.example"},
        {"Origin": "null"},
    ],
)
def test_a_form_of_another_site_changes_nothing(desk: NewsDesk, headers: dict[str, str]) -> None:
    answer = desk.client.post(f"{desk.link()}/do/send", headers=headers)
    assert answer.status_code == 403
    assert desk.status is IssueStatus.BUILT


def test_what_the_preflight_finds_is_told_and_nothing_goes_out(desk: NewsDesk) -> None:
    from digest.errors import PreflightFailed

    def no(_issue_id: int) -> None:
        raise PreflightFailed("one link is dead", remedy="drop the story")

    desk.app.examiner = lambda: no  # type: ignore[method-assign]
    answer = desk.client.post(f"{desk.link()}/do/send")
    assert answer.status_code == 409
    assert "one link is dead — drop the story" in answer.text
    assert desk.status is IssueStatus.APPROVED
    assert desk.copies == []


@pytest.mark.parametrize(
    ("action", "form"),
    [
        ("erase", {}),
        ("drop", {"item": "x", "version": "1"}),
        ("drop", {"item": "999", "version": "1"}),
        ("up", {"item": "999", "version": "1"}),
        ("headline", {"item": "1", "version": "1", "headline": "  "}),
        ("drop", {"item": "9" * 400, "version": "1"}),
    ],
)
def test_a_form_that_nobody_made_is_refused_with_a_line(
    desk: NewsDesk, action: str, form: dict[str, str]
) -> None:
    before = everything(desk.app.engine)
    answer = desk.client.post(f"{desk.link()}/do/{action}", data=form)
    assert answer.status_code == 409
    assert 'role="alert"' in answer.text
    assert everything(desk.app.engine) == before


def test_the_page_and_the_issue_run_no_script_and_tell_nobody_the_token(desk: NewsDesk) -> None:
    page, issue = desk.client.get(desk.link()), desk.client.get(f"{desk.link()}/issue")
    for answer in (page, issue):
        assert "<script" not in answer.text
        assert "script-src" not in answer.headers["content-security-policy"]
        assert answer.headers["content-security-policy"].startswith("default-src 'none'")
        assert answer.headers["referrer-policy"] == "no-referrer"
        assert answer.headers["cache-control"] == "no-store"
    assert "sandbox" in issue.headers["content-security-policy"]
    assert "Harbour &lt;b&gt;" in page.text


def test_an_issue_that_cannot_be_rendered_is_told_by_its_contents(
    desk: NewsDesk, monkeypatch: pytest.MonkeyPatch
) -> None:
    from digest.errors import RenderError
    from digest.pipeline import approving

    def broken(*_: object) -> None:
        raise RenderError("unexpected 'endfor'", template="daily/issue.mjml.j2", line=7)

    monkeypatch.setattr(approving, "render_issue", broken)
    desk.clock.move(GOES_OUT + timedelta(minutes=1))
    desk.run()
    message = desk.notices[MARIA][1]
    assert "daily/issue.mjml.j2:7: unexpected" in message.text
    assert all(item.headline in message.text and item.headline in message.html for item in desk.issue.items)
