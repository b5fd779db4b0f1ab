"""Asks DNS for ``doctor``; None means that it did not answer."""

from __future__ import annotations

from typing import Any

_SECONDS = 3.0


class SystemResolver:
    """The machine's resolver (RFC 1035 by dnspython), three seconds a question."""

    def txt(self, name: str) -> list[str] | None:
        """TXT records, their parts joined; an empty list when there are none."""
        found = self._ask(name, "TXT")
        return (
            None
            if found is None
            else [b"".join(record.strings).decode("utf-8", "replace") for record in found]
        )

    def addresses(self, host: str) -> list[str] | None:
        """IPv4 addresses, then IPv6."""
        four, six = self._ask(host, "A"), self._ask(host, "AAAA")
        if four is None and six is None:
            return None
        return [str(record.address) for record in [*(four or []), *(six or [])]]

    def names(self, address: str) -> list[str] | None:
        """PTR names without the final dot."""
        from dns.exception import SyntaxError as BadAddress
        from dns.reversename import from_address

        try:
            reverse = str(from_address(address))
        except BadAddress:
            return []
        found = self._ask(reverse, "PTR")
        return None if found is None else [str(record.target).rstrip(".") for record in found]

    def _ask(self, name: str, kind: str) -> list[Any] | None:
        from dns.exception import DNSException
        from dns.resolver import NXDOMAIN, NoAnswer, resolve

        try:
            return list(resolve(name, kind, lifetime=_SECONDS))
        except (NXDOMAIN, NoAnswer):
            return []
        except (DNSException, OSError):
            return None
