"""What only the owner of a mailbox may do: a mailed link, for a short time, once."""

from __future__ import annotations

from datetime import timedelta

from sqlalchemy import select

from digest.models import DeliveryStatus, NoticeRow
from digest.pipeline.rights import Right, fingerprint_of
from subscribers.addresses import parse_address
from subscribers.membership import How, erase_person, look_up, subscribe
from subscribers.models import ConsentMethod, MailingListRow, SubscriberRow, SubscriptionRow, SuppressionCause
from subscribers.suppression import Subject, suppress
from subscribers.tokens import Purpose
from tests.web.site import KEY, NOW, SIGNER, Site

ADA = parse_address("ada@readers.example")
NEW = "ada@new.example"


def preferences(site: Site) -> str:
    return f"/p/{site.token(Purpose.PREFERENCES)}"


def link(site: Site, what: Right, address: str = "") -> str:
    """As it is mailed."""
    ids = [site.subscription, *([fingerprint_of(site.settings, address)] if address else [])]
    return f"/{what.path}/{SIGNER.sign(what, *ids, issued_at=site.clock.now())}"


def notices(site: Site) -> list[NoticeRow]:
    with site.sessions() as session:
        return list(session.scalars(select(NoticeRow).order_by(NoticeRow.id)))


def test_a_preferences_link_alone_gives_no_data_and_erases_nobody(site: Site) -> None:
    for act in ("data", "erase"):
        assert site.client.get(f"{preferences(site)}/{act}").status_code == 405
        answer = site.client.post(f"{preferences(site)}/{act}")
        assert "Look into your inbox" in answer.text
        assert "ada@" not in answer.text
    assert [notice.context["ask"] for notice in notices(site)] == ["own data", "erase me"]
    assert site.standing() == "confirmed"


def test_the_mail_is_sent_once_an_hour_and_three_times_a_day(site: Site) -> None:
    for _ in range(30):
        site.client.post(f"{preferences(site)}/erase")
        site.clock.advance(timedelta(minutes=30))
    assert len(notices(site)) == 3


def test_my_data_is_a_file_with_all_that_is_known_and_its_link_works_once(site: Site) -> None:
    url = link(site, Right.DATA)
    assert "Download my data" in site.client.get(url).text
    answer = site.client.post(url)
    assert answer.headers["content-disposition"].startswith("attachment")
    assert answer.headers["cache-control"] == "no-store"
    story = answer.json()
    assert (story["address"], story["name"]) == ("ada@readers.example", "Ada")
    assert {standing["list_name"] for standing in story["lists"]} == {"daily", "weekly"}
    assert story["consent"]
    assert site.client.post(url).status_code == site.client.get(url).status_code == 404


def test_a_mailed_link_is_good_for_an_hour(site: Site) -> None:
    urls = [link(site, Right.DATA), link(site, Right.ERASE)]
    site.clock.advance(timedelta(minutes=62))
    for url in urls:
        assert site.client.get(url).status_code == site.client.post(url).status_code == 404
    assert site.standing() == "confirmed"


def test_a_link_for_one_right_is_worth_nothing_for_another(site: Site) -> None:
    token = link(site, Right.DATA).rpartition("/")[2]
    for other in (Right.ERASE, Right.MOVE):
        assert site.client.post(f"/{other.path}/{token}").status_code == 404
    assert site.client.post(f"/{Right.ERASE.path}/{site.token(Purpose.PREFERENCES)}").status_code == 404
    assert site.standing() == "confirmed"


def test_being_erased_needs_the_button_and_leaves_no_trace_in_the_files(site: Site) -> None:
    url = link(site, Right.ERASE)
    assert "Erase me" in site.client.get(url).text
    assert site.standing() == "confirmed"
    assert "You are erased" in site.client.post(url).text
    with site.sessions() as session:
        assert look_up(session, ADA) is None
        assert session.get(SubscriptionRow, site.subscription) is None
    if site.engine.dialect.name == "sqlite":
        for file in site.folder.glob("digest.sqlite3*"):
            assert b"readers.example" not in file.read_bytes(), file
    assert site.client.post(url).status_code == 404
    assert site.client.get(preferences(site)).status_code == 410
    assert site.client.post(f"{preferences(site)}/erase").status_code == 410


def test_who_was_erased_before_is_told_the_same(site: Site) -> None:
    with site.sessions.begin() as session:
        erase_person(session, ADA, KEY, now=NOW, how=How(ConsentMethod.COMMAND))
    assert site.client.post(link(site, Right.DATA)).status_code == 410
    assert "You are erased" in site.client.post(link(site, Right.ERASE)).text


def test_a_new_address_is_mailed_only_after_the_click_there(site: Site) -> None:
    answer = site.client.post(f"{preferences(site)}/address", data={"email": NEW})
    assert "Until then everything comes to the old one" in answer.text
    [notice] = notices(site)
    assert (notice.kind, notice.status) == ("address_change", DeliveryStatus.QUEUED)
    with site.sessions() as session:
        assert look_up(session, ADA) is not None
    url = link(site, Right.MOVE, NEW)
    site.client.get(url)
    with site.sessions() as session:
        assert look_up(session, parse_address(NEW)) is None
    assert "Your address is changed" in site.client.post(url).text
    with site.sessions() as session:
        person = session.scalars(select(SubscriberRow)).one()
        assert (person.address, person.new_address) == (NEW, None)
        assert person.suppression_hash == KEY.hash(NEW)
    assert site.standing() == "confirmed"
    assert site.client.post(url).status_code == 404


def test_the_link_to_one_new_address_confirms_no_other(site: Site) -> None:
    site.client.post(f"{preferences(site)}/address", data={"email": "eve@new.example"})
    first = link(site, Right.MOVE, "eve@new.example")
    site.clock.advance(timedelta(hours=2))
    site.client.post(f"{preferences(site)}/address", data={"email": NEW})
    assert site.client.post(first).status_code == 404
    assert site.client.post(link(site, Right.MOVE, NEW)).status_code == 200


def test_a_taken_or_suppressed_address_gets_no_mail_and_the_same_answer(site: Site) -> None:
    with site.sessions.begin() as session:
        mailing_list = session.scalars(select(MailingListRow).where(MailingListRow.name == "daily")).one()
        bob = parse_address("bob@taken.example")
        subscribe(session, bob, mailing_list, KEY, now=NOW, how=How(ConsentMethod.COMMAND))
        suppress(
            session, Subject.parse("never@blocked.example"), KEY, cause=SuppressionCause.DESK, reason="x",
            method=ConsentMethod.COMMAND, now=NOW,
        )  # fmt: skip
    answers = set()
    for address in (NEW, "bob@taken.example", "never@blocked.example"):
        answer = site.client.post(f"{preferences(site)}/address", data={"email": address})
        answers.add((answer.status_code, answer.text))
        site.clock.advance(timedelta(hours=2))
    assert len(answers) == 1
    assert [notice.status for notice in notices(site)] == ["queued", "suppressed", "suppressed"]
    assert site.client.post(link(site, Right.MOVE, "bob@taken.example")).status_code == 404


def test_an_address_that_somebody_took_meanwhile_is_not_moved_to(site: Site) -> None:
    site.client.post(f"{preferences(site)}/address", data={"email": NEW})
    with site.sessions.begin() as session:
        mailing_list = session.scalars(select(MailingListRow).where(MailingListRow.name == "daily")).one()
        subscribe(session, parse_address(NEW), mailing_list, KEY, now=NOW, how=How(ConsentMethod.COMMAND))
    assert site.client.post(link(site, Right.MOVE, NEW)).status_code == 404
    with site.sessions() as session:
        assert look_up(session, ADA) is not None


def test_what_is_no_address_comes_back_in_the_form(site: Site) -> None:
    answer = site.client.post(f"{preferences(site)}/address", data={"email": "nonsense"})
    assert answer.status_code == 400
    assert "not an e-mail address" in answer.text
    assert f'action="{preferences(site)}"' in answer.text
    assert notices(site) == []
