"""Reading where mail goes, queue ids out of replies, and the transports that only pretend."""

from __future__ import annotations

import stat
from pathlib import Path

import pytest

from digest.delivery.smtp import FolderTransport, RecordingTransport, SmtpServer, parse_smtp_url, server_of
from digest.delivery.smtp.replies import queue_id_of
from digest.errors import ConfigError, ServerUnavailable
from digest.settings import load
from digest.values import Accepted, Deferred, Envelope, Withheld

COPY = Envelope("bounce@example.org", "reader@example.org", (b"Subject: x\r\n\r\nhello\r\n",))


@pytest.mark.parametrize(
    ("url", "user", "password"),
    [
        ("smtp://desk:secret@mx.example:587", "desk", "secret"),
        ("smtp://desk:p%40ss%25w@mx.example:587", "desk", "p@ss%w"),
        ("smtp://desk:p@ss%w@mx.example:587", "desk", "p@ss%w"),
        ("smtp://desk@asianlite.example:p@/:#?%zz@mx.example:587", "desk@asianlite.example", "p@/:#?%zz"),
        ("smtp://desk:a:b/c#d?e=f@mx.example:587", "desk", "a:b/c#d?e=f"),
        ("smtp://desk:p%C3%A4ss@mx.example:587?starttls=required", "desk", "päss"),
        ("smtp://mx.example:587", "", ""),
    ],
)
def test_a_password_with_strange_characters_is_read_whole(url: str, user: str, password: str) -> None:
    server = parse_smtp_url(url)
    assert (server.user, server.password) == (user, password)
    assert (server.host, server.port, server.tls) == ("mx.example", 587, "required")
    assert not password or password not in repr(server)


@pytest.mark.parametrize(
    ("url", "port", "tls"),
    [
        ("smtps://mx.example", 465, "implicit"),
        ("smtp://mx.example:465", 465, "implicit"),
        ("smtp://mx.example", 587, "required"),
        ("smtp://mx.example?starttls=optional", 587, "optional"),
        ("smtp://mx.example/?starttls=never", 587, "never"),
        ("smtp://127.0.0.1:2525", 2525, "never"),
        ("smtp://[::1]:2525", 2525, "never"),
        ("smtp://localhost:2525?starttls=required", 2525, "required"),
        ("SMTP://mx.example:25", 25, "required"),
    ],
)
def test_tls_follows_scheme_port_and_option(url: str, port: int, tls: str) -> None:
    server = parse_smtp_url(url)
    assert (server.port, server.tls) == (port, tls)


@pytest.mark.parametrize(
    "url",
    [
        "http://mx.example",
        "mx.example:587",
        "smtp://",
        "smtp://user:topsecret@",
        "smtp://user:topsecret@mx.example:port",
        "smtp://user:topsecret@mx.example:99999",
        "smtp://user:topsecret@mx.example?tls=no",
        "smtp://user:topsecret@mx.example?starttls=maybe",
        "smtp://user:topsecret%0d%0a@mx.example",
        "smtp://user:topsecret@mx example",
    ],
)
def test_a_wrong_url_is_one_line_without_the_password(url: str) -> None:
    with pytest.raises(ConfigError, match="DIGEST_SMTP_URL") as caught:
        parse_smtp_url(url)
    assert "topsecret" not in str(caught.value) + caught.value.remedy
    assert "\n" not in str(caught.value)


TOML = """
[newsletter]
name = "Daily"
url = "https://example.org"
sender = "Daily <daily@example.org>"
[smtp]
host = "mx.example.org"
port = 587
helo = "news.example.org"
dot_timeout = "5min"
messages_per_connection = 50
{more}
"""


def settings_with(folder: Path, more: str = "") -> SmtpServer:
    (folder / "newsletter.toml").write_text(TOML.format(more=more), encoding="utf-8")
    return server_of(load(folder))


def test_settings_name_the_server_and_the_url_goes_before_them(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("DIGEST_SMTP_URL", raising=False)
    server = settings_with(tmp_path)
    assert (server.address, server.tls, server.helo) == ("mx.example.org:587", "required", "news.example.org")
    assert (server.dot_timeout, server.messages_per_connection) == (300, 50)
    assert settings_with(tmp_path, 'starttls = "optional"\nca_file = "own.pem"').ca_file == str(
        tmp_path / "own.pem"
    )
    monkeypatch.setenv("DIGEST_SMTP_URL", "smtps://desk:secret@relay.example.org")
    server = settings_with(tmp_path, 'starttls = "never"')
    assert (server.address, server.tls, server.user) == ("relay.example.org:465", "implicit", "desk")
    monkeypatch.setenv("DIGEST_SMTP_URL", "smtp://relay.example.org:2525")
    assert settings_with(tmp_path, 'starttls = "optional"').tls == "optional"
    assert settings_with(tmp_path).tls == "required"


@pytest.mark.parametrize(
    ("reply", "queue_id"),
    [
        ("2.0.0 Ok: queued as 4Zq1Xr0Bk5z9sWq", "4Zq1Xr0Bk5z9sWq"),
        ("OK id=1rABcd-000Xyz-2k", "1rABcd-000Xyz-2k"),
        (
            "2.6.0 <a@b.org> [InternalId=109775240925204, Hostname=X.prod.outlook.com] 8 bytes in 0.1 Queued",
            "109775240925204",
        ),
        ("2.0.0 OK  1700000000 d9443c01a7336-1cf.12 - gsmtp", "d9443c01a7336-1cf.12"),
        ("2.0.0 3BN7LxQo012345 Message accepted for delivery", "3BN7LxQo012345"),
        ("Ok 0102018bf5c8e5a1-7f0c2d3e-0000-000000", "0102018bf5c8e5a1-7f0c2d3e-0000-000000"),
        ("ok 1700000000 qp 31415", "31415"),
        ("Queued. <20261123.1@mailgun.test>", "20261123.1@mailgun.test"),
        ("Ok", ""),
        ("2.0.0 Message accepted", ""),
    ],
)
def test_the_queue_id_is_found_in_the_replies_of_known_servers(reply: str, queue_id: str) -> None:
    assert queue_id_of(reply) == queue_id


def test_a_dry_run_writes_files_that_only_the_owner_reads(tmp_path: Path) -> None:
    connection = FolderTransport(tmp_path / "out").open()
    for recipient in ("reader@example.org", "../../etc/passwd@example.org", "हि@example.org", "." * 300):
        outcome = connection.send(Envelope("b@example.org", recipient, COPY.parts), permit=lambda: True)
        assert isinstance(outcome, Accepted)
    assert connection.send(COPY, permit=lambda: False) == Withheld()
    files = sorted((tmp_path / "out").iterdir())
    assert [file.read_bytes() for file in files] == [COPY.message] * 4
    assert files[0].name == "000001-reader@example.org.eml"
    assert {stat.S_IMODE(file.stat().st_mode) for file in files} == {0o600}
    assert len(list(tmp_path.rglob("*.eml"))) == 4


def test_a_folder_that_cannot_be_made_is_one_line(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(ServerUnavailable, match="file"):
        FolderTransport(tmp_path / "file" / "out").open()


def test_the_recording_transport_remembers_what_it_accepted() -> None:
    transport = RecordingTransport(
        lambda copy: Deferred(450, "later") if copy.recipient.startswith("late") else Accepted("250 ok")
    )
    connection = transport.open()
    assert isinstance(connection.send(COPY, permit=lambda: True), Accepted)
    late = Envelope("b@example.org", "late@example.org", (b"x\r\n",))
    assert connection.send(late, permit=lambda: True) == Deferred(450, "later")
    assert transport.sent == [COPY]
    assert connection.send(COPY, permit=lambda: False) == Withheld()
    assert not connection.usable
