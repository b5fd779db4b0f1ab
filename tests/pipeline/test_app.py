"""The composition root: what stands between an issue and its first copy."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import pytest

from digest.app import App
from digest.clock import StoppedClock
from digest.errors import PreflightFailed, SourceUnavailable
from digest.issues.view import issue_view
from digest.pipeline.begin import begin
from digest.pipeline.build import build_issue
from digest.pipeline.collect import collect
from digest.settings import load
from digest.sources.http import Gone, Request, Response
from subscribers.membership.lists import create_list

NOW = datetime(2026, 11, 23, 7, tzinfo=UTC)
STORIES = {
    "Harbour wall stands again after the storm": "Masons laid the last stone on Friday, and boats are back.",
    "Library lends out its ladders": "Whoever paints a ceiling this spring need not buy anything at all.",
    "Market moves indoors for the winter": "Forty stalls found room under the old station roof this week.",
    "Bridge tolls end at midnight": "The council voted nine to two; drivers will save a coin each way.",
}


class Web:
    """The internet as far as this test goes: one page is gone, one server is down, the rest answer."""

    def get(self, request: Request) -> Response:
        if request.url.endswith("/1"):
            raise Gone("the server answers 410")
        if request.url.endswith("/2"):
            raise SourceUnavailable("no answer")
        return Response(request.url, 200, {})


class Offline(App):
    def http(self) -> Web:  # type: ignore[override]
        return Web()


@pytest.fixture
def app(tmp_path: Path) -> Offline:
    begin(tmp_path, name="Harbour", url="https://harbour.example")
    (tmp_path / "newsletter.toml").write_text(
        '[newsletter]\nname = "Harbour"\nurl = "https://harbour.example"\nsender = "daily@harbour.example"\n'
        'postal_address = "1 Quay"\n[[sources]]\nname = "s"\nurl = "stories"\n'
        '[[sections]]\nname = "City"\n[editions.daily]\n'
    )
    (tmp_path / "stories").mkdir()
    for place, (title, text) in enumerate(STORIES.items()):
        (tmp_path / "stories" / f"{place}.md").write_text(
            f"---\ntitle: {title}\nsection: City\nurl: https://harbour.example/{place}\n---\n\n{text}\n"
        )
    made = Offline(load(tmp_path), StoppedClock(NOW))
    with made.sessions.begin() as session:
        create_list(session, "daily", now=NOW)
    collect(made.sessions, made.settings, clock=made.clock, http=made.http())
    return made


def test_a_story_whose_page_is_gone_is_left_out_and_the_issue_goes_out(app: Offline) -> None:
    issue = build_issue(app.sessions, app.settings, "daily", now=NOW)
    assert issue.id is not None
    assert issue.stories == 4
    app.examiner()(issue.id)
    with app.readers() as session:
        printed = {item.headline for item in issue_view(session, issue.id).items}
    assert printed == set(STORIES) - {"Library lends out its ladders"}
    app.close()


def test_an_issue_that_must_not_be_sent_is_refused(app: Offline, tmp_path: Path) -> None:
    toml = tmp_path / "newsletter.toml"
    toml.write_text(toml.read_text().replace('"1 Quay"', '""'))
    careless = Offline(load(tmp_path), app.clock)
    issue = build_issue(careless.sessions, careless.settings, "daily", now=NOW)
    assert issue.id is not None
    with pytest.raises(PreflightFailed, match="postal"):
        careless.examiner()(issue.id)
    careless.close()
    app.close()
