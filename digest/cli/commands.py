"""Every command and where it lives; a command's module is imported when the command is used.

So ``digest --help`` loads neither SQLAlchemy nor lxml nor the web stack. The line of help stands
here too; a test holds it against the command's own.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Entry:
    """A command (``attribute`` is a function) or a group (``attribute`` is a ``typer.Typer``)."""

    module: str
    attribute: str
    summary: str
    panel: str


START = "First steps"
DAILY = "The daily work"
PEOPLE = "People"
OPERATE = "Operating"

COMMANDS: dict[str, Entry] = {
    "demo": Entry("digest.cli.demo", "demo", "Show the whole job on a bundled sample newsroom.", START),
    "try": Entry("digest.cli.tryout", "try_url", "Show tomorrow's digest of any site.", START),
    "init": Entry("digest.cli.init", "init", "Make a new newsletter in a folder.", START),
    "doctor": Entry("digest.cli.doctor", "doctor", "Check everything that mail depends on.", START),
    "fetch": Entry("digest.cli.fetch", "fetch", "Take in what is new from the sources.", DAILY),
    "articles": Entry("digest.cli.articles", "app", "The stock of articles.", DAILY),
    "issue": Entry("digest.cli.issue", "app", "Build, edit, render and check issues.", DAILY),
    "preview": Entry("digest.cli.preview", "preview", "See an issue in the browser, live.", DAILY),
    "send": Entry("digest.cli.send", "send", "Deliver an issue; safe to interrupt and to repeat.", DAILY),
    "pause": Entry("digest.cli.send", "pause", "Stop sending an issue, from any terminal.", DAILY),
    "resume": Entry("digest.cli.send", "resume", "Let a paused issue go on.", DAILY),
    "run": Entry("digest.cli.run", "run", "Fetch, build, check and send: what cron calls.", DAILY),
    "stats": Entry("digest.cli.stats", "stats", "What became of issues: delivered, bounced, left.", DAILY),
    "subscribers": Entry("digest.cli.subscribers", "app", "People: add, import, export, erase.", PEOPLE),
    "lists": Entry("digest.cli.lists", "app", "Mailing lists.", PEOPLE),
    "segments": Entry("digest.cli.segments", "app", "Filters on subscribers.", PEOPLE),
    "bounces": Entry("digest.cli.bounces", "app", "Read the bounce mailbox.", PEOPLE),
    "schedule": Entry("digest.cli.schedule", "app", "What is due when, and what does it.", OPERATE),
    "serve": Entry("digest.cli.serve", "serve", "The public pages: unsubscribe, confirm, archive.", OPERATE),
    "templates": Entry("digest.cli.templates", "app", "The looks of an issue.", OPERATE),
    "dkim": Entry("digest.cli.dkim", "app", "Keys for DKIM signatures.", OPERATE),
    "db": Entry("digest.cli.db", "app", "The database: upgrade, check, backup.", OPERATE),
    "inbox": Entry("digest.cli.inbox", "inbox", "A local mail server that keeps what it gets.", OPERATE),
}
