"""What readers do by the links of their mails, and what strangers cannot."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

import pytest
from sqlalchemy import Engine, select

from digest.pipeline.public_address import check_public_address
from subscribers.addresses import parse_address
from subscribers.membership import How, erase_person
from subscribers.models import ConsentEventRow, ConsentMethod, OptIn
from subscribers.tokens import Purpose, TokenSigner
from tests.web.site import KEY, NOW, SIGNER, Site
from tests.web.test_scanners import everything

ONE_CLICK = {"List-Unsubscribe": "One-Click"}


def test_one_click_unsubscribes_without_cookie_or_redirect_and_again_answers_200(site: Site) -> None:
    url = f"/u/{site.token(Purpose.UNSUBSCRIBE)}"
    for _ in range(2):
        answer = site.client.post(url, data=ONE_CLICK, follow_redirects=False)
        assert answer.status_code == 200
        assert "set-cookie" not in answer.headers
    assert site.standing() == "unsubscribed"
    assert site.standing(site.other) == "confirmed"
    with site.sessions() as session:
        events = [
            row.method
            for row in session.scalars(
                select(ConsentEventRow).where(ConsentEventRow.action == "unsubscribed")
            )
        ]
    assert events == [ConsentMethod.ONE_CLICK]


@pytest.mark.parametrize("method", ["GET", "HEAD"])
def test_following_the_link_changes_nothing(site: Site, method: str) -> None:
    answer = site.client.request(method, f"/u/{site.token(Purpose.UNSUBSCRIBE)}")
    assert answer.status_code == 200
    assert site.standing() == "confirmed"


def test_one_click_as_multipart_is_understood(site: Site) -> None:
    answer = site.client.post(
        f"/u/{site.token(Purpose.UNSUBSCRIBE)}", files={"List-Unsubscribe": (None, "One-Click")}
    )
    assert answer.status_code == 200
    assert site.standing() == "unsubscribed"


def test_an_erased_reader_gets_200_all_the_same(site: Site) -> None:
    with site.sessions.begin() as session:
        how = How(ConsentMethod.COMMAND)
        erase_person(session, parse_address("ada@readers.example"), KEY, now=NOW, how=how)
    assert site.client.post(f"/u/{site.token(Purpose.UNSUBSCRIBE)}", data=ONE_CLICK).status_code == 200
    assert site.client.get(f"/u/{site.token(Purpose.UNSUBSCRIBE)}").status_code == 200


def test_an_old_key_and_a_broken_line_leave_the_link_working(site: Site) -> None:
    old = site.token(Purpose.UNSUBSCRIBE, TokenSigner([b"an older token key of the tests"]))
    broken = old[:20] + "%3D%0D%0A" + old[20:]
    assert site.client.post(f"/u/{broken}", data=ONE_CLICK).status_code == 200
    assert site.standing() == "unsubscribed"


@pytest.mark.parametrize("damage", ["", "x", "A" * 36, "..%2f..", "%00", "a" * 4000])
def test_a_forged_link_is_a_page_and_changes_nothing(site: Site, damage: str) -> None:
    answer = site.client.post(f"/u/{damage}", data=ONE_CLICK)
    assert answer.status_code in {400, 404}
    assert site.standing() == "confirmed"


def test_a_token_of_another_purpose_is_forged(site: Site) -> None:
    assert site.client.post(f"/u/{site.token(Purpose.PREFERENCES)}", data=ONE_CLICK).status_code == 404
    assert site.client.post(f"/c/{site.token(Purpose.UNSUBSCRIBE)}").status_code == 404
    assert site.standing() == "confirmed"


def test_leaving_by_the_button_can_be_undone_for_ten_minutes(site: Site) -> None:
    url = f"/u/{site.token(Purpose.UNSUBSCRIBE)}"
    page = site.client.post(url, data={"reason": "too much"})
    assert "You have left The Daily" in page.text
    assert site.client.post(f"{url}/undo").status_code == 200
    assert site.standing() == "confirmed"
    site.client.post(url, data={})
    site.clock.advance(timedelta(minutes=11))
    assert site.client.post(f"{url}/undo").status_code == 409
    assert site.standing() == "unsubscribed"


def test_leaving_all_lists_leaves_all(site: Site) -> None:
    site.client.post(f"/u/{site.token(Purpose.UNSUBSCRIBE)}", data={"everything": "1"})
    assert (site.standing(), site.standing(site.other)) == ("unsubscribed", "unsubscribed")


def test_confirming_needs_the_button_and_works_for_seven_days(engine: Engine, tmp_path: Path) -> None:
    site = Site(engine, tmp_path, OptIn.DOUBLE)
    url = f"/c/{site.token(Purpose.CONFIRM)}"
    assert site.client.get(url).status_code == 200
    assert site.standing() == "pending"
    assert "You are on the list The Daily" in site.client.post(url).text
    assert site.standing() == "confirmed"
    site.clock.advance(timedelta(days=8))
    assert site.client.post(url).status_code == 404
    site.close()


def test_preferences_choose_sections_and_all_of_them_is_all_to_come(site: Site) -> None:
    url = f"/p/{site.token(Purpose.PREFERENCES)}"
    assert 'value="sport" checked' in site.client.get(url).text
    site.client.post(url, data={"name": "Ada L.\r\nBcc: x", "section": ["sport", "nonsense"]})
    assert site.sections() == ["sport"]
    assert 'value="Ada L. Bcc: x"' in site.client.get(url).text
    site.client.post(url, data={"name": "Ada", "section": ["city", "sport"]})
    assert site.sections() is None


def test_every_page_is_protected_and_escaped(site: Site) -> None:
    for path in (f"/u/{site.token(Purpose.UNSUBSCRIBE)}", "/archive", "/nothing", "/u/x"):
        answer = site.client.get(path)
        assert "default-src 'none'" in answer.headers["content-security-policy"]
        assert answer.headers["x-content-type-options"] == "nosniff"
        assert answer.headers["referrer-policy"] == "no-referrer"
        assert "<b>" not in answer.text
        assert "<script" not in answer.text


def test_a_body_of_ten_megabytes_is_refused(site: Site) -> None:
    answer = site.client.post(f"/u/{site.token(Purpose.UNSUBSCRIBE)}", content=b"x" * 10_000_000)
    assert answer.status_code == 413
    assert site.standing() == "confirmed"


def test_the_host_header_stands_nowhere_on_a_page(site: Site) -> None:
    answer = site.client.get(f"/u/{site.token(Purpose.UNSUBSCRIBE)}", headers={"host": "evil.example"})
    assert "evil.example" not in answer.text


def test_the_self_test_of_send_and_doctor_passes_here_and_changes_nothing(site: Site) -> None:
    before = everything(site.engine)
    asked: list[str] = []

    def post(url: str, form: bytes) -> int:
        asked.append(url)
        kind = {"content-type": "application/x-www-form-urlencoded"}
        path = url.removeprefix("https://news.example")
        return int(site.client.post(path, content=form, headers=kind).status_code)

    assert "answers one-click" in check_public_address(site.settings, SIGNER, post)
    assert len(asked) == 1
    assert everything(site.engine) == before


def test_undo_after_leaving_all_lists_brings_back_all_that_were_left(site: Site) -> None:
    url = f"/u/{site.token(Purpose.UNSUBSCRIBE)}"
    site.client.post(url, data={"everything": "1", "reason": "too much"})
    site.client.post(f"{url}/undo")
    assert (site.standing(), site.standing(site.other)) == ("confirmed", "confirmed")
    with site.sessions() as session:
        notes = session.scalars(select(ConsentEventRow.note).where(ConsentEventRow.action == "unsubscribed"))
        assert set(notes) == {"too much"}


def test_health_answers(site: Site) -> None:
    assert site.client.get("/healthz").text == "ok\n"
    assert site.client.get("/readyz").status_code == 200
