"""Mail scanners, previews and prefetchers follow every link: what only asks must change nothing."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from sqlalchemy import Engine, MetaData, select
from starlette.applications import Starlette
from starlette.routing import Route

from subscribers.models import OptIn
from subscribers.tokens import Purpose
from tests.web.site import Site

READERS = (Purpose.UNSUBSCRIBE, Purpose.PREFERENCES, Purpose.CONFIRM)


def everything(engine: Engine) -> dict[str, list[tuple[object, ...]]]:
    """Each row of each table."""
    known = MetaData()
    known.reflect(engine)
    with engine.connect() as connection:
        return {
            table.name: sorted((tuple(row) for row in connection.execute(select(table))), key=repr)
            for table in known.sorted_tables
        }


@pytest.mark.parametrize("method", ["GET", "HEAD", "PUT"])
@pytest.mark.parametrize("optin", [OptIn.SINGLE, OptIn.DOUBLE])
def test_following_any_link_changes_no_row(engine: Engine, tmp_path: Path, optin: OptIn, method: str) -> None:
    site = Site(engine, tmp_path, optin)
    before = everything(engine)
    application = site.client.app
    assert isinstance(application, Starlette)
    paths = [
        f"/u/{site.token(Purpose.UNSUBSCRIBE)}?List-Unsubscribe=One-Click",
        f"/p/{site.token(Purpose.PREFERENCES)}?section=city&name=Eve&everything=1",
        "/subscribe?email=eve@readers.example&list=daily",
        *(
            re.sub(r"\{\w+\}", filled, route.path)
            for route in application.routes
            if isinstance(route, Route)
            for filled in (*(site.token(purpose) for purpose in READERS), "daily")
        ),
    ]
    assert len(paths) > 20
    for path in paths:
        answer = site.client.request(method, path)
        assert answer.status_code < 500, path
        assert "set-cookie" not in answer.headers
    assert everything(engine) == before
    site.close()


@pytest.mark.parametrize(
    "path",
    [
        "/archive/../../.env",
        "/archive/daily/..%2f..%2f.env",
        "/archive/..%2f..%2f.env/2026-11-23",
        "/archive/daily/2026-11-23/../../../.env",
        "/%2e%2e/%2e%2e/newsletter.toml",
        "/.env",
        "/digest.sqlite3",
        "//etc/passwd",
        "/archive/daily/9999-99-99",
        "/archive/daily/2026-11-23-0000000000000000001",
    ],
)
def test_no_path_leads_to_a_file(site: Site, path: str) -> None:
    answer = site.client.get(path)
    assert answer.status_code == 404
    assert "DIGEST_SECRET_KEY" not in answer.text
