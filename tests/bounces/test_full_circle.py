"""The whole way with real servers: our transport → Postfix → its report → the mailbox → the list is clean."""

from __future__ import annotations

import os
import pwd
import shutil
import socket
import subprocess
import time
import uuid
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

import pytest

from digest.bounces.mailbox import After, open_mailbox
from digest.bounces.mailbox.opening import MailboxAddress
from digest.bounces.roundtrip import check_round_trip
from digest.clock import SystemClock
from digest.delivery.smtp import SmtpTransport, parse_smtp_url
from digest.mail.return_path import unsubscribe_mailbox, verp_sender
from digest.pipeline.bounce_batches import Counts, process_mailbox
from digest.values import Accepted, Envelope
from digest.values.progress import Silent
from subscribers.models import SubscriptionStatus
from tests.bounces.conftest import SIGNER, Newsletter
from tests.conftest import free_port, required

pytestmark = pytest.mark.service

ADDRESS = "bounce@daily.example"
MAIN = """
compatibility_level = 3.6
queue_directory = {home}/queue
data_directory = {home}/state
mail_owner = postfix
setgid_group = postdrop
command_directory = /usr/sbin
daemon_directory = /usr/lib/postfix/sbin
multi_instance_enable = yes
inet_interfaces = 127.0.0.1
inet_protocols = ipv4
myhostname = mx.daily.example
mydestination =
mynetworks = 127.0.0.0/8
smtpd_relay_restrictions = permit_mynetworks, reject
smtpd_reject_unlisted_recipient = no
recipient_delimiter = +
virtual_mailbox_domains = daily.example
virtual_mailbox_maps = static:Maildir/
virtual_mailbox_base = {home}/mail
virtual_minimum_uid = 1
virtual_uid_maps = static:{uid}
virtual_gid_maps = static:{gid}
transport_maps = inline:{{ {{ gone.example = error:5.1.1 User unknown }},
    {{ full.example = error:5.2.2 Mailbox is full }} }}
maillog_file = {home}/log
maillog_file_prefixes = {home}
local_recipient_maps =
alias_maps =
smtputf8_enable = no
"""
MASTER = """
{port} inet n - n - - smtpd
pickup unix n - n 60 1 pickup
cleanup unix n - n - 0 cleanup
qmgr unix n - n 300 1 qmgr
rewrite unix - - n - - trivial-rewrite
bounce unix - - n - 0 bounce
defer unix - - n - 0 bounce
trace unix - - n - 0 bounce
error unix - - n - - error
retry unix - - n - - error
virtual unix - n n - - virtual
smtp unix - - n - - smtp
proxymap unix - - n - - proxymap
tlsmgr unix - - n 1000? 1 tlsmgr
anvil unix - - n - 1 anvil
scache unix - - n - 1 scache
postlog unix-dgram n - n - 1 postlogd
"""


@dataclass
class Postfix:
    """A running instance of the tests' own; all of daily.example lies in one Maildir."""

    home: Path
    port: int

    @property
    def maildir(self) -> Path:
        return self.home / "mail" / "Maildir"

    @property
    def transport(self) -> SmtpTransport:
        return SmtpTransport(parse_smtp_url(f"smtp://127.0.0.1:{self.port}?starttls=never"))

    def send(self, sender: str, recipient: str, message: bytes = b"Subject: news\r\n\r\nnews\r\n") -> None:
        connection = self.transport.open()
        outcome = connection.send(Envelope(sender, recipient, message), permit=lambda: True)
        connection.close()
        assert isinstance(outcome, Accepted), outcome

    def wait_for(self, messages: int) -> None:
        for _ in range(300):
            new = self.maildir / "new"
            if new.is_dir() and len(list(new.iterdir())) >= messages:
                return
            time.sleep(0.1)
        pytest.fail((self.home / "log").read_text()[-3000:])


@pytest.fixture
def postfix() -> Iterator[Postfix]:
    if shutil.which("postfix", path="/usr/sbin") is None or os.geteuid() != 0:
        required("Postfix, started as root")
    home = Path("/tmp") / f"dontmiss-postfix-{os.getpid()}-{uuid.uuid4().hex[:6]}"
    user = pwd.getpwnam("mail")
    for name in ("queue", "state", "mail", "etc"):
        (home / name).mkdir(parents=True)
    shutil.chown(home / "state", "postfix")
    shutil.chown(home / "mail", "mail")
    server = Postfix(home, free_port())
    (home / "etc" / "main.cf").write_text(MAIN.format(home=home, uid=user.pw_uid, gid=user.pw_gid))
    (home / "etc" / "master.cf").write_text(MASTER.format(port=f"127.0.0.1:{server.port}"))
    control = ["/usr/sbin/postfix", "-c", str(home / "etc")]
    subprocess.run([*control, "start"], check=True, capture_output=True, timeout=60)
    try:
        for _ in range(100):
            try:
                socket.create_connection(("127.0.0.1", server.port), 1).close()
                break
            except OSError:
                time.sleep(0.1)
        yield server
    finally:
        subprocess.run([*control, "stop"], check=False, capture_output=True, timeout=60)
        shutil.rmtree(home, ignore_errors=True)


@pytest.fixture
def database_url(tmp_path: Path) -> str:
    return f"sqlite:///{tmp_path / 'digest.sqlite3'}"


def poll(newsletter: Newsletter, server: Postfix) -> Counts:
    return process_mailbox(
        open_mailbox(MailboxAddress("maildir", path=server.maildir), after=After.DELETE),
        newsletter.sessions,
        newsletter.rules,
        clock=newsletter.clock,
        kept=newsletter.folder / "kept",
        progress=Silent(),
    )


def test_what_postfix_cannot_deliver_comes_back_and_cleans_the_list(
    postfix: Postfix, newsletter: Newsletter
) -> None:
    gone, full = newsletter.reader("ann@gone.example"), newsletter.reader("bob@full.example")
    newsletter.issue(1, to=[gone, full])
    for number, address in ((gone, "ann@gone.example"), (full, "bob@full.example")):
        postfix.send(verp_sender(ADDRESS, SIGNER.sign_verp(number, 1)), address)
    postfix.wait_for(2)
    counts = poll(newsletter, postfix)
    assert (counts.hard, counts.soft, counts.suppressed) == (1, 1, 1)
    assert newsletter.is_suppressed("ann@gone.example")
    assert {(event.attribution, event.reason) for event in newsletter.events()} == {
        ("verp", "user-unknown"),
        ("verp", "mailbox-full"),
    }


def test_an_empty_mail_to_the_mailto_address_is_an_opt_out(postfix: Postfix, newsletter: Newsletter) -> None:
    ann = newsletter.reader("ann@example.org")
    newsletter.issue(1, to=[ann])
    postfix.send(
        "ann@example.org",
        unsubscribe_mailbox(ADDRESS, SIGNER.sign_verp(ann, 1)),
        b"From: ann@example.org\r\n\r\n\r\n",
    )
    postfix.wait_for(1)
    assert poll(newsletter, postfix).unsubscribes == 1
    assert newsletter.status_of(ann) is SubscriptionStatus.UNSUBSCRIBED


def test_the_round_trip_succeeds(postfix: Postfix, newsletter: Newsletter) -> None:
    postfix.send("", "bounce@daily.example")
    postfix.wait_for(1)
    mailbox = open_mailbox(MailboxAddress("maildir", path=postfix.maildir))
    trip = check_round_trip(
        mailbox,
        postfix.transport,
        ADDRESS,
        SIGNER,
        SystemClock(),
        nonce=int(time.time()),
        within=timedelta(seconds=30),
    )
    assert trip.ok, trip.detail
    assert len(list((postfix.maildir / "new").iterdir())) == 1  # the other mail is left
