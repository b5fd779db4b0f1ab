"""Whether the public address answers: no issue goes out whose unsubscribe link leads nowhere (RFC 8058)."""

from __future__ import annotations

import ipaddress
from collections.abc import Callable
from urllib.parse import urlsplit

from digest.delivery.smtp import server_of
from digest.errors import PreflightFailed
from digest.settings import Settings
from subscribers.tokens import Purpose, TokenSigner

ONE_CLICK = b"List-Unsubscribe=One-Click"
THROW_AWAY = 0  # no subscription has this number: unsubscribing it changes nothing
Post = Callable[[str, bytes], int]
"""Posts a form to a URL and returns the status. Raises ``OSError`` when nobody answers."""


def check_public_address(settings: Settings, signer: TokenSigner, post: Post) -> str:
    """Try one-click with a throw-away token; return a line that says what answered.

    A loopback address is not asked, nor must it be https, as long as the mail stays on this machine too.
    Raises ``PreflightFailed``.
    """
    url = settings.public_url
    if not url:
        raise PreflightFailed(
            "no public address is set, so that nobody could unsubscribe",
            remedy="set DIGEST_PUBLIC_URL to where `digest serve` is reached from outside",
        )
    parts = urlsplit(url)
    if is_loopback(parts.hostname or ""):
        if not is_loopback(server_of(settings).host):
            raise PreflightFailed(
                f"the public address {url} is this machine, but mail goes to {server_of(settings).host}",
                remedy="set DIGEST_PUBLIC_URL to where readers reach `digest serve`",
            )
        return f"{url} is this machine: for trials only"
    if parts.scheme != "https":
        raise PreflightFailed(
            f"the public address {url} is not https", remedy="mail programs unsubscribe by https only"
        )
    token = signer.sign(Purpose.UNSUBSCRIBE, THROW_AWAY)
    try:
        status = post(f"{url}/u/{token}", ONE_CLICK)
    except OSError as error:
        raise PreflightFailed(
            f"the public address {url} does not answer: {error}",
            remedy="start `digest serve` behind it, or send with --force",
        ) from error
    if not 200 <= status < 300:
        raise PreflightFailed(
            f"one-click unsubscribe at {url} answers {status}",
            remedy="does DIGEST_PUBLIC_URL lead to `digest serve` of this newsletter?",
        )
    return f"{url} answers one-click"


def is_loopback(host: str) -> bool:
    """Whether ``host`` is this machine by its name or number."""
    if host == "localhost" or host.endswith(".localhost"):
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False
