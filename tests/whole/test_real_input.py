"""The main job on real feeds: every file of the test data, over HTTP, to a thousand people, by SMTP."""

from __future__ import annotations

import email
import email.policy
import json
import re
import threading
from collections import Counter
from collections.abc import Iterator
from email.message import EmailMessage
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

import pytest
from aiosmtpd.controller import Controller
from lxml import html as lxml_html

from tests.conftest import free_port

if TYPE_CHECKING:
    from tests.conftest import Runner

PEOPLE = 1000
HEADERS = [
    "from", "to", "subject", "date", "message-id", "reply-to", "list-id", "list-unsubscribe",
    "list-unsubscribe-post", "list-archive", "list-post", "auto-submitted", "mime-version", "content-type",
]  # fmt: skip


class Quiet(SimpleHTTPRequestHandler):
    def log_message(self, *_: object) -> None: ...


@pytest.fixture
def feeds(test_data: Path) -> Iterator[str]:
    server = ThreadingHTTPServer(
        ("127.0.0.1", 0), partial(Quiet, directory=str(test_data / "ingest" / "feeds"))
    )
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield f"http://127.0.0.1:{server.server_address[1]}"
    server.shutdown()
    thread.join()
    server.server_close()


class Box:
    """Keeps what arrives: envelope recipients and bytes."""

    def __init__(self) -> None:
        self.letters: list[tuple[str, bytes]] = []

    async def handle_DATA(self, server: Any, session: Any, envelope: Any) -> str:  # noqa: N802 - aiosmtpd's name
        for recipient in envelope.rcpt_tos:
            self.letters.append((recipient, envelope.original_content))
        return "250 OK queued as 4ABC"


@pytest.fixture
def box() -> Iterator[tuple[Box, int]]:
    kept = Box()
    port = free_port()
    controller = Controller(kept, hostname="127.0.0.1", port=port)
    controller.start()
    yield kept, port
    controller.stop()


def newsletter(folder: Path, feeds: str, names: list[str], port: int) -> None:
    sources = "".join(
        f'[[sources]]\nname = "s{place}"\nurl = "{feeds}/{name}"\nallow_private = true\nfull_text = "never"\n'
        for place, name in enumerate(names)
    )
    (folder / "newsletter.toml").write_text(
        f"""
[newsletter]
name = "Überblick — सब कुछ"
url = "https://harbour.example"
sender = "Überblick <daily@harbour.example>"
reply_to = "desk@harbour.example"
postal_address = "1 Quay Street, Harbour"
timezone = "Asia/Dubai"
[smtp]
host = "127.0.0.1"
port = {port}
rate = "unlimited"
{sources}
[[sections]]
name = "News"
match_title = ["."]
max = 12
[ranking]
per_source = 1
[editions.daily]
max_age = "7200d"
[retention]
articles = "7300d"
""",
        encoding="utf-8",
    )


def people(folder: Path) -> None:
    lines = ["email,name,language"]
    lines += [f"reader{n}@readers.example,Reader {n} Ünï,en" for n in range(PEOPLE)]
    (folder / "people.csv").write_text("\n".join(lines) + "\n", encoding="utf-8")


def test_all_real_feeds_become_a_thousand_sound_copies(
    tmp_path: Path,
    feeds: str,
    box: tuple[Box, int],
    test_data: Path,
    run_digest: type[Runner],
    database_url: str,
) -> None:
    kept, port = box
    expected = json.loads((test_data / "ingest" / "feeds" / "expected.json").read_text())
    run_digest.run("init", "--json", cwd=tmp_path)
    newsletter(tmp_path, feeds, sorted(expected), port)
    people(tmp_path)

    def digest(*arguments: str) -> Any:
        done = run_digest.run(*arguments, "--json", cwd=tmp_path, DIGEST_DATABASE_URL=database_url)
        assert done.returncode == 0, done.stderr[-2000:]
        return json.loads(done.stdout)

    digest("db", "upgrade")
    if not digest("lists", "list"):
        digest("lists", "create", "daily")
    fetched = digest("fetch")
    failed = [source for source in fetched["sources"] if source["status"] == "failed"]
    assert failed == []
    assert fetched["new"] >= 0.9 * sum(feed["count"] for feed in expected.values())
    assert digest("subscribers", "import", "people.csv")["added"] == PEOPLE
    issue = digest("issue", "build", "daily")
    stories = [item for section in issue["sections"] for item in section["items"]] + issue["dont_miss"]
    assert issue["lead"]
    assert len(stories) >= 10
    sent = digest("send", str(issue["id"]))
    assert (sent["recipients"], sent["sent"]) == (PEOPLE, PEOPLE)
    assert Counter(recipient for recipient, _ in kept.letters) == Counter(
        f"reader{n}@readers.example" for n in range(PEOPLE)
    )
    links = {item["url"] for item in [*stories, issue["lead"]] if item["url"]}
    identities = set()
    for place, (recipient, raw) in enumerate(kept.letters):
        if place % 50 == 0:
            identities.add(examine(recipient, raw, links, deeply=place == 0))
        else:
            identities.add(re.search(rb"^Message-ID: (.*)\r$", raw, re.MULTILINE)[1])  # type: ignore[index]
    assert len(identities) == PEOPLE
    again = digest("send", str(issue["id"]))
    assert again["sent"] == PEOPLE
    assert len(kept.letters) == PEOPLE


def examine(recipient: str, raw: bytes, links: set[str], *, deeply: bool) -> bytes:
    """Everything that a mail program relies on; returns the Message-ID."""
    message = email.message_from_bytes(raw, policy=email.policy.default)
    assert isinstance(message, EmailMessage)
    assert [part.defects for part in message.walk() if part.defects] == []
    names = [name.lower() for name, _ in message.items()]
    assert sorted(name for name in names if names.count(name) > 1) == []
    assert [name for name in HEADERS if name not in names] == []
    assert message["to"].addresses[0].addr_spec == recipient
    assert message["from"].addresses[0].display_name == "Überblick"
    assert message["list-unsubscribe-post"] == "List-Unsubscribe=One-Click"
    assert max(len(line) for line in raw.split(b"\r\n")) <= 998
    assert not re.search(rb"(?<!\r)\n|\r(?!\n)", raw)
    text, page = (part.get_content() for part in message.iter_parts())
    for body in (text, page):
        assert not re.search(r"slot\.invalid|\{\{|\}\}|Undefined|None,|\ufffd", body)
        assert "1 Quay Street" in body
    unsubscribe = re.fullmatch(r"<(http://127\.0\.0\.1:8000/u/[\w-]+)>", message["list-unsubscribe"])
    assert unsubscribe
    assert unsubscribe[1] in text
    assert unsubscribe[1] in page
    if deeply:
        tree = lxml_html.fromstring(page)
        hrefs = {str(href) for href in tree.xpath("//a/@href")}
        assert [link for link in links if link not in hrefs] == []
        assert [link for link in links if link not in text.replace("\r\n", "\n")] == []
        assert {urlsplit(href).scheme for href in hrefs} <= {"https", "http", "mailto"}
        assert tree.xpath("//img[not(@alt)]") == []
        assert all(len(line) <= 78 or "http" in line for line in text.splitlines())
    return raw[raw.index(b"Message-ID: ") + 12 :].split(b"\r\n", 1)[0]
