"""People join, confirm, leave and are forgotten, and the ledger can prove each step."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import BigInteger, Select, cast, null, select
from sqlalchemy.orm import Session, aliased

from subscribers.addresses import parse_address
from subscribers.audience import (
    Recipient,
    audience,
    count_audience,
    count_mailable,
    recipients,
)
from subscribers.errors import InvalidField, NameTaken, Suppressed, UnknownList
from subscribers.membership import (
    BY_COMMAND,
    ConfirmOutcome,
    How,
    JoinOutcome,
    ask_again,
    choose_sections,
    confirm,
    count_lists,
    count_movement,
    create_list,
    delete_list,
    find_list,
    find_person,
    list_people,
    may_notify,
    only_list,
    record_notice,
    rename_list,
    story_of,
    subscribe,
    undo_unsubscribe,
    unsubscribe,
    unsubscribe_everywhere,
    update_person,
)
from subscribers.models import (
    ConsentAction,
    ConsentEventRow,
    ConsentMethod,
    OptIn,
    SubscriberRow,
    SuppressionCause,
)
from subscribers.segments import parse_segment
from subscribers.suppression import (
    Subject,
    SuppressionKey,
    is_suppressed,
    suppress,
    unsuppress,
)
from tests.subscribers.conftest import KEY, NOW

ANN = parse_address("Ann@Example.org")
CLICK = How(ConsentMethod.CONFIRM_LINK, wording="Yes, send me the digest", ip="192.0.2.7")


def join(session: Session, email: str = "Ann@Example.org", name: str = "daily", **fields: Any) -> int:
    joined = subscribe(
        session, parse_address(email), find_list(session, name), KEY, now=NOW, how=BY_COMMAND, **fields
    )
    return joined.subscription_id


@pytest.fixture
def desk(session: Session) -> Session:
    create_list(session, "daily", now=NOW)
    create_list(session, "club", now=NOW, optin=OptIn.DOUBLE)
    return session


def actions(session: Session, email: str = "ann@example.org") -> list[str]:
    return [line.action for line in story_of(session, find_person(session, email), KEY).consent]


def test_on_a_single_opt_in_list_one_is_confirmed_at_once(desk: Session) -> None:
    first = subscribe(desk, ANN, find_list(desk, "daily"), KEY, now=NOW, how=BY_COMMAND, name="Ann\r\nBcc: x")
    assert (first.outcome, first.is_new) == (JoinOutcome.CONFIRMED, True)
    again = subscribe(desk, ANN, find_list(desk, "daily"), KEY, now=NOW, how=BY_COMMAND)
    assert (again.outcome, again.is_new) == (JoinOutcome.ALREADY, False)
    story = story_of(desk, find_person(desk, " ann@EXAMPLE.org"), KEY)
    assert (story.address, story.name, story.status) == ("Ann@Example.org", "Ann Bcc: x", "confirmed")
    assert actions(desk) == ["confirmed"]


def test_on_a_double_opt_in_list_one_waits_for_the_click_and_the_click_counts_once(desk: Session) -> None:
    subscription = join(desk, name="club")
    assert count_audience(desk, audience(find_list(desk, "club").id)) == 0
    assert confirm(desk, subscription, now=NOW, how=CLICK) is ConfirmOutcome.CONFIRMED
    assert confirm(desk, subscription, now=NOW, how=CLICK) is ConfirmOutcome.ALREADY
    assert actions(desk) == ["requested", "confirmed"]
    line = story_of(desk, find_person(desk, "ann@example.org"), KEY).consent[-1]
    assert (line.wording, line.ip, line.method) == (CLICK.wording, CLICK.ip, "confirm_link")


def test_an_old_confirm_link_brings_nobody_back(desk: Session) -> None:
    subscription = join(desk, name="club")
    confirm(desk, subscription, now=NOW, how=CLICK)
    unsubscribe(desk, subscription, now=NOW, how=How(ConsentMethod.ONE_CLICK))
    assert confirm(desk, subscription, now=NOW, how=CLICK) is ConfirmOutcome.GONE
    assert confirm(desk, 999_999, now=NOW, how=CLICK) is ConfirmOutcome.GONE


def test_the_desk_can_vouch_for_consent(desk: Session) -> None:
    join(desk, name="club", confirmed=True)
    assert count_audience(desk, audience(find_list(desk, "club").id)) == 1


def test_confirm_notices_are_limited_to_one_a_day_and_three_in_thirty(desk: Session) -> None:
    subscription = join(desk, name="club")
    person = find_person(desk, "ann@example.org").id
    for day in range(3):
        at = NOW + timedelta(days=day)
        assert may_notify(desk, person, now=at)
        record_notice(desk, subscription, now=at, how=How(ConsentMethod.NOTICE))
        assert not may_notify(desk, person, now=at + timedelta(hours=23))
    assert not may_notify(desk, person, now=NOW + timedelta(days=5))
    assert may_notify(desk, person, now=NOW + timedelta(days=34))


def test_leaving_is_idempotent_and_can_be_undone_for_ten_minutes(desk: Session) -> None:
    subscription = join(desk)
    assert unsubscribe(desk, subscription, now=NOW, how=BY_COMMAND)
    assert not unsubscribe(desk, subscription, now=NOW, how=BY_COMMAND)
    assert not undo_unsubscribe(desk, subscription, now=NOW + timedelta(minutes=11), how=BY_COMMAND)
    assert undo_unsubscribe(desk, subscription, now=NOW + timedelta(minutes=9), how=BY_COMMAND)
    assert actions(desk) == ["confirmed", "unsubscribed", "confirmed"]


def test_who_never_confirmed_cannot_be_undone_into_a_list(desk: Session) -> None:
    subscription = join(desk, name="club")
    unsubscribe(desk, subscription, now=NOW, how=BY_COMMAND)
    assert not undo_unsubscribe(desk, subscription, now=NOW, how=BY_COMMAND)


def test_leaving_all_lists_counts_them(desk: Session) -> None:
    join(desk)
    join(desk, name="club")
    assert unsubscribe_everywhere(desk, find_person(desk, "ann@example.org").id, now=NOW, how=BY_COMMAND) == 2


def test_who_left_may_come_back_by_asking(desk: Session) -> None:
    subscription = join(desk)
    unsubscribe(desk, subscription, now=NOW, how=BY_COMMAND)
    assert join(desk) == subscription
    assert actions(desk)[-1] == "confirmed"


def test_sections_are_chosen_per_subscription(desk: Session) -> None:
    subscription = join(desk)
    assert choose_sections(desk, subscription, ["world", "world", "sport"], now=NOW, how=BY_COMMAND)
    assert not choose_sections(desk, subscription, ["world", "sport"], now=NOW, how=BY_COMMAND)
    [[person]] = list(recipients(desk, audience(find_list(desk, "daily").id)))
    assert person.sections == ["world", "sport"]


def test_asking_again_takes_people_out_of_the_audience_until_they_answer(desk: Session) -> None:
    subscription = join(desk)
    assert ask_again(desk, subscription, now=NOW, how=BY_COMMAND)
    assert count_audience(desk, audience(find_list(desk, "daily").id)) == 0
    confirm(desk, subscription, now=NOW, how=CLICK)
    assert count_audience(desk, audience(find_list(desk, "daily").id)) == 1


def test_the_ledger_cannot_be_rewritten(desk: Session) -> None:
    join(desk)
    row = desk.scalars(select(ConsentEventRow)).one()
    row.action = ConsentAction.UNSUBSCRIBED
    with pytest.raises(TypeError, match="history"):
        desk.flush()


def test_a_person_changes_and_keeps_their_lists(desk: Session) -> None:
    join(desk, attributes={"city": "Delhi", "old": "x"})
    join(desk, "bob@example.org")
    ann = find_person(desk, "ann@example.org")
    update_person(
        desk, ann, KEY, now=NOW, how=BY_COMMAND, address=parse_address("ann@new.example"),
        language="pt_br", timezone="Asia/Dubai", attributes={"old": None, "vip": True},
    )  # fmt: skip
    story = story_of(desk, find_person(desk, "ann@new.example"), KEY)
    assert (story.language, story.timezone, story.attributes) == (
        "pt-BR", "Asia/Dubai", {"city": "Delhi", "vip": True},
    )  # fmt: skip
    assert story.status == "confirmed"
    assert ann.suppression_hash == KEY.hash("ann@new.example")
    with pytest.raises(NameTaken):
        update_person(desk, ann, KEY, now=NOW, how=BY_COMMAND, address=parse_address("bob@example.org"))
    for wrong in (
        {"language": "english please"},
        {"timezone": "Mars/Base"},
        {"attributes": {"x": "y" * 20_000}},
    ):
        with pytest.raises(InvalidField):
            update_person(desk, ann, KEY, now=NOW, how=BY_COMMAND, **wrong)


def test_a_suppressed_address_is_never_mailed_however_it_comes_back(desk: Session) -> None:
    subscription = join(desk)
    daily = find_list(desk, "daily").id
    assert count_audience(desk, audience(daily)) == 1
    assert _suppress(desk, "ANN@example.org")
    assert not _suppress(desk, "ann@example.org")
    assert count_audience(desk, audience(daily)) == 0
    assert story_of(desk, find_person(desk, "ann@example.org"), KEY).status == "suppressed"
    with pytest.raises(Suppressed):
        join(desk)
    confirm(desk, subscription, now=NOW, how=CLICK)
    assert count_audience(desk, audience(daily)) == 0


def test_a_domain_is_suppressed_with_everybody_in_it_but_not_its_subdomains(desk: Session) -> None:
    join(desk)
    join(desk, "bob@mail.example.org")
    _suppress(desk, "@Example.org")
    [[left]] = list(recipients(desk, audience(find_list(desk, "daily").id)))
    assert left.address == "bob@mail.example.org"


def test_lifting_a_suppression_needs_a_reason_and_is_recorded(desk: Session) -> None:
    join(desk)
    _suppress(desk, "ann@example.org")
    subject = Subject.parse("ann@example.org")
    how = {"method": ConsentMethod.COMMAND, "now": NOW}
    with pytest.raises(ValueError, match="reason"):
        unsuppress(desk, subject, KEY, reason=" ", **how)  # type: ignore[arg-type]
    assert unsuppress(desk, subject, KEY, reason="wrote to us", **how)  # type: ignore[arg-type]
    assert not unsuppress(desk, subject, KEY, reason="wrote to us", **how)  # type: ignore[arg-type]
    assert actions(desk) == ["confirmed", "suppressed", "unsuppressed"]
    assert count_audience(desk, audience(find_list(desk, "daily").id)) == 1


def test_only_the_suppression_key_decides_who_is_remembered(desk: Session) -> None:
    _suppress(desk, "ann@example.org")
    assert is_suppressed(desk, ANN, SuppressionKey(b"a key of the tests, 32 bytes long"))
    assert not is_suppressed(desk, ANN, SuppressionKey(b"another key of sixteen bytes"))


def test_one_copy_goes_to_one_address_although_it_is_on_several_lists(desk: Session) -> None:
    first = join(desk)
    join(desk, name="club", confirmed=True)
    join(desk, "bob@example.org", name="club", confirmed=True)
    lists = [find_list(desk, name).id for name in ("daily", "club")]
    rows = [Recipient(*row) for row in desk.execute(audience(lists))]
    assert [row.address for row in rows] == ["Ann@Example.org", "bob@example.org"]
    assert rows[0].subscription_id == first
    assert list(recipients(desk, audience(lists), batch=1)) == [[rows[0]], [rows[1]]]


def test_who_is_mailable_is_counted_as_the_audience_is(desk: Session) -> None:
    daily = find_list(desk, "daily").id
    for email in ("ann@example.org", "bob@x.org", "cy@x.org", "di@y.org", "ed@z.org"):
        join(desk, email)
    for email in ("cy@x.org", "di@y.org", "flo@y.org"):
        join(desk, email, name="club", confirmed=True)
    assert count_mailable(desk, daily, confirmed=5) == count_mailable(desk, daily) == 5
    _suppress(desk, "ann@example.org")
    _suppress(desk, "@x.org")
    _suppress(desk, "nobody@w.org")
    unsubscribe(desk, join(desk, "ed@z.org"), now=NOW, how=BY_COMMAND)
    confirmed = {counts.id: counts.confirmed for counts in count_lists(desk)}[daily]
    assert confirmed == 4
    assert count_mailable(desk, daily, confirmed=confirmed) == count_audience(desk, audience(daily)) == 1
    both = [daily, find_list(desk, "club").id]
    assert count_mailable(desk, both) == count_audience(desk, audience(both)) == 2


def test_lists_are_counted_with_who_came_and_left_in_thirty_days(desk: Session) -> None:
    join(desk)
    unsubscribe(desk, join(desk, "bob@x.org"), now=NOW, how=BY_COMMAND)
    join(desk, "cy@x.org", name="club")
    (club, none), (daily, both) = count_movement(desk, now=NOW + timedelta(days=29))
    assert (club.pending, none.joined, none.left) == (1, 0, 0)
    assert (daily.confirmed, daily.unsubscribed, both.joined, both.left) == (1, 1, 2, 1)
    [(_counts, later)] = count_movement(desk, name="daily", now=NOW + timedelta(days=31))
    assert (later.joined, later.left) == (0, 0)
    assert count_lists(desk) == [club, daily]


def test_those_who_got_an_issue_and_those_who_did_not(desk: Session) -> None:
    for name in ("ann", "bob", "cy"):
        join(desk, f"{name}@example.org", language="en" if name == "ann" else "hi")
    daily = find_list(desk, "daily").id
    bob = aliased(SubscriberRow)
    got = select(bob.id).where(bob.normalized == "bob@example.org")

    def names(chosen: Select[Any]) -> list[str]:
        return [row.address[0] for row in desk.execute(chosen)]

    assert names(audience(daily, only=got)) == ["b"]
    assert names(audience(daily, except_=got)) == ["a", "c"]
    assert names(audience(daily, segment=parse_segment('language = "hi"'), except_=got)) == ["c"]


def test_deliveries_of_the_erased_do_not_empty_the_audience_of_those_who_did_not_get_it(
    desk: Session,
) -> None:
    join(desk)
    nobody = select(cast(null(), BigInteger).label("subscriber_id"))  # one row, which is null
    chosen = audience(find_list(desk, "daily").id, except_=nobody)
    assert count_audience(desk, chosen) == 1


def test_people_are_listed_with_how_they_stand(desk: Session) -> None:
    for name in ("ann", "bob", "cy"):
        join(desk, f"{name}@example.org")
    join(desk, "ann@example.org", name="club")
    _suppress(desk, "bob@example.org")
    daily = find_list(desk, "daily").id
    assert [(one.address[0], one.status, len(one.lists)) for one in list_people(desk)] == [
        ("a", "confirmed", 2), ("b", "suppressed", 1), ("c", "confirmed", 1),
    ]  # fmt: skip
    assert [one.address[0] for one in list_people(desk, search="N@exa", limit=5)] == ["a"]
    assert [one.address[0] for one in list_people(desk, status="suppressed")] == ["b"]
    assert [one.address[0] for one in list_people(desk, status="pending")] == ["a"]
    assert list(list_people(desk, status="pending", list_id=daily)) == []
    assert len(list(list_people(desk, limit=2))) == 2


def test_lists_are_counted_renamed_and_removed(desk: Session) -> None:
    subscription = join(desk)
    join(desk, "bob@example.org", name="club")
    unsubscribe(desk, subscription, now=NOW, how=BY_COMMAND)
    rename_list(desk, "daily", new_name="morning", title="Good morning")
    club, morning = count_lists(desk)
    assert (club.confirmed, club.pending, club.unsubscribed) == (0, 1, 0)
    assert (morning.name, morning.title, morning.unsubscribed) == ("morning", "Good morning", 1)
    with pytest.raises(NameTaken):
        create_list(desk, "club", now=NOW)
    with pytest.raises(InvalidField):
        create_list(desk, "a b", now=NOW)
    with pytest.raises(UnknownList, match="several"):
        only_list(desk)
    delete_list(desk, "club")
    assert only_list(desk).name == "morning"
    assert find_person(desk, "bob@example.org") is not None
    with pytest.raises(UnknownList) as error:
        find_list(desk, "club")
    assert "morning" in error.value.remedy


def _suppress(session: Session, what: str) -> bool:
    return suppress(
        session, Subject.parse(what), KEY, cause=SuppressionCause.DESK, reason="asked",
        method=ConsentMethod.COMMAND, now=NOW,
    )  # fmt: skip
