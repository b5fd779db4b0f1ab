"""The preview follows what is saved within a second, and survives what is broken."""

from __future__ import annotations

from pathlib import Path

import httpx2
import pytest

from digest.cli.serving import serving
from digest.preview.watching import Watcher, stamps
from tests.preview.conftest import CLOCK, Office, eventually


def settings_file(office: Office) -> Path:
    return office.settings.folder / "newsletter.toml"


def frame(office: Office) -> str:
    return office.page.get(f"{office.desk.path(1)}/frame").text


def page(office: Office) -> str:
    return office.page.get(office.desk.path(1)).text


def fault(office: Office) -> str:
    """What stands above the issue, and nothing when all is well."""
    return page(office).partition('data-live="fault">')[2].partition("</div>")[0].strip()


def change(file: Path, old: str, new: str) -> None:
    text = file.read_text(encoding="utf-8")
    assert old in text
    file.write_text(text.replace(old, new), encoding="utf-8")


def test_newsletter_toml_is_read_again_when_it_is_saved(office: Office) -> None:
    before = office.desk.changes
    change(settings_file(office), "4 Customs Quay", "5 Customs Quay")
    eventually(lambda: office.desk.changes > before, 1.0)
    assert "5 Customs Quay" in frame(office)


def test_a_broken_newsletter_toml_is_told_and_the_last_sound_one_is_used(office: Office) -> None:
    change(settings_file(office), 'language = "en"', 'langage = "en"')
    eventually(lambda: "langage" in page(office))
    assert "did you mean language" in page(office)
    assert "The Marenholt Morning" in frame(office)
    change(settings_file(office), "langage", "language")
    eventually(lambda: "langage" not in page(office))


def test_an_own_template_is_followed_and_its_fault_is_shown(office: Office) -> None:
    from digest.resources import templates_dir

    own = office.settings.folder / "templates" / "daily"
    own.mkdir(parents=True)
    text = (templates_dir() / "daily" / "issue.txt.j2").read_text(encoding="utf-8")
    before = office.desk.changes
    (own / "issue.txt.j2").write_text(text + "\nPrinted on paper that does not exist.\n", encoding="utf-8")
    eventually(lambda: office.desk.changes > before, 1.0)
    assert "Printed on paper" in office.page.get(office.desk.path(1), params={"view": "text"}).text
    (own / "issue.txt.j2").write_text(text + "\n{{ no_such_thing }}\n", encoding="utf-8")
    eventually(lambda: "no_such_thing" in page(office))
    (own / "issue.txt.j2").write_text(text, encoding="utf-8")
    eventually(lambda: "no_such_thing" not in page(office))


def test_unreadable_colours_are_told_with_their_contrast(office: Office) -> None:
    with settings_file(office).open("a", encoding="utf-8") as file:
        file.write('\n[theme.light]\npaper = "#ffffff"\nink = "#eeeeee"\n')
    eventually(lambda: "contrast" in page(office).lower())
    assert office.page.get(office.desk.path(1)).status_code == 200


CONTRACT = "{# dontmiss template contract 1 #}\n"
BAD_TEMPLATES = {
    "a loop that never ends": (
        CONTRACT + "{% for a in range(99999) %}{% for b in range(99999) %}{% endfor %}{% endfor %}",
        "daily/issue.mjml.j2:2: stopped: it takes more than",
    ),
    "a gigabyte": (CONTRACT + "{{ 'x' * 1000000000 }}", "daily/issue.mjml.j2:2: stopped:"),
    "a template of an older contract": (
        "{# dontmiss template contract 0 #}\n<mjml></mjml>",
        "daily/issue.mjml.j2:1: was made for contract 0",
    ),
    "an element that is not closed": (
        CONTRACT + "<mjml><mj-body>\n<mj-section></mj-body></mjml>",
        "daily/issue.mjml.j2:3: &lt;mj-section&gt; is not closed",
    ),
    "a byte that is no text": (CONTRACT.encode() + b"\xff", "daily/issue.mjml.j2"),
}


@pytest.mark.slow
@pytest.mark.parametrize(("source", "told"), BAD_TEMPLATES.values(), ids=BAD_TEMPLATES.keys())
def test_a_bad_template_is_told_in_one_line_and_the_page_stays_up(
    office: Office, source: str | bytes, told: str
) -> None:
    own = office.settings.folder / "templates" / "daily"
    own.mkdir(parents=True)
    file = own / "issue.mjml.j2"
    file.write_bytes(source if isinstance(source, bytes) else source.encode())
    eventually(lambda: told in fault(office))
    assert fault(office).count("<p") == 1
    assert "Traceback" not in page(office)
    file.unlink()
    eventually(lambda: not fault(office))
    assert "The Marenholt Morning" in frame(office)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("theme", "told"),
    [
        ('[theme.light]\nink = "#eeeeee"', "1.2:1"),
        ('[theme]\nlogo = "logo.png"', "theme.logo"),
        ('[theme]\nheadline_font = "x; } body {"', "headline_font"),
        ('[theme.light]\nink = "red"', "theme.light.ink"),
    ],
    ids=["unreadable colours", "a logo that is no address", "a font that is CSS", "a colour by name"],
)
def test_a_bad_theme_is_told_in_one_line_and_the_page_stays_up(office: Office, theme: str, told: str) -> None:
    sound = settings_file(office).read_text(encoding="utf-8")
    settings_file(office).write_text(f"{sound}\n{theme}\n", encoding="utf-8")
    eventually(lambda: told in fault(office))
    settings_file(office).write_text(sound, encoding="utf-8")
    eventually(lambda: not fault(office))


def test_a_story_of_hostile_html_is_printed_as_words(office: Office) -> None:
    (story,) = (office.settings.folder / "notebook").glob("bridge-opening-live.md")
    evil = "The old bridge </title></style><script>alert(1)</script><img src=x onerror=alert(1)>"
    change(story, "The old bridge opens for a tall ship", evil)
    eventually(lambda: "The old bridge opens for a tall ship" not in frame(office))
    shown = frame(office)
    assert "<script" not in shown
    assert "<img src=x" not in shown
    assert not fault(office)


def test_a_finding_in_a_template_leads_to_its_line(office: Office) -> None:
    from digest.resources import templates_dir

    own = office.settings.folder / "templates" / "daily"
    own.mkdir(parents=True)
    text = (templates_dir() / "daily" / "issue.mjml.j2").read_text(encoding="utf-8")
    bare = '<mj-section><mj-column><mj-image src="https://x.example/a.png" /></mj-column></mj-section>\n'
    marked = text.replace("{{ footer() }}", bare + "{{ footer() }}")
    (own / "issue.mjml.j2").write_text(marked, encoding="utf-8")
    line = marked[: marked.index("<mj-image")].count("\n") + 1
    eventually(lambda: f"/template/daily/issue.mjml.j2#L{line}" in page(office))
    source = office.page.get(f"/{office.desk.token}/template/daily/issue.mjml.j2").text
    assert f'id="L{line}"' in source
    assert "your own copy" in source
    for path in (
        "daily/nothing.j2",
        "../newsletter.toml",
        "web/preview.html",
        "daily/..%2f..%2fnewsletter.toml",
    ):
        assert office.page.get(f"/{office.desk.token}/template/{path}").status_code == 404


def test_a_story_that_is_saved_is_printed_anew(office: Office) -> None:
    (story,) = (office.settings.folder / "notebook").glob("bridge-opening-live.md")
    change(story, "The old bridge opens for a tall ship", "The bridge lifts again")
    eventually(lambda: "The bridge lifts again" in frame(office))


def test_an_edit_by_somebody_else_reaches_an_open_page(office: Office) -> None:
    with (
        serving(office.desk.page) as address,
        httpx2.Client(timeout=5) as client,
        client.stream("GET", f"{address}/{office.desk.token}/events?since={office.desk.changes}") as events,
    ):
        lines = events.iter_lines()
        assert next(lines) == "retry: 500"
        from digest.pipeline.edit import edit_issue

        begun = CLOCK.monotonic()
        edit_issue(office.desk.app.sessions, 1, now=CLOCK.now(), subject="From the command line")
        assert next(line for line in lines if line.startswith("event:")) == "event: changed"
        assert CLOCK.monotonic() - begun < 1.0


def test_hidden_files_of_editors_are_nobodys_business(tmp_path: Path) -> None:
    (tmp_path / "a.md").write_text("x")
    before = stamps([tmp_path])
    (tmp_path / ".a.md.swp").write_text("y")
    assert stamps([tmp_path]) == before
    (tmp_path / "b.md").write_text("z")
    assert set(stamps([tmp_path])) == {str(tmp_path / "a.md"), str(tmp_path / "b.md")}


def test_a_look_that_fails_is_made_again() -> None:
    seen: list[object] = []
    answers: list[object] = [1, OSError("locked"), 1, 2]

    def look() -> object:
        answer = answers.pop(0) if len(answers) > 1 else answers[0]
        if isinstance(answer, OSError):
            raise answer
        return answer

    watcher = Watcher(look, lambda before, now: seen.append((before, now)))
    eventually(lambda: seen == [(1, 2)])
    watcher.close()
