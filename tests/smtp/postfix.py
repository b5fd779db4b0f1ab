"""A real Postfix of the tests' own: its own configuration, queue and ports."""

from __future__ import annotations

import contextlib
import os
import shutil
import subprocess
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import trustme

from tests.conftest import free_port, required

_MAIN = """\
compatibility_level = 3.6
queue_directory = {home}/queue
data_directory = {home}/data
command_directory = {commands}
daemon_directory = {daemons}
mail_owner = postfix
setgid_group = postdrop
maillog_file = {home}/log
maillog_file_prefixes = /tmp
myhostname = postfix.test
myorigin = postfix.test
mydestination =
inet_interfaces = 127.0.0.1
inet_protocols = ipv4
mynetworks = 127.0.0.0/8
smtpd_peername_lookup = no
smtpd_client_connection_count_limit = 0
smtputf8_enable = yes
smtpd_relay_restrictions = permit_mynetworks, reject
smtpd_recipient_restrictions = check_recipient_access regexp:{home}/refused, permit_mynetworks, reject
default_transport = discard:
virtual_mailbox_domains = kept.example
virtual_mailbox_base = {home}/mail
virtual_mailbox_maps = static:inbox/
virtual_uid_maps = static:{uid}
virtual_gid_maps = static:{gid}
virtual_minimum_uid = 1
smtpd_tls_security_level = none
"""

_MASTER = """\
127.0.0.1:{plain} inet n - n - - smtpd
127.0.0.1:{right} inet n - n - - smtpd
    -o smtpd_tls_security_level=encrypt -o smtpd_tls_chain_files={home}/right.pem
127.0.0.1:{wrong} inet n - n - - smtpd
    -o smtpd_tls_security_level=encrypt -o smtpd_tls_chain_files={home}/wrong.pem
127.0.0.1:{expired} inet n - n - - smtpd
    -o smtpd_tls_security_level=encrypt -o smtpd_tls_chain_files={home}/expired.pem
cleanup unix n - n - 0 cleanup
qmgr unix n - n 300 1 qmgr
tlsmgr unix - - n 1000? 1 tlsmgr
rewrite unix - - n - - trivial-rewrite
bounce unix - - n - 0 bounce
defer unix - - n - 0 bounce
trace unix - - n - 0 bounce
anvil unix - - n - 1 anvil
proxymap unix - - n - - proxymap
error unix - - n - - error
retry unix - - n - - error
discard unix - - n - - discard
virtual unix - n n - - virtual
showq unix n - n - - showq
postlog unix-dgram n - n - 1 postlogd
"""  # fmt: skip


@dataclass(frozen=True)
class Postfix:
    """Ports by what they do; mail to ``@kept.example`` lands in ``maildir``, all else is discarded."""

    home: Path
    plain: int
    right: int
    wrong: int
    expired: int

    @property
    def maildir(self) -> Path:
        return self.home / "mail" / "inbox"

    @property
    def log(self) -> str:
        return (self.home / "log").read_text(errors="replace")

    @property
    def ca_file(self) -> str:
        return str(self.home / "authority.pem")


@contextlib.contextmanager
def running_postfix(certificates: dict[str, trustme.LeafCert], authority: trustme.CA) -> Iterator[Postfix]:
    """Start it, wait until it answers, and stop it at the end. Skips without Postfix or root."""
    program = shutil.which("postfix") or "/usr/sbin/postfix"
    if not Path(program).exists() or os.geteuid() != 0:
        required("Postfix (and root to run it)")
    home = Path(tempfile.mkdtemp(prefix="dontmiss-postfix-", dir="/tmp"))
    try:
        made = _prepare(home, certificates, authority, Path(program).parent)
        config = str(home / "config")
        subprocess.run([program, "-c", config, "start"], check=True, capture_output=True, timeout=60)
        try:
            _await(made.plain)
            yield made
        finally:
            subprocess.run([program, "-c", config, "stop"], check=False, capture_output=True, timeout=60)
    finally:
        shutil.rmtree(home, ignore_errors=True)


def _prepare(
    home: Path, certificates: dict[str, trustme.LeafCert], authority: trustme.CA, commands: Path
) -> Postfix:
    home.chmod(0o755)
    for name in ("config", "queue", "data", "mail"):
        (home / name).mkdir()
    shutil.chown(home / "data", "postfix", "postfix")
    shutil.chown(home / "mail", "postfix", "postfix")
    authority.cert_pem.write_to_path(str(home / "authority.pem"))
    for name, certificate in certificates.items():
        certificate.private_key_and_cert_chain_pem.write_to_path(str(home / f"{name}.pem"))
    (home / "refused").write_text("/^gone@/ 550 5.1.1 no such user\n/^later@/ 450 4.2.1 come again\n")
    owner = (home / "mail").stat()
    ports = {name: free_port() for name in ("plain", "right", "wrong", "expired")}
    daemons = subprocess.run(
        ["postconf", "-d", "-h", "daemon_directory"], check=True, capture_output=True, text=True
    ).stdout.strip()
    settings = _MAIN.format(home=home, commands=commands, daemons=daemons, uid=owner.st_uid, gid=owner.st_gid)
    (home / "config" / "main.cf").write_text(settings)
    (home / "config" / "master.cf").write_text(_MASTER.format(home=home, **ports))
    return Postfix(home=home, **ports)


def _await(port: int) -> None:
    import socket

    for _ in range(100):
        with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), timeout=5) as sock:
            if sock.recv(100).startswith(b"220"):
                return
        time.sleep(0.1)
    raise RuntimeError("Postfix does not answer")
