"""Signing up: strangers learn nothing, people get one mail, floods get 429."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest
from httpx2 import Response
from sqlalchemy import Engine, event, select

from digest.models import NoticeRow, RateLimitRow
from subscribers.addresses import parse_address
from subscribers.membership import How, erase_person, unsubscribe
from subscribers.membership.people import look_up
from subscribers.models import ConsentMethod, SubscriberRow, SubscriptionRow, SuppressionCause
from subscribers.suppression import Subject, suppress
from subscribers.tokens import Purpose
from tests.web.site import KEY, NOW, SIGNER, Site


@pytest.fixture
def open_site(engine: Engine, tmp_path: Path) -> Iterator[Site]:
    made = Site(engine, tmp_path, web='cors_origins = ["https://harbour.example"]')
    yield made
    made.close()


def sign_up(site: Site, email: str, **fields: object) -> Response:
    answer = site.client.post("/subscribe", data={"email": email, "list": "daily", **fields})
    site.sign_ups.settle()
    return answer


def standings(site: Site, email: str) -> dict[int, str]:
    with site.sessions() as session:
        person = look_up(session, parse_address(email))
        if person is None:
            return {}
        rows = session.scalars(select(SubscriptionRow).where(SubscriptionRow.subscriber_id == person.id))
        return {row.id: row.status.value for row in rows}


def notices(site: Site) -> list[NoticeRow]:
    with site.sessions() as session:
        return list(session.scalars(select(NoticeRow)))


def test_signing_up_asks_by_mail_and_the_click_confirms(site: Site) -> None:
    answer = sign_up(site, "bob@readers.example", section=["sport", "nonsense"])
    assert answer.status_code == 200
    assert "Look into your inbox" in answer.text
    [(subscription, status)] = standings(site, "bob@readers.example").items()
    assert status == "pending"
    [notice] = notices(site)
    assert (notice.kind, notice.subscription_id) == ("confirm", subscription)
    site.client.post(f"/c/{SIGNER.sign(Purpose.CONFIRM, subscription, issued_at=NOW)}")
    assert standings(site, "bob@readers.example") == {subscription: "confirmed"}
    with site.sessions() as session:
        assert session.get_one(SubscriptionRow, subscription).sections == ["sport"]


def test_one_mail_asks_for_all_the_lists_and_one_click_confirms_them(site: Site) -> None:
    site.client.post("/subscribe", data={"email": "bob@readers.example", "list": ["daily", "weekly"]})
    site.sign_ups.settle()
    [notice] = notices(site)
    assert notice.context["list"] == "The Daily, The Weekly"
    ids = [notice.subscription_id, *notice.context["also"]]  # type: ignore[misc]
    assert set(standings(site, "bob@readers.example").values()) == {"pending"}
    site.client.post(f"/c/{SIGNER.sign(Purpose.CONFIRM, *ids, issued_at=NOW)}")  # type: ignore[arg-type]
    assert set(standings(site, "bob@readers.example").values()) == {"confirmed"}


def test_nobody_is_mailed_twice_a_day_however_often_asked(site: Site) -> None:
    for _ in range(3):
        sign_up(site, "bob@readers.example")
    assert len(notices(site)) == 1
    site.clock.advance(timedelta(days=1, minutes=1))
    sign_up(site, "bob@readers.example")
    assert len(notices(site)) == 2


def test_answer_and_statements_are_the_same_for_known_unknown_and_suppressed(site: Site) -> None:
    how = How(ConsentMethod.COMMAND)
    sign_up(site, "gone@readers.example")
    [left] = standings(site, "gone@readers.example")
    with site.sessions.begin() as session:
        unsubscribe(session, left, now=NOW, how=how)
        for text in ("blocked@readers.example", "@blocked.example"):
            suppress(
                session, Subject.parse(text), KEY, cause=SuppressionCause.DESK, reason="x",
                method=ConsentMethod.COMMAND, now=NOW,
            )  # fmt: skip
        erase_person(session, parse_address("erased@readers.example"), KEY, now=NOW, how=how)
    seen: dict[str, tuple[int, str, list[str]]] = {}
    # What the stranger waits for: the statements until the answer, not those of the joining thread.
    for email in (
        "ada@readers.example",
        "new@readers.example",
        "gone@readers.example",
        "blocked@readers.example",
        "any@blocked.example",
        "erased@readers.example",
    ):
        statements: list[str] = []
        joining = site.sign_ups._joining.submit(lambda: None)
        joining.result()

        def note(_c: object, _u: object, statement: str, *_: object, into: list[str] = statements) -> None:
            into.append(statement)

        held = _hold(site)
        event.listen(site.engine, "before_cursor_execute", note)
        answer = site.client.post("/subscribe", data={"email": email, "list": "daily"})
        event.remove(site.engine, "before_cursor_execute", note)
        held()
        site.sign_ups.settle()
        seen[email] = (answer.status_code, answer.text, statements)
    first = seen["ada@readers.example"]
    assert len(first[2]) > 4
    assert all(one == first for one in seen.values())
    assert standings(site, "blocked@readers.example") == standings(site, "erased@readers.example") == {}


def _hold(site: Site):  # type: ignore[no-untyped-def]
    """Keep the joining thread busy until the returned function is called."""
    import threading

    gate = threading.Event()
    site.sign_ups._joining.submit(gate.wait, 10)
    return gate.set


def test_a_flood_from_one_place_gets_429_and_uses_up_nothing_that_others_share(site: Site) -> None:
    answers = [sign_up(site, f"a{number}@one.example") for number in range(40)]
    assert [answer.status_code for answer in answers] == [200] * 30 + [429] * 10
    assert 0 < int(answers[-1].headers["retry-after"]) <= 3600
    with site.sessions() as session:
        counts = {row.key.partition(":")[0]: row.count for row in session.scalars(select(RateLimitRow))}
        keys = " ".join(session.scalars(select(RateLimitRow.key)))
    assert counts["all"] == 30
    assert "one.example" not in keys
    site.clock.advance(timedelta(hours=1))
    assert sign_up(site, "later@one.example").status_code == 200


def test_one_address_is_taken_five_times_a_day(site: Site) -> None:
    codes = [sign_up(site, "Bob@readers.example").status_code for _ in range(6)]
    assert codes == [200] * 5 + [429]


def test_what_fills_in_the_hidden_field_is_answered_alike_and_forgotten(site: Site) -> None:
    honest, machine = (
        sign_up(site, "bob@readers.example"),
        sign_up(site, "bot@readers.example", website="http://spam.example"),
    )
    assert (machine.status_code, machine.text) == (honest.status_code, honest.text)
    assert standings(site, "bot@readers.example") == {}


def test_a_mistyped_address_comes_back_in_the_form(site: Site) -> None:
    answer = sign_up(site, 'bob"><script>@')
    assert answer.status_code == 400
    assert "not an e-mail address" in answer.text
    assert "<script" not in answer.text


def test_the_form_offers_lists_or_the_sections_of_one(site: Site) -> None:
    both = site.client.get("/subscribe").text
    assert "The Daily" in both
    assert "The Weekly" in both
    one = site.client.get("/subscribe?list=daily").text
    assert 'value="sport" checked' in one
    assert "The Weekly" not in one


def test_a_private_list_takes_nobody(engine: Engine, tmp_path: Path) -> None:
    site = Site(engine, tmp_path, web='private_lists = ["daily"]')
    assert "The Daily" not in site.client.get("/subscribe").text
    assert sign_up(site, "bob@readers.example").status_code == 400
    assert standings(site, "bob@readers.example") == {}
    site.close()


def test_programs_post_json(site: Site) -> None:
    answer = site.client.post("/subscribe", json={"email": "bob@readers.example", "lists": ["daily"]})
    site.sign_ups.settle()
    assert (answer.status_code, answer.json()["status"]) == (202, "accepted")
    assert list(standings(site, "bob@readers.example").values()) == ["pending"]


@pytest.mark.parametrize(
    "body", [b"", b"[]", b"{", b'{"email": 3}', b'{"email": "a@b.example", "lists": "daily"}', b"[" * 60000]
)
def test_bad_json_is_400_and_one_line(site: Site, body: bytes) -> None:
    answer = site.client.post("/subscribe", content=body, headers={"content-type": "application/json"})
    assert answer.status_code == 400
    assert answer.json()["error"]["message"]


def test_only_configured_origins_may_ask_by_script(open_site: Site) -> None:
    site = open_site
    for origin, allowed in (("https://harbour.example", True), ("https://evil.example", False)):
        asked = site.client.options("/subscribe", headers={"origin": origin})
        taken = site.client.post("/subscribe", json={"email": "bob@x.example"}, headers={"origin": origin})
        for answer in (asked, taken):
            assert answer.headers.get("access-control-allow-origin") == (origin if allowed else None)
            assert answer.headers["vary"] == "Origin"
    site.sign_ups.settle()


def test_only_the_subscribers_table_holds_an_address(site: Site) -> None:
    sign_up(site, "findme@readers.example")
    from subscribers.database import Base

    with site.sessions() as session:
        for table in Base.metadata.sorted_tables:
            if table.name != SubscriberRow.__tablename__:
                assert "findme" not in str(session.execute(select(table)).all())
