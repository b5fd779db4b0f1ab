"""A Postfix of the tests' own: mail to daily.example lies in one Maildir, other domains are gone or full."""

from __future__ import annotations

import os
import pwd
import shutil
import socket
import subprocess
import time
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest

from digest.delivery.smtp import SmtpTransport, parse_smtp_url
from digest.values import Accepted, Envelope
from tests.conftest import free_port, required

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
        outcome = connection.send(Envelope(sender, recipient, (message,)), permit=lambda: True)
        connection.close()
        assert isinstance(outcome, Accepted), outcome

    def refuse_details(self) -> None:
        """From now on addresses with a detail are unknown, as where nobody set ``recipient_delimiter``."""
        main = self.home / "etc" / "main.cf"
        rule = "inline:{ {bounce@daily.example = OK}, {ann@daily.example = OK} }"
        text = main.read_text().replace("recipient_delimiter = +", "recipient_delimiter =")
        main.write_text(f"{text}\nsmtpd_recipient_restrictions = check_recipient_access {rule}, reject\n")
        subprocess.run(
            ["/usr/sbin/postfix", "-c", str(self.home / "etc"), "reload"], check=True, capture_output=True
        )

    def letters(self) -> list[Path]:
        """What lies in the mailbox; an IMAP server has moved to "cur" what it has shown."""
        return [*self.maildir.glob("new/*"), *self.maildir.glob("cur/*")]

    def wait_for(self, messages: int) -> None:
        for _ in range(300):
            if len(self.letters()) >= messages:
                return
            time.sleep(0.1)
        pytest.fail((self.home / "log").read_text()[-3000:])


@contextmanager
def postfix() -> Iterator[Postfix]:
    """Start it and stop it again. Needs root."""
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
