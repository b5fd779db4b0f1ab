"""The errors everybody may raise: what was promised and cannot be kept.

::

    ConfigError ─ UsageError         outside DigestError, so that no retry swallows it
    DigestError
    ├ SourceError
    │ ├ SourceUnavailable, SourceUnparsable, SourceForbidden
    ├ IssueError
    │ ├ EmptyIssue, IssueLocked, IssueNotApproved, UnknownIssue, PreflightFailed, StaleEdit
    ├ ArticleError ─ UnknownArticle
    ├ RenderError(template, line)
    ├ DatabaseError ─ SchemaTooNew, DatabaseUnusable
    ├ PortTaken, ClockUnset
    └ TransportError
      └ ServerUnavailable, AuthenticationFailed

An error's text is one line that names the thing and the cause; ``remedy`` says what to do about it.
A refused recipient is an ``Outcome`` (``digest.values``), not an error.
"""

from __future__ import annotations


class Explained(Exception):
    """An expected error: one line that names the thing and the cause, and a remedy.

    :param message: the line.
    :param remedy: what the user can do, or empty.
    """

    picture = ""
    """Lines to be shown below, where a place must be pointed at: what was written, and a caret under it."""

    def __init__(self, message: str = "", *, remedy: str = "") -> None:
        super().__init__(message or (type(self).__doc__ or "").partition("\n")[0])
        self.remedy = remedy


class ConfigError(Explained):
    """newsletter.toml, .env or the environment says something that cannot be used."""


class UsageError(ConfigError):
    """An argument has no form or value that could be meant."""


class DigestError(Explained):
    """Base of everything that may go wrong while a digest is made and sent."""


class SourceError(DigestError):
    """A source could not be read; the others go on."""


class SourceUnavailable(SourceError):
    """The source does not answer, or answers with an error that may pass."""


class SourceUnparsable(SourceError):
    """What the source sent cannot be read as what it should be."""


class SourceForbidden(SourceError):
    """The source's address is one that we do not connect to (private, loopback, metadata, scheme)."""


class ArticleError(DigestError):
    """An article cannot be used in this way."""


class UnknownArticle(ArticleError):
    """No article has this number."""


class IssueError(DigestError):
    """An issue cannot be built, changed or sent."""


class UnknownIssue(IssueError):
    """No issue has this number."""


class EmptyIssue(IssueError):
    """There are too few articles for an issue."""


class IssueLocked(IssueError):
    """The issue is frozen: copies of it have been sent."""


class IssueNotApproved(IssueError):
    """The issue waits for an editor's approval."""


class PreflightFailed(IssueError):
    """The preflight found an error in the issue."""


class StaleEdit(IssueError):
    """Somebody else changed the issue in the meantime."""


class RenderError(DigestError):
    """A template cannot be rendered.

    :param template: its name; :param line: line in the template, 0 when unknown.
    """

    def __init__(self, message: str = "", *, template: str = "", line: int = 0, remedy: str = "") -> None:
        where = f"{template}:{line}: " if line else f"{template}: " if template else ""
        super().__init__(where + message, remedy=remedy)
        self.template = template
        self.line = line


class DatabaseError(DigestError):
    """The database cannot be used."""


class DatabaseUnusable(DatabaseError):
    """The database cannot be opened, is read-only, locked for too long, full, or damaged."""


class SchemaTooNew(DatabaseError):
    """The database was written by a newer version of dontmiss."""


class PortTaken(DigestError):
    """A port that we should listen on is in use, or may not be used."""


class ClockUnset(DigestError):
    """The machine's clock says a time before this program was written."""


class TransportError(DigestError):
    """The mail server cannot be used for any recipient now."""


class ServerUnavailable(TransportError):
    """The mail server does not answer, or refuses the session."""


class AuthenticationFailed(TransportError):
    """The mail server refuses our log-in, or TLS could not be established as required."""
