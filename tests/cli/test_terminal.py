"""What strangers wrote is text for the terminal, never a command to it."""

from __future__ import annotations

import json

import pytest

from digest.cli.output import console, print_json, rows


def test_a_headline_steers_no_terminal(capsys: pytest.CaptureFixture[str]) -> None:
    out = console()
    title = "Harbour\x1b[2J\x1b]0;owned\x07\x9b31m \u202eopens\rearly"
    rows(out, ["title"], [(title,)], empty="")
    out.print(title, markup=False)
    shown = capsys.readouterr().out
    assert "Harbour" in shown
    assert "opens" in shown
    assert not set("\x1b\x07\x9b\r\u202e") & set(shown)


TITLE = "Harbour\x1b[2J\x7f\x9b31m \u202eopens\u202d \ud83d\n"


def test_json_steers_no_terminal_and_says_the_same(capsys: pytest.CaptureFixture[str]) -> None:
    print_json({"title": TITLE, "list": [TITLE]})
    shown = capsys.readouterr().out
    assert not set("\x1b\x7f\x9b\u202e\u202d\ud83d") & set(shown)
    assert json.loads(shown) == {"title": TITLE, "list": [TITLE]}


@pytest.mark.parametrize("number", [0, 1, 3])
def test_a_long_list_is_written_as_it_comes_one_object_a_line(
    capsys: pytest.CaptureFixture[str], number: int
) -> None:
    things = [{"title": TITLE, "number": n} for n in range(number)]
    print_json(iter(things))
    shown = capsys.readouterr().out
    assert json.loads(shown) == things
    assert len(shown.splitlines()) == (number + 2 if number else 1)
    assert not set("\x1b\x7f\x9b\u202e\u202d\ud83d") & set(shown)


WHY = "number 3 of section world"


@pytest.mark.parametrize("width", [20, 30, 50, 80, 200])
def test_no_table_cuts_what_it_says_however_narrow_the_screen(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, width: int
) -> None:
    monkeypatch.setenv("COLUMNS", str(width))
    words = ["12", "section", "world", "Donaudampfschiff erneut verschoben", "0.8731", "age 0.87", WHY]
    rows(
        console(), ["#Article", "Slot", "Section", "Headline", "#Score", "Factors", "Why"], [words], empty=""
    )
    shown = capsys.readouterr().out
    assert all(len(line) <= width for line in shown.splitlines())
    assert "…" not in shown
    squeezed = "".join(shown.split())
    for word in " ".join(words).split():
        assert word in (squeezed if width < 50 else shown), (width, word)


def test_a_headline_without_spaces_leaves_a_table_a_table(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "80")
    line = ["12", "流动图书馆抵达最后一个村庄孩子们从早上六点开始排队", "2026-03-10"]
    rows(console(), ["#Article", "Headline", "Published"], [line] * 2, empty="")
    shown = capsys.readouterr().out
    assert shown.count("Headline") == 1
