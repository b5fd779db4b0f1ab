"""A Dovecot of the tests' own: its folder, its ports on loopback, its certificate, and one mailbox."""

from __future__ import annotations

import grp
import os
import pwd
import shutil
import ssl
import subprocess
import time
import uuid
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import trustme

from tests.conftest import free_port

PASSWORD = "secret"


@dataclass
class Dovecot:
    """A running server; ``port`` and ``pop_port`` are plain with STARTTLS, the others TLS from the start."""

    home: Path
    port: int
    tls_port: int
    pop_port: int
    pop_tls_port: int
    authority: trustme.CA
    process: subprocess.Popen[bytes] = field(init=False, repr=False)

    def stop(self) -> None:
        """End it, as an administrator does."""
        self.process.terminate()
        self.process.wait(20)

    @property
    def maildir(self) -> Path:
        return self.home / "Maildir"

    @property
    def tls_context(self) -> ssl.SSLContext:
        context = ssl.create_default_context()
        self.authority.configure_trust(context)
        return context

    def put(self, raws: Iterable[bytes]) -> None:
        """Lay these messages into the mailbox, as a delivery agent would."""
        user = pwd.getpwnam("mail")
        for folder in ("tmp", "new", "cur"):
            (self.maildir / folder).mkdir(parents=True, exist_ok=True)
            os.chown(self.maildir / folder, user.pw_uid, user.pw_gid)
        os.chown(self.maildir, user.pw_uid, user.pw_gid)
        for number, raw in enumerate(raws):
            file = self.maildir / "new" / f"{time.time():.6f}.{number}_{uuid.uuid4().hex[:8]}.test"
            file.write_bytes(raw)
            os.chown(file, user.pw_uid, user.pw_gid)

    def count(self, folder: str = "") -> int:
        """Messages that are in the mailbox or in one of its folders."""
        place = self.maildir / f".{folder}" if folder else self.maildir
        return sum(1 for sub in ("new", "cur") if (place / sub).is_dir() for _ in (place / sub).iterdir())


@contextmanager
def dovecot(*, password: str = PASSWORD, maildir: Path | None = None) -> Iterator[Dovecot]:
    """Start a server and stop it again. Needs root, as Dovecot gives its privileges away itself.

    :param maildir: the mailbox, if it is another server's (Postfix's); it must be the user mail's.
    """
    home = Path("/tmp") / f"dontmiss-dovecot-{os.getpid()}-{uuid.uuid4().hex[:6]}"
    home.mkdir(mode=0o755)
    authority = trustme.CA()
    certificate = authority.issue_cert("127.0.0.1", "localhost")
    certificate.private_key_pem.write_to_path(str(home / "key.pem"))
    with (home / "cert.pem").open("wb") as out:
        for blob in certificate.cert_chain_pems:
            out.write(blob.bytes())
    server = Dovecot(home, free_port(), free_port(), free_port(), free_port(), authority)
    user, group = pwd.getpwnam("mail"), grp.getgrnam("mail")
    os.chown(home, user.pw_uid, group.gr_gid)
    (home / "dovecot.conf").write_text(
        f"""
protocols = imap pop3
listen = 127.0.0.1
base_dir = {home}/run
state_dir = {home}/state
instance_name = {home.name}
log_path = {home}/log
ssl = yes
ssl_cert = <{home}/cert.pem
ssl_key = <{home}/key.pem
disable_plaintext_auth = no
first_valid_uid = 1
mail_location = maildir:{maildir or server.maildir}
passdb {{
  driver = static
  args = password={password}
}}
userdb {{
  driver = static
  args = uid=mail gid=mail home={home}/user
}}
service imap-login {{
  inet_listener imap {{
    port = {server.port}
  }}
  inet_listener imaps {{
    port = {server.tls_port}
    ssl = yes
  }}
}}
service pop3-login {{
  inet_listener pop3 {{
    port = {server.pop_port}
  }}
  inet_listener pop3s {{
    port = {server.pop_tls_port}
    ssl = yes
  }}
}}
service stats {{
  client_limit = 100
}}
"""
    )
    server.process = subprocess.Popen(
        ["/usr/sbin/dovecot", "-F", "-c", str(home / "dovecot.conf")],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        _wait_for(server.port, server.process)
        yield server
    finally:
        server.stop()
        shutil.rmtree(home, ignore_errors=True)


def _wait_for(port: int, process: subprocess.Popen[bytes]) -> None:
    import socket

    for _ in range(100):
        if process.poll() is not None:
            raise RuntimeError("dovecot ended at once")
        try:
            with socket.create_connection(("127.0.0.1", port), 1) as probe:
                if probe.recv(4) == b"* OK":
                    return
        except OSError:
            time.sleep(0.1)
    raise RuntimeError("dovecot does not answer")
