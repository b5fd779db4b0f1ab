"""What readers choose, take with them, and have forgotten, by the link of any mail."""

from __future__ import annotations

from subscribers.addresses import parse_address
from subscribers.membership.people import look_up
from subscribers.tokens import Purpose
from tests.web.site import Site


def url(site: Site) -> str:
    return f"/p/{site.token(Purpose.PREFERENCES)}"


def test_language_and_time_zone_are_stored_and_the_page_speaks_it(site: Site) -> None:
    answer = site.client.post(url(site), data={"name": "Ada", "language": "de", "timezone": "Asia/Dubai"})
    assert "Gespeichert." in answer.text
    assert 'value="Asia/Dubai"' in answer.text
    with site.sessions() as session:
        person = look_up(session, parse_address("ada@readers.example"))
        assert person is not None
        assert (person.language, person.timezone) == ("de", "Asia/Dubai")


def test_a_zone_that_is_none_is_refused_and_changes_nothing(site: Site) -> None:
    answer = site.client.post(url(site), data={"name": "Eve", "timezone": "Mars/Base"})
    assert answer.status_code == 400
    assert 'value="Ada"' in site.client.get(url(site)).text


def test_lists_are_left_and_joined_by_their_boxes_and_only_where_shown(site: Site) -> None:
    shown = {"name": "Ada", "lists-shown": "1", "section": ["city", "sport"]}
    site.client.post(url(site), data={"name": "Ada"})
    assert (site.standing(), site.standing(site.other)) == ("confirmed", "confirmed")
    site.client.post(url(site), data={**shown, "list": ["daily"]})
    assert (site.standing(), site.standing(site.other)) == ("confirmed", "unsubscribed")
    site.client.post(url(site), data={**shown, "list": ["daily", "weekly", "unheard-of"]})
    assert site.standing(site.other) == "confirmed"


def test_a_link_to_leave_opens_no_preferences(site: Site) -> None:
    leave = site.token(Purpose.UNSUBSCRIBE)
    assert site.client.get(f"/p/{leave}").status_code == 404
    for act in ("", "/data", "/erase", "/address"):
        assert site.client.post(f"/p/{leave}{act}", data={"email": "eve@x.example"}).status_code == 404
