"""Opening a session: connect, greeting, EHLO, STARTTLS and log-in, by the standard library's client."""

from __future__ import annotations

import smtplib
import socket
import ssl
import subprocess
from base64 import b64encode
from collections.abc import Callable
from typing import TYPE_CHECKING, Final

from digest.delivery.smtp.replies import Reply, ReplyReader, SessionError
from digest.errors import AuthenticationFailed, ServerUnavailable

if TYPE_CHECKING:
    from digest.delivery.smtp.server import SmtpServer

_SERVICE_READY: Final = 220
_AUTHENTICATED: Final = 235
_CLOSING: Final = 421
_GO_ON: Final = 334
_TOKEN_SECONDS: Final = 30


class Session(smtplib.SMTP):
    """The standard library's client, with replies read under limits and no surprise before TLS."""

    def __init__(self, server: SmtpServer, sock: socket.socket, monotonic: Callable[[], float]) -> None:
        super().__init__(local_hostname=server.helo or _own_name(sock), timeout=server.timeout)
        self.server = server
        self.monotonic = monotonic
        self._attach(sock)

    def _attach(self, sock: socket.socket) -> None:
        self.sock = sock
        self.replies = ReplyReader(sock, self.monotonic)

    def getreply(self) -> tuple[int, bytes]:
        """The next reply as the standard library wants it. Raises ``SessionError``."""
        reply = self.replies.read(self.server.timeout)
        return reply.code, b"\n".join(line[4:] for line in reply.lines)

    def ask(self, command: str) -> Reply:
        """Send one line and return its reply. Raises ``SessionError``."""
        self.putcmd(command)
        return self.replies.read(self.server.timeout)

    def greet(self) -> None:
        """EHLO, or HELO to a server that does not know it. Raises ``ServerUnavailable``."""
        code, text = self.ehlo()
        if not 200 <= code < 300 and code != _CLOSING:
            code, text = self.helo()
        if not 200 <= code < 300:
            raise _unavailable(self.server, Reply(code, " ".join(text.decode("utf-8", "replace").split())))

    def secure(self, context: ssl.SSLContext) -> None:
        """STARTTLS (RFC 3207). Raises ``AuthenticationFailed`` when the server will not."""
        reply = self.ask("STARTTLS")
        if reply.code == _CLOSING:
            raise _unavailable(self.server, reply)
        if reply.code != _SERVICE_READY:
            raise AuthenticationFailed(
                f"{self.server.address} refuses STARTTLS: {reply}", remedy="no mail goes there in plain text"
            )
        if self.replies.buffered:
            # What came before the handshake was put in by somebody in between (CVE-2011-0411).
            raise AuthenticationFailed(f"{self.server.address}: plain text was slipped in before TLS")
        if self.sock is None:
            raise SessionError("the connection is closed")
        self._attach(context.wrap_socket(self.sock, server_hostname=self.server.host))
        self.ehlo_resp = None
        self.helo_resp = None
        self.esmtp_features = {}
        self.does_esmtp = False
        self.greet()

    def log_in(self, access_token: str) -> None:
        """AUTH by XOAUTH2 with a token, else PLAIN, else LOGIN.

        Raises ``AuthenticationFailed``, or ``ServerUnavailable`` when it may work later (454).
        """
        server = self.server
        offered = self.esmtp_features.get("auth", "").upper().split()
        if access_token:
            opening = f"user={server.user}\x01auth=Bearer {access_token}\x01\x01"
            reply = self._first_step("XOAUTH2", opening)
            if reply.code == _GO_ON:  # the reason, in base64; an empty answer asks for the verdict
                reply = self.ask("")
        elif "PLAIN" in offered:
            reply = self._first_step("PLAIN", f"\0{server.user}\0{server.password}")
        elif "LOGIN" in offered:
            reply = self.ask("AUTH LOGIN")
            for secret in (server.user, server.password):
                if reply.code == _GO_ON:
                    reply = self.ask(_base64(secret))
        else:
            what = f"only {', '.join(offered)}" if offered else "no log-in"
            raise AuthenticationFailed(
                f"{server.address} offers {what}", remedy="PLAIN, LOGIN and XOAUTH2 are known here"
            )
        if reply.code == _AUTHENTICATED:
            return
        if 400 <= reply.code < 500:
            raise _unavailable(server, reply)
        raise AuthenticationFailed(
            f"{server.address} refuses the log-in of {server.user!r}: {reply}",
            remedy="check user and password in DIGEST_SMTP_URL",
        )

    def _first_step(self, mechanism: str, secret: str) -> Reply:
        return self.ask(f"AUTH {mechanism} {_base64(secret)}")


def open_session(
    server: SmtpServer, monotonic: Callable[[], float], context: ssl.SSLContext | None, access_token: str
) -> Session:
    """A session that may send mail.

    :raises ServerUnavailable: no connection, no greeting, or not now.
    :raises AuthenticationFailed: TLS or log-in failed; nothing was sent in plain text instead.
    """
    try:
        sock = _connect(server)
        try:
            if server.tls == "implicit" and context is not None:
                sock = context.wrap_socket(sock, server_hostname=server.host)
            session = Session(server, sock, monotonic)
        except BaseException:
            sock.close()
            raise
        try:
            _introduce(session, context, access_token)
            if session.sock is not None:
                session.sock.setblocking(False)  # from here on one thread serves many sessions
        except BaseException:
            session.close()
            raise
    except (ssl.SSLEOFError, ssl.SSLZeroReturnError) as error:
        raise ServerUnavailable(f"{server.address} hung up during TLS") from error
    except ssl.SSLError as error:
        why = getattr(error, "verify_message", "") or error.reason or str(error)
        raise AuthenticationFailed(
            f"{server.address}: TLS failed: {why}",
            remedy="check host name, port and certificate; [smtp] ca_file names an own authority's",
        ) from error
    except (SessionError, smtplib.SMTPException) as error:
        raise ServerUnavailable(f"{server.address}: {error}") from error
    except OSError as error:
        why = "no answer in time" if isinstance(error, TimeoutError) else error.strerror or str(error)
        raise ServerUnavailable(
            f"{server.address}: {why}", remedy="is the mail server running? check [smtp] or DIGEST_SMTP_URL"
        ) from error
    return session


def _introduce(session: Session, context: ssl.SSLContext | None, access_token: str) -> None:
    server = session.server
    reply = session.replies.read(server.timeout)
    if reply.code != _SERVICE_READY:
        raise _unavailable(server, reply)
    session.greet()
    if context is not None and server.tls in {"required", "optional"}:
        if session.has_extn("starttls"):
            session.secure(context)
        elif server.tls == "required":
            raise AuthenticationFailed(
                f"{server.address} does not offer STARTTLS",
                remedy="use port 465 (smtps://), or starttls=never for a server on your own network",
            )
    if server.user:
        _keep_secrets(session)
        session.log_in(access_token)


def tls_context(server: SmtpServer) -> ssl.SSLContext | None:
    """Verifies chain and host name; None when the server is talked to in plain text."""
    if server.tls == "never":
        return None
    try:
        context = ssl.create_default_context(cafile=server.ca_file or None)
    except (OSError, ssl.SSLError) as error:
        raise AuthenticationFailed(
            f"[smtp] ca_file {server.ca_file}: {error.strerror or error}",
            remedy="name a file of certificates in PEM",
        ) from error
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    return context


def fetch_token(server: SmtpServer) -> str:
    """What the token command prints. Raises ``AuthenticationFailed``; its output is never shown."""
    remedy = "run [smtp] oauth_token_command by hand: it must print an access token"
    try:
        finished = subprocess.run(  # noqa: S603 - the operator's own command, as a list, without a shell
            server.token_command, capture_output=True, timeout=_TOKEN_SECONDS, check=True, text=True
        )
    except (OSError, subprocess.SubprocessError, UnicodeDecodeError) as error:
        what = type(error).__name__
        raise AuthenticationFailed(f"the token command failed ({what})", remedy=remedy) from error
    token = finished.stdout.strip()
    if not token or not token.isascii() or not token.isprintable() or " " in token:
        raise AuthenticationFailed("the token command printed no token", remedy=remedy)
    return token


def _connect(server: SmtpServer) -> socket.socket:
    try:
        sock = socket.create_connection((server.host, server.port), timeout=server.timeout)
    except UnicodeError as error:  # a label of more than 63 characters
        raise ServerUnavailable(f"{server.host!r} is no host name") from error
    # Without it the lone final dot waits for an acknowledgement: 46 ms were measured.
    sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    # The reply to the dot may take ten minutes; what stands in between must not forget us.
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
    return sock


def _keep_secrets(session: Session) -> None:
    server = session.server
    if not isinstance(session.sock, ssl.SSLSocket) and not server.is_loopback:
        raise AuthenticationFailed(
            f"{server.address}: the password would go over the network in plain text",
            remedy="set starttls to required, or use smtps://",
        )


def _own_name(sock: socket.socket) -> str:
    """Our name for EHLO: the machine's if it is a full one, else its address (RFC 5321, section 4.1.3)."""
    name = socket.gethostname()
    if "." in name.strip(".") and name.isascii():
        return name
    address = str(sock.getsockname()[0]).partition("%")[0]
    return f"[IPv6:{address}]" if ":" in address else f"[{address}]"


def _unavailable(server: SmtpServer, reply: Reply) -> ServerUnavailable:
    return ServerUnavailable(f"{server.address} says {reply}")


def _base64(secret: str) -> str:
    return b64encode(secret.encode("utf-8")).decode("ascii")
