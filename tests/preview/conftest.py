"""A newsletter with a built issue, collected once from the sample newsroom and copied for each test."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from starlette.testclient import TestClient

from digest.app import App
from digest.clock import SystemClock
from digest.inbox import Mailbox, Receiver
from digest.issues.view import IssueView, issue_view
from digest.pipeline.build import build_issue
from digest.pipeline.collect import collect
from digest.pipeline.demo import invite, lay_out, read_again
from digest.pipeline.newsroom import Newsroom
from digest.preview import Desk
from digest.resources import newsroom_dir
from digest.settings import Settings

CLOCK = SystemClock()


@pytest.fixture(scope="session")
def newsroom() -> Iterator[Newsroom]:
    with Newsroom(newsroom_dir(), CLOCK) as running:
        yield running


@pytest.fixture(scope="session")
def stocked(newsroom: Newsroom, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder whose database holds articles, three readers and one unsent issue."""
    folder = tmp_path_factory.mktemp("stocked") / "newsletter"
    settings = lay_out(folder, newsroom, smtp_url="smtp://127.0.0.1:9")
    app = App(settings, CLOCK)
    with app.sessions.begin() as session:
        invite(session, settings, CLOCK)
    collect(app.sessions, settings, clock=CLOCK, http=app.http())
    build_issue(app.sessions, settings, "daily", now=CLOCK.now())
    app.close()
    return folder


@dataclass
class Office:
    """A running desk, its page, and the mailbox behind its mail server."""

    desk: Desk
    mailbox: Mailbox
    settings: Settings

    @property
    def page(self) -> TestClient:
        return TestClient(self.desk.page, base_url="http://127.0.0.1")

    @property
    def issue(self) -> IssueView:
        with self.desk.app.readers() as session:
            return issue_view(session, 1)

    def do(self, action: str, **form: str | int) -> str:
        """Press a button; returns the page that answers."""
        answer = self.page.post(f"{self.desk.path(1)}/do/{action}", data={k: str(v) for k, v in form.items()})
        return answer.text


@pytest.fixture
def office(stocked: Path, newsroom: Newsroom, tmp_path: Path) -> Iterator[Office]:
    folder = tmp_path / "newsletter"
    shutil.copytree(stocked, folder)
    mailbox = Mailbox(CLOCK)
    with Receiver(mailbox) as receiver:
        settings = lay_out(folder, newsroom, smtp_url=receiver.url)
        desk = Desk(settings, CLOCK, reload=lambda: read_again(settings))
        try:
            yield Office(desk, mailbox, settings)
        finally:
            desk.close()


def eventually(true: Callable[[], object], seconds: float = 5.0) -> None:
    """Wait until it holds; fail when it does not within ``seconds``."""
    end = CLOCK.monotonic() + seconds
    while not true():
        assert CLOCK.monotonic() < end, "it did not come true in time"
        CLOCK.wait(0.02)
