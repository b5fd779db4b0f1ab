"""The desk in the preview does what the commands do, for who has the address and nobody else."""

from __future__ import annotations

import pytest

from digest.preview.frame import Scheme, frame_html, frame_policy
from digest.values import Item, Slot
from tests.preview.conftest import Office, eventually


def shelf(office: Office, section: str = "city") -> list[Item]:
    return list(office.issue.in_slot(Slot.SECTION, section))


def test_the_page_shows_the_issue_its_stories_and_its_size(office: Office) -> None:
    text = office.page.get(office.desk.path(1)).text
    assert office.issue.subject.replace("&", "&amp;") in text
    for item in office.issue.items:
        assert f'data-item="{item.id}"' in text
    assert "of HTML; Gmail clips at 102.0 KB" in text


def test_nobody_gets_in_without_the_token(office: Office) -> None:
    page = office.page
    for path in ("/", "/issue/1", "/wrong/issue/1", "/wrong/events", f"/{office.desk.token[:-1]}x/issue/1"):
        assert page.get(path).status_code == 404
    assert page.post("/wrong/issue/1/do/cancel").status_code == 404
    assert office.issue.status == "built"


@pytest.mark.parametrize(
    "headers",
    [{"Sec-Fetch-Site": "cross-site"}, {"Sec-Fetch-Site": "same-site"}, {"Origin": "https://evil.example"}],
    ids=["cross-site", "another port of this machine", "older browser"],
)
def test_other_sites_cannot_press_a_button(office: Office, headers: dict[str, str]) -> None:
    answer = office.page.post(f"{office.desk.path(1)}/do/cancel", headers=headers)
    assert answer.status_code == 403
    assert office.issue.status == "built"


def test_a_name_that_is_not_this_machine_is_not_answered(office: Office) -> None:
    assert office.page.get(office.desk.path(1), headers={"Host": "rebound.example"}).status_code == 400


def test_headline_and_teaser_are_edited_in_place(office: Office) -> None:
    item = shelf(office)[0]
    office.do("item", item=item.id, version=office.issue.version, headline="A better <b>headline</b>")
    edited = next(one for one in office.issue.items if one.id == item.id)
    assert edited.headline == "A better <b>headline</b>"
    assert edited.teaser == item.teaser
    assert edited.locked
    assert "A better &lt;b&gt;headline" in office.page.get(f"{office.desk.path(1)}/frame").text


def test_subject_and_preheader_are_changed(office: Office) -> None:
    office.do("words", version=office.issue.version, subject="Good morning", preheader="Three things to know")
    assert (office.issue.subject, office.issue.preheader) == ("Good morning", "Three things to know")
    assert "Subject: Good morning" in office.page.get(office.desk.path(1), params={"view": "source"}).text


def test_a_story_is_moved_up_and_down_and_elsewhere(office: Office) -> None:
    first, second, *_ = shelf(office)
    office.do("down", item=first.id, version=office.issue.version)
    assert [item.id for item in shelf(office)][:2] == [second.id, first.id]
    office.do("up", item=first.id, version=office.issue.version)
    assert [item.id for item in shelf(office)][:2] == [first.id, second.id]
    office.do("move", item=first.id, to="sport/1", version=office.issue.version)
    assert shelf(office, "sport")[0].id == first.id


def test_a_story_at_the_end_stays_there(office: Office) -> None:
    before = [item.id for item in shelf(office)]
    assert "at the end already" in office.do("up", item=before[0], version=office.issue.version)
    assert [item.id for item in shelf(office)] == before


def test_a_story_is_dropped(office: Office) -> None:
    item = shelf(office)[0]
    office.do("drop", item=item.id, version=office.issue.version)
    assert item.id not in [one.id for one in office.issue.items]
    assert item.headline not in office.page.get(f"{office.desk.path(1)}/frame").text


def test_an_intro_is_put_in(office: Office) -> None:
    office.do("insert", kind="intro", to="top", teaser="Good morning from the harbour.")
    assert "Good morning from the harbour." in office.page.get(f"{office.desk.path(1)}/frame").text


def test_a_pinned_story_stays_when_picked_anew(office: Office) -> None:
    item = shelf(office)[-1]
    assert "Pinned" in office.do("pin", item=item.id)
    office.do("rebuild")
    assert item.article_id in [one.article_id for one in shelf(office)]


def test_two_editors_do_not_overwrite_each_other_silently(office: Office) -> None:
    item, seen = shelf(office)[0], office.issue.version
    office.do("item", item=item.id, version=seen, headline="The first editor's words")
    answer = office.page.post(
        f"{office.desk.path(1)}/do/item", data={"item": item.id, "version": seen, "headline": "The second's"}
    )
    assert answer.status_code == 409
    assert 'role="alert"' in answer.text
    assert "The first editor" in answer.text
    assert shelf(office)[0].headline == "The first editor's words"


@pytest.mark.parametrize(
    ("action", "form"),
    [
        ("nonsense", {}),
        ("up", {"item": "999999"}),
        ("drop", {"item": "one"}),
        ("move", {"item": "1", "to": "nowhere/1"}),
        ("move", {"item": "1", "to": "city/0"}),
        ("insert", {"kind": "story", "to": "top"}),
        ("insert", {"kind": "note", "to": "top", "url": "javascript:alert(1)"}),
        ("item", {"item": "1", "version": "-1"}),
        ("test", {"address": "nobody"}),
        ("resume", {}),
    ],
)
def test_a_press_that_cannot_be_is_told_in_one_line(
    office: Office, action: str, form: dict[str, str]
) -> None:
    before = office.issue
    answer = office.page.post(f"{office.desk.path(1)}/do/{action}", data=form)
    assert answer.status_code == 409
    said = answer.text.rpartition('data-live="said"')[2]
    assert 'role="alert"' in said
    assert "Traceback" not in said
    assert office.issue.items == before.items


def test_a_form_without_end_is_refused(office: Office) -> None:
    answer = office.page.post(f"{office.desk.path(1)}/do/words", content=b"subject=" + b"x" * 100_000)
    assert answer.status_code == 413


def test_a_test_send_arrives_and_changes_nothing(office: Office) -> None:
    assert "A test went to desk@morning.example" in office.do("test", address="desk@morning.example")
    assert office.mailbox.wait_for(1, 5)
    (mail,) = office.mailbox.mails()
    assert mail.envelope_recipients == ("desk@morning.example",)
    assert mail.opened.subject == office.issue.subject
    assert office.issue.status == "built"


def test_the_issue_is_approved_and_sent_from_the_desk(office: Office) -> None:
    office.do("approve")
    assert office.issue.status == "approved"
    assert "Sending has begun" in office.do("send")
    eventually(lambda: office.issue.status == "sent")
    assert office.mailbox.wait_for(3, 5)
    assert len(office.mailbox.mails()) == 3
    text = office.page.get(office.desk.path(1)).text
    assert "3 of 3 sent" in text
    assert "do/item" not in text  # what is sent stands


def test_links_and_pictures_are_asked_and_what_is_dead_is_told(office: Office) -> None:
    answer = office.do("links")
    assert "every picture was asked" in answer
    assert "dead-links" not in answer
    assert "dead-pictures" not in answer
    item = shelf(office)[0]
    office.do("item", item=item.id, version=office.issue.version, url=item.url + "-which-is-not-there")
    answer = office.do("links")
    assert "dead-links" in answer
    assert f'data-find="{item.id}"' in answer


def test_hold_keeps_an_unsent_issue_back_until_it_is_approved(office: Office) -> None:
    assert "nothing sends it until it is approved" in office.do("hold")
    text = office.page.get(office.desk.path(1)).text
    assert "Held by preview" in text
    assert 'data-key="hold"' not in text
    assert "is held by preview" in office.do("send")
    assert office.issue.status == "built"
    office.do("approve")
    assert "Held by" not in office.page.get(office.desk.path(1)).text
    office.do("send")
    eventually(lambda: office.issue.status == "sent")


def test_hold_takes_an_approval_back(office: Office) -> None:
    office.do("approve")
    assert 'data-key="hold"' in office.page.get(office.desk.path(1)).text
    office.do("hold")
    assert office.issue.status == "built"
    assert "is held" in office.do("send")
    assert office.mailbox.mails() == []


def test_a_sent_issue_cannot_be_held(office: Office) -> None:
    office.do("send")
    eventually(lambda: office.issue.status == "sent")
    answer = office.page.post(f"{office.desk.path(1)}/do/hold")
    assert answer.status_code == 409
    assert "nothing to hold" in answer.text


def test_what_the_preflight_finds_stops_the_sending(office: Office) -> None:
    settings = office.settings.folder / "newsletter.toml"
    text = settings.read_text(encoding="utf-8")
    lines = [line for line in text.splitlines() if not line.startswith("postal_address")]
    settings.write_text("\n".join(lines), encoding="utf-8")
    eventually(lambda: not office.desk.app.settings.file.newsletter.postal_address)
    assert "postal" in office.do("send").rpartition('data-live="said"')[2]
    assert office.issue.status == "built"
    assert office.mailbox.mails() == []


def test_a_reader_sees_the_sections_they_chose(office: Office) -> None:
    def frame(**query: str) -> str:
        return office.page.get(f"{office.desk.path(1)}/frame", params=query).text

    science = next(iter(shelf(office, "science"))).headline
    assert science in frame()
    assert science in frame(reader="ada@readers.example")
    assert science not in frame(reader="ivo@readers.example")  # chose City and Sport
    assert science not in frame(choose="1", section="culture")
    assert next(iter(shelf(office, "culture"))).headline in frame(choose="1", section="culture")


def test_every_view_is_of_the_copy_on_the_wire(office: Office) -> None:
    def view(name: str) -> str:
        return office.page.get(
            office.desk.path(1), params={"view": name, "reader": "ada@readers.example"}
        ).text

    assert "1. " in view("text")
    assert "List-Unsubscribe-Post" in view("headers")
    assert "multipart/alternative" in view("parts")
    assert "ada@readers.example" in view("source")


def test_dark_light_and_pictures_are_decided_by_the_preview(office: Office) -> None:
    page = office.page
    dark = page.get(f"{office.desk.path(1)}/frame", params={"scheme": "dark"}).text
    assert "prefers-color-scheme" not in dark
    assert "color-scheme:dark" in dark
    blocked = page.get(f"{office.desk.path(1)}/frame", params={"pictures": "off"})
    assert "img-src 'none'" in blocked.headers["content-security-policy"]


def test_a_frame_runs_no_script_whoever_wrote_the_story() -> None:
    for pictures in (True, False):
        policy = frame_policy(pictures=pictures)
        assert "default-src 'none'" in policy
        assert "script-src" not in policy
        assert "allow-scripts" not in policy
        assert "form-action 'none'" in policy


def test_the_scheme_is_forced_where_a_style_asks_the_system() -> None:
    styles = "@media (prefers-color-scheme: dark){a{}}@media screen and (prefers-color-scheme:light){b{}}"
    html = f"<html><head></head><style>{styles}</style>"
    assert "@media (min-width:0){a{}}@media screen and (max-width:0){b{}}" in frame_html(html, Scheme.DARK)
    assert "@media (max-width:0){a{}}@media screen and (min-width:0){b{}}" in frame_html(html, Scheme.LIGHT)
    assert "invert(1)" in frame_html(html, Scheme.INVERTED)
