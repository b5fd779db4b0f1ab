"""The links of the demo's mails lead somewhere: its public pages run beside it."""

from __future__ import annotations

import re
from email import message_from_string, policy
from pathlib import Path

import httpx2
import pytest

from tests.preview.conftest import eventually
from tests.preview.test_commands import running


@pytest.mark.slow
def test_the_links_of_a_mail_are_followed(tmp_path: Path) -> None:
    with (
        running("demo", "--no-browser", cwd=tmp_path) as told,
        httpx2.Client(timeout=10, follow_redirects=True) as client,
    ):
        inbox, public = told["inbox"], told["public"]
        mail = message_from_string(client.get(f"{inbox}/mail/1/source").text, policy=policy.default)
        html = mail.get_body(("html",)).get_content()  # type: ignore[union-attr]
        links = dict(re.findall(rf'href="{re.escape(public)}/(u|p|archive)/([^"]+)"', html))
        assert set(links) == {"u", "p", "archive"}

        archive = client.get(f"{public}/archive/{links['archive']}")
        assert archive.status_code == 200
        assert "The Marenholt Morning" in archive.text
        # Its pictures are on loopback, like the page itself.
        assert re.search(r'<img[^>]+src="http://127\.0\.0\.1:', archive.text)
        assert "img-src https: http://127.0.0.1:*;" in archive.headers["Content-Security-Policy"]
        assert client.get(f"{public}/p/{links['p']}").status_code == 200

        page = client.get(f"{public}/u/{links['u']}")
        assert page.status_code == 200
        one_click = mail["List-Unsubscribe"].rpartition("<")[2].rstrip(">")
        assert one_click.startswith(f"{public}/u/")
        left = client.post(one_click, data={"List-Unsubscribe": "One-Click"})
        assert left.status_code == 200

        # Who signs up gets the mail that asks them to confirm, in the same inbox.
        form = client.get(f"{public}/subscribe").text
        fields = dict(re.findall(r'name="(\w+)" value="([^"]*)"', form))
        joined = client.post(f"{public}/subscribe", data={**fields, "email": "new@readers.example"})
        assert joined.status_code == 200
        eventually(lambda: "new@readers.example" in client.get(inbox).text, 10)
        newest = client.get(f"{inbox}/mail/4/source").text
        assert (
            f"{public}/c/"
            in message_from_string(newest, policy=policy.default).get_body(("plain",)).get_content()
        )  # type: ignore[union-attr]
