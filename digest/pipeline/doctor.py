"""Examines everything that mail depends on; each check is one line: ok, warn or fail, with a remedy."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from ipaddress import ip_address
from typing import TYPE_CHECKING, Protocol
from urllib.parse import urlsplit

from digest.calendar import Due
from digest.checks.alignment import Check, Status, dkim, dmarc, reverse_name, spf
from digest.errors import ConfigError, Explained, TransportError
from digest.settings.parts import split_mailbox

if TYPE_CHECKING:
    from sqlalchemy import Engine
    from sqlalchemy.orm import Session, sessionmaker

    from digest.settings import Settings
    from digest.values import Transport

LATE_SECONDS = 15 * 60


class Resolver(Protocol):
    """Asks DNS; None means that it did not answer, an empty list that there is nothing."""

    def txt(self, name: str) -> list[str] | None: ...

    def addresses(self, host: str) -> list[str] | None: ...

    def names(self, address: str) -> list[str] | None: ...


@dataclass(frozen=True)
class World:
    """What the examination is given to ask: each may fail, and each failure is a line."""

    engine: Engine
    sessions: Callable[[], sessionmaker[Session]]
    transport: Callable[[], Transport]
    resolver: Resolver
    public_address: Callable[[], str]  # raises Explained; returns a line when one-click answers
    render_sample: Callable[[], str]  # raises Explained; returns a line
    round_trip: Callable[[], str] | None  # None without [bounces]
    dkim_public_key: Callable[[], tuple[str, str]] | None  # (record name, base64 key); None without [dkim]
    smtp_host: str


def examine(settings: Settings, world: World, *, now: datetime) -> list[Check]:
    """Run every check; none takes the others down."""
    checks = [Check("settings", Status.OK, f"{settings.folder / 'newsletter.toml'} is valid")]
    checks += _keys(settings)
    checks += _imprint(settings)
    database = _database(world.engine)
    checks.append(database)
    if database.status is not Status.FAIL:
        checks += _newsroom(settings, world.sessions(), now)
    checks.append(_attempt("templates", world.render_sample, "`digest templates list`"))
    checks.append(_smtp(world))
    checks += _dns(settings, world)
    if world.round_trip is not None:
        checks.append(_attempt("bounces", world.round_trip, "check [bounces] address and mailbox"))
    else:
        checks.append(
            Check(
                "bounces",
                Status.WARN,
                "no [bounces]: reports of failed deliveries are not read",
                "a list that never learns who is gone gets its sender suspended; see docs/bounces.md",
            )
        )
    checks.append(_attempt("public address", world.public_address, "set DIGEST_PUBLIC_URL"))
    return checks


def _keys(settings: Settings) -> Iterator[Check]:
    for name, read in (
        ("DIGEST_SECRET_KEY", lambda: settings.token_keys),
        ("DIGEST_SUPPRESSION_KEY", lambda: settings.suppression_key),
    ):
        try:
            read()
        except ConfigError as error:
            yield Check("keys", Status.FAIL, str(error), error.remedy)
        else:
            yield Check("keys", Status.OK, f"{name} is set; keep a copy with your backups")


def _imprint(settings: Settings) -> Iterator[Check]:
    newsletter = settings.file.newsletter
    if newsletter.postal_address.strip():
        yield Check("postal address", Status.OK, " ".join(newsletter.postal_address.split()))
    else:
        remedy = "set [newsletter] postal_address: bulk mail must name one (CAN-SPAM and others)"
        yield Check("postal address", Status.FAIL, "there is none", remedy)
    for name in settings.file.editions:
        domain = split_mailbox(settings.edition(name).sender_address)[1].rpartition("@")[2]
        if domain in {"example.org", "example.com", "localhost"} or domain.endswith(".example"):
            yield Check(
                "sender",
                Status.WARN,
                f"edition {name} sends from {domain}, which is an example",
                "set [newsletter] sender",
            )
    if not settings.file.editions:
        yield Check("editions", Status.FAIL, "there is none", "add [editions.daily] to newsletter.toml")
    if not settings.file.sources:
        yield Check("sources", Status.WARN, "there are none", "add [[sources]] to newsletter.toml")
    if newsletter.editors == []:
        yield Check("editors", Status.WARN, "nobody gets alarms", 'set [newsletter] editors = ["you@…"]')


def _database(engine: Engine) -> Check:
    from digest.migrations.examination import examine as look

    report = look(engine)
    where = engine.url.render_as_string(hide_password=True)
    if report.problems:
        return Check(
            "database", Status.FAIL, "; ".join(report.problems), "`digest db check`, or restore a backup"
        )
    return Check("database", Status.OK, f"{where}: schema {report.version}")


def _newsroom(settings: Settings, sessions: sessionmaker[Session], now: datetime) -> Iterator[Check]:
    from sqlalchemy import select

    from digest.models import SourceStateRow
    from subscribers.models import MailingListRow

    with sessions() as session:
        lists = set(session.scalars(select(MailingListRow.name)))
        states = {row.name: row for row in session.scalars(select(SourceStateRow))}
        yield from _lateness(session, settings, now)
    for name in settings.file.editions:
        wanted = settings.edition(name).list_name
        if wanted not in lists:
            remedy = f"`digest lists create {wanted}`"
            yield Check(
                "lists",
                Status.FAIL,
                f"edition {name} sends to the list {wanted!r}, which does not exist",
                remedy,
            )
    for source in settings.file.sources:
        state = states.get(source.name)
        if state is None or state.fetched_at is None:
            yield Check("source", Status.WARN, f"{source.name} was never fetched", "`digest fetch`")
        elif state.failures:
            ago = _ago(now - state.succeeded_at) if state.succeeded_at else "never"
            detail = (
                f"{source.name} failed {state.failures} times in a row (last success: {ago}): {state.error}"
            )
            yield Check(
                "source", Status.FAIL if state.failures >= 3 else Status.WARN, detail, "`digest fetch -v`"
            )
        elif state.gap:
            remedy = "fetch more often: `digest fetch` every hour"
            yield Check("source", Status.WARN, f"{source.name}: stories may have passed unseen", remedy)
        if state is not None and state.moved_to:
            remedy = "change its url in newsletter.toml"
            yield Check("source", Status.WARN, f"{source.name} has moved to {state.moved_to}", remedy)


def _lateness(session: Session, settings: Settings, now: datetime) -> Iterator[Check]:
    """An edition that should have gone out a quarter of an hour ago is late."""
    from digest.pipeline.timetable import facts_of, prospects

    try:
        found = prospects(session, settings, now=now, count=1)
    except ConfigError as error:
        yield Check("schedule", Status.FAIL, str(error), error.remedy)
        return
    for one in found:
        known = facts_of(session, one.edition).known_since is not None  # nobody has run a new one yet
        if known and one.due is not Due.NOTHING and one.late > LATE_SECONDS:
            remedy = f"does `digest schedule run` run? `digest run {one.edition}` sends it now"
            detail = f"edition {one.edition} is {round(one.late / 60)} minutes late"
            yield Check("schedule", Status.FAIL, detail, remedy)
        elif one.times:
            yield Check(
                "schedule", Status.OK, f"edition {one.edition} comes at {one.times[0]:%Y-%m-%d %H:%M} UTC"
            )


def _smtp(world: World) -> Check:
    try:
        world.transport().open().close()
    except (TransportError, ConfigError) as error:
        return Check("smtp", Status.FAIL, str(error), error.remedy or "check [smtp] and DIGEST_SMTP_URL")
    return Check("smtp", Status.OK, f"{world.smtp_host} accepts our log-in")


def _dns(settings: Settings, world: World) -> Iterator[Check]:
    if _is_local(world.smtp_host):
        yield Check("dns", Status.OK, "the mail server is this machine: DNS is not looked at")
        return
    bounces = settings.file.bounces
    path_domain = split_mailbox(bounces.address)[1].rpartition("@")[2].lower() if bounces else ""
    domains = {settings.edition(name).sender_address.rpartition("@")[2] for name in settings.file.editions}
    resolver = world.resolver
    for domain in sorted(domains):
        yield spf(domain, resolver.txt(domain))
        yield dmarc(domain, _dmarc_records(domain, resolver))
        if path_domain and not _aligned(path_domain, domain.lower()):
            detail = f"the return path's domain {path_domain} is not aligned with {domain}"
            yield Check("alignment", Status.WARN, detail, f"use a bounce address at {domain} (DMARC)")
    if world.dkim_public_key is None:
        remedy = "`digest dkim new`, or make sure that the relay signs"
        yield Check("dkim", Status.WARN, "copies are not signed here", remedy)
    else:
        name, key = world.dkim_public_key()
        yield dkim(name, resolver.txt(name), key)
    for address in (resolver.addresses(world.smtp_host) or [])[:1]:
        names = resolver.names(address)
        confirmed = any(address in (resolver.addresses(name) or []) for name in names or [])
        yield reverse_name(address, names, confirmed)


def _aligned(one: str, other: str) -> bool:
    """Relaxed alignment (RFC 7489, 3.1.2): the same domain, or one below the other."""
    return f".{one}".endswith(f".{other}") or f".{other}".endswith(f".{one}")


def _dmarc_records(domain: str, resolver: Resolver) -> Sequence[str] | None:
    """The domain's own record, else that of the domain above it (RFC 7489, 6.6.3)."""
    found: list[str] | None = None
    labels = domain.split(".")
    for start in range(max(1, len(labels) - 1)):
        found = resolver.txt("_dmarc." + ".".join(labels[start:]))
        if found:
            return found
    return found


def _attempt(name: str, attempt: Callable[[], str], remedy: str) -> Check:
    try:
        return Check(name, Status.OK, attempt())
    except Explained as error:
        return Check(name, Status.FAIL, str(error), error.remedy or remedy)


def _is_local(host: str) -> bool:
    if host == "localhost":
        return True
    try:
        return ip_address(urlsplit(f"//{host}").hostname or host).is_loopback
    except ValueError:
        return False


def _ago(span: timedelta) -> str:
    hours = int(span.total_seconds() // 3600)
    return f"{hours // 24} days ago" if hours >= 48 else f"{hours} hours ago" if hours else "within the hour"
