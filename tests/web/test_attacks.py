"""What attackers and accidents send over HTTP; the pages stay up, and nothing that was answered is lost."""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import httpx2
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import Engine, event, func, select

from digest.cli import connections
from digest.cli.serving import serving
from digest.models import DeliveryRow, DeliveryStatus, IssueRow, IssueStatus, RateLimitRow
from digest.pipeline.archiving import archive_version
from subscribers.addresses import parse_address
from subscribers.membership import How, erase_person, subscribe
from subscribers.models import ConsentMethod, MailingListRow, SubscriberRow, SubscriptionRow
from subscribers.tokens import Purpose, TokenSigner
from tests.web.site import KEY, NOW, SIGNER, Site
from tests.web.test_archive import DAY, add_issue

ONE_CLICK = {"List-Unsubscribe": "One-Click"}
PURPOSES = [Purpose.UNSUBSCRIBE, Purpose.CONFIRM, Purpose.PREFERENCES, Purpose.CLICK, "own data", "erase me"]


@pytest.fixture
def served(site: Site) -> Iterator[tuple[str, int]]:
    with serving(site.client.app) as url:
        host, _, port = url.removeprefix("http://").partition(":")
        yield host, int(port)


def answer_to(address: tuple[str, int], *pieces: bytes) -> bytes:
    """All that comes back until the server hangs up or is silent for two seconds."""
    with socket.create_connection(address, timeout=2) as connection:
        for piece in pieces:
            connection.sendall(piece)
        got = b""
        try:
            while piece := connection.recv(65536):
                got += piece
        except (TimeoutError, ConnectionResetError):
            pass
        return got


# -- tokens ---------------------------------------------------------------------------------------


@settings(max_examples=80, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.data())
def test_no_token_but_the_right_one_changes_anything(site: Site, data: st.DataObject) -> None:
    from base64 import urlsafe_b64decode, urlsafe_b64encode

    purpose = data.draw(st.sampled_from(PURPOSES))
    paths = ["u", "c", "p", "k", "my/data", "my/erasure", "my/address"]
    path = data.draw(st.sampled_from(paths))
    token = SIGNER.sign(purpose, site.subscription, issued_at=NOW)
    if paths[PURPOSES.index(purpose)] == path or data.draw(st.booleans()):
        raw = bytearray(urlsafe_b64decode(token))
        raw[data.draw(st.integers(0, len(raw) - 1))] ^= 1 << data.draw(st.integers(0, 7))
        token = urlsafe_b64encode(raw).decode()
    method = data.draw(st.sampled_from(["GET", "POST"]))
    answer = site.client.request(method, f"/{path}/{token}", data=ONE_CLICK if method == "POST" else None)
    assert answer.status_code in {404, 405}
    assert site.standing() == "confirmed"


def test_a_key_that_was_given_up_opens_nothing(site: Site) -> None:
    foreign = TokenSigner([b"a key that was given up long ago"]).sign(Purpose.UNSUBSCRIBE, site.subscription)
    assert site.client.post(f"/u/{foreign}", data=ONE_CLICK).status_code == 404
    assert site.standing() == "confirmed"


def test_a_confirm_link_used_again_brings_back_nobody_who_left(site: Site) -> None:
    confirm = f"/c/{site.token(Purpose.CONFIRM)}"
    assert site.client.post(confirm).status_code == 200
    site.client.post(f"/u/{site.token(Purpose.UNSUBSCRIBE)}", data=ONE_CLICK)
    assert site.client.post(confirm).status_code == 410
    assert site.standing() == "unsubscribed"


@pytest.mark.parametrize(
    "added", ["%0D%0A", "=%0D%0A", "%20", "%09", "%E2%80%A8", "%253D%250D%250A", "%3D%0A%20"]
)
def test_a_link_that_a_mail_program_broke_is_repaired(site: Site, added: str) -> None:
    token = site.token(Purpose.UNSUBSCRIBE)
    assert site.client.post(f"/u/{token[:17]}{added}{token[17:]}", data=ONE_CLICK).status_code == 200
    assert site.standing() == "unsubscribed"


@pytest.mark.parametrize(
    "damage", [lambda t: t[:-1], lambda t: t[:-4], lambda t: t + "AAAA", lambda t: t + "%3E"]
)
def test_a_link_that_lacks_something_or_has_more_is_not(site: Site, damage: object) -> None:
    token = damage(site.token(Purpose.UNSUBSCRIBE))  # type: ignore[operator]
    assert site.client.post(f"/u/{token}", data=ONE_CLICK).status_code == 404
    assert site.standing() == "confirmed"


def test_a_link_of_one_list_leaves_no_other_and_one_of_the_erased_is_calm(site: Site) -> None:
    other = SIGNER.sign(Purpose.UNSUBSCRIBE, site.other)
    site.client.post(f"/u/{other}", data=ONE_CLICK)
    assert (site.standing(), site.standing(site.other)) == ("confirmed", "unsubscribed")
    with site.sessions.begin() as session:
        how = How(ConsentMethod.COMMAND)
        erase_person(session, parse_address("ada@readers.example"), KEY, now=NOW, how=how)
    for purpose, path in (("unsubscribe", "u"), ("unsubscribe", "u"), ("preferences", "p"), ("confirm", "c")):
        token = site.token(Purpose(purpose))
        assert site.client.get(f"/{path}/{token}").status_code in {200, 410}
        assert site.client.post(f"/{path}/{token}", data=ONE_CLICK).status_code in {200, 410}
    with site.sessions() as session:
        assert session.scalar(select(func.count()).select_from(SubscriberRow)) == 0


# -- requests -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "path",
    ["/u/" + "a" * 5000, "/archive/" + "a/" * 2000, "/u/%00", "/archive/%00/2026-11-20", "/k/%ff%fe", "/%",
     "/u/%zz", "/c/" + "%252e" * 90, "/archive/daily/٢٠٢٦-١١-٢٠", "/subscribe?list=" + "x" * 9000,
     "/archive?before=%00"],
)  # fmt: skip
def test_a_strange_path_is_a_calm_answer(site: Site, path: str) -> None:
    for method in ("GET", "POST", "HEAD", "DELETE"):
        assert site.client.request(method, path).status_code < 500
    assert site.standing() == "confirmed"


@pytest.mark.parametrize(
    "host", ["evil.example", "evil.example\\@news.example", "news.example:80@evil.example", ""]
)
def test_a_foreign_host_stands_in_no_page_and_no_header(site: Site, host: str) -> None:
    add_issue(site, DAY, "Issue")
    forged = {"host": host, "x-forwarded-host": "evil.example", "forwarded": "host=evil.example"}
    for path in ("/archive", f"/archive/daily/{DAY}", "/archive/feed.xml", "/sitemap.xml", "/subscribe",
                     "/archive/",
                 f"/p/{site.token(Purpose.PREFERENCES)}", "/archive/search?q=issue"):  # fmt: skip
        answer = site.client.get(path, headers=forged, follow_redirects=False)
        assert "evil.example" not in answer.text + str(answer.headers), path


@pytest.mark.parametrize("path", ["/subscribe", "/u/TOKEN", "/p/TOKEN", "/c/TOKEN"])
def test_ten_megabytes_are_refused_and_not_kept(site: Site, path: str) -> None:
    path = path.replace("TOKEN", site.token(Purpose.UNSUBSCRIBE))
    answer = site.client.post(path, content=b"List-Unsubscribe=One-Click&x=" + b"x" * 10_000_000)
    assert answer.status_code == 413
    assert site.standing() == "confirmed"


def test_ten_thousand_addresses_a_minute_from_one_place_cost_thirty(site: Site) -> None:
    codes: dict[int, int] = {}
    writes: list[str] = []

    def note(_c: object, _u: object, statement: str, *_: object) -> None:
        if not statement.startswith(("SELECT", "BEGIN")):
            writes.append(statement)

    # Three hundred of them here: from the thirty-first on each costs one statement that reads.
    for number in range(300):
        if number == 31:
            site.sign_ups.settle()
            event.listen(site.engine, "before_cursor_execute", note)
        answer = site.client.post(
            "/subscribe", data={"email": f"a{number}@d{number}.example", "list": "daily"}
        )
        codes[answer.status_code] = codes.get(answer.status_code, 0) + 1
    event.remove(site.engine, "before_cursor_execute", note)
    assert codes == {200: 30, 429: 270}
    assert writes == []
    site.sign_ups.settle()
    with site.sessions() as session:
        assert session.scalar(select(func.count()).select_from(SubscriberRow)) == 31
        assert session.scalar(select(func.count()).select_from(RateLimitRow)) < 100


@pytest.mark.parametrize(
    "sent",
    [
        b"GET /u/\x00 HTTP/1.1\r\nHost: x\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\nContent-Length: 6\r\n\r\nhello",
        b"POST /subscribe HTTP/1.1\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",
        b"GET / HTTP/9.9\r\n\r\n",
        b"G" * 70_000,
        b"GET /" + b"a" * 70_000 + b" HTTP/1.1\r\nHost: x\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: x\r\n" + b"X-Long: " + b"a" * 80_000,
        b"GET / HTTP/1.1\r\nHost: x\r\n" + b"X-Many: a\r\n" * 9_000,
    ],
)
def test_what_is_no_request_is_refused_and_the_next_is_served(served: tuple[str, int], sent: bytes) -> None:
    answer = answer_to(served, sent[:66_000], sent[66_000:])
    assert not answer or answer.startswith(b"HTTP/1.1 4"), answer[:60]
    assert httpx2.get(f"http://{served[0]}:{served[1]}/healthz").text == "ok\n"


@pytest.mark.parametrize(
    "pieces", [(b"",), (b"GET / HT",), (b"GET / HTTP/1.1\r\nHost: x\r\n", b"X-A: b\r\n")]
)
def test_a_head_that_does_not_end_is_waited_for_only_so_long(
    site: Site, monkeypatch: pytest.MonkeyPatch, pieces: tuple[bytes, ...]
) -> None:
    monkeypatch.setattr(connections, "LONGEST_HEAD", 0.3)
    with serving(site.client.app) as url:
        host, _, port = url.removeprefix("http://").partition(":")
        assert b"408" in answer_to((host, int(port)), *pieces)
        whole = b"GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n"
        # The second head of a connection is not waited for longer than the first.
        assert answer_to((host, int(port)), whole, b"GET /hea").count(b"HTTP/1.1 ") == 2


# -- the database ---------------------------------------------------------------------------------


def test_a_database_that_cannot_be_written_says_so_and_loses_nothing(engine: Engine, tmp_path: Path) -> None:
    site = Site(engine, tmp_path)
    add_issue(site, DAY, "Issue")
    statement = (
        "PRAGMA query_only = ON"
        if engine.dialect.name == "sqlite"
        else "SET SESSION CHARACTERISTICS AS TRANSACTION READ ONLY"
    )

    def freeze(connection: object, *_: object) -> None:
        cursor = connection.cursor()  # type: ignore[attr-defined]
        cursor.execute(statement)
        cursor.close()
        if engine.dialect.name != "sqlite":
            connection.commit()  # type: ignore[attr-defined]

    engine.dispose()
    event.listen(engine, "connect", freeze)
    leave, choose = f"/u/{site.token(Purpose.UNSUBSCRIBE)}", f"/p/{site.token(Purpose.PREFERENCES)}"
    for path, body in (
        (leave, ONE_CLICK),
        (leave, {"reason": "x"}),
        (choose, {"name": "Eve"}),
        (f"/c/{site.token(Purpose.CONFIRM)}", {}),
        ("/subscribe", {"email": "new@readers.example", "list": "daily"}),
    ):
        answer = site.client.post(path, data=body)
        if path.startswith("/c/") and answer.status_code == 200:
            continue  # was confirmed before: there is nothing to write
        assert answer.status_code == 503, path
        assert "Nothing is lost" in answer.text
    assert site.client.get(leave).status_code == 200
    assert site.client.get(f"/archive/daily/{DAY}").status_code == 200
    event.remove(engine, "connect", freeze)
    engine.dispose()
    assert site.standing() == "confirmed"
    assert site.client.post(leave, data=ONE_CLICK).status_code == 200
    assert site.standing() == "unsubscribed"
    site.close()


@pytest.mark.slow
def test_readers_who_act_while_an_issue_goes_out_never_meet_a_lock(site: Site) -> None:
    """A sender that writes without pause, and forty readers at once."""
    with site.sessions.begin() as session:
        daily = session.scalars(select(MailingListRow).where(MailingListRow.name == "daily")).one()
        tokens = [
            SIGNER.sign(
                Purpose.UNSUBSCRIBE,
                subscribe(
                    session, parse_address(f"r{number}@many.example"), daily, KEY, now=NOW,
                    how=How(ConsentMethod.COMMAND),
                ).subscription_id,
            )
            for number in range(40)
        ]  # fmt: skip
    over = threading.Event()

    def send() -> None:
        number = 0
        while not over.is_set():
            with site.sessions.begin() as session:
                number += 1
                session.merge(RateLimitRow(key=f"sender:{number % 9}", window_start=NOW, count=number))

    codes: list[int] = []
    sender = threading.Thread(target=send)
    sender.start()
    try:
        with serving(site.client.app) as url:

            def leave(token: str) -> None:
                with httpx2.Client(timeout=30) as client:
                    codes.append(client.post(f"{url}/u/{token}", data=ONE_CLICK).status_code)
                    codes.append(client.post(f"{url}/u/{token}", data={"reason": "x"}).status_code)

            readers = [threading.Thread(target=leave, args=(token,)) for token in tokens]
            for reader in readers:
                reader.start()
            for reader in readers:
                reader.join()
    finally:
        over.set()
        sender.join()
    assert codes == [200] * 80
    with site.sessions() as session:
        left = select(func.count()).where(SubscriptionRow.status == "unsubscribed")
        assert session.scalar(left) == 40


def test_who_leaves_during_a_send_gets_no_copy_that_was_not_begun_and_undo_brings_it(site: Site) -> None:
    issue = add_issue(site, DAY, "Issue")
    with site.sessions.begin() as session:
        session.get_one(IssueRow, issue).status = IssueStatus.SENDING
        person = session.get_one(SubscriptionRow, site.subscription).subscriber_id
        session.add(
            DeliveryRow(
                issue_id=issue,
                subscriber_id=person,
                subscription_id=site.subscription,
                fence=3,
                status=DeliveryStatus.CLAIMED,
                lease_until=NOW + timedelta(minutes=15),
            )
        )
    url = f"/u/{site.token(Purpose.UNSUBSCRIBE)}"

    def copy() -> tuple[str, int]:
        with site.sessions() as session:
            row = session.scalars(select(DeliveryRow)).one()
            return row.status.value, row.fence

    site.client.post(url, data=ONE_CLICK)
    assert copy() == ("suppressed", 4)  # the worker that holds fence 3 may not send
    site.client.post(f"{url}/undo")
    assert copy() == ("queued", 4)


def test_asking_whether_the_archive_changed_costs_no_scan(site: Site) -> None:
    if site.engine.dialect.name != "sqlite":
        pytest.skip("the plan is SQLite's")
    plans: list[str] = []

    def explain(connection: object, _c: object, statement: str, parameters: object, *_: object) -> None:
        if statement.startswith("SELECT"):
            raw = connection.connection.dbapi_connection  # type: ignore[attr-defined]
            plans.extend(row[3] for row in raw.execute("EXPLAIN QUERY PLAN " + statement, parameters))

    event.listen(site.engine, "before_cursor_execute", explain)
    with site.sessions() as session:
        archive_version(session)
    event.remove(site.engine, "before_cursor_execute", explain)
    assert sum("SEARCH" in plan for plan in plans) == 3, plans
