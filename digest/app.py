"""The only place where engine, clock, random source, HTTP client and transport are built from settings."""

from __future__ import annotations

import logging
import secrets
from functools import cached_property
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import threading
    from collections.abc import Callable
    from datetime import date

    from sqlalchemy import Engine
    from sqlalchemy.orm import Session, sessionmaker

    from digest.clock import Clock
    from digest.issues.view import IssueView
    from digest.pipeline.delivered import Summary
    from digest.pipeline.desk import EditorDesk
    from digest.pipeline.doctor import World
    from digest.pipeline.ping import Switch
    from digest.pipeline.reading import ReaderDesk
    from digest.pipeline.run import Steps
    from digest.pipeline.signing_up import SignUpDesk
    from digest.settings import Settings
    from digest.sources.http import Fetcher
    from digest.values import Progress, Transport
    from subscribers.tokens import TokenSigner

logger = logging.getLogger("digest.app")


def http_client(contact: str, clock: Clock) -> Fetcher:
    """An HTTP client that names ``contact`` as the address under which whoever asks is found: the
    newsletter's own, or, before there is one, the site that is looked at."""
    from digest.sources.http import Fetcher, user_agent

    return Fetcher(clock, user_agent=user_agent(contact))


class App:
    """Everything that use cases are given, built once and when first asked for."""

    def __init__(self, settings: Settings, clock: Clock) -> None:
        self.settings = settings
        self.clock = clock
        self._switches: dict[str, Switch] = {}

    @cached_property
    def engine(self) -> Engine:
        """The database, its schema brought up to date. Raises ``DatabaseError``."""
        from digest.migrations import ensure_schema

        engine = self.bare_engine
        ensure_schema(engine)
        return engine

    @cached_property
    def bare_engine(self) -> Engine:
        """The database without a look at its schema (for ``db`` commands). Raises ``ConfigError``."""
        from sqlalchemy.exc import ArgumentError, NoSuchModuleError

        from digest.errors import ConfigError, DatabaseUnusable
        from subscribers.database import open_engine

        try:
            return open_engine(self.settings.database_url)
        except (ArgumentError, NoSuchModuleError, ModuleNotFoundError) as error:
            raise ConfigError(
                "DIGEST_DATABASE_URL cannot be read",
                remedy="write sqlite:///FILE or postgresql://USER:PASSWORD@HOST/NAME",
            ) from error
        except OSError as error:
            raise DatabaseUnusable(f"database {error.filename}: {error.strerror}") from error

    @cached_property
    def sessions(self) -> sessionmaker[Session]:
        """Sessions that may write."""
        from subscribers.database import session_factory

        return session_factory(self.engine)

    @cached_property
    def readers(self) -> sessionmaker[Session]:
        """Sessions that only read, and on SQLite never wait for a writer."""
        from subscribers.database import reading, session_factory

        return session_factory(reading(self.engine))

    @cached_property
    def signer(self) -> TokenSigner:
        """Signs the links of mails. Raises ``ConfigError`` without DIGEST_SECRET_KEY."""
        from subscribers.tokens import TokenSigner

        return TokenSigner(self.settings.token_keys)

    @cached_property
    def fetcher(self) -> Fetcher:
        """The one HTTP client: checked addresses, total deadlines, at most two connections a host."""
        return http_client(self.settings.file.newsletter.url, self.clock)

    def http(self) -> Fetcher:
        """The HTTP client of this run."""
        return self.fetcher

    def transport(self) -> Transport:
        """Sessions with the configured mail server. Raises ``ConfigError``."""
        from digest.delivery.smtp import SmtpTransport, server_of

        return SmtpTransport(server_of(self.settings), self.clock)

    def examine_public_address(self) -> str:
        """Whether one-click unsubscribing works from outside. Raises ``PreflightFailed``."""
        from digest.pipeline.public_address import check_public_address

        def post(url: str, form: bytes) -> int:
            import httpx2

            kind = {"Content-Type": "application/x-www-form-urlencoded"}
            try:
                return httpx2.post(url, content=form, headers=kind, timeout=15.0).status_code
            except httpx2.HTTPError as error:
                raise OSError(str(error) or type(error).__name__) from error

        return check_public_address(self.settings, self.signer, post)

    def examiner(self) -> Callable[[int], None]:
        """Looks at an issue's links, then raises ``PreflightFailed`` if it must not be sent.

        A dead story is dropped or swapped by the edition's policy; the issue goes out without it.
        """

        def examine(issue_id: int) -> None:
            from digest.pipeline.asking import ask_through
            from digest.pipeline.examine_issue import examine_issue, require_sound
            from digest.pipeline.recheck import recheck_issue

            now = self.clock.now()
            recheck = recheck_issue(self.sessions, self.settings, issue_id, ask_through(self.http()), now=now)
            for note in (*recheck.dead, *recheck.renamed):
                logger.warning("issue %s: %s: %s", issue_id, note.headline, note.message)
            require_sound(examine_issue(self.readers, self.settings, issue_id, self.signer, now=now))
            self.examine_public_address()

        return examine

    def deliver(
        self, issue_id: int, *, progress: Progress | None = None, stop: threading.Event | None = None
    ) -> Summary:
        """Deliver an issue after the preflight: what ``run`` and the scheduler do. They wait for no pause."""
        from digest.delivery.worker import Habits
        from digest.pipeline.deliver import Order, deliver

        return deliver(
            self.engine,
            self.settings,
            issue_id,
            transport=self.transport(),
            signer=self.signer,
            clock=self.clock,
            order=Order(examine=self.examiner()),
            progress=progress,
            stop=stop,
            habits=Habits(wait_when_paused=False),
        )

    def deliver_notices(self, *, stop: threading.Event | None = None) -> None:
        """Send the notices that wait: confirm, approval and alarm mails."""
        from digest.pipeline.deliver import deliver_notices

        run = deliver_notices(
            self.engine,
            self.settings,
            transport=self.transport(),
            signer=self.signer,
            clock=self.clock,
            stop=stop,
        )
        if run.error is not None:
            raise run.error

    def steps(
        self, edition: str, *, progress: Progress | None = None, stop: threading.Event | None = None
    ) -> Steps:
        """What ``run`` is made of."""
        from digest.errors import ConfigError, DigestError
        from digest.pipeline.run import Steps

        def fetch() -> dict[str, Any]:
            from digest.pipeline.collect import collect

            return collect(
                self.sessions, self.settings, clock=self.clock, http=self.http(), progress=progress
            ).as_json()

        def build(day: date | None) -> IssueView:
            from digest.pipeline.build import build_issue

            return build_issue(self.sessions, self.settings, edition, day=day, now=self.clock.now())

        def announce(issue_id: int) -> int:
            from digest.pipeline.notifying import announce_approval

            new = announce_approval(self.sessions, self.settings, issue_id, now=self.clock.now())
            if new:  # with cron nobody else sends them
                try:
                    self.deliver_notices(stop=stop)
                except (DigestError, ConfigError) as error:
                    logger.warning("the notice to the editors waits: %s", error)
            return new

        return Steps(
            fetch=fetch,
            build=build,
            send=lambda issue_id: self.deliver(issue_id, progress=progress, stop=stop),
            announce=announce,
            ping=self.switch(self.settings.edition(edition).own.ping_url),
        )

    def switch(self, url: str | None) -> Switch:
        """The dead-man's switch behind ``url``; it has a moment at the end to be told."""
        from digest.pipeline.ping import Switch

        if (url or "") not in self._switches:
            self._switches[url or ""] = Switch(self.http, url)
        return self._switches[url or ""]

    def world(self) -> World:
        """What ``doctor`` asks."""
        from digest.delivery.smtp import server_of
        from digest.pipeline.doctor import World
        from digest.pipeline.resolver import SystemResolver

        def key() -> tuple[str, str]:
            from digest.pipeline.composing import dkim_signers

            name, record = dkim_signers(self.settings)[0].record
            return name, record.rpartition("p=")[2]

        def sample() -> str:
            from digest.pipeline.sample import render_samples

            return render_samples(self.settings)

        def there_and_back() -> str:
            from digest.pipeline.bounces import round_trip

            return round_trip(
                self.settings,
                self.sessions,
                self.transport(),
                signer=self.signer,
                clock=self.clock,
                nonce=secrets.randbelow(2**31),
            )

        return World(
            engine=self.bare_engine,
            sessions=lambda: self.readers,
            transport=self.transport,
            resolver=SystemResolver(),
            public_address=self.examine_public_address,
            render_sample=sample,
            round_trip=None if self.settings.file.bounces is None else there_and_back,
            dkim_public_key=None if self.settings.file.dkim is None else key,
            smtp_host=server_of(self.settings).host,
        )

    def reader_desk(self) -> ReaderDesk:
        """What readers do by the links of their mails."""
        from digest.pipeline.reading import ReaderDesk

        return ReaderDesk(self.sessions, self.readers, self.settings, self.signer)

    def editor_desk(self) -> EditorDesk:
        """What editors do by the links of their approval mails."""
        from digest.pipeline.desk import EditorDesk

        def examine(issue_id: int) -> None:
            self.examiner()(issue_id)

        return EditorDesk(self.sessions, self.readers, self.settings, self.signer, self.clock, examine)

    @cached_property
    def sign_ups(self) -> SignUpDesk:
        """What strangers ask for on the sign-up page. Raises ``ConfigError`` without keys."""
        from digest.pipeline.signing_up import SignUpDesk

        return SignUpDesk(self.sessions, self.readers, self.settings, after=0.25)

    def close(self) -> None:
        """Give connections back."""
        for switch in self._switches.values():
            switch.close()
        if "sign_ups" in self.__dict__:
            self.sign_ups.close()
        if "fetcher" in self.__dict__:
            self.fetcher.close()
        if "bare_engine" in self.__dict__:
            self.bare_engine.dispose()
