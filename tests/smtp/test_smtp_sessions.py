"""Sessions: TLS verified and never fallen back from, log-in, and one line for each thing that goes wrong."""

from __future__ import annotations

import gc
import ssl
import stat
import sys
from base64 import b64decode, b64encode
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
import trustme

from digest.clock import StoppedClock
from digest.delivery.smtp import SmtpServer, SmtpTransport
from digest.delivery.smtp.connection import SmtpConnection
from digest.errors import AuthenticationFailed, ServerUnavailable
from digest.values import Accepted, Envelope
from tests.conftest import free_port
from tests.smtp.scripted import Action, Drop, Raw, Say, ScriptedServer, Silence, Stage, Transaction
from tests.smtp.talking import MESSAGE, copy_for, sent_in_a_row

COPY = Envelope("bounce@example.org", "reader@example.org", (b"Subject: x\r\n\r\nhello\r\n",))
PLAIN = ("PIPELINING", "AUTH PLAIN LOGIN")


@pytest.fixture(scope="module")
def authority() -> trustme.CA:
    return trustme.CA()


@pytest.fixture
def trusted(authority: trustme.CA, tmp_path: Path) -> str:
    path = tmp_path / "authority.pem"
    authority.cert_pem.write_to_path(path)
    return str(path)


def context_of(certificate: trustme.LeafCert) -> ssl.SSLContext:
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    certificate.configure_cert(context)
    return context


@pytest.fixture
def right(authority: trustme.CA) -> ssl.SSLContext:
    return context_of(authority.issue_cert("localhost", "127.0.0.1"))


@pytest.fixture
def wrong_name(authority: trustme.CA) -> ssl.SSLContext:
    return context_of(authority.issue_cert("mail.example.org"))


@pytest.fixture
def expired(authority: trustme.CA) -> ssl.SSLContext:
    yesterday = datetime.now(UTC) - timedelta(days=1)
    return context_of(authority.issue_cert("localhost", "127.0.0.1", not_after=yesterday))


_left_open: list[SmtpConnection] = []


@pytest.fixture(autouse=True)
def _close_connections() -> Iterator[None]:
    yield
    while _left_open:
        _left_open.pop().close()


def opened(server: SmtpServer) -> SmtpConnection:
    _left_open.append(SmtpTransport(server).open())
    return _left_open[-1]


def allowed() -> bool:
    return True


def to(server: ScriptedServer, **changes: object) -> SmtpServer:
    base = SmtpServer(host="127.0.0.1", port=server.port, tls="never", timeout=2)
    return replace(base, **changes)  # type: ignore[arg-type]


@pytest.mark.parametrize("tls", ["required", "optional"])
def test_starttls_with_the_right_certificate_carries_mail(
    tls: str, right: ssl.SSLContext, trusted: str
) -> None:
    with ScriptedServer(context=right, keep=True) as server:
        connection = opened(to(server, tls=tls, ca_file=trusted))
        assert isinstance(connection.send(COPY, permit=allowed), Accepted)
        assert "STARTTLS" in server.commands
        assert server.taken[0].message == COPY.message


def test_under_tls_the_next_commands_ride_with_the_dot_too(right: ssl.SSLContext, trusted: str) -> None:
    with ScriptedServer(context=right, keep=True) as server:
        connection = opened(to(server, tls="required", ca_file=trusted))
        copies = [copy_for(f"{name}@example.org") for name in ("one", "two", "three")]
        assert all(isinstance(outcome, Accepted) for outcome in sent_in_a_row(connection, *copies))
        assert sum(b"\r\n.\r\nMAIL" in packet for packet in server.packets) == 2
        assert [taken.message for taken in server.taken] == [MESSAGE] * 3


def test_tls_from_the_start_carries_mail(right: ssl.SSLContext, trusted: str) -> None:
    with ScriptedServer(context=right, implicit=True) as server:
        connection = opened(to(server, host="localhost", tls="implicit", ca_file=trusted))
        for _ in range(3):
            assert isinstance(connection.send(COPY, permit=allowed), Accepted)


@pytest.mark.parametrize("certificate", ["wrong_name", "expired"])
@pytest.mark.parametrize("tls", ["required", "optional", "implicit"])
def test_a_certificate_that_does_not_hold_ends_it(
    certificate: str, tls: str, trusted: str, request: pytest.FixtureRequest
) -> None:
    context = request.getfixturevalue(certificate)
    with (
        ScriptedServer(context=context, implicit=tls == "implicit", keep=True) as server,
        pytest.raises(AuthenticationFailed, match=r"TLS failed: .*(expired|IP address mismatch)") as caught,
    ):
        SmtpTransport(to(server, tls=tls, ca_file=trusted, user="u", password="secret")).open()
    assert caught.value.remedy
    assert not any(command.startswith(("AUTH", "MAIL")) for command in server.commands)


def test_a_certificate_of_an_unknown_authority_ends_it(right: ssl.SSLContext) -> None:
    with ScriptedServer(context=right) as server, pytest.raises(AuthenticationFailed, match="TLS failed"):
        SmtpTransport(to(server, tls="required")).open()


def test_without_starttls_on_offer_required_means_no_mail() -> None:
    with ScriptedServer(keep=True) as server:
        with pytest.raises(AuthenticationFailed, match="does not offer STARTTLS"):
            SmtpTransport(to(server, tls="required")).open()
        assert not any(command.startswith("MAIL") for command in server.commands)


def test_a_refused_starttls_is_not_fallen_back_from(right: ssl.SSLContext) -> None:
    def decide(stage: Stage, _transaction: Transaction) -> Action | None:
        return Say("454 4.7.0 not now") if stage == "starttls" else None

    with (
        ScriptedServer(decide, context=right) as server,
        pytest.raises(AuthenticationFailed, match="refuses STARTTLS: 454"),
    ):
        SmtpTransport(to(server, tls="optional")).open()


def test_replies_slipped_in_before_the_handshake_are_an_attack(right: ssl.SSLContext, trusted: str) -> None:
    def decide(stage: Stage, _transaction: Transaction) -> Action | None:
        return Raw(b"220 go ahead\r\n250 mallory.test\r\n") if stage == "starttls" else None

    with (
        ScriptedServer(decide, context=right) as server,
        pytest.raises(AuthenticationFailed, match="slipped in before TLS"),
    ):
        SmtpTransport(to(server, tls="required", ca_file=trusted)).open()


def test_plain_text_behind_a_tls_port_is_told() -> None:
    with ScriptedServer() as server, pytest.raises(AuthenticationFailed, match="TLS failed"):
        SmtpTransport(to(server, tls="implicit")).open()


def test_a_password_beyond_ascii_arrives_whole_by_plain() -> None:
    said: list[bytes] = []

    def decide(stage: Stage, transaction: Transaction) -> Action | None:
        if stage == "auth":
            said.append(b64decode(transaction.command.split()[2]))
        return None

    with ScriptedServer(decide, extensions=PLAIN) as server:
        opened(to(server, user="desk@x", password="päss@%"))
    assert said == ["\0desk@x\0päss@%".encode()]


# aiosmtpd 1.4.6 forgets to close the transports of its TLS sessions.
@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
def test_login_by_steps_and_a_wrong_password_at_aiosmtpd(right: ssl.SSLContext, trusted: str) -> None:
    from aiosmtpd.controller import Controller
    from aiosmtpd.handlers import Sink
    from aiosmtpd.smtp import AuthResult, LoginPassword

    def authenticate(
        _server: object, _session: object, _envelope: object, _how: str, data: object
    ) -> AuthResult:
        assert isinstance(data, LoginPassword)
        known = LoginPassword(b"desk", "p@ss%ä".encode())
        return AuthResult(success=data == known, handled=False)

    controller = Controller(
        Sink(),
        hostname="127.0.0.1",
        port=free_port(),
        authenticator=authenticate,
        auth_require_tls=False,  # it knows nothing of TLS from the start
        auth_exclude_mechanism=["PLAIN"],
        ssl_context=right,
    )
    controller.start()
    try:
        server = SmtpServer(
            host="127.0.0.1",
            port=controller.port,
            tls="implicit",
            ca_file=trusted,
            user="desk",
            password="p@ss%ä",
        )
        assert isinstance(opened(server).send(COPY, permit=allowed), Accepted)
        with pytest.raises(AuthenticationFailed, match="refuses the log-in of 'desk': 535") as caught:
            SmtpTransport(replace(server, password="wrong-one")).open()
        assert "wrong-one" not in str(caught.value) + caught.value.remedy
    finally:
        while _left_open:
            _left_open.pop().close()
        controller.stop()
        gc.collect()


@pytest.mark.parametrize(
    ("reply", "error"),
    [
        ("535 5.7.8 no", AuthenticationFailed),
        ("534 5.7.9 too weak", AuthenticationFailed),
        ("530 5.7.0 STARTTLS first", AuthenticationFailed),
        ("454 4.7.0 directory is away", ServerUnavailable),
        ("421 4.3.2 bye", ServerUnavailable),
    ],
)
def test_a_refused_login_is_told_from_one_that_may_work_later(reply: str, error: type[Exception]) -> None:
    def decide(stage: Stage, _transaction: Transaction) -> Action | None:
        return Say(reply) if stage == "auth" else None

    with ScriptedServer(decide, extensions=PLAIN) as server, pytest.raises(error):
        SmtpTransport(to(server, user="desk", password="x")).open()


def test_no_password_goes_over_a_network_in_plain_text() -> None:
    class Elsewhere(SmtpServer):
        @property
        def is_loopback(self) -> bool:
            return False

    with ScriptedServer(extensions=PLAIN, keep=True) as server:
        for tls in ("never", "optional"):
            away = Elsewhere(host="127.0.0.1", port=server.port, tls=tls, user="desk", password="secret")  # type: ignore[arg-type]
            with pytest.raises(AuthenticationFailed, match="in plain text"):
                SmtpTransport(away).open()
        assert not any("AUTH" in command for command in server.commands)


def token_command(tmp_path: Path, body: str) -> tuple[str, ...]:
    script = tmp_path / "token.py"
    script.write_text(body)
    script.chmod(stat.S_IRWXU)
    return (sys.executable, str(script))


def test_xoauth2_uses_the_token_that_the_command_prints(tmp_path: Path) -> None:
    said: list[bytes] = []

    def decide(stage: Stage, transaction: Transaction) -> Action | None:
        if stage == "auth":
            said.append(b64decode(transaction.command.split()[2]))
        return None

    counter = tmp_path / "runs"
    command = token_command(tmp_path, f"open({str(counter)!r}, 'a').write('x')\nprint('ya29.token')\n")
    with ScriptedServer(decide, extensions=("AUTH XOAUTH2",)) as server:
        transport = SmtpTransport(to(server, user="desk@x.org", token_command=command))
        for _ in range(3):
            _left_open.append(transport.open())
    assert said == [b"user=desk@x.org\x01auth=Bearer ya29.token\x01\x01"] * 3
    assert counter.read_text() == "x"  # one token for all connections, for some minutes


def test_a_refused_token_is_fetched_anew(tmp_path: Path) -> None:
    counter = tmp_path / "runs"
    command = token_command(tmp_path, f"open({str(counter)!r}, 'a').write('x')\nprint('ya29.token')\n")
    challenges: list[Action | None] = [Say("334 " + b64encode(b'{"status":"401"}').decode())]

    def decide(stage: Stage, _transaction: Transaction) -> Action | None:
        return challenges.pop() if stage == "auth" and challenges else None

    # The empty answer to the challenge is no command the scripted server knows: 500, as refused as 535.
    with ScriptedServer(decide, extensions=("AUTH XOAUTH2",)) as server:
        transport = SmtpTransport(to(server, user="desk@x.org", token_command=command))
        with pytest.raises(AuthenticationFailed):
            transport.open()
        _left_open.append(transport.open())
    assert counter.read_text() == "xx"


@pytest.mark.parametrize("body", ["raise SystemExit(1)", "print('')", "print('two words')", "print('naïve')"])
def test_a_token_command_that_gives_no_token_is_named_without_its_output(tmp_path: Path, body: str) -> None:
    with ScriptedServer(extensions=("AUTH XOAUTH2",)) as server:
        transport = SmtpTransport(to(server, user="d", token_command=token_command(tmp_path, body)))
        with pytest.raises(AuthenticationFailed, match="token command") as caught:
            transport.open()
        assert "naïve" not in str(caught.value)
        assert "oauth_token_command" in caught.value.remedy


def test_nobody_listens() -> None:
    with pytest.raises(ServerUnavailable, match="refused") as caught:
        SmtpTransport(SmtpServer(host="127.0.0.1", port=free_port(), tls="never")).open()
    assert "DIGEST_SMTP_URL" in caught.value.remedy


@pytest.mark.parametrize(
    ("action", "message"),
    [
        (Say("554 5.7.1 no mail from you"), "554 5.7.1 no mail from you"),
        (Say("421 4.3.2 too many connections"), "421 4.3.2"),
        (Raw(b"SSH-2.0-OpenSSH_9\r\n"), "not a reply"),
        (Raw(b"220-" + b"x" * 100_000), "no end"),
        (Drop(), "closed the connection"),
        (Silence(), "in time"),
    ],
)
def test_a_greeting_that_is_none_makes_the_server_unavailable(action: Action, message: str) -> None:
    def decide(stage: Stage, _transaction: Transaction) -> Action | None:
        return action if stage == "connect" else None

    with ScriptedServer(decide) as server, pytest.raises(ServerUnavailable, match=message) as caught:
        SmtpTransport(to(server, timeout=0.3)).open()
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("step", ["connect", "ehlo", "starttls", "auth"])
def test_421_before_any_mail_makes_the_server_unavailable_and_says_so(
    step: Stage, right: ssl.SSLContext, trusted: str
) -> None:
    def decide(stage: Stage, _transaction: Transaction) -> Action | None:
        return Say("421-4.3.2 busy\n421 4.3.2 come again") if stage == step else None

    with (
        ScriptedServer(decide, extensions=PLAIN, context=right) as server,
        pytest.raises(ServerUnavailable, match=r"421 4\.3\.2 busy 4\.3\.2 come again"),
    ):
        SmtpTransport(to(server, tls="required", ca_file=trusted, user="desk", password="x")).open()


def test_helo_is_said_to_a_server_that_knows_no_ehlo() -> None:
    def decide(stage: Stage, transaction: Transaction) -> Action | None:
        old = stage == "ehlo" and transaction.command.lower().startswith("ehlo")
        return Say("502 5.5.1 what?") if old else None

    with ScriptedServer(decide, keep=True) as server:
        assert isinstance(opened(to(server, helo="news.example.org")).send(COPY, permit=allowed), Accepted)
        assert "helo news.example.org" in server.commands


def test_our_name_is_never_looked_up() -> None:
    with ScriptedServer(keep=True) as server:
        opened(to(server))
        name = server.commands[0].split()[1]
        assert name == "[127.0.0.1]" or "." in name


def test_a_certificate_file_that_is_none_is_named(tmp_path: Path) -> None:
    with pytest.raises(AuthenticationFailed, match="ca_file"):
        SmtpTransport(SmtpServer(host="mx.example", ca_file=str(tmp_path / "none.pem"))).open()


def test_the_token_is_asked_for_again_after_some_minutes(tmp_path: Path) -> None:
    counter = tmp_path / "runs"
    command = token_command(tmp_path, f"open({str(counter)!r}, 'a').write('x')\nprint('t')\n")
    clock = StoppedClock(datetime(2026, 11, 23, tzinfo=UTC))
    with ScriptedServer(extensions=("AUTH XOAUTH2",)) as server:
        transport = SmtpTransport(to(server, user="d", token_command=command), clock)
        _left_open.append(transport.open())
        clock.advance(timedelta(minutes=10))
        _left_open.append(transport.open())
    assert counter.read_text() == "xx"
