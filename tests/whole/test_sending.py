"""Sending from the command line, as people do it: again, later, refused, in doubt, over TLS."""

from __future__ import annotations

import base64
import json
import re
import sqlite3
import ssl
from collections import Counter
from datetime import UTC, datetime, timedelta
from email import message_from_bytes
from email.policy import default

import pytest
import trustme

from tests.smtp.scripted import Action, Drop, Say, Stage, Transaction
from tests.whole.harbour import PEOPLE, Newsletter, mixed, once_each

# One prepared newsletter for all of them.
pytestmark = [pytest.mark.slow, pytest.mark.xdist_group("sending")]


COUNTS = {
    "issue", "recipients", "sent", "deferred", "refused", "uncertain", "suppressed", "expired", "cancelled",
    "seconds", "rate",
}  # fmt: skip


def test_send_again_and_missing(newsletter: Newsletter) -> None:
    with newsletter.server() as server:
        told = newsletter.json("send", "daily@latest")
        assert set(told) >= COUNTS
        assert (told["recipients"], told["sent"], told["status"]) == (PEOPLE, PEOPLE, "sent")
        assert told["rate"] > 0
        assert once_each(server)
        assert newsletter.json("send", "1")["sent"] == PEOPLE
        assert once_each(server), "again sends nothing"
        assert (
            newsletter.digest("subscribers", "add", "new@readers.example", "--list", "daily").returncode == 0
        )
        assert newsletter.json("send", "1")["sent"] == PEOPLE, "who came since is not reached unasked"
        told = newsletter.json("send", "1", "--missing")
        assert (told["recipients"], told["sent"], told["delivered"]) == (PEOPLE + 1, PEOPLE + 1, 1)
        assert server.recipients["new@readers.example"] == 1
        assert once_each(server, PEOPLE + 1)
    assert newsletter.json("issue", "show", "1")["deliveries"]["sent"] == PEOPLE + 1
    shown = newsletter.digest("issue", "show", "1").stdout
    assert "· sent" in shown
    assert f"{PEOPLE + 1} recipients: {PEOPLE + 1} sent" in shown


@pytest.mark.parametrize("command", [["send", "1"], ["run", "daily"]], ids=["send", "run"])
def test_what_is_put_off_is_told_and_a_later_command_goes_on(
    newsletter: Newsletter, command: list[str]
) -> None:
    def greylist(stage: Stage, transaction: Transaction) -> Action | None:
        first = stage == "rcpt" and transaction.visit == 1
        return Say("450 4.2.0 come again") if first and transaction.recipient.startswith("r1") else None

    later = sum(str(n).startswith("1") for n in range(PEOPLE))
    with newsletter.server(greylist) as server:
        done = newsletter.digest("send", "1")
        assert done.returncode == 5
        assert f"{PEOPLE - later} sent, {later} deferred" in done.stdout
        assert f"{later} × 450 4.2.0 come again" in done.stdout
        assert re.search(r"Not finished: `digest send 1` goes on with what is due \(next: 20", done.stdout)
        assert newsletter.digest("send", "1").returncode == 5, "nothing is due yet"
        assert f"{later} deferred" in newsletter.digest("issue", "show", "1").stdout
        if command[0] == "run":  # it may be past midnight by then
            command = [*command, "--date", newsletter.json("issue", "show", "1")["date"]]
        assert newsletter.digest(*command, after=timedelta(minutes=10)).returncode == 0
        assert once_each(server)
    assert newsletter.statuses() == {"sent": PEOPLE}


def test_copies_in_doubt_wait_for_a_word_where_they_are_held(newsletter: Newsletter) -> None:
    newsletter.set("[editions.daily]", '[editions.daily]\nin_doubt = "hold"')

    def swallow(stage: Stage, transaction: Transaction) -> Action | None:
        lost = transaction.recipient in {"r7@readers.example", "r8@readers.example", "r9@readers.example"}
        return Drop(taken=True) if stage == "dot" and lost and transaction.visit == 1 else None

    with newsletter.server(swallow) as server:
        done = newsletter.digest("send", "1")
        assert done.returncode == 0
        assert f"{PEOPLE - 3} sent, 3 uncertain" in done.stdout
        assert "3 in doubt" in done.stdout
        assert "`digest send 1 --uncertain resend` or `--uncertain drop`" in done.stdout
        assert "3 in doubt" in newsletter.digest("issue", "show", "1").stdout
        assert once_each(server)
        dropped = newsletter.copy(newsletter.folder.with_name("dropped"))
        told = dropped.json("send", "1", "--uncertain", "drop")
        assert (told["sent"], told["cancelled"], told["uncertain"]) == (PEOPLE - 3, 3, 0)
        assert once_each(server)
        told = newsletter.json("send", "1", "--uncertain", "resend")
        assert (told["sent"], told["uncertain"], told["status"]) == (PEOPLE, 0, "sent")
        assert sum(server.recipients.values()) == PEOPLE + 3


def test_what_waits_beyond_its_time_expires(newsletter: Newsletter) -> None:
    newsletter.set("[editions.daily]", '[editions.daily]\nexpire_after = "1h"')

    def busy(stage: Stage, transaction: Transaction) -> Action | None:
        full = stage == "rcpt" and transaction.recipient == "r5@readers.example"
        return Say("450 4.2.1 busy") if full else None

    with newsletter.server(busy) as server:
        assert newsletter.json("send", "1", code=5)["deferred"] == 1
        told = newsletter.json("send", "1", after=timedelta(hours=2))
        assert (told["sent"], told["expired"], told["status"]) == (PEOPLE - 1, 1, "sent")
        assert len(server.recipients) == PEOPLE - 1


def test_an_issue_that_is_refused_too_often_is_paused_and_what_to_do_is_said(newsletter: Newsletter) -> None:
    def decide(stage: Stage, transaction: Transaction) -> Action | None:
        put_off = stage == "rcpt" and transaction.recipient == "r299@readers.example"
        return Say("450 4.2.1 busy") if put_off else mixed(20)(stage, transaction)

    with newsletter.server(decide):
        done = newsletter.digest("send", "1")
    assert done.returncode == 1
    (line,) = done.stderr.splitlines()
    assert re.search(r"issue 1 is paused: .*\(279 of 300 are sent\) — mend .*`digest resume 1`", line), line
    shown = newsletter.digest("issue", "show", "1").stdout
    assert "· paused" in shown
    assert "279 sent, 1 deferred, 20 refused" in shown


def test_refusals_at_the_end_of_an_issue_leave_nothing_to_pause(newsletter: Newsletter) -> None:
    with newsletter.server(mixed(20)):
        told = newsletter.json("send", "1")
    assert (told["sent"], told["refused"], told["status"]) == (PEOPLE - 20, 20, "sent")
    assert newsletter.json("issue", "show", "1")["status"] == "sent"


def test_a_public_address_that_does_not_answer_is_exit_4(newsletter: Newsletter) -> None:
    with newsletter.server() as server:
        done = newsletter.digest("send", "1", DIGEST_PUBLIC_URL="https://nowhere.invalid")
        assert done.returncode == 4
        (line,) = done.stderr.splitlines()
        assert "https://nowhere.invalid does not answer" in line
        assert not server.taken
        test = newsletter.digest(
            "send", "1", "--test", "me@readers.example", DIGEST_PUBLIC_URL="https://nowhere.invalid"
        )
        assert test.returncode == 0, test.stderr
        assert list(server.recipients) == ["me@readers.example"]
    assert newsletter.statuses() == {}


def test_a_password_with_at_and_percent_signs_arrives_as_it_is(newsletter: Newsletter) -> None:
    with newsletter.server(extensions=("AUTH PLAIN",), keep=True) as server:
        url = f"smtp://user%40harbour.example:p%40ss%25w%2Fo%3Ard@127.0.0.1:{server.port}"
        assert newsletter.digest("send", "1", DIGEST_SMTP_URL=url).returncode == 0
        secrets = {line.split()[-1] for line in server.commands if line.startswith("AUTH PLAIN")}
    assert {base64.b64decode(secret) for secret in secrets} == {b"\0user@harbour.example\0p@ss%w/o:rd"}


def test_a_quota_for_the_day_is_kept_by_the_next_command_too(newsletter: Newsletter) -> None:
    newsletter.set('rate = "unlimited"', 'rate = "120/day"')
    newsletter.set("[editions.daily]", '[editions.daily]\nexpire_after = "5d"')
    with newsletter.server() as server:
        told = newsletter.json("send", "1", code=5)
        assert (told["sent"], told["waiting"]) == (120, PEOPLE - 120)
        assert "quota" in told["reason"]
        assert newsletter.json("send", "1", code=5)["sent"] == 120
        assert len(server.taken) == 120
        told = newsletter.json("send", "1", code=5, after=timedelta(days=1, minutes=1))
        assert told["sent"] == 240


@pytest.mark.parametrize(
    ("certificate", "why"), [("right", ""), ("wrong", "mismatch"), ("expired", "expired")]
)
def test_mail_goes_over_a_certificate_that_holds_or_not_at_all(
    newsletter: Newsletter, certificate: str, why: str
) -> None:
    authority = trustme.CA()
    authority.cert_pem.write_to_path(newsletter.folder / "authority.pem")
    issued = {
        "right": lambda: authority.issue_cert("localhost", "127.0.0.1"),
        "wrong": lambda: authority.issue_cert("mail.example.org"),
        "expired": lambda: authority.issue_cert("127.0.0.1", not_after=datetime.now(UTC) - timedelta(days=1)),
    }
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    issued[certificate]().configure_cert(context)
    newsletter.set("[smtp]", '[smtp]\nstarttls = "required"\nca_file = "authority.pem"')
    with newsletter.server(context=context, keep=True) as server:
        done = newsletter.digest("send", "1")
        commands = " ".join(server.commands)
    if not why:
        assert done.returncode == 0, done.stderr
        assert newsletter.statuses() == {"sent": PEOPLE}
        return
    assert done.returncode == 1
    (line,) = done.stderr.splitlines()
    assert "TLS failed" in line
    assert why in line
    assert "MAIL" not in commands
    assert newsletter.statuses() == {"queued": PEOPLE}, "nobody failed: it stopped at once"


def test_hostile_texts_and_names_are_one_whole_message_each(newsletter: Newsletter) -> None:
    bad = "Ships\u2028Bcc: v@x.org\x85Bcc: w@x.org =?utf-8?q?a=0D=0ABcc:_v=40x.org?= home"
    smuggled = "One.\n\n.\n\nMAIL FROM:<a@x.org>\n\n..\n\nRCPT TO:<v@x.org>\n\n.\n"
    (newsletter.folder / "stories" / "bad.md").write_text(
        f"---\ntitle: {json.dumps(bad)}\nsection: City\nurl: https://harbour.example/bad\n---\n\n{smuggled}"
    )
    assert newsletter.digest("fetch").returncode == 0
    assert newsletter.digest("issue", "build", "daily", "--rebuild").returncode == 0
    assert newsletter.digest("issue", "edit", "1", "--subject", bad + "\r\nBcc: y@x.org").returncode == 0
    with sqlite3.connect(newsletter.folder / "digest.sqlite3") as connection:
        connection.execute(
            "UPDATE subscribers SET name = ?", ("Eve\r\n.\r\nMAIL FROM:<e@x.org>\r\nBcc: e@x.org",)
        )
        connection.execute("UPDATE lists SET title = ?", ("Daily\r\nBcc: l@x.org",))
    with newsletter.server(keep=True) as server:
        assert newsletter.digest("send", "1").returncode == 0
        commands = Counter(line.partition(" ")[0].upper() for line in server.commands)
        names: set[str] = set()
        for copy in server.taken:
            message = message_from_bytes(copy.message, policy=default)
            assert not message.defects
            assert [address.addr_spec for address in message["To"].addresses] == [copy.recipient]
            names.update(name.lower() for name in message)
        assert once_each(server)
    assert commands["MAIL"] == commands["RCPT"] == commands["DATA"] == PEOPLE
    assert "bcc" not in names
