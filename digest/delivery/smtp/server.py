"""Which mail server, how it is secured, and who we are to it: from newsletter.toml and DIGEST_SMTP_URL."""

from __future__ import annotations

import ipaddress
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Literal, cast
from urllib.parse import parse_qsl, unquote

from digest.errors import ConfigError

if TYPE_CHECKING:
    from digest.settings import Settings

Tls = Literal["implicit", "required", "optional", "never"]

SUBMISSIONS_PORT = 465
SUBMISSION_PORT = 587
_VARIABLE = "DIGEST_SMTP_URL"
_FORM = "write smtp://USER:PASSWORD@HOST:587 or smtps://USER:PASSWORD@HOST:465"


@dataclass(frozen=True, slots=True, kw_only=True)
class SmtpServer:
    """Where mail goes.

    :param tls: implicit (port 465), required (STARTTLS or nothing), optional (STARTTLS when offered, and
        then verified), never.
    :param timeout: seconds for connecting and for each reply but the last.
    :param dot_timeout: seconds for the reply to the final dot (RFC 5321, section 4.5.3.2.6: 10 minutes).
    :param helo: our name in EHLO; empty: the machine's, or its address in brackets.
    :param ca_file: certificates to trust instead of the system's.
    :param token_command: prints an OAuth 2 access token; then XOAUTH2 instead of a password.
    """

    host: str
    port: int = SUBMISSION_PORT
    tls: Tls = "required"
    user: str = ""
    password: str = field(default="", repr=False)
    timeout: float = 60.0
    dot_timeout: float = 600.0
    helo: str = ""
    ca_file: str = ""
    messages_per_connection: int = 1000
    token_command: tuple[str, ...] = ()

    @property
    def address(self) -> str:
        """``host:port``, for people."""
        return f"{self.host}:{self.port}"

    @property
    def is_loopback(self) -> bool:
        """Whether the server is this machine, so that plain text leaves nobody's sight."""
        if self.host.lower() == "localhost":
            return True
        try:
            return ipaddress.ip_address(self.host).is_loopback
        except ValueError:
            return False


def parse_smtp_url(url: str) -> SmtpServer:
    """Read ``smtp://user:pass@host:587?starttls=required`` or ``smtps://…``.

    User and password may be percent-encoded; ``@``, ``/``, ``#``, ``?`` and a ``%`` that encodes nothing may
    stand as they are, since the last ``@`` ends them.
    Raises ``ConfigError``, which never shows the password.
    """
    scheme, separator, rest = url.strip().partition("://")
    scheme = scheme.lower()
    if not separator or scheme not in {"smtp", "smtps"}:
        raise ConfigError(f"{_VARIABLE}: it must begin with smtp:// or smtps://", remedy=_FORM)
    userinfo, _at, place = rest.rpartition("@")
    place, _question, query = place.partition("?")
    host, port = _host_and_port(place.partition("/")[0], scheme)
    user, _colon, password = userinfo.partition(":")
    server = SmtpServer(host=host, port=port, user=unquote(user), password=unquote(password))
    if any(ord(character) < 32 for character in server.user + server.password):
        raise ConfigError(f"{_VARIABLE}: a control character in user or password", remedy=_FORM)
    options = dict(parse_qsl(query, keep_blank_values=True))
    starttls = options.pop("starttls", None)
    if options:
        unknown = ", ".join(sorted(options))
        raise ConfigError(f"{_VARIABLE}: unknown option {unknown}", remedy="the only one is starttls")
    if starttls not in {None, "required", "optional", "never"}:
        raise ConfigError(f"{_VARIABLE}: starttls={starttls}", remedy="required, optional or never")
    implicit = scheme == "smtps" or port == SUBMISSIONS_PORT
    return replace(server, tls="implicit" if implicit else _tls(starttls, server))


def server_of(settings: Settings) -> SmtpServer:
    """The server of ``[smtp]``; DIGEST_SMTP_URL goes before its host, port and starttls."""
    smtp = settings.file.smtp
    url = settings.environment.smtp_url
    if url is not None:
        server = parse_smtp_url(url.get_secret_value())
        if "starttls=" not in url.get_secret_value().rpartition("?")[2] and server.tls != "implicit":
            server = replace(server, tls=_tls(smtp.starttls, server))
    else:
        server = SmtpServer(host=smtp.host, port=smtp.port)
        implicit = smtp.port == SUBMISSIONS_PORT
        server = replace(server, tls="implicit" if implicit else _tls(smtp.starttls, server))
    return replace(
        server,
        timeout=smtp.timeout.total_seconds(),
        dot_timeout=smtp.dot_timeout.total_seconds(),
        helo=smtp.helo or "",
        ca_file=str(settings.folder / smtp.ca_file) if smtp.ca_file else "",
        messages_per_connection=smtp.messages_per_connection,
        token_command=tuple(smtp.oauth_token_command or ()),
    )


def _tls(starttls: str | None, server: SmtpServer) -> Tls:
    if starttls is None:
        return "never" if server.is_loopback else "required"
    return cast("Tls", starttls)


def _host_and_port(place: str, scheme: str) -> tuple[str, int]:
    default = SUBMISSIONS_PORT if scheme == "smtps" else SUBMISSION_PORT
    if place.startswith("["):
        host, _bracket, port = place[1:].partition("]")
        port = port.removeprefix(":")
    else:
        host, _colon, port = place.partition(":")
    if not host or any(character in host for character in " \t\r\n<>@\\"):
        raise ConfigError(f"{_VARIABLE}: it names no host", remedy=_FORM)
    if not port:
        return host, default
    if not (port.isascii() and port.isdigit()) or not 0 < int(port) < 65536:
        raise ConfigError(f"{_VARIABLE}: {port!r} is no port", remedy=_FORM)
    return host, int(port)
