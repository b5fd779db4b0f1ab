"""A newsletter whose issue waits for its two editors, the public pages, and a mail server that keeps."""

from __future__ import annotations

import re
import shutil
from datetime import UTC, datetime, timedelta
from pathlib import Path

from sqlalchemy import select
from starlette.testclient import TestClient

from digest.app import App
from digest.clock import OffsetClock
from digest.issues.view import IssueView, issue_view
from digest.mail.opened import OpenedMessage, open_message
from digest.models import IssueEventRow, IssueStatus
from digest.pipeline.editors import desk_url
from digest.pipeline.run import RunReport, run_edition
from digest.pipeline.timetable import remember
from digest.settings import load
from digest.web import public_pages
from subscribers.addresses import parse_address
from subscribers.membership import How, subscribe
from subscribers.membership.lists import create_list
from subscribers.models import ConsentMethod
from subscribers.suppression import SuppressionKey
from tests.delivery.conftest import MailServer

BUILT = datetime(2026, 11, 23, 2, 30, tzinfo=UTC)  # 06:30 in Dubai
GOES_OUT = datetime(2026, 11, 23, 3, 0, tzinfo=UTC)  # 07:00
MARIA, TOM = "maria@harbour.example", "tom@desk.example"

STORIES = (
    ("Ferry fares rise in March", "Commuters across the bay will pay a tenth more from the first of March."),
    (
        "A school wins the robot cup",
        "Pupils from the eastern quarter built a machine that sorts shells by size.",
    ),
    (
        "Council votes on the old crane",
        "The rusting landmark may become a museum, or be melted down for rails.",
    ),
    (
        "Storm closes the northern mole",
        "Waves of six metres broke two lamps; nobody was hurt, engineers say.",
    ),
    (
        "Bakers hand out free bread",
        "Forty loaves went in an hour after an oven was started by mistake at night.",
    ),
    (
        "Choir sings under the bridge",
        "Three hundred voices tested an echo that architects had promised to remove.",
    ),
)


class MovedClock(OffsetClock):
    """A clock that goes on from a given time, and can be moved."""

    def move(self, to: datetime) -> None:
        self._offset += to - self.now()


class NewsDesk:
    """Six stories, one reader, an issue that is built at 06:30 and goes out at 07:00 when it is approved."""

    def __init__(
        self,
        folder: Path,
        *,
        own: str = "",
        public: str = "http://127.0.0.1",
        waits: str = 'approve = true\nsend_at = "07:00"\n',
    ) -> None:
        self.folder = folder
        if not (folder / "newsletter.toml").exists():
            self._lay_out(waits + own, public)
        self.clock = MovedClock(BUILT)
        self.app = App(load(folder), self.clock)
        self.server = MailServer()
        self.app.transport = lambda: self.server  # type: ignore[method-assign]
        if not (folder / "known").exists():
            self._invite()
        self.client = TestClient(self.pages(), base_url="http://127.0.0.1", follow_redirects=True)

    def again(self, folder: Path) -> NewsDesk:
        """The same newsletter as it stands now, in another folder."""
        shutil.copytree(self.folder, folder, dirs_exist_ok=True)
        copy = NewsDesk(folder)
        copy.server.accepted.extend(self.server.accepted)
        return copy

    def _lay_out(self, own: str, public: str) -> None:
        folder = self.folder
        stories = folder / "stories"
        stories.mkdir()
        for place, (title, text) in enumerate(STORIES):
            (stories / f"{place}.md").write_text(
                f"---\ntitle: {title}\ncategories: [News]\n"
                f"url: https://harbour.example/{place}\ndate: 2026-11-22T1{place}:00:00Z\n---\n\n{text}\n"
            )
        (folder / "newsletter.toml").write_text(
            '[newsletter]\nname = "Harbour <b>"\nurl = "https://harbour.example"\n'
            'sender = "daily@harbour.example"\npostal_address = "1 Quay"\ntimezone = "Asia/Dubai"\n'
            f'editors = ["Maria Reyes <{MARIA}>", "{TOM}"]\n'
            '[[sources]]\nname = "stories"\nurl = "stories"\n[[sections]]\nname = "News"\n'
            '[editions.daily]\nschedule = "30 6 * * *"\n' + own
        )
        environment = folder / ".env"
        environment.write_text(
            "DIGEST_SECRET_KEY=a token key of the tests\n"
            "DIGEST_SUPPRESSION_KEY=a suppression key of the tests\n"
            + (f"DIGEST_PUBLIC_URL={public}\n" if public else "")
        )
        environment.chmod(0o600)

    def _invite(self) -> None:
        """One reader; and the edition has been known since yesterday."""
        with self.app.sessions.begin() as session:
            remember(session, "daily", now=BUILT - timedelta(days=1))
            daily = create_list(session, "daily", now=BUILT)
            subscribe(
                session,
                parse_address("ada@readers.example"),
                daily,
                SuppressionKey(self.app.settings.suppression_key),
                now=BUILT,
                how=How(ConsentMethod.COMMAND),
            )
        (self.folder / "known").touch()

    def pages(self):  # type: ignore[no-untyped-def]
        app = self.app
        return public_pages(
            app.settings, app.reader_desk(), app.sign_ups, app.readers, self.clock, app.editor_desk()
        )

    def close(self) -> None:
        self.client.close()
        self.app.close()

    def run(self) -> RunReport:
        """One look of the scheduler."""
        return run_edition(
            self.app.sessions,
            self.app.settings,
            "daily",
            self.app.steps("daily"),
            now=self.clock.now(),
            if_due=True,
        )

    @property
    def notices(self) -> dict[str, list[OpenedMessage]]:
        """What each editor was mailed."""
        found: dict[str, list[OpenedMessage]] = {MARIA: [], TOM: []}
        for envelope in self.server.accepted:
            if envelope.recipient in found:
                found[envelope.recipient].append(open_message(envelope.message))
        return found

    @property
    def copies(self) -> list[str]:
        """To whom the issue went."""
        return [one.recipient for one in self.server.accepted if one.recipient not in {MARIA, TOM}]

    def link(self, address: str = MARIA, *, at: datetime | None = None) -> str:
        """The path of an editor's link to issue 1."""
        signer, settings = self.app.signer, self.app.settings
        url = desk_url(settings, signer, 1, address, at=at or self.clock.now())
        return url.removeprefix(settings.public_url)

    @property
    def issue(self) -> IssueView:
        with self.app.readers() as session:
            return issue_view(session, 1)

    @property
    def status(self) -> IssueStatus:
        return IssueStatus(self.issue.status)

    @property
    def history(self) -> list[tuple[str, str]]:
        """(action, actor) of issue 1."""
        with self.app.readers() as session:
            return [
                (row.action, row.actor)
                for row in session.scalars(select(IssueEventRow).order_by(IssueEventRow.id))
            ]


def links_of(message: OpenedMessage) -> dict[str, str]:
    """Text → address of the links in a message's HTML."""
    return {
        re.sub(r"<[^>]+>|\s+", " ", text).strip(): url.replace("&amp;", "&")
        for url, text in re.findall(r'<a\b[^>]*?href="([^"]*)"[^>]*>(.*?)</a>', message.html, re.DOTALL)
    }
