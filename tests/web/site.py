"""A newsletter with one reader, its public pages, and a clock that stands still."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

from sqlalchemy import Engine
from starlette.testclient import TestClient

from digest.clock import StoppedClock
from digest.pipeline.reading import ReaderDesk
from digest.pipeline.signing_up import SignUpDesk
from digest.settings import load
from digest.web import public_pages
from subscribers.addresses import parse_address
from subscribers.database import reading, session_factory
from subscribers.membership import How, subscribe
from subscribers.membership.lists import create_list
from subscribers.models import ConsentMethod, OptIn, SubscriptionRow
from subscribers.suppression import SuppressionKey
from subscribers.tokens import Purpose, TokenSigner

NOW = datetime(2026, 11, 23, 7, tzinfo=UTC)
KEY = SuppressionKey(b"a suppression key of the tests")
SIGNER = TokenSigner([b"a token key of the tests (newest)", b"an older token key of the tests"])


class Site:
    """A newsletter with one reader, its pages, and its clock."""

    def __init__(self, engine: Engine, folder: Path, optin: OptIn = OptIn.SINGLE, *, web: str = "") -> None:
        (folder / "newsletter.toml").write_text(
            '[newsletter]\nname = "Harbour <b>"\nurl = "https://harbour.example"\n'
            'sender = "d@harbour.example"\n'
            '[[sections]]\nname = "City"\n[[sections]]\nname = "Sport"\n[editions.daily]\n'
            f"[editions.weekly]\n[web]\n{web}"
        )
        self.sessions = session_factory(engine)
        self.clock = StoppedClock(NOW)
        with self.sessions.begin() as session:
            mailing_list = create_list(session, "daily", now=NOW, title="The Daily", optin=optin)
            other = create_list(session, "weekly", now=NOW, title="The Weekly")
            ada = parse_address("ada@readers.example")
            how = How(ConsentMethod.COMMAND)
            self.subscription = subscribe(
                session, ada, mailing_list, KEY, now=NOW, how=how, name="Ada"
            ).subscription_id
            self.other = subscribe(session, ada, other, KEY, now=NOW, how=how).subscription_id
        environment = folder / ".env"
        environment.write_text(
            "DIGEST_SECRET_KEY=a token key of the tests (newest)\n"
            "DIGEST_SUPPRESSION_KEY=a suppression key of the tests\n"
            "DIGEST_PUBLIC_URL=https://news.example\n"
        )
        environment.chmod(0o600)
        settings = load(folder)
        self.engine = engine
        self.folder = folder
        self.settings = settings
        readers = session_factory(reading(engine))
        self.desk = desk = ReaderDesk(self.sessions, readers, settings, SIGNER)
        self.sign_ups = SignUpDesk(self.sessions, readers, settings)
        self.client = TestClient(public_pages(settings, desk, self.sign_ups, readers, self.clock))

    def close(self) -> None:
        self.client.close()
        self.sign_ups.close()

    def token(self, purpose: Purpose, signer: TokenSigner = SIGNER) -> str:
        dated = NOW if purpose is Purpose.CONFIRM else None
        return signer.sign(purpose, self.subscription, issued_at=dated)

    def standing(self, subscription_id: int | None = None) -> str:
        with self.sessions() as session:
            return str(session.get_one(SubscriptionRow, subscription_id or self.subscription).status)

    def sections(self) -> list[str] | None:
        with self.sessions() as session:
            return session.get_one(SubscriptionRow, self.subscription).sections
