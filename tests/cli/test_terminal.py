"""What strangers wrote is text for the terminal, never a command to it."""

from __future__ import annotations

import pytest

from digest.cli.output import console, rows


def test_a_headline_steers_no_terminal(capsys: pytest.CaptureFixture[str]) -> None:
    out = console()
    title = "Harbour\x1b[2J\x1b]0;owned\x07\x9b31m \u202eopens\rearly"
    rows(out, ["title"], [(title,)], empty="")
    out.print(title, markup=False)
    shown = capsys.readouterr().out
    assert "Harbour" in shown
    assert "opens" in shown
    assert not set("\x1b\x07\x9b\r\u202e") & set(shown)
