"""Errors of the subscribers package: what can go wrong with a person, an address or a token.

::

    SubscriberError
    ├ InvalidAddress (also a ValueError)
    ├ UnknownSubscriber
    ├ UnknownList
    ├ UnknownSegment
    ├ NameTaken
    ├ InvalidField (also a ValueError)
    ├ AlreadySubscribed
    ├ Suppressed
    ├ SegmentSyntax (also a ValueError)
    ├ ImportFailed
    └ TokenError
      ├ TokenExpired
      └ TokenForged
"""

from __future__ import annotations


class SubscriberError(Exception):
    """Base of all expected errors here. ``str()`` is one line that names the thing and the cause.

    :param message: what is wrong, naming the thing.
    :param remedy: what the user can do about it, or empty.
    """

    def __init__(self, message: str = "", *, remedy: str = "") -> None:
        super().__init__(message or (type(self).__doc__ or "").partition("\n")[0])
        self.remedy = remedy


class InvalidAddress(SubscriberError, ValueError):
    """The text is not an e-mail address that we would hand to an SMTP server.

    :param reason: the cause alone, without the address: what an errors file and a log may show.
    """

    def __init__(self, message: str = "", *, reason: str = "", remedy: str = "") -> None:
        super().__init__(message, remedy=remedy)
        self.reason = reason or str(self)


class UnknownSubscriber(SubscriberError):
    """No subscriber has this address."""


class UnknownList(SubscriberError):
    """No list has this name."""


class UnknownSegment(SubscriberError):
    """No segment has this name."""


class NameTaken(SubscriberError):
    """A list, a segment or a person has this name or address already."""


class InvalidField(SubscriberError, ValueError):
    """A name, language, time zone or attribute that cannot be stored."""


class AlreadySubscribed(SubscriberError):
    """The person is on this list already."""


class Suppressed(SubscriberError):
    """The address or its domain is suppressed and is never mailed."""


class SegmentSyntax(SubscriberError, ValueError):
    """The segment's expression cannot be read; the message marks the place."""


class ImportFailed(SubscriberError):
    """No row could be imported; the message says what was looked for."""


class TokenError(SubscriberError):
    """The token cannot be accepted."""


class TokenExpired(TokenError):
    """The token was good once, but its time is over."""


class TokenForged(TokenError):
    """The token's signature is wrong."""
